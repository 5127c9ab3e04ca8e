/* matrix/storage/federation/backfill.c: where our copy of a room's history ends, and who may know more. */
#include "storage/federation/backfill.h"

/* A failed attempt keeps an event out for 2, 4, ... 256 hours (Synapse's steps: who shares the table expects them). */
static const struct gg_stmt select_points = {
    "SELECT b.event_id, max(e.depth) FROM event_backward_extremities b JOIN event_edges x ON x.prev_event_id = "
    "b.event_id"
    " JOIN events e ON e.event_id = x.event_id LEFT JOIN event_failed_pull_attempts f ON f.room_id = b.room_id AND"
    " f.event_id = b.event_id WHERE b.room_id = $1 AND e.room_id = $1 AND NOT e.outlier AND e.depth <= $2 AND "
    "(f.event_id IS"
    " NULL OR f.last_attempt_ts + (1::bigint << LEAST(f.num_attempts, 8)) * 3600000 <= $3) GROUP BY b.event_id"
    " ORDER BY 2 DESC, 1 LIMIT $4",
    GG_LANE_POINT};

int mx_backfill_points(struct mx_server *server, struct gg_str room_id, int64_t most, size_t limit,
                       struct gg_arena *arena, struct mx_backfill_point **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    *n_out = 0;
    int rc = gg_db_read(server->db, &select_points,
                        GG_PARAMS(gg_p_str(room_id), gg_p_i64(most), gg_p_i64(gg_wall_ms()), gg_p_i64((int64_t)limit)),
                        arena, &rows, err);
    if (rc != 0)
        return rc;
    *out = GG_NEW_ARRAY(arena, struct mx_backfill_point, gg_rows_count(rows) + 1);
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        (*out)[(*n_out)++] = (struct mx_backfill_point){gg_rows_str(rows, i, 0), gg_rows_i64(rows, i, 1)};
    return 0;
}

static int texts(struct mx_server *server, const struct gg_stmt *stmt, struct gg_str key, size_t limit,
                 struct gg_arena *arena, struct gg_str **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    *n_out = 0;
    int rc = gg_db_read(server->db, stmt, GG_PARAMS(gg_p_str(key), gg_p_i64((int64_t)limit)), arena, &rows, err);
    if (rc != 0)
        return rc;
    *out = GG_NEW_ARRAY(arena, struct gg_str, gg_rows_count(rows) + 1);
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        (*out)[(*n_out)++] = gg_rows_str(rows, i, 0);
    return 0;
}

static const struct gg_stmt select_citing = {"SELECT e.event_id FROM event_edges x JOIN events e ON e.event_id = "
                                             "x.event_id WHERE x.prev_event_id = $1 AND NOT e.outlier"
                                             " LIMIT $2",
                                             GG_LANE_POINT};

int mx_backfill_citing(struct mx_server *server, struct gg_str event_id, size_t limit, struct gg_arena *arena,
                       struct gg_str **out, size_t *n_out, struct gg_error *err)
{
    return texts(server, &select_citing, event_id, limit, arena, out, n_out, err);
}

static const struct gg_stmt select_servers = {
    "SELECT substr(c.state_key, strpos(c.state_key, ':') + 1), min(e.depth) FROM current_state_events c JOIN events e"
    " USING (event_id) WHERE c.room_id = $1 AND c.type = 'm.room.member' AND c.membership = 'join' GROUP BY 1"
    " ORDER BY 2, 1 LIMIT $2",
    GG_LANE_SCAN};

int mx_backfill_servers(struct mx_server *server, struct gg_str room_id, size_t limit, struct gg_arena *arena,
                        struct gg_str **out, size_t *n_out, struct gg_error *err)
{
    return texts(server, &select_servers, room_id, limit, arena, out, n_out, err);
}

static const struct gg_stmt next_to_gap[2] = {
    /* after: nothing cites it, though the room goes on */
    {"SELECT NOT EXISTS (SELECT 1 FROM event_forward_extremities WHERE event_id = $1 AND room_id = $2) AND NOT EXISTS"
     " (SELECT 1 FROM event_edges x JOIN events e ON e.event_id = x.event_id WHERE x.prev_event_id = $1 AND NOT "
     "e.outlier)",
     GG_LANE_POINT},
    /* before */
    {"SELECT EXISTS (SELECT 1 FROM event_edges x JOIN event_backward_extremities b ON b.event_id = x.prev_event_id"
     " WHERE x.event_id = $1 AND b.room_id = $2)",
     GG_LANE_POINT}};

int mx_backfill_next_to_gap(struct mx_server *server, struct gg_str room_id, struct gg_str event_id, bool backwards,
                            bool *out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &next_to_gap[backwards], GG_PARAMS(gg_p_str(event_id), gg_p_str(room_id)), arena,
                        &rows, err);
    *out = rc == 0 && gg_rows_bool(rows, 0, 0);
    gg_arena_free(arena);
    return rc;
}
