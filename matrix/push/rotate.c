/* matrix/push/rotate.c: event_push_summary from receipts and actions, in steps that each are a transaction. */
#include "push/rotate.h"

#include "push/age.h"
#include "push/push.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.matrix.push"};

enum {
    RECEIPTS = 100,  /* in one step */
    ACTIONS = 10000, /* in one step, about */
    ROTATE_MS = 30 * 1000,
    SWEEP_MS = 30 * 60 * 1000,
    DAY_MS = 24 * 3600 * 1000,
    HOUR_MS = 3600 * 1000,
};

struct step {
    struct mx_server *server;
    struct gg_arena *arena;
    int64_t limit; /* of a stream: how far */
    bool more;
};

/* ---- receipts: what was read is forgotten, and counted anew from there ---- */

/* In (the last step's end, $1], of our own users, with both positions that a step needs. */
static const struct gg_stmt select_receipts = {
    "SELECT r.stream_id, r.room_id, r.user_id, r.thread_id, coalesce(r.event_stream_ordering, 0), s.stream_ordering"
    " FROM event_push_summary_last_receipt_stream_id l CROSS JOIN event_push_summary_stream_ordering s"
    " JOIN receipts_linearized r ON r.stream_id > l.stream_id AND r.stream_id <= $1"
    " WHERE right(r.user_id, length($2)) = $2 ORDER BY r.stream_id LIMIT $3", 0};
static const struct gg_stmt delete_read = {
    "DELETE FROM event_push_actions WHERE room_id = $1 AND user_id = $2 AND stream_ordering <= $3 AND highlight = 0"
    " AND ($4::text IS NULL OR thread_id = $4)", 0};
static const struct gg_stmt clear_room = {
    "UPDATE event_push_summary SET notif_count = 0, unread_count = 0, stream_ordering = $4,"
    " last_receipt_stream_ordering = $3 WHERE room_id = $1 AND user_id = $2", 0};
/* Threads with actions left get a row even where nothing is to be counted: the next rotation must know the receipt. */
#define COUNT_AGAIN(threads_)                                                                                        \
    "INSERT INTO event_push_summary (room_id, user_id, thread_id, notif_count, unread_count, stream_ordering,"       \
    " last_receipt_stream_ordering) SELECT $1, $2, t.thread_id,"                                                     \
    " count(*) FILTER (WHERE a.notif = 1), count(*) FILTER (WHERE a.unread = 1), $4, $3 FROM " threads_              \
    " LEFT JOIN event_push_actions a ON a.room_id = $1 AND a.user_id = $2 AND a.thread_id = t.thread_id"             \
    " AND a.stream_ordering > $3 AND a.stream_ordering <= $4 GROUP BY t.thread_id"                                   \
    " ON CONFLICT (user_id, room_id, thread_id) DO UPDATE SET notif_count = excluded.notif_count,"                   \
    " unread_count = excluded.unread_count, stream_ordering = excluded.stream_ordering,"                             \
    " last_receipt_stream_ordering = excluded.last_receipt_stream_ordering"
static const struct gg_stmt count_room = {
    COUNT_AGAIN("(SELECT DISTINCT thread_id FROM event_push_actions WHERE room_id = $1 AND user_id = $2) t"), 0};
static const struct gg_stmt count_thread = {COUNT_AGAIN("(SELECT $5::text AS thread_id) t"), 0};
static const struct gg_stmt move_receipts = {"UPDATE event_push_summary_last_receipt_stream_id SET stream_id = $1", 0};

static int take_receipt(struct gg_txn *txn, const struct gg_rows *rows, size_t i, struct gg_error *err)
{
    struct gg_str thread_id = gg_rows_str(rows, i, 3);
    bool threaded = thread_id.s != NULL;
    const struct gg_param p[] = {gg_p_str(gg_rows_str(rows, i, 1)), gg_p_str(gg_rows_str(rows, i, 2)),
                                 gg_p_i64(gg_rows_i64(rows, i, 4)), gg_p_i64(gg_rows_i64(rows, i, 5)), gg_p_str(thread_id)};
    int rc = gg_txn_queue(txn, &delete_read, (const struct gg_param[]){p[0], p[1], p[2], p[4]}, 4, err);
    if (rc == 0 && !threaded)
        rc = gg_txn_queue(txn, &clear_room, p, 4, err);
    return rc ? rc : gg_txn_queue(txn, threaded ? &count_thread : &count_room, p, threaded ? 5 : 4, err);
}

static int receipts_txn(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct step *s = arg;
    struct gg_rows *rows;
    struct gg_str ours = gg_str(gg_arena_printf(s->arena, ":%s", s->server->name));
    int rc = gg_txn_exec(txn, &select_receipts, GG_PARAMS(gg_p_i64(s->limit), gg_p_str(ours), gg_p_i64(RECEIPTS)), s->arena,
                         &rows, err);
    size_t n = rc == 0 ? gg_rows_count(rows) : 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = take_receipt(txn, rows, i, err);
    s->more = n == RECEIPTS;
    int64_t end = s->more ? gg_rows_i64(rows, n - 1, 0) : s->limit;
    return rc ? rc : gg_txn_queue(txn, &move_receipts, GG_PARAMS(gg_p_i64(end)), err);
}

/* ---- actions: summed up once ---- */

static const struct gg_stmt select_range = {
    "SELECT s.stream_ordering, (SELECT a.stream_ordering FROM event_push_actions a WHERE a.stream_ordering > s.stream_ordering"
    " ORDER BY a.stream_ordering OFFSET $1 LIMIT 1) FROM event_push_summary_stream_ordering s", 0};
