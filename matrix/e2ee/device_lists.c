/* matrix/e2ee/device_lists.c: whose devices a user hears of between two tokens. */
#include "e2ee/device_lists.h"

#include "e2ee/e2ee.h"

struct gathering {
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_str user_id;
    const struct mx_user_room *rooms;
    size_t n;
    int64_t from, to;              /* device_lists */
    int64_t room_from, room_to;    /* events */
    struct gg_str *joined;         /* rooms that the user is in */
    size_t n_joined;
    struct gg_map *changed, *left; /* user ids */
};

static void put(struct gg_map *users, struct gg_str user_id)
{
    gg_map_put(users, user_id, NULL);
}

/* One column of user ids into a set. */
static int read_into(struct gathering *g, struct gg_map *users, const struct gg_stmt *stmt, const struct gg_param *params,
                     size_t n, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(g->server->db, stmt, params, n, g->arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        put(users, gg_rows_str(rows, i, 0));
    return rc;
}

/* ---- devices and signatures ---- */

static int own_changes(struct gathering *g, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT user_id FROM device_lists_stream WHERE user_id = $1 AND stream_id > $2 AND stream_id <= $3"
        " UNION SELECT json_array_elements_text(user_ids::json) FROM user_signature_stream"
        " WHERE from_user_id = $1 AND stream_id > $2 AND stream_id <= $3", GG_LANE_POINT};
    if (!mx_changes_after(g->server->e2ee->list_users, g->user_id, g->from))
        return 0;
    return read_into(g, g->changed, &stmt, GG_PARAMS(gg_p_str(g->user_id), gg_p_i64(g->from), gg_p_i64(g->to)), err);
}

/* What device_lists_changes_in_room holds is forgotten after a month; then the newest change of each device and who is in
 * the rooms now have to do. */
static int changes_in_rooms(struct gathering *g, const struct gg_str *rooms, size_t n, struct gg_error *err)
{
    static const struct gg_stmt pruned = {
        "SELECT coalesce(max(stream_id), 0) > $1 FROM device_lists_changes_in_room_max_pruned_stream_id", GG_LANE_POINT};
    static const struct gg_stmt recent = {
        "SELECT DISTINCT user_id FROM device_lists_changes_in_room WHERE room_id = ANY ($1::text[]) AND stream_id > $2"
        " AND stream_id <= $3", GG_LANE_POINT};
    static const struct gg_stmt old = {
        "SELECT DISTINCT s.user_id FROM device_lists_stream s JOIN current_state_events c ON c.type = 'm.room.member'"
        " AND c.state_key = s.user_id AND c.membership = 'join' AND c.room_id = ANY ($1::text[])"
        " WHERE s.stream_id > $2 AND s.stream_id <= $3", GG_LANE_SCAN};
    struct gg_rows *rows;
    int rc = gg_db_read(g->server->db, &pruned, GG_PARAMS(gg_p_i64(g->from)), g->arena, &rows, err);
    if (rc != 0)
        return rc;
    bool too_old = gg_rows_count(rows) > 0 && gg_rows_bool(rows, 0, 0);
    return read_into(g, g->changed, too_old ? &old : &recent,
                     GG_PARAMS(gg_p_texts(rooms, n), gg_p_i64(g->from), gg_p_i64(g->to)), err);
}

/* Which of the rooms changed after a position: as many steps as changes, or as rooms, whichever are fewer. */
static bool *find_moved(struct gathering *g, const struct mx_changes *changes, int64_t from)
{
    const struct mx_user_rooms rooms = {.v = g->rooms, .n = g->n};
    bool *marks = GG_NEW_ARRAY(g->arena, bool, g->n + 1);
    uint32_t *at = GG_NEW_ARRAY(g->arena, uint32_t, g->n + 1);
    size_t n = 0;
    mx_changes_mark(changes, &rooms, from, marks, at, &n);
    return marks;
}

static int shared_changes(struct gathering *g, struct gg_error *err)
{
    const struct mx_e2ee *e = g->server->e2ee;
    struct gg_str *moved = GG_NEW_ARRAY(g->arena, struct gg_str, g->n_joined + 1);
    size_t n = 0;
    bool behind = g->to > e->rooms_known && e->rooms_known < e->list_seen; /* rooms of the newest are being read */
    bool *marks = find_moved(g, e->list_rooms, g->from);
    for (size_t i = 0; i < g->n; i++)
        if (gg_str_is(g->rooms[i].membership, "join") && (behind || marks[i]))
            moved[n++] = g->rooms[i].room_id;
    return n > 0 ? changes_in_rooms(g, moved, n, err) : 0;
}

/* ---- who came and went ---- */

