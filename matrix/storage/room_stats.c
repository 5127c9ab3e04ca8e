/* matrix/storage/room_stats.c: statistics of rooms and users, counted from current_state_delta_stream.
 *
 * The counters are sums over the changes of a batch, in two statements; the texts of a room (its name, ...) are read from
 * the events of the batch beforehand, since event JSON may hold what PostgreSQL's own JSON functions refuse. */
#include "storage/room_stats.h"

#include "json/text.h"
#include "persist/writer.h"

#include <ganglion/map.h>
#include <ganglion/matrix/store.h>

enum { BATCH = 1000 };

/* The batch ends with the last change of a stream id: all that one id stands for is counted together. */
static const struct gg_stmt next_batch = {
    "SELECT p.stream_id, b.last, b.n FROM stats_incremental_position p CROSS JOIN LATERAL (SELECT max(d.stream_id) AS last,"
    " count(*) AS n FROM (SELECT stream_id FROM current_state_delta_stream WHERE stream_id > p.stream_id AND stream_id <= $1"
    " ORDER BY stream_id LIMIT $2) d) b", GG_LANE_SCAN};

/* What a batch made of the rooms' own state: of each entry the last word. */
static const struct gg_stmt last_entries = {
    "SELECT DISTINCT ON (room_id, type) room_id, type, event_id FROM current_state_delta_stream"
    " WHERE stream_id > $1 AND stream_id <= $2 AND state_key = '' AND type = ANY($3::text[])"
    " ORDER BY room_id, type, stream_id DESC", GG_LANE_SCAN};

/* The position, beside each room that is still there. A purge locks the row of its room to end with it (purge/room.c): what
 * is counted here is there before it and goes with the room, or is not counted at all. */
#define LOCK(rooms_) \
    "WITH p AS (SELECT stream_id FROM stats_incremental_position FOR UPDATE)," \
    " r AS (SELECT room_id FROM rooms WHERE room_id = ANY(" rooms_ ") ORDER BY room_id FOR KEY SHARE)" \
    " SELECT p.stream_id, r.room_id FROM p LEFT JOIN r ON true"

static const struct gg_stmt lock_changed = {
    LOCK("ARRAY(SELECT DISTINCT room_id FROM current_state_delta_stream WHERE stream_id > $1 AND stream_id <= $2)"), 0};
static const struct gg_stmt set_position = {"UPDATE stats_incremental_position SET stream_id = $1", 0};

/* Changes with the membership before and after; those that an initial population has counted already are left out. */
#define CHANGES \
    "WITH d AS (SELECT c.room_id, c.stream_id, c.state_key, c.prev_event_id IS NULL AS fresh," \
    " CASE WHEN c.type = 'm.room.member' THEN COALESCE(n.membership, 'leave') END AS now," \
    " CASE WHEN c.type = 'm.room.member' THEN o.membership END AS before" \
    " FROM current_state_delta_stream c LEFT JOIN room_memberships n ON n.event_id = c.event_id" \
    " LEFT JOIN room_memberships o ON o.event_id = c.prev_event_id WHERE c.stream_id > $1 AND c.stream_id <= $2" \
    " AND NOT EXISTS (SELECT 1 FROM room_stats_earliest_token t WHERE t.room_id = c.room_id AND t.token >= c.stream_id))," \
    " e AS (SELECT d.*, COALESCE((now = 'join')::int, 0) - COALESCE((before = 'join')::int, 0) AS joined," \
    " right(state_key, length($3) + 1) = ':' || $3 AS ours FROM d)"
#define MOVED(membership_) \
    "sum(COALESCE((now = '" membership_ "')::int, 0) - COALESCE((before = '" membership_ "')::int, 0))"
#define PLUS(column_) column_ " = s." column_ " + EXCLUDED." column_

static const struct gg_stmt count_rooms = {
    CHANGES " INSERT INTO room_stats_current AS s (room_id, current_state_events, joined_members, invited_members,"
    " left_members, banned_members, knocked_members, local_users_in_room, completed_delta_stream_id)"
    " SELECT room_id, count(*) FILTER (WHERE fresh), sum(joined), " MOVED("invite") ", " MOVED("leave") ", " MOVED("ban")
    ", " MOVED("knock") ", COALESCE(sum(joined) FILTER (WHERE ours), 0), max(stream_id) FROM e"
    " WHERE room_id = ANY($4::text[]) GROUP BY room_id ORDER BY room_id ON CONFLICT (room_id) DO UPDATE SET "
    PLUS("current_state_events") ", " PLUS("joined_members") ", " PLUS("invited_members") ", " PLUS("left_members") ", "
    PLUS("banned_members") ", " PLUS("local_users_in_room")
    ", knocked_members = COALESCE(s.knocked_members, 0) + EXCLUDED.knocked_members,"
    " completed_delta_stream_id = EXCLUDED.completed_delta_stream_id", 0};

