/* rooms.c: rooms as administrators see them. The counts of room_stats_current are used where they are kept already. */
#include "storage/admin/rooms.h"

#include <ganglion/matrix/cache.h>

#define JOINED                                                                                                         \
    "coalesce(c.joined_members, (SELECT count(*) FROM current_state_events m WHERE m.room_id = r.room_id AND "         \
    "m.type = 'm.room.member' AND m.membership = 'join'))"
#define JOINED_LOCAL                                                                                                   \
    "coalesce(c.local_users_in_room, (SELECT count(*) FROM local_current_membership m WHERE m.room_id = r.room_id AND " \
    "m.membership = 'join'))"
#define STATES                                                                                                         \
    "coalesce(c.current_state_events, (SELECT count(*) FROM current_state_events m WHERE m.room_id = r.room_id))"
#define FROM_ROOMS                                                                                                     \
    "FROM rooms r LEFT JOIN room_stats_state s ON s.room_id = r.room_id LEFT JOIN room_stats_current c ON "            \
    "c.room_id = r.room_id"
#define MEMBERS                                                                                                        \
    "'room_id', r.room_id, 'name', s.name, 'canonical_alias', s.canonical_alias, 'joined_members', " JOINED            \
    ", 'joined_local_members', " JOINED_LOCAL ", 'version', r.room_version, 'creator', r.creator, "                    \
    "'encryption', s.encryption, 'federatable', coalesce(s.is_federatable, true), 'public', coalesce(r.is_public, false), "               \
    "'join_rules', s.join_rules, 'guest_access', s.guest_access, 'history_visibility', s.history_visibility, "         \
    "'state_events', " STATES ", 'room_type', s.room_type"

/* descending: how the order goes without dir=b */
static const struct order {
    const char *name;
    bool number, descending;
} orders[] = {
    {"alphabetical", false, false}, {"name", false, false},          {"canonical_alias", false, false},
    {"size", true, true},           {"joined_members", true, true},  {"joined_local_members", true, true},
    {"version", false, true},       {"creator", false, false},       {"encryption", false, false},
    {"federatable", true, false},   {"public", true, false},         {"join_rules", false, false},
    {"guest_access", false, false}, {"history_visibility", false, false}, {"state_events", true, true},
};

static const struct order *find_order(const char *name)
{
    for (size_t i = 0; i < GG_COUNT(orders); i++)
        if (strcmp(orders[i].name, name) == 0)
            return &orders[i];
    return NULL;
}

bool mx_admin_rooms_order(const char *name)
{
    return find_order(name) != NULL;
}

#define KEY_TEXT                                                                                                       \
    "CASE $5 WHEN 'alphabetical' THEN s.name WHEN 'name' THEN s.name WHEN 'canonical_alias' THEN s.canonical_alias "   \
    "WHEN 'version' THEN r.room_version WHEN 'creator' THEN r.creator WHEN 'encryption' THEN s.encryption "            \
    "WHEN 'join_rules' THEN s.join_rules WHEN 'guest_access' THEN s.guest_access "                                     \
    "WHEN 'history_visibility' THEN s.history_visibility END"
#define KEY_NUMBER                                                                                                     \
    "CASE $5 WHEN 'size' THEN " JOINED " WHEN 'joined_members' THEN " JOINED " WHEN 'joined_local_members' THEN "      \
    JOINED_LOCAL " WHEN 'federatable' THEN coalesce(s.is_federatable, true)::int WHEN 'public' THEN r.is_public::int " \
    "WHEN 'state_events' THEN " STATES " END"
#define WHERE                                                                                                          \
    " WHERE ($1::text IS NULL OR position(lower($1) in lower(s.name)) > 0 OR position(lower($1) in "                   \
    "lower(split_part(s.canonical_alias, ':', 1))) > 0 OR r.room_id = $1) AND ($2::boolean IS NULL OR "                \
    "coalesce(r.is_public, false) = $2) AND ($3::boolean IS NULL OR (" JOINED " = 0) = $3)"

int mx_admin_rooms_list(struct mx_server *server, const struct mx_admin_rooms_query *q, struct gg_arena *arena,
                        struct gg_str *rooms_out, int64_t *total_out, struct gg_error *err)
{
    static const struct gg_stmt count = {"SELECT count(*) " FROM_ROOMS WHERE, GG_LANE_SCAN};
    static const struct gg_stmt page = {
        "WITH page AS (SELECT r.room_id, row_number() OVER () AS place FROM (SELECT r.room_id " FROM_ROOMS WHERE
        " ORDER BY CASE WHEN NOT $4 THEN " KEY_TEXT " END, CASE WHEN $4 THEN " KEY_TEXT " END DESC, "
        "CASE WHEN NOT $4 THEN " KEY_NUMBER " END, CASE WHEN $4 THEN " KEY_NUMBER " END DESC, "
        "CASE WHEN NOT $4 THEN r.room_id END, CASE WHEN $4 THEN r.room_id END DESC "
        "OFFSET $6::bigint LIMIT $7::bigint) r) "
        "SELECT coalesce(json_agg(json_build_object(" MEMBERS ") ORDER BY p.place), '[]')::text FROM page p "
        "JOIN (SELECT * FROM rooms) r ON r.room_id = p.room_id LEFT JOIN room_stats_state s ON s.room_id = r.room_id "
        "LEFT JOIN room_stats_current c ON c.room_id = r.room_id",
        GG_LANE_SCAN};
    const struct order *order = find_order(q->order_by);
    struct gg_rows *rows;
    const struct gg_param params[] = {gg_p_str(q->search),
                                      mx_p_flag(q->is_public),
                                      mx_p_flag(q->empty),
                                      gg_p_bool(order->descending != q->backwards),
                                      gg_p_text(order->name),
                                      gg_p_i64(q->from),
                                      gg_p_i64(q->limit)};
    int status = gg_db_read(server->db, &count, params, 3, arena, &rows, err);
    if (status)
        return status;
    *total_out = gg_rows_i64(rows, 0, 0);
    return mx_admin_ask(server, &page, params, 7, arena, rooms_out, err);
}

