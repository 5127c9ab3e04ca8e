/* host/db/lane.c: connections that many fibers share.
 *
 * A lane sends, at the end of a turn of the loop, all that was asked of it in that
 * turn. Reads of a turn share one Sync: cheap, and when one of them fails the ones
 * after it are run again alone. Writes have a Sync each, so that each is a
 * transaction of its own. One fiber a lane connects and reads; a caller that goes
 * away leaves its statement behind, whose result is thrown away: nothing is ever
 * cancelled on the server. */
#include "db/lane.h"

#include <stdlib.h>
#include <sys/socket.h>

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.db"};

enum { WATCH_MS = 5000, MAX_TRIES = 5 };

static struct gg_lane_call *call_of(struct gg_op *op)
{
    return GG_CONTAINER(op, struct gg_lane_call, op);
}

void gg_lane_call_free(struct gg_lane_call *call)
{
    gg_lane_part_twins(call);
    PQclear(call->result);
    free(call);
}

/* ---- sending ---- */

static void flusher_main(void *arg)
{
    struct gg_db_lane *lane = arg;
    gg_shield_begin();
    while (lane->conn && !lane->conn->lost && !gg_conn_flush(lane->conn)) {
        if (gg_wait_fd(lane->conn->fd, GG_WRITABLE, NULL, GG_FOREVER))
            break;
    }
    gg_shield_end();
    lane->flushing = false;
    gg_cond_broadcast(&lane->flushed);
}

/* Ends all waiting on the socket, so that the lane's fiber sees that it is lost. */
static void lane_hang_up(struct gg_db_lane *lane, const char *why)
{
    gg_conn_lose(lane->conn, why);
    shutdown(lane->conn->fd, SHUT_RDWR);
}

static void on_watch(void *arg)
{
    struct gg_db_lane *lane = arg;
    struct gg_conn *conn = lane->conn;
    lane->watch = NULL;
    if (!conn || conn->lost || !conn->n_sent)
        return;
    int64_t patience = gg_conn_patience(conn);
    if (patience != GG_FOREVER && gg_now_ms() - conn->progress_at > patience)
        lane_hang_up(lane, "no answer for longer than any statement may take");
    else
        lane->watch = gg_timer_start(WATCH_MS, on_watch, lane);
}

static void call_answer(struct gg_lane_call *call)
{
    call->done = true;
    gg_cond_signal(&call->cond);
}

/* The lane is through with it, without a result: a write that the server has carried out and not yet committed has one,
 * which counts for nothing. */
static void call_drop(struct gg_lane_call *call, int code)
{
    struct gg_list *link;
    while ((link = gg_list_pop(&call->twins))) {
        struct gg_lane_call *twin = GG_CONTAINER(link, struct gg_lane_call, twin);
        twin->leader = NULL;
        twin->code = code;
        twin->err = call->err;
        call_answer(twin);
    }
    call->held = false;
    if (!call->waited) {
        gg_lane_call_free(call);
        return;
    }
    PQclear(call->result);
    call->result = NULL;
    call->code = code;
    call_answer(call);
}

static void send_call(struct gg_db_lane *lane, struct gg_lane_call *call)
{
    struct gg_conn *conn = lane->conn;
    if (!call->waited) {
        gg_lane_call_free(call);
        return;
    }
    if (call->solo)
        gg_conn_sync(conn);
    int rc = gg_conn_send(conn, &call->op, call->params, call->n_params, &call->err);
    if (rc && conn->lost) {
        gg_list_push_front(&lane->queue, &call->op.link);
        lane->n_queued++;
    } else if (rc) {
        call_drop(call, rc);
    } else if (call->solo || gg_lane_writes(lane)) {
        gg_conn_sync(conn);
    }
}

static void lane_flush(void *arg)
{
    struct gg_db_lane *lane = arg;
    struct gg_conn *conn = lane->conn;
    lane->flush_due = false;
    while (conn && !conn->lost && !conn->retire && lane->n_queued) {
        lane->n_queued--;
        send_call(lane, call_of(GG_CONTAINER(gg_list_pop(&lane->queue), struct gg_op, link)));
    }
    if (!conn || conn->lost)
        return;
    gg_conn_sync(conn);
    if (!gg_conn_flush(conn) && !lane->flushing)
        lane->flushing = gg_spawn(lane->db->scope, "db.flush", flusher_main, lane) != NULL;
    if (conn->lost)
        lane_hang_up(lane, conn->why);
    else if (!lane->watch && conn->n_sent)
        lane->watch = gg_timer_start(WATCH_MS, on_watch, lane);
}

