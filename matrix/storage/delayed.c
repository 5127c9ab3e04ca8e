/* storage/delayed.c: events that are to be sent later. */
#include "storage/delayed.h"

#define COLUMNS "delay_id, user_localpart, device_id, room_id, event_type, state_key, content, delay, send_ts, origin_server_ts"

static void read_rows(const struct gg_rows *rows, struct gg_arena *arena, struct mx_delayed **out, size_t *n_out)
{
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_delayed, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_delayed){.id = gg_rows_str(rows, i, 0), .localpart = gg_rows_str(rows, i, 1),
                                        .device_id = gg_rows_str(rows, i, 2), .room_id = gg_rows_str(rows, i, 3),
                                        .type = gg_rows_str(rows, i, 4), .state_key = gg_rows_str(rows, i, 5),
                                        .content = gg_rows_str(rows, i, 6), .delay_ms = gg_rows_i64(rows, i, 7),
                                        .send_ts = gg_rows_i64(rows, i, 8), .origin_server_ts = gg_rows_i64(rows, i, 9)};
}

static int write_some(struct mx_server *server, const struct gg_stmt *stmt, const struct gg_param *params, size_t n, bool *any_out,
                      struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_write(server->db, stmt, params, n, arena, &rows, err);
    if (any_out != NULL)
        *any_out = rc == 0 && gg_rows_affected(rows) > 0;
    gg_arena_free(arena);
    return rc;
}

/* ---- by request ---- */

/* When one of those that are too many has gone. */
static int when_free(struct mx_server *server, struct gg_str localpart, int64_t limit, int64_t *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT send_ts FROM delayed_events WHERE user_localpart = $1 ORDER BY send_ts DESC "
                                        "OFFSET $2::bigint LIMIT 1",
                                        GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(localpart), gg_p_i64(limit - 1)), arena, &rows, err);
    *out = rc == 0 && gg_rows_count(rows) > 0 ? gg_rows_i64(rows, 0, 0) : gg_wall_ms();
    gg_arena_free(arena);
    return rc;
}

int mx_delayed_insert(struct mx_server *server, const struct mx_delayed *e, int64_t limit, int64_t *free_at_ms, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO delayed_events (" COLUMNS ") SELECT $1, $2, $3, $4, $5, $6, $7, $8::bigint, $9::bigint, nullif($10::bigint, 0) "
        "WHERE (SELECT count(*) FROM delayed_events WHERE user_localpart = $2) < $11::bigint",
        0};
    bool kept;
    int rc = write_some(server, &stmt,
                        GG_PARAMS(gg_p_str(e->id), gg_p_str(e->localpart), gg_p_str(e->device_id), gg_p_str(e->room_id),
                                  gg_p_str(e->type), gg_p_str(e->state_key), gg_p_str(e->content), gg_p_i64(e->delay_ms),
                                  gg_p_i64(e->send_ts), gg_p_i64(e->origin_server_ts), gg_p_i64(limit)),
                        &kept, err);
    *free_at_ms = 0;
    return rc != 0 || kept ? rc : when_free(server, e->localpart, limit, free_at_ms, err);
}

int mx_delayed_restart(struct mx_server *server, struct gg_str id, bool *found_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE delayed_events SET send_ts = $2::bigint + delay WHERE delay_id = $1 AND NOT is_processed", 0};
    return write_some(server, &stmt, GG_PARAMS(gg_p_str(id), gg_p_i64(gg_wall_ms())), found_out, err);
}

int mx_delayed_delete(struct mx_server *server, struct gg_str id, bool *found_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"DELETE FROM delayed_events WHERE delay_id = $1 AND NOT is_processed", 0};
    return write_some(server, &stmt, GG_PARAMS(gg_p_str(id)), found_out, err);
}

int mx_delayed_delete_of_user(struct mx_server *server, struct gg_str localpart, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"DELETE FROM delayed_events WHERE user_localpart = $1 AND NOT is_processed", 0};
    return write_some(server, &stmt, GG_PARAMS(gg_p_str(localpart)), NULL, err);
}

int mx_delayed_list(struct mx_server *server, struct gg_str localpart, struct gg_str id, struct gg_arena *arena,
                    struct mx_delayed **out, size_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT " COLUMNS " FROM delayed_events WHERE user_localpart = $1 AND ($2::text IS NULL OR "
                                        "delay_id = $2) AND NOT is_processed ORDER BY send_ts, delay_id",
                                        GG_LANE_POINT};
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(localpart), gg_p_str(id)), arena, &rows, err);
    *n_out = 0;
    if (rc == 0)
        read_rows(rows, arena, out, n_out);
    return rc;
}

