/* host/db/lane.c: connections that many fibers share.
 *
 * A lane sends, at the end of a turn of the loop, all that was asked of it in that
 * turn. Reads of a turn share one Sync: cheap, and when one of them fails the ones
 * after it are run again alone. Writes have a Sync each, so that each is a
 * transaction of its own. One fiber a lane connects and reads; a caller that goes
 * away leaves its statement behind, whose result is thrown away: nothing is ever
 * cancelled on the server. */
#include "db/db.h"

#include <stdlib.h>
#include <sys/socket.h>

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.db"};

enum { WATCH_MS = 5000, MAX_TRIES = 5 };

struct gg_db_lane {
    struct gg_db *db;
    struct gg_lanes *group;
    size_t kind;
    struct gg_conn *conn; /* NULL: not connected */
    struct gg_list queue; /* calls that were not sent yet */
    size_t n_queued;
    bool wanted, stopping, flush_due, flushing;
    struct gg_cond work, flushed;
    struct gg_fiber *fiber;
    struct gg_timer *watch;
};

/* One caller's statement; freed by whoever is last: the caller or the wire. */
struct call {
    struct gg_op op;
    struct gg_db_lane *lane;
    const struct gg_param *params; /* the caller's: valid while `waited` */
    size_t n_params;
    struct gg_cond cond;
    PGresult *result; /* also a failed one */
    struct gg_error err;
    int code;         /* when there is no result */
    bool waited;      /* the caller is there */
    bool done;        /* the caller has its answer */
    bool held;        /* the lane has it, queued or sent */
    bool solo;        /* must be in a group of its own */
    uint8_t tries;
};

static struct call *call_of(struct gg_op *op)
{
    return GG_CONTAINER(op, struct call, op);
}

static void call_free(struct call *call)
{
    PQclear(call->result);
    free(call);
}

static bool is_write(const struct gg_db_lane *lane)
{
    return lane->kind == GG_LANES_WRITE;
}

static size_t lane_load(const struct gg_db_lane *lane)
{
    return lane->n_queued + (lane->conn ? lane->conn->n_sent : 0);
}

/* ---- sending ---- */

