/* matrix/push/notified.c: notifications from event_push_actions. */
#include "push/notified.h"

#include "push/rules.h"

/* Read is what is not after the newest of the user's receipts in the room. */
static const struct gg_stmt select_notified = {
    "SELECT n.room_id, n.event_id, n.actions, n.highlight, n.profile_tag, n.stream_ordering, n.received_ts,"
    " coalesce((r.depth, r.at) >= (n.topological_ordering, n.stream_ordering), false) FROM ("
    "  SELECT a.room_id, a.event_id, a.actions, coalesce(a.highlight, 0) AS highlight, a.profile_tag, a.stream_ordering,"
    "   a.topological_ordering, coalesce(e.received_ts, 0) AS received_ts"
    "  FROM event_push_actions a JOIN events e ON e.event_id = a.event_id WHERE a.user_id = $1 AND a.notif = 1"
    "  AND ($2::bigint <= 0 OR a.stream_ordering < $2::bigint) AND (NOT $4::boolean OR a.highlight = 1)"
    "  ORDER BY a.stream_ordering DESC LIMIT $3::bigint) n"
    " LEFT JOIN LATERAL (SELECT e.topological_ordering AS depth, e.stream_ordering AS at FROM receipts_linearized l"
    "  JOIN events e ON e.event_id = l.event_id AND e.room_id = l.room_id WHERE l.room_id = n.room_id"
    "  AND l.user_id = $1 AND l.receipt_type IN ('m.read', 'm.read.private')"
    "  ORDER BY e.stream_ordering DESC LIMIT 1) r ON true ORDER BY n.stream_ordering DESC", GG_LANE_POINT};

int mx_push_list_notified(struct mx_server *server, struct gg_str user_id, int64_t before, int64_t limit,
                          bool only_highlights, struct gg_arena *arena, struct mx_push_notified **out, size_t *n_out,
                          struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_notified,
                        GG_PARAMS(gg_p_str(user_id), gg_p_i64(before), gg_p_i64(limit), gg_p_bool(only_highlights)), arena,
                        &rows, err);
    if (rc)
        return rc;
    size_t n = *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_push_notified, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct gg_str actions = gg_rows_str(rows, i, 2);
        (*out)[i] = (struct mx_push_notified){.room_id = gg_rows_str(rows, i, 0), .event_id = gg_rows_str(rows, i, 1),
                                              .actions = mx_push_stored_actions(actions, gg_rows_i64(rows, i, 3) != 0),
                                              .profile_tag = gg_rows_str(rows, i, 4),
                                              .stream_ordering = gg_rows_i64(rows, i, 5),
                                              .received_ts = gg_rows_i64(rows, i, 6), .read = gg_rows_bool(rows, i, 7)};
    }
    return 0;
}