/* What a receipt has read already is not counted, though its highlights are still there. */
static const struct gg_stmt sum_up = {
    "INSERT INTO event_push_summary AS s (user_id, room_id, thread_id, notif_count, unread_count, stream_ordering)"
    " SELECT a.user_id, a.room_id, a.thread_id, count(*) FILTER (WHERE a.notif = 1),"
    " count(*) FILTER (WHERE a.unread = 1), max(a.stream_ordering) FROM event_push_actions a"
    " LEFT JOIN event_push_summary o USING (user_id, room_id, thread_id)"
    " WHERE a.stream_ordering > $1 AND a.stream_ordering <= $2 AND (a.notif = 1 OR a.unread = 1)"
    " AND (o.last_receipt_stream_ordering IS NULL OR o.last_receipt_stream_ordering < a.stream_ordering)"
    " GROUP BY a.user_id, a.room_id, a.thread_id ORDER BY a.user_id, a.room_id, a.thread_id"
    " ON CONFLICT (user_id, room_id, thread_id) DO UPDATE SET notif_count = s.notif_count + excluded.notif_count,"
    " unread_count = coalesce(s.unread_count, 0) + excluded.unread_count, stream_ordering = excluded.stream_ordering", 0};
static const struct gg_stmt move_actions = {"UPDATE event_push_summary_stream_ordering SET stream_ordering = $1", 0};

static int actions_txn(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct step *s = arg;
    struct gg_rows *rows;
    int rc = gg_txn_exec(txn, &select_range, GG_PARAMS(gg_p_i64(ACTIONS)), s->arena, &rows, err);
    if (rc)
        return rc;
    int64_t from = gg_rows_i64(rows, 0, 0), to = s->limit;
    s->more = !gg_rows_null(rows, 0, 1) && gg_rows_i64(rows, 0, 1) < to;
    if (s->more)
        to = gg_rows_i64(rows, 0, 1);
    if (to <= from)
        return 0; /* the position may go back only in a database that was put back */
    rc = gg_txn_queue(txn, &sum_up, GG_PARAMS(gg_p_i64(from), gg_p_i64(to)), err);
    return rc ? rc : gg_txn_queue(txn, &move_actions, GG_PARAMS(gg_p_i64(to)), err);
}

/* ---- old actions: whoever wants to know more than how many there were has had a day ---- */

/* The planner believes the few old highlights to be many old rows, and would read the table. */
static const struct gg_stmt no_scan = {"SET LOCAL enable_seqscan = off", 0};
static const struct gg_stmt delete_old = {
    "DELETE FROM event_push_actions WHERE highlight = 0 AND stream_ordering <= least((SELECT a.stream_ordering"
    " FROM event_push_actions a WHERE a.highlight = 0 AND a.stream_ordering <= $1 ORDER BY a.stream_ordering"
    " OFFSET $2 LIMIT 1), $1, (SELECT stream_ordering FROM event_push_summary_stream_ordering))", 0};

static int old_txn(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct step *s = arg;
    struct gg_rows *rows;
    int rc = gg_txn_queue(txn, &no_scan, GG_NO_PARAMS, err);
    if (rc == 0)
        rc = gg_txn_exec(txn, &delete_old, GG_PARAMS(gg_p_i64(s->limit), gg_p_i64(ACTIONS)), s->arena, &rows, err);
    s->more = rc == 0 && gg_rows_affected(rows) >= ACTIONS;
    return rc;
}

/* ---- a round ---- */

static int run_steps(struct mx_server *server, const char *name, gg_txn_fn *body, int64_t limit, struct gg_error *err)
{
    struct step s = {.server = server, .limit = limit, .more = true};
    int rc = 0;
    while (rc == 0 && s.more) {
        s.arena = gg_arena_new();
        rc = gg_db_txn(server->db, name, 0, body, &s, err);
        gg_arena_free(s.arena);
        if (rc == 0 && gg_yield())
            return gg_fail(err, GG_E_CANCELLED, "stopped while notifications were summed up");
    }
    return rc;
}

int mx_push_rotate(struct mx_server *server, struct gg_error *err)
{
    int rc = run_steps(server, "push_receipts", receipts_txn, gg_stream_upto(server->receipts), err);
    if (rc == 0)
        rc = run_steps(server, "push_rotate", actions_txn, gg_stream_upto(server->events), err);
    int64_t day_ago;
    if (rc == 0)
        rc = mx_stream_ordering_at(server, gg_wall_ms() - DAY_MS, &day_ago, err);
    return rc ? rc : run_steps(server, "push_delete_old", old_txn, day_ago - 1, err);
}

static const struct gg_stmt delete_staged = {
    "DELETE FROM event_push_actions_staging WHERE inserted_ts < $1 OR inserted_ts IS NULL", 0};

int mx_push_sweep_staging(struct mx_server *server, struct gg_error *err)
{
    return gg_db_write(server->db, &delete_staged, GG_PARAMS(gg_p_i64(gg_wall_ms() - HOUR_MS)), NULL, NULL, err);
}

/* ---- jobs ---- */

static void complain(const char *what, int rc, const struct gg_error *err)
{
    if (rc && rc != GG_E_CANCELLED)
        gg_warn(&logger, "%s: %s", what, err->message);
}

static void rotate_job(void *arg)
{
    struct mx_server *server = arg;
    struct gg_error err = GG_ERROR_INIT;
    complain("summing up notifications", mx_push_rotate(server, &err), &err);
}

static void sweep_job(void *arg)
{
    struct gg_error err = GG_ERROR_INIT;
    complain("sweeping staged notifications", mx_push_sweep_staging(arg, &err), &err);
}

void mx_push_rotate_register(struct mx_server *server)
{
    gg_host_every(server->host, "push_rotate", ROTATE_MS, true, rotate_job, server);
    gg_host_every(server->host, "push_sweep_staging", SWEEP_MS, true, sweep_job, server);
}