static const struct gg_stmt count_users = {
    CHANGES " INSERT INTO user_stats_current AS s (user_id, joined_rooms, completed_delta_stream_id)"
    " SELECT state_key, sum(joined), max(stream_id) FROM e WHERE ours AND joined <> 0 GROUP BY state_key ORDER BY state_key"
    " ON CONFLICT (user_id) DO UPDATE SET " PLUS("joined_rooms")
    ", completed_delta_stream_id = EXCLUDED.completed_delta_stream_id", 0};

/* ---- texts ---- */

#define SET_TEXT(column_) \
    {"INSERT INTO room_stats_state (room_id, " column_ ") SELECT * FROM unnest($1::text[], $2::text[])" \
     " ON CONFLICT (room_id) DO UPDATE SET " column_ " = EXCLUDED." column_, 0}

static const struct gg_stmt set_federatable = {
    "INSERT INTO room_stats_state (room_id, is_federatable) SELECT * FROM unnest($1::text[], $2::bool[])"
    " ON CONFLICT (room_id) DO UPDATE SET is_federatable = EXCLUDED.is_federatable", 0};

static const struct text_column {
    const char *type, *key; /* key NULL: the plain text of a topic */
    struct gg_stmt set;
} columns[] = {
    {"m.room.create", "type", SET_TEXT("room_type")},
    {"m.room.join_rules", "join_rule", SET_TEXT("join_rules")},
    {"m.room.history_visibility", "history_visibility", SET_TEXT("history_visibility")},
    {"m.room.encryption", "algorithm", SET_TEXT("encryption")},
    {"m.room.name", "name", SET_TEXT("name")},
    {"m.room.topic", NULL, SET_TEXT("topic")},
    {"m.room.avatar", "url", SET_TEXT("avatar")},
    {"m.room.canonical_alias", "alias", SET_TEXT("canonical_alias")},
    {"m.room.guest_access", "guest_access", SET_TEXT("guest_access")},
};

struct change {
    struct gg_str room_id, type;
    struct gg_str content; /* n 0: the entry is gone */
};
struct batch {
    struct mx_server *server;
    struct gg_arena *arena;
    int64_t from, to;
    struct change *changes;
    size_t n;
    struct gg_str *rooms; /* those that are still there, locked */
    size_t n_rooms;
    struct gg_map *here;  /* their ids */
};

static struct gg_str text_of(const struct text_column *column, struct gg_str content, struct gg_arena *arena)
{
    if (content.n == 0)
        return (struct gg_str){0};
    return mx_storable(column->key != NULL ? mx_json_string(mx_json_get(content, column->key), arena)
                                           : mx_content_topic(content, arena));
}

