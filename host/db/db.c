/* host/db/db.c: the pool as a whole: its life, its health, who is inside. */
#include "db/db.h"

#include <stdio.h>
#include <stdlib.h>

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.db"};

enum { DEFAULT_LANES = 2, DEFAULT_CONNECTIONS = 10, MAX_WRITE_LANES = 3, FIRST_BACKOFF_MS = 50, MAX_BACKOFF_MS = 5000 };

struct gg_db *gg_db_new(const struct gg_db_options *options)
{
    struct gg_db *db = calloc(1, sizeof(*db));
    GG_ASSERT(db != NULL);
    unsigned lanes = options->lanes ? options->lanes : DEFAULT_LANES;
    unsigned connections = options->max_connections ? options->max_connections : DEFAULT_CONNECTIONS;
    unsigned writes = connections >= 2 * MAX_WRITE_LANES ? MAX_WRITE_LANES : 1;
    db->conninfo = strdup(options->conninfo ? options->conninfo : "");
    db->application_name = strdup(options->application_name ? options->application_name : "ganglion");
    GG_ASSERT(db->conninfo && db->application_name);
    db->statement_timeout_ms = options->statement_timeout_ms;
    db->scope = gg_scope_new(NULL, "db");
    db->stmts = gg_stmts_new();
    db->scratch = (struct gg_buf)GG_BUF_INIT;
    gg_random_bytes(&db->seed, sizeof(db->seed));
    gg_list_init(&db->idle);
    gg_list_init(&db->waiters);
    gg_list_init(&db->txns);
    gg_cond_init(&db->calls);
    db->max_busy = connections > writes ? connections - writes : 1;
    gg_lanes_new(db, GG_LANE_POINT, lanes);
    gg_lanes_new(db, GG_LANE_SCAN, lanes);
    gg_lanes_new(db, GG_LANES_WRITE, writes);
    return db;
}

void gg_db_free(struct gg_db *db)
{
    if (!db)
        return;
    db->closing = true;
    gg_shield_begin();
    while (db->n_calls || db->n_opening)
        (void)gg_cond_wait(&db->calls, GG_FOREVER);
    for (size_t kind = 0; kind < GG_COUNT(db->lanes); kind++)
        gg_lanes_free(db, kind);
    gg_pool_purge(db);
    gg_scope_end(db->scope);
    gg_shield_end();
    gg_stmts_free(db->stmts);
    gg_buf_done(&db->scratch);
    free(db->conninfo);
    free(db->application_name);
    free(db);
}

int gg_db_enter(struct gg_db *db, struct gg_error *err)
{
    gg_sqlstate_set("");
    if (db->closing)
        return gg_fail(err, GG_E_CLOSED, "the database pool is closed");
    if (gg_cancelled())
        return gg_fail(err, GG_E_CANCELLED, "cancelled");
    db->n_calls++;
    return 0;
}

void gg_db_leave(struct gg_db *db)
{
    if (--db->n_calls == 0 && db->closing)
        gg_cond_broadcast(&db->calls);
}

/* ---- health ---- */

int64_t gg_db_jitter(struct gg_db *db, int64_t ms)
{
    return ms / 2 + (int64_t)rand_r(&db->seed) % (ms / 2 + 1);
}

int64_t gg_db_claim_attempt(struct gg_db *db)
{
    int64_t now = gg_now_ms();
    if (!db->down_since)
        return 0;
    if (now < db->next_attempt)
        return db->next_attempt - now;
    db->next_attempt = now + gg_db_jitter(db, db->backoff);
    return 0;
}

void gg_db_attempt_failed(struct gg_db *db, const struct gg_error *err)
{
    int64_t now = gg_now_ms();
    snprintf(db->reason, sizeof(db->reason), "%.255s", err->message);
    if (!db->down_since) {
        db->down_since = now;
        db->backoff = FIRST_BACKOFF_MS;
        gg_warn(&logger, "no connection to the database: %s", err->message);
    } else if (now >= db->next_attempt) {
        db->backoff = db->backoff * 2 < MAX_BACKOFF_MS ? db->backoff * 2 : MAX_BACKOFF_MS;
    }
    db->next_attempt = now + gg_db_jitter(db, db->backoff);
}

void gg_db_attempt_worked(struct gg_db *db)
{
    if (db->down_since)
        gg_info(&logger, "the database is back after %lld ms", (long long)(gg_now_ms() - db->down_since));
    db->down_since = 0;
    db->backoff = 0;
}

bool gg_db_long_outage(const struct gg_db *db)
{
    return db->down_since && gg_now_ms() - db->down_since > GG_DB_OUTAGE_GRACE_MS;
}

int gg_db_unavailable(struct gg_db *db, struct gg_error *err)
{
    return gg_fail(err, GG_E_UNAVAILABLE, "%s", db->down_since ? db->reason : "the database did not answer in time");
}

bool gg_db_healthy(const struct gg_db *db)
{
    /* Look-ups are short: a server that owes one for so long hangs (its disk, its host), though it may take connections. */
    return db->down_since == 0 && !gg_lanes_silent(db, GG_LANE_POINT);
}

int gg_db_check(struct gg_db *db, struct gg_error *err)
{
    struct gg_conn *conn;
    int rc = gg_db_enter(db, err);
    if (rc)
        return rc;
    rc = gg_conn_open(db, GG_CONN_SCRIPT, &conn, err);
    if (rc == 0) {
        gg_info(&logger, "PostgreSQL %s as %s on %s", PQparameterStatus(conn->pg, "server_version"),
                PQuser(conn->pg), PQdb(conn->pg));
        gg_conn_close(conn);
    }
    gg_db_leave(db);
    return rc;
}

void gg_db_assert_no_txn(struct gg_db *db, const char *what)
{
    struct gg_fiber *self = gg_self();
    GG_LIST_EACH (it, &db->txns) {
        struct gg_txn_owner *owner = GG_CONTAINER(it, struct gg_txn_owner, link);
        if (owner->fiber == self)
            gg_panic(__FILE__, __LINE__, "%s inside the transaction %s: it would wait for itself", what, owner->name);
    }
}

/* ---- single statements ---- */

static GG_YIELDS int run_single(struct gg_db *db, size_t kind, const struct gg_stmt *stmt,
                                const struct gg_param *params, size_t n, struct gg_arena *arena,
                                struct gg_rows **rows_out, struct gg_error *err)
{
    PGresult *result = NULL;
    int rc = gg_db_enter(db, err);
    if (rc)
        return rc;
    rc = gg_lanes_run(db, kind, stmt, params, n, &result, err);
    gg_db_leave(db);
    if (rc)
        return rc;
    if (rows_out)
        *rows_out = gg_rows_wrap(arena, result);
    else
        PQclear(result);
    return 0;
}

int gg_db_read(struct gg_db *db, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
               struct gg_arena *arena, struct gg_rows **rows_out, struct gg_error *err)
{
    gg_db_assert_no_txn(db, "gg_db_read");
    size_t kind = stmt->lane == GG_LANE_SCAN ? GG_LANE_SCAN : GG_LANE_POINT;
    return run_single(db, kind, stmt, params, n, arena, rows_out, err);
}

int gg_db_write(struct gg_db *db, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
                struct gg_arena *arena, struct gg_rows **rows_out, struct gg_error *err)
{
    gg_db_assert_no_txn(db, "gg_db_write");
    return run_single(db, GG_LANES_WRITE, stmt, params, n, arena, rows_out, err);
}
