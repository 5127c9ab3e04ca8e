/* matrix/storage/appservice.c: see appservice.h (facts database 3.16, 4.20). */
#include "storage/appservice.h"

/* ---- events ---- */

static const struct gg_stmt read_position = {"SELECT COALESCE(stream_ordering, 0) FROM appservice_stream_position", GG_LANE_POINT};

int mx_as_position(struct mx_server *server, int64_t *out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &read_position, GG_NO_PARAMS, arena, &rows, err);
    *out = rc == 0 && gg_rows_count(rows) > 0 ? gg_rows_i64(rows, 0, 0) : 0;
    gg_arena_free(arena);
    return rc;
}

static const struct gg_stmt events_after = {
    "SELECT stream_ordering, event_id FROM events WHERE stream_ordering > $1 AND stream_ordering <= $2"
    " ORDER BY stream_ordering LIMIT $3", GG_LANE_POINT};

int mx_as_events_after(struct mx_server *server, int64_t from, int64_t upto, size_t limit, struct gg_arena *arena,
                       struct gg_str **ids, size_t *n, int64_t *reached, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &events_after, GG_PARAMS(gg_p_i64(from), gg_p_i64(upto), gg_p_i64((int64_t)limit)), arena, &rows, err);
    if (rc != 0)
        return rc;
    *n = gg_rows_count(rows);
    *ids = GG_NEW_ARRAY(arena, struct gg_str, *n + 1);
    for (size_t i = 0; i < *n; i++)
        (*ids)[i] = gg_rows_str(rows, i, 1);
    *reached = *n == limit ? gg_rows_i64(rows, *n - 1, 0) : upto;
    return 0;
}

struct owing {
    int64_t from, to;
    struct mx_as_owed *owed;
    size_t n;
    struct gg_arena *arena;
    struct gg_rows **rows;
};

static const struct gg_stmt lock_position = {"SELECT COALESCE(stream_ordering, 0) FROM appservice_stream_position FOR UPDATE", 0};
static const struct gg_stmt move_position = {"UPDATE appservice_stream_position SET stream_ordering = $1", 0};
static const struct gg_stmt new_txn = {
    "INSERT INTO application_services_txns (as_id, txn_id, event_ids)"
    " VALUES ($1, nextval('application_services_txn_id_seq'), $2) RETURNING txn_id", 0};
static const struct gg_stmt grow_txn = {
    "UPDATE application_services_txns SET event_ids = $2 WHERE as_id = $1 AND txn_id = $3 RETURNING txn_id", 0};

static int queue_owed(struct owing *o, struct gg_txn *txn, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < o->n; i++) {
        const struct mx_as_owed *owed = &o->owed[i];
        if (owed->txn_id == 0)
            rc = gg_txn_queue_rows(txn, &new_txn, GG_PARAMS(gg_p_text(owed->id), gg_p_str(owed->event_ids)), o->arena, &o->rows[i], err);
        else
            rc = gg_txn_queue_rows(txn, &grow_txn, GG_PARAMS(gg_p_text(owed->id), gg_p_str(owed->event_ids), gg_p_i64(owed->txn_id)),
                                   o->arena, &o->rows[i], err);
    }
    return rc;
}

static int owe_txn(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct owing *o = arg;
    struct gg_rows *rows;
    int rc = gg_txn_exec(txn, &lock_position, GG_NO_PARAMS, o->arena, &rows, err);
    if (rc == 0 && (gg_rows_count(rows) != 1 || gg_rows_i64(rows, 0, 0) != o->from))
        rc = gg_fail(err, GG_E_CONFLICT, "another process hands out events to application services");
    if (rc == 0)
        rc = queue_owed(o, txn, err);
    if (rc == 0)
        rc = gg_txn_queue(txn, &move_position, GG_PARAMS(gg_p_i64(o->to)), err);
    if (rc == 0)
        rc = gg_txn_flush(txn, err);
    for (size_t i = 0; rc == 0 && i < o->n; i++)
        if (gg_rows_count(o->rows[i]) != 1)
            rc = gg_fail(err, GG_E_CONFLICT, "a transaction for %s was sent by another process", o->owed[i].id);
    return rc;
}