static int write_column(struct gg_txn *txn, struct batch *b, const struct text_column *column, struct gg_error *err)
{
    struct gg_str *rooms = GG_NEW_ARRAY(b->arena, struct gg_str, b->n + 1);
    struct gg_str *texts = GG_NEW_ARRAY(b->arena, struct gg_str, b->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        if (gg_str_is(b->changes[i].type, column->type) && gg_map_has(b->here, b->changes[i].room_id)) {
            rooms[n] = b->changes[i].room_id;
            texts[n++] = text_of(column, b->changes[i].content, b->arena);
        }
    return n > 0 ? gg_txn_queue(txn, &column->set, GG_PARAMS(gg_p_texts(rooms, n), gg_p_texts(texts, n)), err) : 0;
}

/* Other servers may come in unless the create event says m.federate: false. */
static int write_federatable(struct gg_txn *txn, struct batch *b, struct gg_error *err)
{
    struct gg_str *rooms = GG_NEW_ARRAY(b->arena, struct gg_str, b->n + 1);
    bool *open = GG_NEW_ARRAY(b->arena, bool, b->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        if (gg_str_is(b->changes[i].type, "m.room.create") && gg_map_has(b->here, b->changes[i].room_id)) {
            struct gg_str value = mx_json_get(b->changes[i].content, "m.federate");
            rooms[n] = b->changes[i].room_id;
            open[n++] = value.s == NULL || mx_json_true(value);
        }
    return n > 0 ? gg_txn_queue(txn, &set_federatable, GG_PARAMS(gg_p_texts(rooms, n), gg_p_bools(open, n)), err) : 0;
}

/* ---- the batch ---- */

/* Rows of room, type and event (NULL: there is none) as changes with their contents. */
static int read_changes(struct batch *b, const struct gg_rows *rows, struct gg_error *err)
{
    size_t n = gg_rows_count(rows), n_ids = 0;
    struct gg_str *ids = GG_NEW_ARRAY(b->arena, struct gg_str, n + 1);
    const struct mx_event **events = GG_NEW_ARRAY(b->arena, const struct mx_event *, n + 1);
    b->changes = GG_NEW_ARRAY(b->arena, struct change, n + 1);
    for (size_t i = 0; i < n; i++)
        if (!gg_rows_null(rows, i, 2))
            ids[n_ids++] = gg_rows_str(rows, i, 2);
    int rc = mx_store_events(b->server, ids, n_ids, false, b->arena, events, err);
    for (size_t i = 0, k = 0; rc == 0 && i < n; i++) {
        const struct mx_event *event = gg_rows_null(rows, i, 2) ? NULL : events[k++];
        b->changes[b->n++] = (struct change){gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1),
                                             event != NULL ? event->content : (struct gg_str){0}};
    }
    return rc;
}

static int read_batch(struct batch *b, struct gg_error *err)
{
    struct gg_str types[GG_COUNT(columns)];
    struct gg_rows *rows;
    for (size_t i = 0; i < GG_COUNT(columns); i++)
        types[i] = gg_str(columns[i].type);
    int rc = gg_db_read(b->server->db, &last_entries, GG_PARAMS(gg_p_i64(b->from), gg_p_i64(b->to), gg_p_texts(types, GG_COUNT(types))),
                        b->arena, &rows, err);
    return rc == 0 ? read_changes(b, rows, err) : rc;
}

static int write_texts(struct gg_txn *txn, struct batch *b, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < GG_COUNT(columns); i++)
        rc = write_column(txn, b, &columns[i], err);
    return rc == 0 ? write_federatable(txn, b, err) : rc;
}

/* Rows of position and room (NULL: there is none). No rows: the schema's one row of positions is gone. */
static int take_locked(struct batch *b, const struct gg_rows *rows, struct gg_error *err)
{
    size_t n = gg_rows_count(rows);
    if (n == 0 || (b->to != 0 && gg_rows_i64(rows, 0, 0) != b->from))
        return gg_fail(err, GG_E_CONFLICT, "another process keeps the statistics");
    b->rooms = GG_NEW_ARRAY(b->arena, struct gg_str, n);
    b->n_rooms = 0;
    gg_map_clear(b->here);
    for (size_t i = 0; i < n && !gg_rows_null(rows, i, 1); i++) {
        b->rooms[b->n_rooms++] = gg_rows_str(rows, i, 1);
        gg_map_put(b->here, gg_rows_str(rows, i, 1), NULL);
    }
    return 0;
}

static int write_batch(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct batch *b = arg;
    struct gg_rows *rows;
    const struct gg_param from = gg_p_i64(b->from), to = gg_p_i64(b->to), ours = gg_p_text(b->server->name);
    int rc = gg_txn_exec(txn, &lock_changed, GG_PARAMS(from, to), b->arena, &rows, err);
    if (rc == 0)
        rc = take_locked(b, rows, err);
    if (rc == 0)
        rc = gg_txn_queue(txn, &count_rooms, GG_PARAMS(from, to, ours, gg_p_texts(b->rooms, b->n_rooms)), err);
    if (rc == 0)
        rc = gg_txn_queue(txn, &count_users, GG_PARAMS(from, to, ours), err);
    if (rc == 0)
        rc = write_texts(txn, b, err);
    return rc == 0 ? gg_txn_queue(txn, &set_position, GG_PARAMS(to), err) : rc;
}

