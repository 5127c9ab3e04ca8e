/* host/db/txn.c: transactions, pipelined.
 *
 * BEGIN travels with the first statement and COMMIT with the last queued ones, so
 * that a transaction of queued statements is one round trip. A failed statement
 * makes the server skip what follows up to the next Sync, COMMIT included. */
#include "db/db.h"

#include <stdio.h>
#include <stdlib.h>

#include <ganglion/log.h>

static struct gg_logger logger = {"synapse.storage.txn"};

enum { MAX_TRIES = 5, FIRST_PAUSE_MS = 10 };

static const struct gg_stmt begins[] = {
    {"BEGIN ISOLATION LEVEL REPEATABLE READ", 0},
    {"BEGIN ISOLATION LEVEL READ COMMITTED", 0},
    {"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", 0},
    {"BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY", 0},
};
static const struct gg_stmt commit_stmt = {"COMMIT", 0};
static const struct gg_stmt rollback_stmt = {"ROLLBACK", 0};

struct gg_txn {
    struct gg_txn_owner owner;
    struct gg_db *db;
    struct gg_conn *conn;
    uint32_t flags;
    bool began, committed, rolled_back;
    bool failed;          /* err and sqlstate are those of the first error */
    struct gg_error err;
    char sqlstate[6];
    struct gg_op *commit; /* sent and not answered */
    struct {
        int64_t began;
        size_t n;
        const struct gg_variant *last; /* before COMMIT */
    } group;              /* what was sent since the last wait */
    bool in_doubt;
};

struct txn_op {
    struct gg_op op;
    struct gg_arena *arena;
    struct gg_rows **rows_out;
};

static struct txn_op *op_of(struct gg_op *op)
{
    return GG_CONTAINER(op, struct txn_op, op);
}

/* ---- results ---- */

static void take_failure(struct gg_txn *txn, const struct gg_op *op, const PGresult *result)
{
    if (txn->failed)
        return;
    txn->failed = true;
    gg_sql_error(&txn->err, op->variant, result);
    snprintf(txn->sqlstate, sizeof(txn->sqlstate), "%s", op->sqlstate);
    if (strcmp(op->sqlstate, "25006") == 0 && !(txn->flags & GG_TXN_READ_ONLY))
        txn->conn->retire = true; /* a standby, after a fail-over: look again */
}

static void on_result(struct gg_conn *conn, struct gg_op *op, PGresult *result)
{
    struct gg_txn *txn = conn->self;
    struct txn_op *own = op_of(op);
    const struct gg_stmt *stmt = op->variant->stmt;
    if (op->failed) {
        take_failure(txn, op, result);
    } else if (stmt == &commit_stmt) {
        txn->committed = strcmp(PQcmdStatus(result), "COMMIT") == 0;
    } else if (stmt == &rollback_stmt) {
        txn->rolled_back = true;
    } else if (own->rows_out) {
        *own->rows_out = gg_rows_wrap(own->arena, result);
        return;
    }
    PQclear(result);
}

static void on_ended(struct gg_conn *conn, struct gg_op *op)
{
    struct gg_txn *txn = conn->self;
    gg_db_count_query(op->variant, gg_conn_busy_ms(conn, op), op->failed ? "error" : NULL);
    if (txn->commit == op)
        txn->commit = NULL;
    free(op_of(op));
}

static const struct gg_conn_owner txn_owner = {on_result, on_ended};

/* ---- sending ---- */

/* The connection is gone: what was sent has no answer. */
static int take_loss(struct gg_txn *txn, struct gg_error *err)
{
    struct gg_conn *conn = txn->conn;
    bool commit_first = txn->commit && conn->sent.next == &txn->commit->link;
    txn->in_doubt = txn->commit && !txn->committed && !(txn->flags & GG_TXN_READ_ONLY) &&
                    (!conn->fatal || commit_first);
    txn->commit = NULL;
    struct gg_list *link;
    while ((link = gg_list_pop(&conn->sent))) {
        conn->n_sent--;
        free(op_of(GG_CONTAINER(link, struct gg_op, link)));
    }
    if (txn->committed) /* and said so: what was lost is the Sync's answer */
        return 0;
    if (!txn->failed) {
        txn->failed = true;
        gg_fail(&txn->err, GG_E_UNAVAILABLE, "database: connection lost: %s", conn->why);
    }
    *err = txn->err;
    return err->code;
}

