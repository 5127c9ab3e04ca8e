/* db/db.h: the pool as the files of this folder share it.
 *
 * struct gg_db owns two kinds of connections: lanes, which many fibers share, and
 * slots, which one transaction has at a time. All are opened on first use. */
#ifndef GANGLION_HOST_DB_DB_H
#define GANGLION_HOST_DB_DB_H

#include "db/conn.h"

/* How long a request waits for a database that went away before it is told so;
 * and, once an outage is older, requests fail at once. */
#define GG_DB_OUTAGE_GRACE_MS 10000
/* Statements that one lane holds, sent or not; more callers wait. */
#define GG_DB_LANE_CAP 1024

struct gg_db_lane;

/* The part of a running transaction that others look at. */
struct gg_txn_owner {
    struct gg_list link; /* gg_db.txns */
    struct gg_fiber *fiber;
    const char *name;
};

/* Lanes of one kind. */
struct gg_lanes {
    struct gg_db_lane **lane;
    size_t n;
    struct gg_cond room; /* callers that found all full */
};

struct gg_db {
    char *conninfo, *application_name;
    int64_t statement_timeout_ms;
    struct gg_scope *scope;
    struct gg_stmts *stmts;
    struct gg_buf scratch; /* binary parameters, between encoding and libpq's copy */

    struct gg_lanes lanes[3]; /* GG_LANE_POINT, GG_LANE_SCAN, writes */

    struct gg_list idle;    /* gg_conn of transactions, the warmest first */
    struct gg_list waiters; /* fibers that wait for a slot, in order */
    size_t n_busy, max_busy;
    struct gg_list txns;    /* running ones */
    size_t n_opening;

    bool closing;
    size_t n_calls;         /* fibers inside a public function */
    struct gg_cond calls;   /* one of them left */

    int64_t down_since;     /* first failed attempt of this outage; 0: up */
    int64_t next_attempt;   /* not before this */
    int64_t backoff;
    char reason[256];
    unsigned seed;
};

enum { GG_LANES_WRITE = 2 };

/* ---- db.c: who may try, and what became of it ---- */

/* Marks the entry of a public call; GG_E_CLOSED when the pool is going away. */
GG_CHECKED int gg_db_enter(struct gg_db *db, struct gg_error *err);
void gg_db_leave(struct gg_db *db);
/* How long to wait before connecting may be tried (ms); 0: try now, and others wait. */
int64_t gg_db_claim_attempt(struct gg_db *db);
void gg_db_attempt_failed(struct gg_db *db, const struct gg_error *err);
void gg_db_attempt_worked(struct gg_db *db);
bool gg_db_long_outage(const struct gg_db *db);
int gg_db_unavailable(struct gg_db *db, struct gg_error *err); /* fills err with the reason */
int64_t gg_db_jitter(struct gg_db *db, int64_t ms);            /* between half of it and all */
/* Panics if the running fiber is inside a transaction. */
void gg_db_assert_no_txn(struct gg_db *db, const char *what);

/* ---- lane.c ---- */

void gg_lanes_new(struct gg_db *db, size_t kind, size_t n);
GG_YIELDS void gg_lanes_free(struct gg_db *db, size_t kind);
/* Does one of them wait for an answer for longer than its callers do? */
bool gg_lanes_silent(const struct gg_db *db, size_t kind);
/* Runs one statement on a lane of the kind; *result_out is the caller's. */
GG_YIELDS GG_CHECKED int gg_lanes_run(struct gg_db *db, size_t kind, const struct gg_stmt *stmt,
                                      const struct gg_param *params, size_t n, PGresult **result_out,
                                      struct gg_error *err);

/* ---- pool.c ---- */

GG_YIELDS GG_CHECKED int gg_pool_take(struct gg_db *db, struct gg_conn **conn_out, struct gg_error *err);
void gg_pool_give(struct gg_db *db, struct gg_conn *conn);
void gg_pool_purge(struct gg_db *db); /* closes the idle ones */

/* ---- stats.c ---- */

void gg_db_count_query(const struct gg_variant *variant, int64_t ms, const char *outcome);
/* Warns if ms is a lot. n statements were sent together, so their results came together. */
void gg_db_log_slow(const char *name, size_t n, const struct gg_variant *last, int64_t ms);
void gg_db_count_txn(const char *name, int64_t ms, const char *outcome);
void gg_db_count_retry(const char *name, const char *why);

#endif
