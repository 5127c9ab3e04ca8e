/* matrix/storage/push_mails.c: what a mail would tell (event_push_actions), and how often mails of a room were sent
 * (pusher_throttle; facts database 3.10). */
#include "storage/push_mails.h"

/* The newest first. Read is what is not after a receipt of the user, as in push/news.c. */
static const struct gg_stmt select_news = {
    "SELECT a.event_id, a.room_id, a.stream_ordering, COALESCE(e.received_ts, 0) FROM event_push_actions a"
    " JOIN events e ON e.event_id = a.event_id AND e.room_id = a.room_id"
    " WHERE a.user_id = $1 AND a.stream_ordering > $2 AND a.stream_ordering <= $3 AND a.notif = 1 AND NOT EXISTS ("
    "  SELECT 1 FROM receipts_linearized l JOIN events r ON r.event_id = l.event_id AND r.room_id = l.room_id"
    "  WHERE l.room_id = a.room_id AND l.user_id = $1 AND l.receipt_type IN ('m.read', 'm.read.private')"
    "  AND (l.thread_id IS NULL OR l.thread_id = a.thread_id) AND r.stream_ordering >= a.stream_ordering)"
    " ORDER BY a.stream_ordering DESC LIMIT $4", GG_LANE_POINT};

int mx_push_mail_news(struct mx_server *server, const struct mx_pusher *pusher, int64_t upto, struct gg_arena *arena,
                      struct mx_mail_news **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_news,
                        GG_PARAMS(gg_p_str(pusher->user_id), gg_p_i64(pusher->last_stream_ordering), gg_p_i64(upto),
                                  gg_p_i64(MX_MAIL_NEWS)),
                        arena, &rows, err);
    if (rc < 0)
        return rc;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_mail_news, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_mail_news){.event_id = gg_rows_str(rows, i, 0),
                                          .room_id = gg_rows_str(rows, i, 1),
                                          .stream_ordering = gg_rows_i64(rows, i, 2),
                                          .received_ts = gg_rows_i64(rows, i, 3)};
    return 0;
}

static const struct gg_stmt select_throttle = {
    "SELECT room_id, COALESCE(last_sent_ts, 0), COALESCE(throttle_ms, 0) FROM pusher_throttle WHERE pusher = $1"
    " AND room_id = ANY($2::text[])", GG_LANE_POINT};

int mx_push_throttles(struct mx_server *server, int64_t pusher, struct mx_mail_news *news, size_t n, struct gg_arena *arena,
                      struct gg_error *err)
{
    struct gg_str *rooms = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    struct gg_rows *rows;
    for (size_t i = 0; i < n; i++)
        rooms[i] = news[i].room_id;
    int rc = gg_db_read(server->db, &select_throttle, GG_PARAMS(gg_p_i64(pusher), gg_p_texts(rooms, n)), arena, &rows, err);
    for (size_t k = 0; rc == 0 && k < gg_rows_count(rows); k++)
        for (size_t i = 0; i < n; i++)
            if (gg_str_eq(news[i].room_id, gg_rows_str(rows, k, 0)))
                news[i].throttle = (struct mx_mail_throttle){gg_rows_i64(rows, k, 1), gg_rows_i64(rows, k, 2)};
    return rc;
}

static const struct gg_stmt upsert_throttle = {
    "INSERT INTO pusher_throttle (pusher, room_id, last_sent_ts, throttle_ms) SELECT $1, * FROM"
    " unnest($2::text[], $3::bigint[], $4::bigint[]) ON CONFLICT (pusher, room_id) DO UPDATE SET"
    " last_sent_ts = EXCLUDED.last_sent_ts, throttle_ms = EXCLUDED.throttle_ms", 0};

int mx_push_throttles_set(struct mx_server *server, int64_t pusher, const struct mx_mail_news *rooms, size_t n,
                          struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    int64_t *sent = GG_NEW_ARRAY(arena, int64_t, n + 1), *throttle = GG_NEW_ARRAY(arena, int64_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        ids[i] = rooms[i].room_id;
        sent[i] = rooms[i].throttle.last_sent_ts;
        throttle[i] = rooms[i].throttle.throttle_ms;
    }
    return gg_db_write(server->db, &upsert_throttle,
                       GG_PARAMS(gg_p_i64(pusher), gg_p_texts(ids, n), gg_p_i64s(sent, n), gg_p_i64s(throttle, n)), NULL, NULL,
                       err);
}

static const struct gg_stmt select_before = {
    "SELECT e.received_ts FROM event_push_actions a JOIN events e ON e.event_id = a.event_id AND e.room_id = a.room_id"
    " WHERE a.user_id = $1 AND a.room_id = $2 AND a.stream_ordering < $3 AND a.notif = 1"
    " ORDER BY a.stream_ordering DESC LIMIT 1", GG_LANE_POINT};

int mx_push_notified_before(struct mx_server *server, struct gg_str user_id, const struct mx_mail_news *news,
                            struct gg_arena *arena, int64_t *out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_before,
                        GG_PARAMS(gg_p_str(user_id), gg_p_str(news->room_id), gg_p_i64(news->stream_ordering)), arena, &rows,
                        err);
    *out = rc == 0 && gg_rows_count(rows) > 0 ? gg_rows_i64(rows, 0, 0) : 0;
    return rc;
}
