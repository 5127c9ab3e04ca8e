/* ganglion/db.h: PostgreSQL for fibers.
 *
 * Three ways in. *Lanes* answer single read statements of many fibers over a few
 * pipelined read-only connections (READ COMMITTED). *Single writes* run on
 * autocommit connections (READ COMMITTED). *Transactions* have a connection of
 * their own (REPEATABLE READ), and are run again on 40001, 40P01 and on a lost
 * connection that had not sent COMMIT. Parameters and results travel in
 * PostgreSQL's binary format. All waits for a connection or a read end by the
 * fiber's deadline; while the server cannot be reached requests fail with
 * GG_E_UNAVAILABLE, at the latest after ten seconds. Errors of the database have
 * http_status 500 or 503 whatever their code: clients are not told SQL. */
#ifndef GANGLION_DB_H
#define GANGLION_DB_H

#include <ganglion/arena.h>
#include <ganglion/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gg_db;
struct gg_txn;
struct gg_rows;

/* One SQL statement: a static constant beside the one function that runs it. It
 * is prepared once on each connection, under a name of its own. */
struct gg_stmt {
    const char *sql;  /* $1, $2 ...; cast what is ambiguous ($1::text[]) */
    uint32_t lane;    /* enum gg_lane; where gg_db_read sends it */
};
enum gg_lane {
    GG_LANE_POINT = 0, /* index look-ups */
    GG_LANE_SCAN = 1,  /* may take long: must not stand before point reads */
};

/* ---- parameters ---- */

#define GG_MAX_PARAMS 40
enum gg_param_type { GG_P_NULL, GG_P_TEXT, GG_P_I64, GG_P_I32, GG_P_BOOL, GG_P_BYTES, GG_P_TEXTS, GG_P_I64S, GG_P_BOOLS };

/* Values are borrowed until the call returns. The type must be the one that the
 * statement expects ($n::bigint for I64, ::integer for I32, ::text[] for TEXTS). */
struct gg_param {
    uint32_t type;
    uint32_t n;              /* elements of an array */
    struct gg_str text;      /* TEXT, BYTES */
    int64_t i64;             /* I64, I32, BOOL */
    const struct gg_str *texts; /* TEXTS; an element with s == NULL is SQL NULL */
    const int64_t *i64s;     /* I64S; GG_NULL_I64 is SQL NULL */
    const bool *bools;       /* BOOLS */
};
#define GG_NULL_I64 INT64_MIN

static inline struct gg_param gg_p_zero(void) { struct gg_param p; memset(&p, 0, sizeof(p)); return p; } /* all of it, in C and C++ */
static inline struct gg_param gg_p_null(void) { struct gg_param p = gg_p_zero(); p.type = GG_P_NULL; return p; }
static inline struct gg_param gg_p_str(struct gg_str s) /* s.s NULL: SQL NULL */
{ struct gg_param p = gg_p_zero(); p.type = s.s ? GG_P_TEXT : GG_P_NULL; p.text = s; return p; }
static inline struct gg_param gg_p_text(const char *s) { return gg_p_str(gg_str(s)); }
static inline struct gg_param gg_p_i64(int64_t v) { struct gg_param p = gg_p_zero(); p.type = GG_P_I64; p.i64 = v; return p; }
static inline struct gg_param gg_p_i32(int32_t v) { struct gg_param p = gg_p_zero(); p.type = GG_P_I32; p.i64 = v; return p; }
static inline struct gg_param gg_p_bool(bool v) { struct gg_param p = gg_p_zero(); p.type = GG_P_BOOL; p.i64 = v; return p; }
static inline struct gg_param gg_p_bytes(struct gg_str s)
{ struct gg_param p = gg_p_zero(); p.type = s.s ? GG_P_BYTES : GG_P_NULL; p.text = s; return p; }
static inline struct gg_param gg_p_texts(const struct gg_str *v, size_t n)
{ struct gg_param p = gg_p_zero(); p.type = GG_P_TEXTS; p.texts = v; p.n = (uint32_t)n; return p; }
static inline struct gg_param gg_p_i64s(const int64_t *v, size_t n)
{ struct gg_param p = gg_p_zero(); p.type = GG_P_I64S; p.i64s = v; p.n = (uint32_t)n; return p; }
static inline struct gg_param gg_p_bools(const bool *v, size_t n)
{ struct gg_param p = gg_p_zero(); p.type = GG_P_BOOLS; p.bools = v; p.n = (uint32_t)n; return p; }

#define GG_PARAMS(...) ((const struct gg_param[]){__VA_ARGS__}), \
                       (sizeof((const struct gg_param[]){__VA_ARGS__}) / sizeof(struct gg_param))
#define GG_NO_PARAMS ((const struct gg_param *)NULL), ((size_t)0)

/* ---- results: live in the arena that was given ---- */

GG_API size_t gg_rows_count(const struct gg_rows *rows);
/* Rows that an INSERT, UPDATE or DELETE touched. */
GG_API int64_t gg_rows_affected(const struct gg_rows *rows);
GG_API bool gg_rows_null(const struct gg_rows *rows, size_t row, int column);
/* bool, int2, int4, int8; 0 for NULL. */
GG_API int64_t gg_rows_i64(const struct gg_rows *rows, size_t row, int column);
GG_API bool gg_rows_bool(const struct gg_rows *rows, size_t row, int column);
GG_API double gg_rows_double(const struct gg_rows *rows, size_t row, int column); /* float4, float8 */
/* text, varchar, char, name, json, jsonb, bytea (raw bytes); NUL-terminated;
 * s is NULL for NULL. Borrowed from rows. */