const struct gg_stmt mx_admin_room_details = {
    "SELECT json_build_object(" MEMBERS ", 'avatar', s.avatar, 'topic', s.topic, 'joined_local_devices', (SELECT count(*) "
    "FROM devices d JOIN local_current_membership m ON m.user_id = d.user_id WHERE m.room_id = r.room_id AND "
    "m.membership = 'join' AND NOT coalesce(d.hidden, false)), 'forgotten', (SELECT count(*) > 0 AND bool_and(coalesce("
    "m.forgotten, 0) = 1) FROM local_current_membership l JOIN room_memberships m USING (event_id) WHERE l.room_id = r.room_id), "
    "'tombstoned', t.event_id IS NOT NULL, 'replacement_room', (SELECT j.json::json -> 'content' ->> 'replacement_room' "
    "FROM event_json j WHERE j.event_id = t.event_id))::text " FROM_ROOMS " LEFT JOIN current_state_events t ON "
    "t.room_id = r.room_id AND t.type = 'm.room.tombstone' AND t.state_key = '' WHERE r.room_id = $1",
    GG_LANE_SCAN};

const struct gg_stmt mx_admin_room_members = {
    "SELECT json_build_object('members', coalesce(m.members, '[]'), 'total', coalesce(m.n, 0))::text FROM rooms r LEFT JOIN "
    "LATERAL (SELECT json_agg(state_key ORDER BY state_key) AS members, count(*) AS n FROM current_state_events e WHERE "
    "e.room_id = r.room_id AND e.type = 'm.room.member' AND e.membership = 'join') m ON true WHERE r.room_id = $1",
    GG_LANE_SCAN};

const struct gg_stmt mx_admin_room_extremities = {
    "SELECT json_build_object('count', count(*), 'results', coalesce(json_agg(json_build_object('event_id', f.event_id, "
    "'state_group', g.state_group, 'depth', e.depth, 'received_ts', e.received_ts) ORDER BY e.stream_ordering), '[]'))::text "
    "FROM event_forward_extremities f JOIN events e USING (event_id) LEFT JOIN event_to_state_groups g USING (event_id) "
    "WHERE f.room_id = $1",
    GG_LANE_POINT};

const struct gg_stmt mx_admin_rooms_sizes = {
    "SELECT json_build_object('rooms', coalesce(json_agg(json_build_object('room_id', room_id, 'estimated_size', size) "
    "ORDER BY size DESC, room_id), '[]'))::text FROM (SELECT room_id, sum(n) * (SELECT greatest(1, "
    "pg_total_relation_size('state_groups_state') / greatest(1, (SELECT count(*) FROM state_groups_state)))) AS size FROM "
    "(SELECT room_id, count(*) AS n FROM state_groups_state GROUP BY room_id) c GROUP BY room_id ORDER BY size DESC "
    "LIMIT $1::bigint) s",
    GG_LANE_SCAN};

struct work {
    struct gg_str room_id;
    int64_t n;
    struct gg_arena *arena;
    struct mx_forget forget;
};

static int one_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "WITH newest AS (SELECT f.event_id FROM event_forward_extremities f JOIN events e USING (event_id) WHERE "
        "f.room_id = $1 ORDER BY e.stream_ordering DESC LIMIT 1), gone AS (DELETE FROM event_forward_extremities f "
        "USING newest n WHERE f.room_id = $1 AND f.event_id <> n.event_id RETURNING 1) SELECT (SELECT count(*) FROM gone), "
        "(SELECT count(*) FROM newest)",
        0};
    struct work *w = arg;
    struct gg_rows *rows;
    mx_forget_again(&w->forget);
    int status = gg_txn_exec(txn, &stmt, GG_PARAMS(gg_p_str(w->room_id)), w->arena, &rows, err);
    if (status)
        return status;
    w->n = gg_rows_i64(rows, 0, 0);
    if (!gg_rows_i64(rows, 0, 1))
        return gg_refuse(err, 400, "M_UNKNOWN", "No forward extremity event found for room %.*s", GG_FMT(w->room_id));
    mx_forget_add(&w->forget, "get_latest_event_ids_in_room", &w->room_id, 1);
    return mx_forget_write(&w->forget, txn, err);
}

int mx_admin_room_one_extremity(struct mx_server *server, struct gg_str room_id, int64_t *n_out, struct gg_error *err)
{
    struct work w = {.room_id = room_id, .arena = gg_arena_new()};
    mx_forget_begin(&w.forget, server, w.arena);
    int status = gg_db_txn(server->db, "forward extremities", 0, one_body, &w, err);
    mx_forget_end(&w.forget, gg_maybe_committed(status));
    *n_out = w.n;
    gg_arena_free(w.arena);
    return status;
}
