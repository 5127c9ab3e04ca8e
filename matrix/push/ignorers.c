/* matrix/push/ignorers.c: who ignores a user, from the process's cache or the table that account data keeps. */
#include "push/ignorers.h"

#include <ganglion/map.h>

enum { CACHE_BYTES = 4 << 20, ENTRY_BYTES = 96 };

static void free_map(void *map)
{
    gg_map_free(map);
}

void mx_push_ignorers_make(struct mx_server *server)
{
    server->push->ignored_by = mx_cache_new(server, &(struct mx_cache_def){"ignored_by", CACHE_BYTES, free_map});
}

static const struct gg_stmt select_ignorers = {"SELECT ignorer_user_id FROM ignored_users WHERE ignored_user_id = $1",
                                               GG_LANE_POINT};

static void free_map_later(void *map)
{
    gg_map_free(map);
}

static struct gg_map *map_of(const struct gg_rows *rows)
{
    struct gg_map *map = gg_map_new(NULL);
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        gg_map_put(map, gg_rows_str(rows, i, 0), NULL);
    return map;
}

int mx_push_ignorers(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, const struct gg_map **out,
                     struct gg_error *err)
{
    struct mx_cache *cache = server->push->ignored_by;
    const struct gg_map *known = mx_cache_get(cache, user_id);
    if (known) {
        *out = gg_map_count(known) ? known : NULL;
        return 0;
    }
    uint64_t tick = mx_cache_tick(cache);
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_ignorers, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    if (rc)
        return rc;
    size_t n = gg_rows_count(rows);
    struct gg_map *own = n ? map_of(rows) : NULL; /* the cache may refuse what it is given */
    if (own)
        gg_arena_defer(arena, free_map_later, own);
    (void)mx_cache_put(cache, user_id, map_of(rows), sizeof(void *) + n * ENTRY_BYTES, tick);
    *out = own;
    return 0;
}