static void lane_schedule(struct gg_db_lane *lane)
{
    if (!lane->conn) {
        lane->wanted = true;
        gg_cond_signal(&lane->work);
    } else if (!lane->flush_due) {
        lane->flush_due = true;
        gg_at_turn_end(lane_flush, lane);
    }
}

void gg_lane_queue(struct gg_db_lane *lane, struct gg_lane_call *call)
{
    call->op.stage = GG_OP_QUEUED;
    call->held = true;
    gg_list_push(&lane->queue, &call->op.link);
    lane->n_queued++;
    lane_schedule(lane);
}

/* ---- results ---- */

static void on_result(struct gg_conn *conn, struct gg_op *op, PGresult *result)
{
    struct gg_lane_call *call = call_of(op);
    if (call->done && call->waited) { /* the reader has its rows and has not run yet */
        PQclear(result);
        return;
    }
    PQclear(call->result);
    call->result = result;
    if (op->failed || gg_lane_writes(call->lane))
        return;
    gg_lane_tell_twins(call, result);
    if (call->waited)
        call_answer(call);
}

/* Errors that say "again": never ran, or was rolled back for somebody else's sake. */
static bool may_run_again(const struct gg_conn *conn, const struct gg_op *op)
{
    if (strcmp(op->sqlstate, "26000") == 0 || strcmp(op->sqlstate, "40001") == 0 || strcmp(op->sqlstate, "40P01") == 0)
        return true;
    return conn->retire && strcmp(op->sqlstate, "0A000") == 0;
}

static void run_again(struct gg_db_lane *lane, struct gg_lane_call *call)
{
    PQclear(call->result);
    call->result = NULL;
    call->solo = true;
    gg_lane_queue(lane, call);
}

static void on_ended(struct gg_conn *conn, struct gg_op *op)
{
    struct gg_lane_call *call = call_of(op);
    struct gg_db_lane *lane = call->lane;
    bool failed = op->failed && !call->done;
    call->held = false;
    int64_t ms = gg_conn_busy_ms(conn, op);
    gg_db_count_query(op->variant, ms, failed ? "error" : NULL);
    gg_db_log_slow(gg_lane_writes(lane) ? "write" : "read", 1, op->variant, ms);
    if (!call->waited)
        gg_lane_call_free(call);
    else if (!call->done && (op->aborted || (failed && may_run_again(conn, op))) && call->tries++ < MAX_TRIES)
        run_again(lane, call);
    else if (!call->done)
        call_answer(call);
    gg_cond_signal(&lane->group->room);
}

static const struct gg_conn_owner lane_owner = {on_result, on_ended};

/* ---- the lane's fiber ---- */

/* A statement that was sent on a connection that is lost. unrun: the server said
 * goodbye before it came to it. */
static void settle(struct gg_db_lane *lane, struct gg_lane_call *call, bool unrun)
{
    call->held = false;
    if (!call->waited)
        gg_lane_call_free(call);
    else if (call->done)
        return;
    else if (call->op.failed && call->result)
        call_answer(call);
    else if ((!gg_lane_writes(lane) || unrun) && call->tries++ < MAX_TRIES)
        run_again(lane, call);
    else
        call_drop(call, gg_lane_writes(lane) && !unrun ? GG_E_IN_DOUBT : GG_E_UNAVAILABLE);
}

static GG_YIELDS void lane_disconnect(struct gg_db_lane *lane)
{
    struct gg_conn *conn = lane->conn;
    if (!gg_list_empty(&conn->sent) || !conn->retire)
        gg_log(&logger, lane->stopping ? GG_DEBUG : GG_WARN, "lane lost: %s", conn->why);
    shutdown(conn->fd, SHUT_RDWR);
    while (lane->flushing)
        (void)gg_cond_wait(&lane->flushed, GG_FOREVER);
    lane->conn = NULL;
    lane->wanted = lane->n_queued > 0;
    bool unrun = conn->fatal;
    if (conn->n_sent && GG_CONTAINER(conn->sent.next, struct gg_op, link)->stage == GG_OP_SYNC)
        unrun = false; /* its commit may have happened, and the rest is settled below */
    while (conn->n_sent) {
        conn->n_sent--;
        settle(lane, call_of(GG_CONTAINER(gg_list_pop(&conn->sent), struct gg_op, link)), unrun);
        unrun = conn->fatal;
    }
    gg_conn_close(conn);
    gg_cond_broadcast(&lane->group->room);
}

