/* host/db/conn.c: what was sent on a connection, in order, and what came back.
 *
 * In a pipeline libpq hands out, for each statement, its results and then NULL;
 * a Sync has one result of its own. After an error everything up to the next Sync
 * comes back as aborted. An error may also come at the Sync itself (a commit that
 * fails), after the statement's own result. */
#include "db/conn.h"
#include "db/db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.db"};

void gg_conn_lose(struct gg_conn *conn, const char *why)
{
    if (conn->lost)
        return;
    conn->lost = true;
    size_t n = strcspn(why, "\n");
    snprintf(conn->why, sizeof(conn->why), "%.*s", (int)n, why);
}

/* ---- sending ---- */

static bool is_prepared(const struct gg_conn *conn, const struct gg_variant *v)
{
    return v->id / 64 < conn->n_prepared && (conn->prepared[v->id / 64] >> (v->id % 64) & 1);
}

static void set_prepared(struct gg_conn *conn, const struct gg_variant *v, bool is)
{
    size_t word = v->id / 64;
    if (word >= conn->n_prepared) {
        if (!is)
            return;
        size_t n = word + 8;
        uint64_t *bigger = realloc(conn->prepared, n * sizeof(uint64_t));
        GG_ASSERT(bigger != NULL);
        memset(bigger + conn->n_prepared, 0, (n - conn->n_prepared) * sizeof(uint64_t));
        conn->prepared = bigger;
        conn->n_prepared = n;
    }
    uint64_t bit = (uint64_t)1 << (v->id % 64);
    conn->prepared[word] = is ? conn->prepared[word] | bit : conn->prepared[word] & ~bit;
}

static int send_failed(struct gg_conn *conn, struct gg_error *err)
{
    gg_conn_lose(conn, PQerrorMessage(conn->pg));
    return gg_fail(err, GG_E_UNAVAILABLE, "database: %s", conn->why);
}

int gg_conn_send(struct gg_conn *conn, struct gg_op *op, const struct gg_param *params, size_t n, struct gg_error *err)
{
    if (conn->lost)
        return gg_fail(err, GG_E_UNAVAILABLE, "database: %s", conn->why);
    struct gg_encoded e;
    int rc = gg_params_encode(&e, &conn->db->scratch, params, n, err);
    if (rc)
        return rc;
    struct gg_variant *v = op->variant;
    op->stage = GG_OP_EXEC;
    op->sync = op->aborted = op->failed = false;
    if (!is_prepared(conn, v)) {
        if (!PQsendPrepare(conn->pg, v->name, v->stmt->sql, (int)v->n, v->types))
            return send_failed(conn, err);
        set_prepared(conn, v, true);
        op->stage = GG_OP_PREPARE;
    }
    if (!PQsendQueryPrepared(conn->pg, v->name, (int)n, e.values, e.lengths, e.formats, 1))
        return send_failed(conn, err);
    op->sent_at = gg_now_ms();
    if (conn->n_sent == 0)
        conn->progress_at = op->sent_at;
    gg_list_push(&conn->sent, &op->link);
    conn->n_sent++;
    conn->unsynced = true;
    return 0;
}

void gg_conn_sync(struct gg_conn *conn)
{
    if (conn->lost || !conn->unsynced || conn->n_sent == 0)
        return;
    GG_CONTAINER(conn->sent.prev, struct gg_op, link)->sync = true;
    conn->unsynced = false;
    if (!PQpipelineSync(conn->pg))
        gg_conn_lose(conn, PQerrorMessage(conn->pg));
}

bool gg_conn_flush(struct gg_conn *conn)
{
    if (conn->lost)
        return true;
    int left = PQflush(conn->pg);
    if (left < 0)
        gg_conn_lose(conn, PQerrorMessage(conn->pg));
    if (left != 0)
        gg_conn_dispatch(conn); /* PQflush reads when it cannot write */
    return left == 0 || conn->lost;
}

/* ---- receiving ---- */

static void op_ended(struct gg_conn *conn, struct gg_op *op)
{
    gg_list_remove(&op->link);
    conn->n_sent--;
    op->stage = GG_OP_ENDED;
    conn->owner->ended(conn, op);
    conn->ended_at = gg_now_ms();
}

int64_t gg_conn_busy_ms(const struct gg_conn *conn, const struct gg_op *op)
{
    return gg_now_ms() - (conn->ended_at > op->sent_at ? conn->ended_at : op->sent_at);
}