static void flusher_main(void *arg)
{
    struct gg_db_lane *lane = arg;
    gg_shield_begin();
    while (lane->conn && !lane->conn->lost && !gg_conn_flush(lane->conn)) {
        if (gg_wait_fd(PQsocket(lane->conn->pg), GG_WRITABLE, NULL, GG_FOREVER))
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
    shutdown(PQsocket(lane->conn->pg), SHUT_RDWR);
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

static void call_answer(struct call *call)
{
    call->done = true;
    gg_cond_signal(&call->cond);
}

/* The lane is through with it, without a result. */
static void call_drop(struct call *call, int code)
{
    call->held = false;
    if (!call->waited) {
        call_free(call);
        return;
    }
    call->code = code;
    call_answer(call);
}

static void send_call(struct gg_db_lane *lane, struct call *call)
{
    struct gg_conn *conn = lane->conn;
    if (!call->waited) {
        call_free(call);
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
    } else if (call->solo || is_write(lane)) {
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

static void lane_queue(struct gg_db_lane *lane, struct call *call)
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
    struct call *call = call_of(op);
    if (call->done && call->waited) { /* the reader has its rows and has not run yet */
        PQclear(result);
        return;
    }
    PQclear(call->result);
    call->result = result;
    if (!op->failed && call->waited && !is_write(call->lane))
        call_answer(call);
}

/* Errors that say "again": never ran, or was rolled back for somebody else's sake. */
static bool may_run_again(const struct gg_conn *conn, const struct gg_op *op)
{
    if (strcmp(op->sqlstate, "26000") == 0 || strcmp(op->sqlstate, "40001") == 0 || strcmp(op->sqlstate, "40P01") == 0)
        return true;
    return conn->retire && strcmp(op->sqlstate, "0A000") == 0;
}

static void run_again(struct gg_db_lane *lane, struct call *call)
{
    PQclear(call->result);
    call->result = NULL;
    call->solo = true;
    lane_queue(lane, call);
}

static void on_ended(struct gg_conn *conn, struct gg_op *op)
{
    struct call *call = call_of(op);
    struct gg_db_lane *lane = call->lane;
    bool failed = op->failed && !call->done;
    call->held = false;
    int64_t ms = gg_conn_busy_ms(conn, op);
    gg_db_count_query(op->variant, ms, failed ? "error" : NULL);
    gg_db_log_slow(is_write(lane) ? "write" : "read", 1, op->variant, ms);
    if (!call->waited)
        call_free(call);
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
static void settle(struct gg_db_lane *lane, struct call *call, bool unrun)
{
    call->held = false;
    if (!call->waited)
        call_free(call);
    else if (call->done)
        return;
    else if (call->op.failed && call->result)
        call_answer(call);
    else if ((!is_write(lane) || unrun) && call->tries++ < MAX_TRIES)
        run_again(lane, call);
    else
        call_drop(call, is_write(lane) && !unrun ? GG_E_IN_DOUBT : GG_E_UNAVAILABLE);
}

static GG_YIELDS void lane_disconnect(struct gg_db_lane *lane)
{
    struct gg_conn *conn = lane->conn;
    if (!gg_list_empty(&conn->sent) || !conn->retire)
        gg_log(&logger, lane->stopping ? GG_DEBUG : GG_WARN, "lane lost: %s", conn->why);
    shutdown(PQsocket(conn->pg), SHUT_RDWR);
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
    int role = is_write(lane) ? GG_CONN_WRITE : GG_CONN_READ;
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
        if (gg_wait_fd(PQsocket(conn->pg), GG_READABLE, NULL, GG_FOREVER) == 0)
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

/* The least loaded one; opening another costs something, more where statements
 * are short and do not stand in each other's way. */
static struct gg_db_lane *pick(const struct gg_lanes *group, size_t kind)
{
    size_t cost_of_new = kind == GG_LANE_POINT ? 8 : 1, best_cost = SIZE_MAX;
    struct gg_db_lane *best = NULL;
    for (size_t i = 0; i < group->n; i++) {
        struct gg_db_lane *lane = group->lane[i];
        bool ready = lane->conn && !lane->conn->retire;
        size_t cost = lane_load(lane) + (ready ? 0 : cost_of_new);
        if (cost < best_cost) {
            best = lane;
            best_cost = cost;
        }
    }
    return best;
}

static GG_YIELDS int find_room(struct gg_db *db, size_t kind, struct gg_db_lane **lane_out, struct gg_error *err)
{
    struct gg_lanes *group = &db->lanes[kind];
    int64_t limit = gg_deadline(GG_DB_OUTAGE_GRACE_MS);
    struct gg_db_lane *lane;
    while (lane_load(lane = pick(group, kind)) >= GG_DB_LANE_CAP) {
        int rc = gg_cond_wait(&group->room, limit);
        if (rc == GG_E_CANCELLED)
            return gg_fail(err, rc, "cancelled");
        if (rc)
            return gg_fail(err, GG_E_UNAVAILABLE, "too many statements wait for the database");
    }
    if (lane->stopping)
        return gg_fail(err, GG_E_CLOSED, "the database pool is closed");
    if (!lane->conn && gg_db_long_outage(db) && lane->fiber) {
        lane->wanted = true; /* goes on trying, though nobody waits */
        gg_cond_signal(&lane->work);
        return gg_db_unavailable(db, err);
    }
    if (!lane->fiber)
        lane->fiber = gg_spawn_joinable(db->scope, "db.lane", lane_main, lane);
    *lane_out = lane;
    return lane->fiber ? 0 : gg_fail(err, GG_E_UNAVAILABLE, "no fiber for a database lane");
}

/* ---- one caller ---- */

static bool on_the_wire(const struct call *call)
{
    return call->held && call->op.stage != GG_OP_QUEUED;
}

/* Takes the caller's hands off. */
static void call_leave(struct call *call)
{
    call->waited = false;
    if (!call->held) {
        call_free(call);
    } else if (call->op.stage == GG_OP_QUEUED) {
        gg_list_remove(&call->op.link);
        call->lane->n_queued--;
        call_free(call);
    }
}

static int give_up(struct call *call, int rc, struct gg_error *err)
{
    struct gg_db_lane *lane = call->lane;
    if (rc == GG_E_CANCELLED)
        return gg_fail(err, rc, "cancelled");
    if (!lane->conn)
        return gg_db_unavailable(lane->db, err);
    return gg_fail(err, rc, "the database did not answer in time");
}

/* Until the answer is there. A read may be left at any time. A write that was sent
 * is waited for, as only its answer tells what happened. */
static GG_YIELDS int call_await(struct call *call, struct gg_error *err)
{
    bool shielded = false, write = is_write(call->lane);
    int64_t limit = gg_deadline(GG_DB_OUTAGE_GRACE_MS);
    int rc = 0;
    while (!call->done) {
        rc = gg_cond_wait(&call->cond, on_the_wire(call) ? GG_FOREVER : limit);
        if (rc == 0 || call->done)
            continue;
        if (on_the_wire(call) && write && !shielded) {
            gg_shield_begin();
            shielded = true;
        } else if (!on_the_wire(call) || !write) {
            break;
        }
    }
    if (shielded)
        gg_shield_end();
    return call->done ? 0 : give_up(call, rc, err);
}

static int call_result(struct call *call, PGresult **result_out, struct gg_error *err)
{
    if (!call->result) {
        if (call->code == GG_E_IN_DOUBT)
            return gg_fail(err, call->code, "the connection was lost while writing: %.120s",
                           call->op.variant->stmt->sql);
        if (call->err.code == 0)
            return gg_db_unavailable(call->lane->db, err);
        *err = call->err;
        return call->code;
    }
    if (PQresultStatus(call->result) == PGRES_FATAL_ERROR)
        return gg_sql_error(err, call->op.variant, call->result);
    *result_out = call->result;
    call->result = NULL;
    return 0;
}

int gg_lanes_run(struct gg_db *db, size_t kind, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
                 PGresult **result_out, struct gg_error *err)
{
    struct gg_db_lane *lane = NULL;
    struct gg_variant *variant = gg_stmts_get(db->stmts, stmt, params, n, err);
    if (!variant)
        return err->code;
    int rc = find_room(db, kind, &lane, err);
    if (rc)
        return rc;
    struct call *call = calloc(1, sizeof(*call));
    GG_ASSERT(call != NULL);
    call->op.variant = variant;
    call->lane = lane;
    call->params = params;
    call->n_params = n;
    call->waited = true;
    gg_cond_init(&call->cond);
    lane_queue(lane, call);
    rc = call_await(call, err);
    if (rc == 0)
        rc = call_result(call, result_out, err);
    call_leave(call);
    return rc;
}