static void lane_fail_all(struct gg_db_lane *lane, int code)
{
    struct gg_list *link;
    while ((link = gg_list_pop(&lane->queue))) {
        lane->n_queued--;
        call_drop(call_of(GG_CONTAINER(link, struct gg_op, link)), code);
    }
    gg_cond_broadcast(&lane->group->room);
}

/* Connects, however long it takes; callers have limits of their own. Not shielded:
 * the only time when the lane's fiber heeds a cancel. */
static GG_YIELDS int lane_connect(struct gg_db_lane *lane)
{
    int role = gg_lane_writes(lane) ? GG_CONN_WRITE : GG_CONN_READ;
    while (!lane->stopping) {
        struct gg_error err = GG_ERROR_INIT;
        int64_t wait = gg_db_claim_attempt(lane->db);
        int rc = wait ? gg_sleep(wait) : gg_conn_open(lane->db, role, &lane->conn, &err);
        if (rc == GG_E_CANCELLED)
            return rc;
        if (lane->conn) {
            lane->conn->owner = &lane_owner;
            lane->conn->self = lane;
            return 0;
        }
        if (gg_db_long_outage(lane->db))
            lane_fail_all(lane, GG_E_UNAVAILABLE);
    }
    return GG_E_CLOSED;
}

static GG_YIELDS void lane_pump(struct gg_db_lane *lane)
{
    struct gg_conn *conn = lane->conn;
    while (!conn->lost && !lane->stopping) {
        if (gg_wait_fd(conn->fd, GG_READABLE, NULL, GG_FOREVER) == 0)
            gg_conn_receive(conn);
        if (conn->retire && !conn->n_sent)
            gg_conn_lose(conn, "a new session is needed");
    }
}

static void lane_main(void *arg)
{
    struct gg_db_lane *lane = arg;
    gg_shield_begin();
    while (!lane->stopping) {
        if (!lane->wanted) {
            (void)gg_cond_wait(&lane->work, GG_FOREVER);
            continue;
        }
        gg_shield_end();
        int rc = lane_connect(lane);
        gg_shield_begin();
        if (rc)
            break;
        lane_schedule(lane);
        lane_pump(lane);
        lane_disconnect(lane);
    }
    lane->stopping = true;
    lane_fail_all(lane, GG_E_CLOSED);
    gg_shield_end();
}

/* ---- the group ---- */

void gg_lanes_new(struct gg_db *db, size_t kind, size_t n)
{
    struct gg_lanes *group = &db->lanes[kind];
    group->lane = calloc(n, sizeof(struct gg_db_lane *));
    GG_ASSERT(group->lane != NULL);
    group->n = n;
    gg_cond_init(&group->room);
    for (size_t i = 0; i < n; i++) {
        struct gg_db_lane *lane = group->lane[i] = calloc(1, sizeof(*lane));
        GG_ASSERT(lane != NULL);
        lane->db = db;
        lane->group = group;
        lane->kind = kind;
        gg_list_init(&lane->queue);
        gg_cond_init(&lane->work);
        gg_cond_init(&lane->flushed);
    }
}

static GG_YIELDS void lane_free(struct gg_db_lane *lane)
{
    lane->stopping = true;
    gg_cond_broadcast(&lane->work);
    if (lane->conn)
        lane_hang_up(lane, "the pool is closed");
    if (lane->fiber) {
        gg_cancel(lane->fiber);
        while (gg_join(lane->fiber, GG_FOREVER))
            ;
    }
    if (lane->watch)
        gg_timer_stop(lane->watch);
    while (lane->flush_due)
        (void)gg_yield();
    free(lane);
}

void gg_lanes_free(struct gg_db *db, size_t kind)
{
    struct gg_lanes *group = &db->lanes[kind];
    for (size_t i = 0; i < group->n; i++)
        lane_free(group->lane[i]);
    free(group->lane);
}

bool gg_lanes_silent(const struct gg_db *db, size_t kind)
{
    const struct gg_lanes *group = &db->lanes[kind];
    for (size_t i = 0; i < group->n; i++) {
        const struct gg_conn *conn = group->lane[i]->conn;
        if (conn && conn->n_sent && gg_now_ms() - conn->progress_at > GG_DB_OUTAGE_GRACE_MS)
            return true;
    }
    return false;
}

bool gg_lane_start(struct gg_db_lane *lane)
{
    if (!lane->fiber)
        lane->fiber = gg_spawn_joinable(lane->db->scope, "db.lane", lane_main, lane);
    return lane->fiber != NULL;
}

void gg_lane_want(struct gg_db_lane *lane)
{
    lane->wanted = true;
    gg_cond_signal(&lane->work);
}
