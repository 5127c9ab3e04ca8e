/* matrix/search/rooms.c: in which rooms a search looks. */
#include "search/search.h"

enum { MOST_PREDECESSORS = 100 };

static int predecessor_of(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena, struct gg_str *out,
                          struct gg_error *err)
{
    const struct mx_head *head;
    const struct mx_event *create = NULL;
    *out = (struct gg_str){0};
    int rc = mx_heads_get(server, room_id, arena, &head, err);
    if (rc == GG_E_NOT_FOUND) {
        *err = (struct gg_error)GG_ERROR_INIT;
        return 0;
    }
    if (rc == 0)
        rc = mx_heads_state_event(server, head, "m.room.create", GG_STR(""), arena, &create, err);
    if (rc == 0 && create != NULL)
        *out = mx_json_string(mx_json_path(create->content, (const char *const[]){"predecessor", "room_id", NULL}), arena);
    return rc;
}

static bool holds(const struct gg_str *ids, size_t n, struct gg_str id)
{
    for (size_t i = 0; i < n; i++)
        if (gg_str_eq(ids[i], id))
            return true;
    return false;
}

/* Each room that is named, and the chain of those before it. */
static int add_predecessors(struct mx_server *server, struct mx_filter *filter, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str *rooms = GG_NEW_ARRAY(arena, struct gg_str, filter->rooms.n + MOST_PREDECESSORS + 1);
    size_t n = 0, added = 0;
    int rc = 0;
    for (size_t i = 0; i < filter->rooms.n; i++)
        rooms[n++] = filter->rooms.v[i];
    for (size_t i = 0; rc == 0 && i < n && added < MOST_PREDECESSORS; i++) {
        struct gg_str before;
        rc = predecessor_of(server, rooms[i], arena, &before, err);
        if (rc == 0 && before.s != NULL && !holds(rooms, n, before)) {
            rooms[n++] = before;
            added++;
        }
    }
    filter->rooms.v = rooms;
    filter->rooms.n = n;
    return rc;
}

int mx_search_rooms(struct mx_server *server, struct gg_str user_id, struct mx_filter *filter, struct gg_arena *arena,
                    struct gg_str **out, size_t *n_out, struct gg_error *err)
{
    const struct mx_user_room *rooms;
    size_t n;
    int rc = filter->rooms.v != NULL ? add_predecessors(server, filter, arena, err) : 0;
    if (rc == 0)
        rc = mx_heads_rooms_of(server, user_id, arena, &rooms, &n, err);
    if (rc != 0)
        return rc;
    *out = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    *n_out = 0;
    for (size_t i = 0; i < n; i++)
        if (gg_str_is(rooms[i].membership, "join") && mx_filter_room(filter, rooms[i].room_id))
            (*out)[(*n_out)++] = gg_arena_str(arena, rooms[i].room_id);
    return 0;
}
