/* matrix/appservice/sending/counts.c: what the devices of a service's users still have to give (MSC3202): of its sender, of
 * its users in the rooms of a transaction, and of those who get messages in it. */
#include "appservice/sending/sending.h"

#include <ganglion/matrix/event.h>
#include <ganglion/matrix/heads.h>

enum { MAX_USERS = 5000 }; /* of a transaction: those who are more are told with the next */

static void add_user(struct gg_map *users, struct gg_str user_id)
{
    if (gg_map_count(users) < MAX_USERS)
        gg_map_put(users, user_id, NULL);
}

static int add_room(struct mx_as_queue *q, struct gg_str room_id, struct gg_map *users, struct gg_error *err)
{
    struct mx_server *server = q->sending->server;
    struct gg_arena *arena = gg_arena_new();
    const struct mx_head *head;
    const struct gg_str *joined;
    size_t n = 0;
    int rc = mx_heads_get(server, room_id, arena, &head, err);
    if (rc == 0)
        rc = mx_heads_joined(server, head, arena, &joined, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (mx_is_mine(server, joined[i]) && mx_appservice_has_user(q->service, joined[i]))
            add_user(users, joined[i]);
    gg_arena_free(arena);
    if (rc == GG_E_NOT_FOUND) {
        *err = (struct gg_error)GG_ERROR_INIT;
        rc = 0;
    }
    return rc;
}

static int find_users(struct mx_as_queue *q, const struct mx_event *const *events, size_t n, struct gg_map *users, struct gg_error *err)
{
    struct gg_map *rooms = gg_map_new(NULL);
    struct gg_str key;
    void *value;
    int rc = 0;
    add_user(users, gg_str(q->service->sender));
    for (size_t i = 0; i < n; i++)
        if (events[i] != NULL)
            gg_map_put(rooms, events[i]->room_id, NULL);
    for (size_t i = 0; gg_map_next(q->extras.rooms, &i, &key, &value);)
        gg_map_put(rooms, key, NULL);
    for (size_t i = 0; rc == 0 && gg_map_next(rooms, &i, &key, &value);)
        rc = add_room(q, key, users, err);
    for (size_t i = 0; gg_map_next(q->extras.users, &i, &key, &value);)
        add_user(users, key);
    gg_map_free(rooms);
    return rc;
}

/* {user: {device: {algorithm: count}}}, or with lists of algorithms in the place of the innermost. */
static void write_keys(struct gg_buf *out, const struct mx_as_keys *v, size_t n, bool list)
{
    bool first = true;
    gg_buf_char(out, '{');
    for (size_t i = 0; i < n; i++) {
        bool user = i == 0 || !gg_str_eq(v[i].user_id, v[i - 1].user_id);
        bool device = user || !gg_str_eq(v[i].device_id, v[i - 1].device_id);
        if (device && i > 0)
            gg_buf_text(out, list ? "]" : "}");
        if (user) {
            gg_buf_text(out, i > 0 ? "}," : "");
            gg_buf_json_string(out, v[i].user_id);
            gg_buf_lit(out, ":{");
        }
        if (device) {
            gg_buf_text(out, user ? "" : ",");
            gg_buf_json_string(out, v[i].device_id);
            gg_buf_text(out, list ? ":[" : ":{");
            first = true;
        }
        if (v[i].algorithm.s == NULL)
            continue;
        gg_buf_text(out, first ? "" : ",");
        first = false;
        gg_buf_json_string(out, v[i].algorithm);
        if (!list)
            gg_buf_printf(out, ":%lld", (long long)v[i].count);
    }
    if (n > 0)
        gg_buf_text(out, list ? "]}" : "}}");
    gg_buf_char(out, '}');
}

int mx_as_write_counts(struct mx_as_queue *q, const struct mx_event *const *events, size_t n, struct gg_arena *arena,
                       struct gg_buf *out, struct gg_error *err)
{
    struct gg_map *users = gg_map_new(NULL);
    struct mx_as_keys *counts, *unused;
    size_t n_counts = 0, n_unused = 0, n_users = 0;
    int rc = find_users(q, events, n, users, err);
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, gg_map_count(users) + 1), key;
    void *value;
    for (size_t i = 0; gg_map_next(users, &i, &key, &value);)
        ids[n_users++] = key;
    if (rc == 0)
        rc = mx_as_key_counts(q->sending->server, ids, n_users, false, arena, &counts, &n_counts, err);
    if (rc == 0)
        rc = mx_as_key_counts(q->sending->server, ids, n_users, true, arena, &unused, &n_unused, err);
    gg_map_free(users);
    if (rc != 0)
        return rc;
    static const char *const names[] = {"device_one_time_key_counts", "device_one_time_keys_count"}; /* as it was misspelt once */
    for (size_t i = 0; i < GG_COUNT(names) && n_counts > 0; i++) {
        gg_buf_printf(out, ",\"org.matrix.msc3202.%s\":", names[i]);
        write_keys(out, counts, n_counts, false);
    }
    if (n_unused > 0) {
        gg_buf_lit(out, ",\"org.matrix.msc3202.device_unused_fallback_key_types\":");
        write_keys(out, unused, n_unused, true);
    }
    return 0;
}
