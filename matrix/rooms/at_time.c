/* matrix/rooms/at_time.c: the event of a room that is nearest to a moment. */
#include "rooms/at_time.h"

#define NEAREST(step_, order_) \
    "SELECT event_id, origin_server_ts FROM events WHERE room_id = $1 AND origin_server_ts " step_ " $2 AND NOT outlier" \
    " AND rejection_reason IS NULL ORDER BY origin_server_ts " order_ ", depth " order_ ", stream_ordering " order_ " LIMIT 1"
static const struct gg_stmt nearest[2] = {{NEAREST(">=", "ASC"), GG_LANE_POINT}, {NEAREST("<=", "DESC"), GG_LANE_POINT}};

int mx_event_at_time(struct mx_server *server, struct gg_str room_id, int64_t ts, bool backwards, struct gg_arena *arena,
                     struct gg_str *event_id_out, int64_t *ts_out, struct gg_error *err)
{
    struct gg_rows *rows;
    *event_id_out = (struct gg_str){0};
    int rc = gg_db_read(server->db, &nearest[backwards], GG_PARAMS(gg_p_str(room_id), gg_p_i64(ts)), arena, &rows, err);
    if (rc != 0 || gg_rows_count(rows) == 0)
        return rc;
    *event_id_out = gg_rows_str(rows, 0, 0);
    *ts_out = gg_rows_i64(rows, 0, 1);
    return 0;
}