int mx_room_stats_advance(struct mx_server *server, int64_t upto, struct gg_arena *arena, bool *more, struct gg_error *err)
{
    struct gg_rows *rows;
    *more = false;
    int rc = gg_db_read(server->db, &next_batch, GG_PARAMS(gg_p_i64(upto), gg_p_i64(BATCH)), arena, &rows, err);
    if (rc != 0 || gg_rows_count(rows) == 0 || gg_rows_null(rows, 0, 1))
        return rc;
    struct batch b = {
        .server = server, .arena = arena, .from = gg_rows_i64(rows, 0, 0), .to = gg_rows_i64(rows, 0, 1), .here = gg_map_new(NULL)};
    rc = read_batch(&b, err);
    if (rc == 0)
        rc = gg_db_txn(server->db, "room_stats", 0, write_batch, &b, err);
    gg_map_free(b.here);
    *more = rc == 0 && gg_rows_i64(rows, 0, 2) == BATCH;
    return rc;
}

static const struct gg_stmt is_counted = {
    "SELECT COALESCE((SELECT max(stream_id) FROM current_state_delta_stream WHERE room_id = $1) <= stream_id, true)"
    " FROM stats_incremental_position", GG_LANE_POINT};

int mx_room_stats_counted(struct mx_server *server, struct gg_str room_id, bool *out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &is_counted, GG_PARAMS(gg_p_str(room_id)), arena, &rows, err);
    *out = rc == 0 && gg_rows_count(rows) > 0 && gg_rows_bool(rows, 0, 0);
    gg_arena_free(arena);
    return rc;
}

/* ---- from scratch ---- */

/* What is there now, less what came after the position and is still to be counted: so that the loop goes on as if it had
 * counted all along. */
#define LATER(where_) \
    "pos AS (SELECT stream_id FROM stats_incremental_position)," \
    " d AS (SELECT c.room_id, c.state_key, c.prev_event_id IS NULL AS fresh," \
    " CASE WHEN c.type = 'm.room.member' THEN COALESCE(n.membership, 'leave') END AS now," \
    " CASE WHEN c.type = 'm.room.member' THEN o.membership END AS before FROM current_state_delta_stream c" \
    " LEFT JOIN room_memberships n ON n.event_id = c.event_id LEFT JOIN room_memberships o ON o.event_id = c.prev_event_id" \
    " WHERE c.stream_id > (SELECT stream_id FROM pos) AND " where_ ")," \
    " e AS (SELECT d.*, COALESCE((now = 'join')::int, 0) - COALESCE((before = 'join')::int, 0) AS joined," \
    " right(state_key, length($2) + 1) = ':' || $2 AS ours FROM d)"
#define IS(membership_) "count(*) FILTER (WHERE membership = '" membership_ "')"
#define LESS(column_) "n." column_ " - COALESCE(l." column_ ", 0)"
#define SET(column_) column_ " = EXCLUDED." column_

static const struct gg_stmt rebuild_rooms = {
    "WITH " LATER("c.room_id = ANY($1::text[])")
    ", l AS (SELECT room_id, count(*) FILTER (WHERE fresh) AS entries, sum(joined) AS joined, " MOVED("invite") " AS invited, "
    MOVED("leave") " AS gone, " MOVED("ban") " AS banned, " MOVED("knock") " AS knocked,"
    " COALESCE(sum(joined) FILTER (WHERE ours), 0) AS local FROM e GROUP BY room_id),"
    " n AS (SELECT r.id AS room_id, count(c.event_id) AS entries, " IS("join") " AS joined, " IS("invite") " AS invited, "
    IS("leave") " AS gone, " IS("ban") " AS banned, " IS("knock") " AS knocked,"
    " count(*) FILTER (WHERE membership = 'join' AND right(state_key, length($2) + 1) = ':' || $2) AS local"
    " FROM unnest($1::text[]) AS r (id) LEFT JOIN current_state_events c ON c.room_id = r.id GROUP BY r.id)"
    " INSERT INTO room_stats_current (room_id, current_state_events, joined_members, invited_members, left_members,"
    " banned_members, knocked_members, local_users_in_room, completed_delta_stream_id) SELECT n.room_id, " LESS("entries") ", "
    LESS("joined") ", " LESS("invited") ", " LESS("gone") ", " LESS("banned") ", " LESS("knocked") ", " LESS("local")
    ", (SELECT stream_id FROM pos) FROM n LEFT JOIN l USING (room_id) ORDER BY n.room_id ON CONFLICT (room_id) DO UPDATE SET "
    SET("current_state_events") ", " SET("joined_members") ", " SET("invited_members") ", " SET("left_members") ", "
    SET("banned_members") ", " SET("knocked_members") ", " SET("local_users_in_room") ", " SET("completed_delta_stream_id"),
    0};
