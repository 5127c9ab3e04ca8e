/* history.c: old events of a room go (facts database 4.21, "Purge history"). */
#include "storage/purge/purge.h"

#include <ganglion/matrix/cache.h>

enum { BATCH = 200 };

/* A forward extremity stays, and what the lists of sliding sync are ordered by. State events stay as outliers. */
static const struct gg_stmt next_events = {
    "SELECT e.event_id, s.event_id IS NULL AND ($5 OR substr(e.sender, strpos(e.sender, ':') + 1) <> $6) AS gone, "
    "e.topological_ordering, e.stream_ordering FROM events e "
    "LEFT JOIN state_events s USING (event_id) WHERE e.room_id = $1 AND e.topological_ordering < $2::bigint "
    "AND (e.topological_ordering, e.stream_ordering) > ($3::bigint, $4::bigint) "
    "AND (NOT e.outlier OR (s.event_id IS NULL AND $5)) "
    "AND NOT EXISTS (SELECT 1 FROM event_forward_extremities f WHERE f.event_id = e.event_id) "
    "AND NOT EXISTS (SELECT 1 FROM sliding_sync_joined_rooms j WHERE j.room_id = e.room_id AND "
    "j.event_stream_ordering = e.stream_ordering) "
    "ORDER BY e.topological_ordering, e.stream_ordering LIMIT $7::bigint",
    0};

/* In order; $1 room, $2 all of the batch, $3 those of it that are deleted. */
static const struct gg_stmt steps[] = {
    {"UPDATE events SET outlier = true WHERE event_id = ANY($2::text[]) AND NOT event_id = ANY($3::text[]) AND $1::text IS NOT NULL", 0},
    /* Where history ends: what is gone and yet the parent of what is there. */
    {"INSERT INTO event_backward_extremities (room_id, event_id) SELECT DISTINCT $1, d.prev_event_id FROM event_edges d "
     "JOIN events e ON e.event_id = d.event_id WHERE d.prev_event_id = ANY($2::text[]) AND NOT e.outlier "
     "AND NOT e.event_id = ANY($3::text[]) ON CONFLICT DO NOTHING", 0},
    {"WITH RECURSIVE gone AS (DELETE FROM event_to_state_groups WHERE event_id = ANY($2::text[]) AND $1::text IS NOT NULL "
     "AND $3::text[] IS NOT NULL RETURNING state_group), "
     "loose(id) AS (SELECT DISTINCT state_group FROM gone g WHERE NOT EXISTS (SELECT 1 FROM event_to_state_groups u WHERE "
     "u.state_group = g.state_group AND NOT u.event_id = ANY($2::text[])) "
     "UNION SELECT n.id FROM loose CROSS JOIN LATERAL (SELECT prev_state_group AS id FROM state_group_edges WHERE "
     "state_group = loose.id UNION ALL SELECT state_group FROM state_group_edges WHERE prev_state_group = loose.id) n "
     "WHERE NOT EXISTS (SELECT 1 FROM event_to_state_groups u WHERE u.state_group = n.id AND NOT u.event_id = ANY($2::text[]))) "
     "INSERT INTO state_groups_pending_deletion (state_group, insertion_ts) SELECT id, "
     "(extract(epoch from now()) * 1000)::bigint FROM loose ORDER BY id ON CONFLICT (state_group) DO NOTHING", 0},
    /* What has been counted into summaries is taken off them again. */
    {"UPDATE event_push_summary p SET notif_count = greatest(p.notif_count - c.notifs, 0), "
     "unread_count = greatest(coalesce(p.unread_count, 0) - c.unread, 0) FROM (SELECT a.user_id, a.thread_id, "
     "count(*) FILTER (WHERE a.notif = 1) AS notifs, count(*) FILTER (WHERE a.unread = 1) AS unread "
     "FROM event_push_actions a JOIN event_push_summary s USING (user_id, room_id, thread_id) WHERE a.room_id = $1 "
     "AND a.event_id = ANY($3::text[]) AND $2::text[] IS NOT NULL AND a.stream_ordering <= (SELECT stream_ordering FROM "
     "event_push_summary_stream_ordering) AND (s.last_receipt_stream_ordering IS NULL OR a.stream_ordering > "
     "s.last_receipt_stream_ordering) GROUP BY 1, 2) c WHERE p.room_id = $1 AND p.user_id = c.user_id AND p.thread_id = c.thread_id", 0},
#define DELETE_FROM(table_)                                                                                            \
    {"DELETE FROM " table_ " WHERE event_id = ANY($3::text[]) AND $1::text IS NOT NULL AND $2::text[] IS NOT NULL", 0}
    {"DELETE FROM event_push_actions WHERE room_id = $1 AND event_id = ANY($3::text[]) AND $2::text[] IS NOT NULL", 0},
    DELETE_FROM("event_edges"),
    DELETE_FROM("events"),
    DELETE_FROM("event_json"),
    DELETE_FROM("event_auth"),
    DELETE_FROM("event_relations"),
    DELETE_FROM("event_search"),
    DELETE_FROM("rejections"),
    DELETE_FROM("redactions"),
#undef DELETE_FROM
    /* Ends of history whose children are gone as well. */
    {"DELETE FROM event_backward_extremities b WHERE b.room_id = $1 AND $2::text[] IS NOT NULL AND $3::text[] IS NOT NULL AND "
     "NOT EXISTS (SELECT 1 FROM event_edges d JOIN events e ON e.event_id = d.event_id WHERE d.prev_event_id = b.event_id "
     "AND NOT e.outlier)", 0},
};