static int send_op(struct gg_txn *txn, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
                   struct gg_arena *arena, struct gg_rows **rows_out, struct gg_error *err)
{
    struct gg_variant *variant = gg_stmts_get(txn->db->stmts, stmt, params, n, err);
    if (!variant)
        return err->code;
    struct txn_op *own = calloc(1, sizeof(*own));
    GG_ASSERT(own != NULL);
    gg_list_init(&own->op.link);
    own->op.variant = variant;
    own->arena = arena;
    own->rows_out = rows_out;
    int rc = gg_conn_send(txn->conn, &own->op, params, n, err);
    if (rc) {
        free(own);
        return txn->conn->lost ? take_loss(txn, err) : rc;
    }
    if (txn->group.n++ == 0)
        txn->group.began = own->op.sent_at;
    if (stmt != &commit_stmt || !txn->group.last)
        txn->group.last = variant;
    if (stmt == &commit_stmt)
        txn->commit = &own->op;
    return 0;
}

static int begin(struct gg_txn *txn, struct gg_error *err)
{
    if (txn->began)
        return 0;
    txn->began = true;
    size_t which = (txn->flags & GG_TXN_READ_COMMITTED ? 1 : 0) + (txn->flags & GG_TXN_READ_ONLY ? 2 : 0);
    return send_op(txn, &begins[which], GG_NO_PARAMS, NULL, NULL, err);
}

/* Until all that was sent is answered. 0, or the transaction's first error. */
static GG_YIELDS int settle(struct gg_txn *txn, struct gg_error *err)
{
    struct gg_error lost = GG_ERROR_INIT;
    gg_conn_sync(txn->conn);
    int rc = gg_conn_drain(txn->conn, &lost);
    if (txn->group.n)
        gg_db_log_slow(txn->owner.name, txn->group.n, txn->group.last, gg_now_ms() - txn->group.began);
    txn->group.n = 0;
    txn->group.last = NULL;
    if (rc)
        return take_loss(txn, err);
    if (!txn->failed)
        return 0;
    *err = txn->err;
    gg_sqlstate_set(txn->sqlstate);
    return err->code;
}

static int refuse_failed(struct gg_txn *txn, struct gg_error *err)
{
    *err = txn->err;
    gg_sqlstate_set(txn->sqlstate);
    return err->code;
}

static int queue(struct gg_txn *txn, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
                 struct gg_arena *arena, struct gg_rows **rows_out, struct gg_error *err)
{
    if (txn->failed)
        return refuse_failed(txn, err);
    int rc = begin(txn, err);
    return rc ? rc : send_op(txn, stmt, params, n, arena, rows_out, err);
}

int gg_txn_queue(struct gg_txn *txn, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
                 struct gg_error *err)
{
    return queue(txn, stmt, params, n, NULL, NULL, err);
}

int gg_txn_queue_rows(struct gg_txn *txn, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
                      struct gg_arena *arena, struct gg_rows **rows_out, struct gg_error *err)
{
    *rows_out = NULL;
    return queue(txn, stmt, params, n, arena, rows_out, err);
}

int gg_txn_exec(struct gg_txn *txn, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
                struct gg_arena *arena, struct gg_rows **rows_out, struct gg_error *err)
{
    int rc = queue(txn, stmt, params, n, arena, rows_out, err);
    return rc ? rc : settle(txn, err);
}

int gg_txn_flush(struct gg_txn *txn, struct gg_error *err)
{
    return txn->failed ? refuse_failed(txn, err) : settle(txn, err);
}

struct gg_db *gg_txn_db(struct gg_txn *txn)
{
    return txn->db;
}

/* ---- the end ---- */

static GG_YIELDS int commit(struct gg_txn *txn, struct gg_error *err)
{
    if (txn->failed)
        return refuse_failed(txn, err);
    if (!txn->began)
        return 0; /* nothing was asked of the server */
    int rc = send_op(txn, &commit_stmt, GG_NO_PARAMS, NULL, NULL, err);
    if (rc == 0)
        rc = settle(txn, err);
    if (rc == 0 && !txn->committed)
        rc = gg_fail(err, GG_E_INTERNAL, "transaction %s: the server rolled back", txn->owner.name);
    return rc;
}

/* What is queued and not sent yet runs before it; if that fails, ROLLBACK itself is
 * skipped, so twice. A connection that cannot be cleaned is closed. */