/* An error that makes the connection useless beyond this statement. */
static bool must_retire(const struct gg_conn *conn, const PGresult *result, const char *sqlstate)
{
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (strcmp(sqlstate, "0A000") == 0) /* the table's columns changed under a prepared statement */
        return message && strstr(message, "cached plan");
    return strcmp(sqlstate, "25006") == 0 && conn->role == GG_CONN_WRITE; /* a standby, after a fail-over */
}

/* True: the error is the statement's own. False: the connection is lost. */
static bool take_error(struct gg_conn *conn, struct gg_op *op, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (!sqlstate) { /* libpq's own: the socket broke */
        gg_conn_lose(conn, PQresultErrorMessage(result));
        return false;
    }
    if (severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0)) {
        conn->fatal = true;
        gg_conn_lose(conn, PQresultErrorMessage(result));
        return false;
    }
    if (must_retire(conn, result, sqlstate))
        conn->retire = true;
    if (op->stage == GG_OP_PREPARE)
        set_prepared(conn, op->variant, false);
    op->failed = true;
    snprintf(op->sqlstate, sizeof(op->sqlstate), "%s", sqlstate);
    return true;
}

static void take_result(struct gg_conn *conn, struct gg_op *op, PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_PIPELINE_ABORTED:
        if (op->stage == GG_OP_PREPARE)
            set_prepared(conn, op->variant, false);
        if (!op->failed)
            op->aborted = true;
        break;
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        if (op->stage != GG_OP_EXEC)
            break;
        conn->owner->result(conn, op, result);
        return;
    case PGRES_FATAL_ERROR:
        if (!take_error(conn, op, result))
            break;
        conn->owner->result(conn, op, result);
        return;
    default:
        gg_conn_lose(conn, "unexpected kind of result");
    }
    PQclear(result);
}

/* libpq's NULL: the current stage of op is over. */
static void stage_over(struct gg_conn *conn, struct gg_op *op)
{
    if (op->stage == GG_OP_PREPARE)
        op->stage = GG_OP_EXEC;
    else if (op->stage == GG_OP_EXEC && op->sync)
        op->stage = GG_OP_SYNC;
    else if (op->stage == GG_OP_EXEC)
        op_ended(conn, op);
}

void gg_conn_dispatch(struct gg_conn *conn)
{
    while (conn->n_sent && !conn->lost) {
        if (PQisBusy(conn->pg))
            return;
        struct gg_op *op = GG_CONTAINER(conn->sent.next, struct gg_op, link);
        PGresult *result = PQgetResult(conn->pg);
        conn->progress_at = gg_now_ms();
        if (!result) {
            stage_over(conn, op);
        } else if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            op_ended(conn, op);
        } else {
            take_result(conn, op, result);
        }
    }
}

void gg_conn_receive(struct gg_conn *conn)
{
    if (conn->lost)
        return;
    bool alive = PQconsumeInput(conn->pg) == 1;
    gg_conn_dispatch(conn); /* also what came before the end: the server's last words */
    if (!alive || PQstatus(conn->pg) == CONNECTION_BAD)
        gg_conn_lose(conn, PQerrorMessage(conn->pg));
}

int64_t gg_conn_patience(const struct gg_conn *conn)
{
    static const int64_t grace = 5000;
    int64_t limit = conn->db->statement_timeout_ms;
    return limit ? limit + grace : GG_FOREVER;
}

int gg_conn_drain(struct gg_conn *conn, struct gg_error *err)
{
    while (conn->n_sent && !conn->lost) {
        bool flushed = gg_conn_flush(conn);
        gg_conn_dispatch(conn);
        if (!conn->n_sent || conn->lost)
            break;
        int64_t patience = gg_conn_patience(conn);
        int64_t limit = patience == GG_FOREVER ? GG_FOREVER : conn->progress_at + patience;
        int rc = gg_wait_fd(conn->fd, GG_READABLE | (flushed ? 0 : GG_WRITABLE), NULL, limit);
        if (rc == GG_E_TIMEOUT)
            gg_conn_lose(conn, "no answer for longer than any statement may take");
        else if (rc)
            gg_conn_lose(conn, "the wait for an answer was given up");
        else
            gg_conn_receive(conn);
    }
    if (conn->lost) {
        gg_debug(&logger, "connection lost: %s", conn->why);
        return gg_fail(err, GG_E_UNAVAILABLE, "database: %s", conn->why);
    }
    return 0;
}

bool gg_conn_dead(struct gg_conn *conn)
{
    char byte;
    ssize_t n = recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n == 0)
        return true;
    if (n < 0)
        return errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
    gg_conn_receive(conn); /* a changed setting, or the last words of a server that goes */
    if (conn->lost)
        return true;
    n = recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0;
}