struct work {
    struct mx_server *server;
    struct mx_purge_batch *batch;
    int64_t from_depth, from_stream;
    struct gg_arena *arena;
    struct mx_forget forget;
};

static void forget_events(struct work *w, const struct gg_rows *rows)
{
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        struct gg_str keys[] = {w->batch->room_id, gg_rows_str(rows, i, 0)};
        mx_forget_add(&w->forget, "_get_state_group_for_event", &keys[1], 1);
        mx_forget_add(&w->forget, gg_rows_bool(rows, i, 1) ? "have_seen_event" : "_get_event_cache",
                      gg_rows_bool(rows, i, 1) ? keys : &keys[1], gg_rows_bool(rows, i, 1) ? 2 : 1);
    }
}

static int delete_rows(struct gg_txn *txn, struct work *w, const struct gg_rows *rows, struct gg_error *err)
{
    size_t n = gg_rows_count(rows), n_gone = 0;
    struct gg_str *all = GG_NEW_ARRAY(w->arena, struct gg_str, n), *gone = GG_NEW_ARRAY(w->arena, struct gg_str, n);
    for (size_t i = 0; i < n; i++) {
        all[i] = gg_rows_str(rows, i, 0);
        if (gg_rows_bool(rows, i, 1))
            gone[n_gone++] = all[i];
    }
    int status = 0;
    for (size_t i = 0; !status && i < GG_COUNT(steps); i++)
        status = gg_txn_queue(txn, &steps[i],
                              GG_PARAMS(gg_p_str(w->batch->room_id), gg_p_texts(all, n), gg_p_texts(gone, n_gone)), err);
    forget_events(w, rows);
    return status ? status : mx_forget_write(&w->forget, txn, err);
}

static int batch_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct work *w = arg;
    struct mx_purge_batch *b = w->batch;
    struct gg_rows *rows;
    mx_forget_again(&w->forget);
    b->at_depth = w->from_depth;
    b->at_stream = w->from_stream;
    int status = gg_txn_exec(txn, &next_events,
                             GG_PARAMS(gg_p_str(b->room_id), gg_p_i64(b->depth), gg_p_i64(b->at_depth),
                                       gg_p_i64(b->at_stream), gg_p_bool(b->local_too), gg_p_text(w->server->name),
                                       gg_p_i64(BATCH)),
                             w->arena, &rows, err);
    if (status)
        return status;
    b->n = gg_rows_count(rows);
    if (!b->n)
        return 0;
    b->at_depth = gg_rows_i64(rows, b->n - 1, 2);
    b->at_stream = gg_rows_i64(rows, b->n - 1, 3);
    return delete_rows(txn, w, rows, err);
}