static GG_YIELDS void rollback(struct gg_txn *txn)
{
    struct gg_error ignored = GG_ERROR_INIT;
    for (int i = 0; i < 2 && txn->began && !txn->rolled_back && !txn->conn->lost; i++) {
        if (send_op(txn, &rollback_stmt, GG_NO_PARAMS, NULL, NULL, &ignored) == 0)
            (void)settle(txn, &ignored);
    }
    if (txn->began && !txn->rolled_back)
        gg_conn_lose(txn->conn, "could not roll back");
}

static GG_YIELDS int run_body(struct gg_txn *txn, gg_txn_fn *body, void *arg, struct gg_error *err)
{
    gg_list_push(&txn->db->txns, &txn->owner.link);
    int rc = body(txn, arg, err);
    if (rc == 0)
        rc = commit(txn, err);
    gg_list_remove(&txn->owner.link);
    if (rc && !txn->committed && !txn->in_doubt)
        rollback(txn);
    return rc;
}

/* Why it is worth another try, or NULL. */
static const char *why_again(const struct gg_txn *txn)
{
    if (!txn->failed || txn->in_doubt || txn->committed || (txn->flags & GG_TXN_NO_RETRY))
        return NULL;
    if (strcmp(txn->sqlstate, "40001") == 0)
        return "serialization";
    if (strcmp(txn->sqlstate, "40P01") == 0)
        return "deadlock";
    if (txn->conn->retire)
        return "session";
    return txn->conn->lost && txn->sqlstate[0] == 0 ? "connection" : NULL;
}

struct attempt {
    const char *again; /* NULL: final */
    bool lost;
    char sqlstate[6];
};

static GG_YIELDS int try_once(struct gg_db *db, const char *name, uint32_t flags, gg_txn_fn *body, void *arg,
                              struct attempt *attempt, struct gg_error *err)
{
    struct gg_txn txn = {.owner = {.fiber = gg_self(), .name = name}, .db = db, .flags = flags};
    int rc = gg_pool_take(db, &txn.conn, err);
    if (rc)
        return rc;
    txn.conn->owner = &txn_owner;
    txn.conn->self = &txn;
    gg_shield_begin();
    rc = run_body(&txn, body, arg, err);
    if (rc && txn.in_doubt)
        rc = gg_fail(err, GG_E_IN_DOUBT, "transaction %s: the connection was lost while committing", name);
    attempt->again = rc ? why_again(&txn) : NULL;
    attempt->lost = txn.conn->lost;
    snprintf(attempt->sqlstate, sizeof(attempt->sqlstate), "%s", txn.sqlstate);
    gg_pool_give(db, txn.conn);
    gg_shield_end();
    return rc;
}

static const char *outcome_of(int rc)
{
    return rc == 0 ? "committed" : rc == GG_E_IN_DOUBT ? "in doubt" : "rolled back";
}

static GG_YIELDS int run(struct gg_db *db, const char *name, uint32_t flags, gg_txn_fn *body, void *arg,
                         struct gg_error *err)
{
    int64_t pause = FIRST_PAUSE_MS, began = gg_now_ms();
    for (int tries = 1;; tries++) {
        struct attempt attempt = {0};
        *err = (struct gg_error)GG_ERROR_INIT;
        int rc = try_once(db, name, flags, body, arg, &attempt, err);
        if (rc == 0 || !attempt.again || tries == MAX_TRIES || gg_sleep(gg_db_jitter(db, pause))) {
            gg_db_count_txn(name, gg_now_ms() - began, outcome_of(rc));
            if (attempt.again)
                gg_warn(&logger, "transaction %s: given up after %d tries: %s", name, tries, err->message);
            gg_sqlstate_set(attempt.sqlstate);
            return rc;
        }
        if (attempt.lost) /* the others have most likely gone with it */
            gg_pool_purge(db);
        gg_db_count_retry(name, attempt.again);
        pause *= 2;
    }
}

int gg_db_txn(struct gg_db *db, const char *name, uint32_t flags, gg_txn_fn *body, void *arg, struct gg_error *err)
{
    gg_db_assert_no_txn(db, "gg_db_txn");
    int rc = gg_db_enter(db, err);
    if (rc)
        return rc;
    rc = run(db, name, flags, body, arg, err);
    gg_db_leave(db);
    return rc;
}