static int add_members(struct gathering *g, struct gg_map *users, struct gg_str room_id, struct gg_error *err)
{
    const struct mx_head *head;
    const struct gg_str *members;
    size_t n;
    int rc = mx_heads_get(g->server, room_id, g->arena, &head, err);
    if (rc == 0)
        rc = mx_heads_joined(g->server, head, g->arena, &members, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        put(users, members[i]);
    return rc;
}

static bool is_joined(const struct gathering *g, struct gg_str room_id)
{
    const struct mx_user_rooms rooms = {.v = g->rooms, .n = g->n};
    const struct mx_user_room *room = mx_user_rooms_find(&rooms, room_id);
    return room != NULL && gg_str_is(room->membership, "join");
}

/* One change of a membership, in the order of the stream. */
static int one_change(struct gathering *g, const struct gg_rows *rows, size_t i, struct gg_error *err)
{
    struct gg_str room_id = gg_rows_str(rows, i, 0), user = gg_rows_str(rows, i, 1);
    struct gg_str now = gg_rows_str(rows, i, 2), before = gg_rows_str(rows, i, 3);
    bool was_in = gg_str_is(before, "join"), is_in = gg_str_is(now, "join"), here = is_joined(g, room_id);
    if (gg_str_eq(user, g->user_id)) {
        if (is_in && !was_in && here)
            return add_members(g, g->changed, room_id, err);
        return was_in && !is_in && !here ? add_members(g, g->left, room_id, err) : 0;
    }
    if (!here)
        return 0;
    if (is_in || gg_str_is(now, "invite") || gg_str_is(now, "knock")) {
        if (!is_in || !was_in) /* a new name is no news of devices */
            put(g->changed, user);
        gg_map_delete(g->left, user);
    } else if (was_in) {
        put(g->left, user);
        gg_map_delete(g->changed, user);
    }
    return 0;
}

static int memberships(struct gathering *g, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT d.room_id, d.state_key, n.membership, p.membership FROM current_state_delta_stream d"
        " LEFT JOIN room_memberships n ON n.event_id = d.event_id LEFT JOIN room_memberships p ON p.event_id = d.prev_event_id"
        " WHERE d.room_id = ANY ($1::text[]) AND d.type = 'm.room.member' AND d.stream_id > $2 AND d.stream_id <= $3"
        " ORDER BY d.stream_id", GG_LANE_POINT};
    struct gg_str *moved = GG_NEW_ARRAY(g->arena, struct gg_str, g->n + 1);
    bool *marks = find_moved(g, g->server->room_changes, g->room_from);
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct mx_user_room *room = &g->rooms[i];
        bool in = gg_str_is(room->membership, "join");
        if (in ? marks[i] : room->stream_ordering > g->room_from)
            moved[n++] = room->room_id;
    }
    if (n == 0)
        return 0;
    struct gg_rows *rows;
    int rc = gg_db_read(g->server->db, &stmt, GG_PARAMS(gg_p_texts(moved, n), gg_p_i64(g->room_from), gg_p_i64(g->room_to)),
                        g->arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        rc = one_change(g, rows, i, err);
    return rc;
}

/* Who left one room but is in another shared one has not left. */
static int drop_who_stayed(struct gathering *g, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT DISTINCT state_key FROM current_state_events WHERE room_id = ANY ($1::text[]) AND type = 'm.room.member'"
        " AND state_key = ANY ($2::text[]) AND membership = 'join'", GG_LANE_POINT};
    struct gg_str *users = GG_NEW_ARRAY(g->arena, struct gg_str, gg_map_count(g->left) + 1), key;
    size_t n = 0, i = 0;
    void *value;
    gg_map_delete(g->left, g->user_id);
    while (gg_map_next(g->left, &i, &key, &value))
        users[n++] = gg_arena_str(g->arena, key);
    if (n == 0)
        return 0;
    struct gg_rows *rows;
    int rc = gg_db_read(g->server->db, &stmt, GG_PARAMS(gg_p_texts(g->joined, g->n_joined), gg_p_texts(users, n)), g->arena,
                        &rows, err);
    for (i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        gg_map_delete(g->left, gg_rows_str(rows, i, 0));
    return rc;
}

static const struct gg_str *list(struct gathering *g, struct gg_map *users, size_t *n)
{
    struct gg_str *out = GG_NEW_ARRAY(g->arena, struct gg_str, gg_map_count(users) + 1), key;
    size_t i = 0;
    void *value;
    *n = 0;
    while (gg_map_next(users, &i, &key, &value))
        out[(*n)++] = gg_arena_str(g->arena, key);
    return out;
}

int mx_device_lists_between(struct mx_server *server, struct gg_str user_id, const struct mx_user_room *rooms, size_t n,
                            const struct mx_token *from, const struct mx_token *to, struct gg_arena *arena,
                            struct mx_device_lists *out, struct gg_error *err)
{
    struct gathering g = {.server = server, .arena = arena, .user_id = user_id, .rooms = rooms, .n = n,
                          .from = from->device_lists.min, .to = mx_position_max(&to->device_lists),
                          .room_from = from->room.at.min, .room_to = mx_position_max(&to->room.at),
                          .joined = GG_NEW_ARRAY(arena, struct gg_str, n + 1)};
    for (size_t i = 0; i < n; i++)
        if (gg_str_is(rooms[i].membership, "join"))
            g.joined[g.n_joined++] = rooms[i].room_id;
    g.changed = gg_map_new(NULL);
    g.left = gg_map_new(NULL);
    int rc = memberships(&g, err);
    if (rc == 0 && gg_map_count(g.left) > 0)
        rc = drop_who_stayed(&g, err);
    if (rc == 0 && g.to > g.from)
        rc = shared_changes(&g, err);
    if (rc == 0 && g.to > g.from)
        rc = own_changes(&g, err);
    if (rc == 0) {
        out->changed = list(&g, g.changed, &out->n_changed);
        out->left = list(&g, g.left, &out->n_left);
    }
    gg_map_free(g.changed);
    gg_map_free(g.left);
    return rc;
}