GG_API struct gg_str gg_rows_str(const struct gg_rows *rows, size_t row, int column);
/* text[]: n_out elements in the arena; NULL for NULL. */
GG_API struct gg_str *gg_rows_texts(const struct gg_rows *rows, size_t row, int column, struct gg_arena *arena,
                                    size_t *n_out);
/* smallint[], integer[], bigint[] likewise; a NULL element is GG_NULL_I64. */
GG_API int64_t *gg_rows_i64s(const struct gg_rows *rows, size_t row, int column, struct gg_arena *arena, size_t *n_out);

/* ---- running ---- */

/* Reads on a lane. Aborts (assertion) if the running fiber is inside a transaction. */
GG_API GG_YIELDS GG_CHECKED int gg_db_read(struct gg_db *db, const struct gg_stmt *stmt, const struct gg_param *params,
                                           size_t n, struct gg_arena *arena, struct gg_rows **rows_out,
                                           struct gg_error *err);
/* One write statement, its own transaction; rows_out may be NULL, and the arena with it. Once it was sent
 * neither cancelling nor the deadline end the wait for its outcome. Run again on a
 * deadlock and when the server certainly had not run it. GG_E_IN_DOUBT: the
 * connection was lost after it was sent. Aborts inside a transaction, as gg_db_read. */
GG_API GG_YIELDS GG_CHECKED int gg_db_write(struct gg_db *db, const struct gg_stmt *stmt, const struct gg_param *params,
                                            size_t n, struct gg_arena *arena, struct gg_rows **rows_out,
                                            struct gg_error *err);

enum gg_txn_flags {
    GG_TXN_READ_COMMITTED = 1, /* in place of REPEATABLE READ */
    GG_TXN_READ_ONLY = 2,
    GG_TXN_NO_RETRY = 4,
};
/* Runs body(txn, arg, err) between BEGIN and COMMIT, shielded from cancelling.
 * body returns 0 to commit; anything else rolls back and is returned with err.
 * body may be run up to five times: it must set all that it leaves behind in arg
 * anew each time. The arena's contents of failed tries stay until it is freed. */
typedef GG_YIELDS int gg_txn_fn(struct gg_txn *txn, void *arg, struct gg_error *err);
GG_API GG_YIELDS GG_CHECKED int gg_db_txn(struct gg_db *db, const char *name, uint32_t flags, gg_txn_fn *body, void *arg,
                                          struct gg_error *err);
/* Of what a write or a transaction ended with: may it hold? Then whoever must hear of the change is told of it, also when the
 * outcome is in doubt: what was not written is read once more, what was written must not stay unseen. */
static inline bool gg_maybe_committed(int status)
{
    return status == 0 || status == GG_E_IN_DOUBT;
}
/* Runs a statement and waits for its result (and for all that was queued before
 * it). On an error the transaction is lost: return the code from body. */
GG_API GG_YIELDS GG_CHECKED int gg_txn_exec(struct gg_txn *txn, const struct gg_stmt *stmt,
                                            const struct gg_param *params, size_t n, struct gg_arena *arena,
                                            struct gg_rows **rows_out, struct gg_error *err);
/* Sends a statement without waiting (pipelined); its rows are dropped, its error
 * is reported by the next gg_txn_exec, gg_txn_flush or by COMMIT. Parameters are
 * copied before it returns. */
GG_API GG_CHECKED int gg_txn_queue(struct gg_txn *txn, const struct gg_stmt *stmt, const struct gg_param *params,
                                   size_t n, struct gg_error *err);
/* The same; the rows are in *rows_out once a later exec or flush returned 0. */
GG_API GG_CHECKED int gg_txn_queue_rows(struct gg_txn *txn, const struct gg_stmt *stmt, const struct gg_param *params,
                                        size_t n, struct gg_arena *arena, struct gg_rows **rows_out,
                                        struct gg_error *err);
GG_API GG_YIELDS GG_CHECKED int gg_txn_flush(struct gg_txn *txn, struct gg_error *err);
GG_API struct gg_db *gg_txn_db(struct gg_txn *txn);

/* SQLSTATE of the last error seen through err's call, e.g. "23505"; "" if none.
 * Ask before the running fiber waits again. */
GG_API const char *gg_db_sqlstate(void);

/* Many statements as one text (schema scripts, tests), on a connection of its
 * own, simple protocol; each transaction as the text says. */
GG_API GG_YIELDS GG_CHECKED int gg_db_script(struct gg_db *db, const char *sql, struct gg_error *err);

/* ---- the pool ---- */

struct gg_db_options {
    const char *conninfo;       /* libpq key words; host names are resolved by us */
    unsigned lanes, max_connections; /* 0: 2 lanes; 10 connections for writes and transactions */
    int64_t statement_timeout_ms; /* 0: none */
    const char *application_name;
};
/* Connects nothing yet. */
GG_API struct gg_db *gg_db_new(const struct gg_db_options *options);
/* One connection is made and the server is asked who it is; GG_E_UNAVAILABLE with
 * the reason if not. */
GG_API GG_YIELDS GG_CHECKED int gg_db_check(struct gg_db *db, struct gg_error *err);
GG_API bool gg_db_healthy(const struct gg_db *db); /* the last attempt to talk to it worked, and no look-up hangs */
GG_API GG_YIELDS void gg_db_free(struct gg_db *db); /* waits for what runs */

#ifdef __cplusplus
}
#endif
#endif