/* ---- on the main process ---- */

int mx_delayed_claim_due(struct mx_server *server, int64_t now_ms, bool begun, size_t most, struct gg_arena *arena,
                         struct mx_delayed **out, size_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "WITH due AS (UPDATE delayed_events SET is_processed = true WHERE delay_id IN (SELECT delay_id FROM delayed_events WHERE "
        "send_ts <= $1::bigint AND (NOT is_processed OR $2::boolean) ORDER BY send_ts LIMIT $3::bigint) RETURNING " COLUMNS ") "
        "SELECT " COLUMNS " FROM due ORDER BY send_ts, delay_id",
        0};
    struct gg_rows *rows;
    int rc = gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_i64(now_ms), gg_p_bool(begun), gg_p_i64((int64_t)most)), arena, &rows, err);
    *n_out = 0;
    if (rc == 0)
        read_rows(rows, arena, out, n_out);
    return rc;
}

int mx_delayed_claim(struct mx_server *server, struct gg_str id, struct gg_arena *arena, struct mx_delayed **out, size_t *n_out,
                     struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE delayed_events SET is_processed = true WHERE delay_id = $1 AND NOT is_processed RETURNING " COLUMNS, 0};
    struct gg_rows *rows;
    int rc = gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(id)), arena, &rows, err);
    *n_out = 0;
    if (rc == 0)
        read_rows(rows, arena, out, n_out);
    return rc;
}

int mx_delayed_done(struct mx_server *server, struct gg_str id, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"DELETE FROM delayed_events WHERE delay_id = $1 AND is_processed", 0};
    return write_some(server, &stmt, GG_PARAMS(gg_p_str(id)), NULL, err);
}

int mx_delayed_pending(struct mx_server *server, int64_t *n_out, int64_t *first_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT count(*), min(send_ts) FROM delayed_events WHERE NOT is_processed", GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &stmt, GG_NO_PARAMS, arena, &rows, err);
    if (rc == 0) {
        *n_out = gg_rows_i64(rows, 0, 0);
        *first_out = gg_rows_i64(rows, 0, 1);
    }
    gg_arena_free(arena);
    return rc;
}

struct superseding {
    struct gg_str domain; /* ":" and our name */
    int64_t from, to;
};

/* Each statement on its own: those rows are few, and their index begins with the room. */
static int supersede_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt cancel = {
        "DELETE FROM delayed_events d USING current_state_delta_stream s JOIN events e ON e.event_id = s.event_id WHERE "
        "s.stream_id > $1::bigint AND s.stream_id <= $2::bigint AND d.room_id = s.room_id AND d.event_type = s.type AND "
        "d.state_key = s.state_key AND NOT d.is_processed AND e.sender <> '@' || d.user_localpart || $3::text",
        0};
    static const struct gg_stmt move = {"UPDATE delayed_events_stream_pos SET stream_id = $1::bigint", 0};
    const struct superseding *s = arg;
    int rc = 0;
    if (s->to > s->from)
        rc = gg_txn_queue(txn, &cancel, GG_PARAMS(gg_p_i64(s->from), gg_p_i64(s->to), gg_p_str(s->domain)), err);
    return rc != 0 ? rc : gg_txn_queue(txn, &move, GG_PARAMS(gg_p_i64(s->to)), err);
}

int mx_delayed_supersede(struct mx_server *server, int64_t from, int64_t to, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct superseding s = {.domain = gg_str(gg_arena_printf(arena, ":%s", server->name)), .from = from, .to = to};
    int rc = gg_db_txn(server->db, "cancel_delayed_state_events", GG_TXN_READ_COMMITTED, supersede_body, &s, err);
    gg_arena_free(arena);
    return rc;
}

int mx_delayed_position(struct mx_server *server, int64_t *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT stream_id FROM delayed_events_stream_pos", GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &stmt, GG_NO_PARAMS, arena, &rows, err);
    *out = rc == 0 && gg_rows_count(rows) > 0 ? gg_rows_i64(rows, 0, 0) : 0;
    gg_arena_free(arena);
    return rc;
}