static const struct gg_stmt rebuild_users = {
    "WITH " LATER("c.type = 'm.room.member' AND c.state_key = ANY($1::text[])")
    ", l AS (SELECT state_key AS id, sum(joined) AS joined FROM e WHERE ours GROUP BY state_key),"
    " n AS (SELECT u.id, count(c.room_id) AS joined FROM unnest($1::text[]) AS u (id) LEFT JOIN current_state_events c"
    " ON c.type = 'm.room.member' AND c.state_key = u.id AND c.membership = 'join' GROUP BY u.id)"
    " INSERT INTO user_stats_current (user_id, joined_rooms, completed_delta_stream_id) SELECT n.id, " LESS("joined")
    ", (SELECT stream_id FROM pos) FROM n LEFT JOIN l USING (id) ORDER BY n.id ON CONFLICT (user_id) DO UPDATE SET "
    SET("joined_rooms") ", " SET("completed_delta_stream_id"), 0};
static const struct gg_stmt forget_start = {"DELETE FROM room_stats_earliest_token WHERE room_id = ANY($1::text[])", 0};

static const struct gg_stmt lock_rooms = {LOCK("$1::text[]"), 0};
static const struct gg_stmt lock_position = {"SELECT stream_id FROM stats_incremental_position FOR UPDATE", 0};

static const struct gg_stmt entries_now = {
    "SELECT r.id, t.type, c.event_id FROM unnest($1::text[]) AS r (id) CROSS JOIN unnest($2::text[]) AS t (type)"
    " LEFT JOIN current_state_events c ON c.room_id = r.id AND c.type = t.type AND c.state_key = ''", GG_LANE_SCAN};

struct rebuild {
    struct batch b;
    const struct gg_str *ids;
    size_t n;
    gg_txn_fn *with;
    void *arg;
};

static int write_rooms(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct rebuild *r = arg;
    struct gg_rows *rows;
    int rc = gg_txn_exec(txn, &lock_rooms, GG_PARAMS(gg_p_texts(r->ids, r->n)), r->b.arena, &rows, err);
    if (rc == 0)
        rc = take_locked(&r->b, rows, err);
    if (rc < 0)
        return rc;
    struct gg_param ids = gg_p_texts(r->b.rooms, r->b.n_rooms);
    rc = gg_txn_queue(txn, &rebuild_rooms, GG_PARAMS(ids, gg_p_text(r->b.server->name)), err);
    if (rc == 0)
        rc = gg_txn_queue(txn, &forget_start, GG_PARAMS(ids), err);
    if (rc == 0)
        rc = write_texts(txn, &r->b, err);
    return rc == 0 ? r->with(txn, r->arg, err) : rc;
}

int mx_room_stats_rebuild(struct mx_server *server, const struct gg_str *rooms, size_t n, struct gg_arena *arena,
                          gg_txn_fn *with, void *arg, struct gg_error *err)
{
    struct rebuild r = {{.server = server, .arena = arena, .here = gg_map_new(NULL)}, rooms, n, with, arg};
    struct gg_str types[GG_COUNT(columns)];
    struct gg_rows *rows;
    for (size_t i = 0; i < GG_COUNT(columns); i++)
        types[i] = gg_str(columns[i].type);
    int rc = gg_db_read(server->db, &entries_now, GG_PARAMS(gg_p_texts(rooms, n), gg_p_texts(types, GG_COUNT(types))), arena,
                        &rows, err);
    if (rc == 0)
        rc = read_changes(&r.b, rows, err);
    if (rc == 0)
        rc = gg_db_txn(server->db, "room_stats", 0, write_rooms, &r, err);
    gg_map_free(r.b.here);
    return rc;
}

static int write_users(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct rebuild *r = arg;
    struct gg_rows *rows;
    int rc = gg_txn_exec(txn, &lock_position, GG_NO_PARAMS, r->b.arena, &rows, err);
    if (rc == 0)
        rc = gg_txn_queue(txn, &rebuild_users, GG_PARAMS(gg_p_texts(r->ids, r->n), gg_p_text(r->b.server->name)), err);
    return rc == 0 ? r->with(txn, r->arg, err) : rc;
}

int mx_user_stats_rebuild(struct mx_server *server, const struct gg_str *users, size_t n, struct gg_arena *arena,
                          gg_txn_fn *with, void *arg, struct gg_error *err)
{
    struct rebuild r = {{.server = server, .arena = arena}, users, n, with, arg};
    return gg_db_txn(server->db, "room_stats", 0, write_users, &r, err);
}
