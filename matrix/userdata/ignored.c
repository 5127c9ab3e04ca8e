/* matrix/userdata/ignored.c: whom a user ignores, from the process's cache or the table that account data keeps. */
#include "userdata/ignored.h"

#include <ganglion/log.h>
#include <ganglion/matrix/cache.h>
#include <stdlib.h>

enum { CACHE_BYTES = 4 * 1024 * 1024 };

/* One allocation: the ids one after the other, each closed by a NUL. */
struct list {
    size_t n, bytes;
    char text[];
};

void mx_ignored_make(struct mx_server *server)
{
    server->ignored_users = mx_cache_new(server, &(struct mx_cache_def){"ignored_users", CACHE_BYTES, free});
}

static void copy_out(const struct list *list, struct gg_arena *arena, const struct gg_str **out, size_t *n_out)
{
    struct gg_str *users = GG_NEW_ARRAY(arena, struct gg_str, list->n + 1);
    const char *p = list->text;
    for (size_t i = 0; i < list->n; i++) {
        users[i] = gg_arena_str(arena, gg_str(p));
        p += strlen(p) + 1;
    }
    *out = users;
    *n_out = list->n;
}

static struct list *list_of(const struct gg_rows *rows)
{
    size_t bytes = 0;
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        bytes += gg_rows_str(rows, i, 0).n + 1;
    struct list *list = calloc(1, sizeof(*list) + bytes);
    GG_ASSERT(list != NULL);
    list->n = gg_rows_count(rows);
    list->bytes = bytes;
    char *p = list->text;
    for (size_t i = 0; i < list->n; i++) {
        struct gg_str user = gg_rows_str(rows, i, 0);
        memcpy(p, user.s, user.n);
        p += user.n + 1;
    }
    return list;
}

static const struct gg_stmt select_ignored = {"SELECT ignored_user_id FROM ignored_users WHERE ignorer_user_id = $1", GG_LANE_POINT};

int mx_ignored_users(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, const struct gg_str **out,
                     size_t *n_out, struct gg_error *err)
{
    const struct list *known = mx_cache_get(server->ignored_users, user_id);
    if (known != NULL) {
        copy_out(known, arena, out, n_out);
        return 0;
    }
    uint64_t tick = mx_cache_tick(server->ignored_users);
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_ignored, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    if (rc != 0)
        return rc;
    struct list *list = list_of(rows);
    copy_out(list, arena, out, n_out);
    mx_cache_put(server->ignored_users, user_id, list, sizeof(*list) + list->bytes, tick);
    return 0;
}