int mx_as_owe(struct mx_server *server, int64_t from, int64_t to, struct mx_as_owed *owed, size_t n, struct gg_error *err)
{
    struct owing o = {.from = from, .to = to, .owed = owed, .n = n, .arena = gg_arena_new()};
    o.rows = GG_NEW_ARRAY(o.arena, struct gg_rows *, n + 1);
    int rc = gg_db_txn(server->db, "create_appservice_txn", GG_TXN_READ_COMMITTED, owe_txn, &o, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        owed[i].txn_id = gg_rows_i64(o.rows[i], 0, 0);
    gg_arena_free(o.arena);
    return rc;
}

int mx_as_owe_nothing(struct mx_server *server, const char *id, int64_t *txn_id, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_write(server->db, &new_txn, GG_PARAMS(gg_p_text(id), gg_p_text("[]")), arena, &rows, err);
    if (rc == 0)
        *txn_id = gg_rows_i64(rows, 0, 0);
    gg_arena_free(arena);
    return rc;
}

static const struct gg_stmt oldest = {
    "SELECT txn_id, event_ids FROM application_services_txns WHERE as_id = $1 ORDER BY txn_id LIMIT 1", GG_LANE_POINT};

int mx_as_oldest(struct mx_server *server, const char *id, struct gg_arena *arena, int64_t *txn_id, struct gg_str *event_ids,
                 struct gg_error *err)
{
    struct gg_rows *rows;
    *txn_id = 0;
    int rc = gg_db_read(server->db, &oldest, GG_PARAMS(gg_p_text(id)), arena, &rows, err);
    if (rc == 0 && gg_rows_count(rows) > 0) {
        *txn_id = gg_rows_i64(rows, 0, 0);
        *event_ids = gg_rows_str(rows, 0, 1);
    }
    return rc;
}

int mx_as_taken(struct mx_server *server, const char *id, int64_t txn_id, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"DELETE FROM application_services_txns WHERE as_id = $1 AND txn_id = $2", 0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_text(id), gg_p_i64(txn_id)), NULL, NULL, err);
}

/* ---- state ---- */

static const struct gg_stmt read_state = {
    "SELECT s.state = 'down', COALESCE(s.read_receipt_stream_id, -1), COALESCE(s.presence_stream_id, -1),"
    " COALESCE(s.to_device_stream_id, -1), COALESCE(s.device_list_stream_id, -1),"
    " COALESCE((SELECT max(t.txn_id) FROM application_services_txns t WHERE t.as_id = $1), 0)"
    " FROM (SELECT 1) one LEFT JOIN application_services_state s ON s.as_id = $1", GG_LANE_POINT};

int mx_as_state_get(struct mx_server *server, const char *id, struct mx_as_state *out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &read_state, GG_PARAMS(gg_p_text(id)), arena, &rows, err);
    if (rc == 0) {
        out->down = gg_rows_bool(rows, 0, 0);
        for (int i = 0; i < MX_AS_STREAMS; i++)
            out->positions[i] = gg_rows_i64(rows, 0, 1 + i);
        out->newest_txn = gg_rows_i64(rows, 0, 1 + MX_AS_STREAMS);
    }
    gg_arena_free(arena);
    return rc;
}

int mx_as_state_set(struct mx_server *server, const char *id, bool down, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO application_services_state (as_id, state) VALUES ($1, $2)"
        " ON CONFLICT (as_id) DO UPDATE SET state = EXCLUDED.state", 0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_text(id), gg_p_text(down ? "down" : "up")), NULL, NULL, err);
}

#define KEEP(column_)                                                                  \
    {"INSERT INTO application_services_state (as_id, " column_ ") VALUES ($1, $2)"     \
     " ON CONFLICT (as_id) DO UPDATE SET " column_ " = EXCLUDED." column_, 0}
static const struct gg_stmt keep_position[MX_AS_STREAMS] = {KEEP("read_receipt_stream_id"), KEEP("presence_stream_id"),
                                                            KEEP("to_device_stream_id"), KEEP("device_list_stream_id")};

int mx_as_position_set(struct mx_server *server, const char *id, enum mx_as_stream stream, int64_t position, struct gg_error *err)
{
    return gg_db_write(server->db, &keep_position[stream], GG_PARAMS(gg_p_text(id), gg_p_i64(position)), NULL, NULL, err);
}

/* ---- the rest ---- */

