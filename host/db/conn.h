/* db/conn.h: one connection in pipeline mode.
 *
 * A connection keeps the statements that were sent in the order of the wire and
 * gives each its result. Who owns the connection (a lane, a transaction) decides
 * when to send, when to Sync and who waits on the socket. */
#ifndef GANGLION_HOST_DB_CONN_H
#define GANGLION_HOST_DB_CONN_H

#include "db/stmt.h"

#include <ganglion/fiber.h>

struct gg_conn;

enum gg_op_stage { GG_OP_QUEUED, GG_OP_PREPARE, GG_OP_EXEC, GG_OP_SYNC, GG_OP_ENDED };

/* One statement on its way. Whoever makes it embeds it and frees it in ended(). */
struct gg_op {
    struct gg_list link;
    struct gg_variant *variant;
    int64_t sent_at;
    uint8_t stage;    /* what is awaited from the server */
    bool sync;        /* a Sync follows it */
    bool aborted;     /* skipped, because an earlier one of its group failed */
    bool failed;      /* an error of its own, also one at the Sync (deferred constraints) */
    char sqlstate[6]; /* of that error */
};

struct gg_conn_owner {
    /* The result of the statement, or its error; the callee owns it. Never called
     * for aborted ones. May be called twice: with rows, then with an error of the Sync. */
    void (*result)(struct gg_conn *conn, struct gg_op *op, PGresult *result);
    /* Nothing more will come for it; it is off the connection's list. */
    void (*ended)(struct gg_conn *conn, struct gg_op *op);
};

enum gg_conn_role { GG_CONN_READ, GG_CONN_WRITE, GG_CONN_TXN, GG_CONN_SCRIPT };

struct gg_conn {
    struct gg_list link; /* the owner's */
    PGconn *pg;
    int fd; /* a duplicate of libpq's socket, which libpq closes by itself at its end, while somebody may wait for it */
    struct gg_db *db;
    const struct gg_conn_owner *owner;
    void *self; /* the owner's */
    int role;
    struct gg_list sent;
    size_t n_sent;
    uint64_t *prepared; /* a bit for each variant */
    size_t n_prepared;  /* words */
    int64_t progress_at, ended_at; /* the last answer of any kind; the last statement that ended */
    bool unsynced;      /* something was sent since the last Sync */
    bool lost;          /* of no use any more */
    bool fatal;         /* the server said why, at the first of `sent`: what follows was not run */
    bool retire;        /* close it when its work is done */
    char why[256];      /* of lost */
};

/* ---- connect.c ---- */

/* Resolves, connects, sets the session up. */
GG_YIELDS GG_CHECKED int gg_conn_open(struct gg_db *db, int role, struct gg_conn **conn_out, struct gg_error *err);
void gg_conn_close(struct gg_conn *conn); /* NULL is fine; nothing may be in `sent` */

/* ---- conn.c ---- */

/* Queues the statement (and, the first time, its preparation) into the output
 * buffer. Parameters are copied. Failing with conn->lost set or, for bad
 * parameters, with nothing sent. */
GG_CHECKED int gg_conn_send(struct gg_conn *conn, struct gg_op *op, const struct gg_param *params, size_t n,
                            struct gg_error *err);
/* Ends a group after the op that was sent last; also sends. */
void gg_conn_sync(struct gg_conn *conn);
/* Sends what the socket takes: false when something is left (wait for GG_WRITABLE). */
bool gg_conn_flush(struct gg_conn *conn);
/* Reads what has come and handles it. */
void gg_conn_receive(struct gg_conn *conn);
/* Handles what libpq has read already. */
void gg_conn_dispatch(struct gg_conn *conn);
/* Until the server has answered all that was sent. For owners without a reader of
 * their own. GG_E_UNAVAILABLE: lost, see conn->why. */
GG_YIELDS GG_CHECKED int gg_conn_drain(struct gg_conn *conn, struct gg_error *err);
/* Has an idle connection died meanwhile? */
bool gg_conn_dead(struct gg_conn *conn);
void gg_conn_lose(struct gg_conn *conn, const char *why);
/* How long the server was busy with the statement that ends now, as far as can be
 * told: answers of one group come together, so its first one bears the whole time. */
int64_t gg_conn_busy_ms(const struct gg_conn *conn, const struct gg_op *op);
/* How long a sent statement may go without any answer before the connection counts as lost. */
int64_t gg_conn_patience(const struct gg_conn *conn);

/* ---- sqlerror.c ---- */

/* Fills err from a failed result and remembers its SQLSTATE for the running fiber. */
int gg_sql_error(struct gg_error *err, const struct gg_variant *variant, const PGresult *result);
void gg_sqlstate_set(const char *sqlstate); /* "" clears */

#endif