int mx_purge_history_batch(struct mx_server *server, struct mx_purge_batch *batch, struct gg_error *err)
{
    struct work w = {.server = server, .batch = batch, .from_depth = batch->at_depth, .from_stream = batch->at_stream,
                     .arena = gg_arena_new()};
    mx_forget_begin(&w.forget, server, w.arena);
    /* READ COMMITTED: each step must see what persisters have committed meanwhile. */
    int status = gg_db_txn(server->db, "purge history", GG_TXN_READ_COMMITTED, batch_body, &w, err);
    mx_forget_end(&w.forget, gg_maybe_committed(status));
    gg_arena_free(w.arena);
    return status;
}

struct end {
    struct gg_str room_id;
    struct mx_forget forget;
};

static int end_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt depth = {
        "UPDATE room_depth SET min_depth = (SELECT coalesce(min(e.depth), 0) FROM event_backward_extremities b "
        "JOIN event_edges d ON d.prev_event_id = b.event_id JOIN events e ON e.event_id = d.event_id "
        "WHERE b.room_id = $1 AND NOT e.outlier) WHERE room_id = $1",
        0};
    struct end *e = arg;
    mx_forget_again(&e->forget);
    int status = gg_txn_queue(txn, &depth, GG_PARAMS(gg_p_str(e->room_id)), err);
    if (status)
        return status;
    mx_forget_add(&e->forget, "ph_cache_fake", &e->room_id, 1);
    return mx_forget_write(&e->forget, txn, err);
}

int mx_purge_history_end(struct mx_server *server, struct gg_str room_id, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct end e = {.room_id = room_id};
    mx_forget_begin(&e.forget, server, arena);
    int status = gg_db_txn(server->db, "end of purge", GG_TXN_READ_COMMITTED, end_body, &e, err);
    mx_forget_end(&e.forget, gg_maybe_committed(status));
    gg_arena_free(arena);
    return status;
}

int mx_purge_deepest(struct mx_server *server, struct gg_str room_id, int64_t *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT coalesce(max(e.depth), 0) FROM event_forward_extremities f JOIN events e USING (event_id) WHERE f.room_id = $1",
        GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(room_id)), arena, &rows, err);
    if (!status)
        *out = gg_rows_i64(rows, 0, 0);
    gg_arena_free(arena);
    return status;
}

int mx_purge_point(struct mx_server *server, struct gg_str room_id, int64_t before_ms, int64_t *depth, int64_t *stream,
                   struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "WITH older AS (SELECT topological_ordering, stream_ordering FROM events WHERE room_id = $1 AND NOT outlier AND "
        "received_ts < $2::bigint ORDER BY stream_ordering DESC LIMIT 1), newer AS (SELECT topological_ordering, "
        "stream_ordering FROM events WHERE room_id = $1 AND NOT outlier AND received_ts >= $2 ORDER BY stream_ordering LIMIT 1) "
        "SELECT * FROM (SELECT 1 AS place, * FROM newer UNION ALL SELECT 2, * FROM older) p WHERE EXISTS (SELECT 1 FROM older) "
        "ORDER BY place LIMIT 1",
        GG_LANE_SCAN};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(room_id), gg_p_i64(before_ms)), arena, &rows, err);
    if (!status && !gg_rows_count(rows))
        status = gg_refuse(err, 404, "M_NOT_FOUND", "there is no event to be purged");
    if (!status) {
        *depth = gg_rows_i64(rows, 0, 1);
        *stream = gg_rows_i64(rows, 0, 2);
    }
    gg_arena_free(arena);
    return status;
}