int mx_as_receipts_after(struct mx_server *server, int64_t from, int64_t upto, size_t limit, struct gg_arena *arena,
                         struct mx_as_receipt **out, size_t *n, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT stream_id, room_id, receipt_type, user_id, event_id, data, thread_id FROM receipts_linearized"
        " WHERE stream_id > $1 AND stream_id <= $2 ORDER BY stream_id FETCH FIRST $3 ROWS WITH TIES", GG_LANE_POINT};
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_i64(from), gg_p_i64(upto), gg_p_i64((int64_t)limit)), arena, &rows, err);
    *n = rc == 0 ? gg_rows_count(rows) : 0;
    *out = GG_NEW_ARRAY(arena, struct mx_as_receipt, *n + 1);
    for (size_t i = 0; i < *n; i++)
        (*out)[i] = (struct mx_as_receipt){gg_rows_i64(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_str(rows, i, 2),
                                           gg_rows_str(rows, i, 3), gg_rows_str(rows, i, 4), gg_rows_str(rows, i, 5),
                                           gg_rows_str(rows, i, 6)};
    return rc;
}

int mx_as_messages_after(struct mx_server *server, int64_t from, int64_t upto, size_t limit, struct gg_arena *arena,
                         struct mx_as_message **out, size_t *n, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT stream_id, user_id, device_id, message_json FROM device_inbox WHERE stream_id > $1 AND stream_id <= $2"
        " ORDER BY stream_id FETCH FIRST $3 ROWS WITH TIES", GG_LANE_POINT};
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_i64(from), gg_p_i64(upto), gg_p_i64((int64_t)limit)), arena, &rows, err);
    *n = rc == 0 ? gg_rows_count(rows) : 0;
    *out = GG_NEW_ARRAY(arena, struct mx_as_message, *n + 1);
    for (size_t i = 0; i < *n; i++)
        (*out)[i] = (struct mx_as_message){gg_rows_i64(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_str(rows, i, 2),
                                           gg_rows_str(rows, i, 3)};
    return rc;
}

int mx_as_lists_after(struct mx_server *server, int64_t from, int64_t upto, struct gg_arena *arena, struct gg_str **users,
                      size_t *n, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT DISTINCT user_id FROM device_lists_stream WHERE stream_id > $1 AND stream_id <= $2", GG_LANE_SCAN};
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_i64(from), gg_p_i64(upto)), arena, &rows, err);
    *n = rc == 0 ? gg_rows_count(rows) : 0;
    *users = GG_NEW_ARRAY(arena, struct gg_str, *n + 1);
    for (size_t i = 0; i < *n; i++)
        (*users)[i] = gg_rows_str(rows, i, 0);
    return rc;
}

int mx_as_rooms_of(struct mx_server *server, const struct gg_str *users, size_t n, struct gg_arena *arena, struct gg_str **of,
                   struct gg_str **rooms, size_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT state_key, room_id FROM current_state_events WHERE type = 'm.room.member' AND membership = 'join'"
        " AND state_key = ANY ($1::text[]) ORDER BY state_key", GG_LANE_SCAN};
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_texts(users, n)), arena, &rows, err);
    *n_out = rc == 0 ? gg_rows_count(rows) : 0;
    *of = GG_NEW_ARRAY(arena, struct gg_str, *n_out + 1);
    *rooms = GG_NEW_ARRAY(arena, struct gg_str, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++) {
        (*of)[i] = gg_rows_str(rows, i, 0);
        (*rooms)[i] = gg_rows_str(rows, i, 1);
    }
    return rc;
}

int mx_as_key_counts(struct mx_server *server, const struct gg_str *users, size_t n, bool fallback, struct gg_arena *arena,
                     struct mx_as_keys **out, size_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt one_time = {
        "SELECT d.user_id, d.device_id, k.algorithm, count(k.key_id) FROM devices d LEFT JOIN e2e_one_time_keys_json k"
        " USING (user_id, device_id) WHERE d.user_id = ANY ($1::text[]) AND NOT d.hidden GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        GG_LANE_SCAN};
    static const struct gg_stmt unused = {
        "SELECT d.user_id, d.device_id, f.algorithm, 0::bigint FROM devices d LEFT JOIN e2e_fallback_keys_json f"
        " ON f.user_id = d.user_id AND f.device_id = d.device_id AND NOT f.used WHERE d.user_id = ANY ($1::text[])"
        " AND NOT d.hidden ORDER BY 1, 2, 3", GG_LANE_SCAN};
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, fallback ? &unused : &one_time, GG_PARAMS(gg_p_texts(users, n)), arena, &rows, err);
    *n_out = rc == 0 ? gg_rows_count(rows) : 0;
    *out = GG_NEW_ARRAY(arena, struct mx_as_keys, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_as_keys){gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_str(rows, i, 2), gg_rows_i64(rows, i, 3)};
    return rc;
}
