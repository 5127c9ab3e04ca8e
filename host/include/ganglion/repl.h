/* ganglion/repl.h: how the processes of a deployment keep in step.
 *
 * Streams of ids (allocated from PostgreSQL sequences, announced over Redis after
 * commit), their followers, commands, and calls between processes. The host
 * moves lines; what a stream means belongs to whoever registers it. */
#ifndef GANGLION_REPL_H
#define GANGLION_REPL_H

#include <ganglion/arena.h>
#include <ganglion/buf.h>
#include <ganglion/db.h>
#include <ganglion/error.h>
#include <ganglion/fiber.h>
#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gg_host;
struct gg_stream;

/* ---- declaring a stream ---- */

/* One row as announced. row is the JSON text after the token. */
struct gg_row {
    const char *instance; /* who wrote it */
    int64_t token;
    struct gg_str row;
};

struct gg_fetched {
    int64_t token;
    struct gg_str row; /* JSON text, in the arena */
};

/* Reads rows of `instance` in (from, to] in order, at most about `limit`, into
 * *rows_out; *reached_out is the token up to which it is complete (== to unless
 * limited). */
typedef GG_YIELDS int gg_stream_fetch_fn(void *self, struct gg_stream *stream, const char *instance, int64_t from,
                                         int64_t to, size_t limit, struct gg_arena *arena,
                                         struct gg_fetched **rows_out, size_t *n_out, int64_t *reached_out,
                                         struct gg_error *err);
/* Applies rows of one token of one writer: called before the position moves (drop
 * cached data) with moved == false and after it moved with moved == true (wake
 * waiters). rows may be empty (a position without rows). May not yield. */
typedef void gg_stream_apply_fn(void *self, struct gg_stream *stream, const char *instance, int64_t token,
                                const struct gg_row *rows, size_t n, bool moved);

/* A table whose column carries ids of the stream: for the checks at start. */
struct gg_stream_table {
    const char *table, *id_column, *instance_column; /* instance_column NULL: none */
};

struct gg_stream_def {
    /* On the wire: "events". One with a dot ("com.example.things") is no stream of Synapse's: it travels on a channel
     * of its own, as an unknown name on the shared one tears down every Synapse process. */
    const char *name;
    const char *position_name; /* in stream_positions; NULL: keeps none ("caches") */
    const char *sequence;      /* NULL: ids live in the writer's memory ("typing") */
    const char *writers_key;   /* group in stream_writers ("events"); "*": every process; NULL: the main process */
    bool negative;             /* stored negated (backfill) */
    bool may_go_back;          /* tokens of an in-memory stream restart at 0 */
    const struct gg_stream_table *tables; /* NULL-ended by table == NULL */
    /* Reads rows from the database (any process), or, without a sequence, from memory (the writer only; others ask it
     * over HTTP). NULL: rows are always asked of the writer over HTTP. */
    gg_stream_fetch_fn *fetch;
    bool quiet;                /* this process never announces it, though it is its writer */
};

/* Registers; to be called from load(), before the host starts replication. The
 * stream exists in every process that loads the library that registers it. */
GG_API struct gg_stream *gg_stream_register(struct gg_host *host, const struct gg_stream_def *def, void *self);
/* Adds a follower (any number). */
GG_API void gg_stream_follow(struct gg_stream *stream, gg_stream_apply_fn *apply, void *self);
GG_API struct gg_stream *gg_stream_find(struct gg_host *host, const char *name);
GG_API const struct gg_stream_def *gg_stream_def(const struct gg_stream *stream);

/* ---- ids and positions (facts: multi-writer id generators) ---- */

/* Allocates n ascending ids and marks them unfinished. In a transaction, pass txn
 * (nextval runs in it), else NULL. Every id must be finished, also after a
 * rollback. The ids of one call are consecutive unless others allocate too. They
 * are positive; a stream that is stored negated is negated by whoever stores. */
GG_API GG_YIELDS GG_CHECKED int gg_stream_allocate(struct gg_stream *stream, struct gg_txn *txn, size_t n, int64_t *ids,
                                                   struct gg_error *err);
/* After commit or rollback: moves positions, wakes local followers' waiters, and
 * has the announcer publish soon (gg_repl_poke is implied). Does not yield; the
 * stream_positions row is written behind. */
GG_API void gg_stream_finish(struct gg_stream *stream, const int64_t *ids, size_t n);
/* The same after a commit, with all rows that the ids stand for, ascending by token, as fetch would read them: local
 * followers are called with them at once (before and after the position moves past them) and the announcer sends
 * them in place of reading the database. Copied before it returns. After a rollback: with no rows, which says that
 * there is nothing to read. */
GG_API void gg_stream_finish_rows(struct gg_stream *stream, const int64_t *ids, size_t n, const struct gg_fetched *rows,
                                  size_t n_rows);
/* An in-memory stream: the next token, which rows (may be none) stand for. Local followers are called with them at once,
 * before and after the position moves; the announcer asks the stream's fetch, which must know them by then (it may be
 * a follower that keeps them). Copied before it returns. */
GG_API int64_t gg_stream_advance(struct gg_stream *stream, const struct gg_str *rows, size_t n);

/* "Persisted up to": every id <= this of all writers is in the database. What
 * goes into clients' tokens. Never blocks. */
GG_API int64_t gg_stream_upto(const struct gg_stream *stream);
/* Position of one writer as known here (>= upto). */
GG_API int64_t gg_stream_position(const struct gg_stream *stream, const char *instance);
/* Writers that are ahead of upto: for multi-writer tokens. Names are borrowed
 * until the next yield. Returns how many (at most max). */
GG_API size_t gg_stream_ahead(const struct gg_stream *stream, const char **names, int64_t *positions, size_t max);
GG_API int64_t gg_stream_max_seen(const struct gg_stream *stream);
/* Until position(instance) >= token. */
GG_API GG_YIELDS int gg_stream_wait(struct gg_stream *stream, const char *instance, int64_t token, int64_t deadline);
/* Until upto >= token. */
GG_API GG_YIELDS int gg_stream_wait_upto(struct gg_stream *stream, int64_t token, int64_t deadline);

GG_API bool gg_stream_is_writer(const struct gg_stream *stream); /* this process */
GG_API const char *const *gg_stream_writers(const struct gg_stream *stream, size_t *n_out);
/* The writer that a key belongs to: list[SHA-256(key) as little-endian integer mod n]. */
GG_API const char *gg_stream_writer_of(const struct gg_stream *stream, struct gg_str key);
GG_API size_t gg_shard(struct gg_str key, size_t n); /* the rule itself; n >= 1 */

/* The small number that stands for an instance in clients' tokens (table
 * instance_map), made when it is new; yields only until it is known here. */
GG_API GG_YIELDS GG_CHECKED int gg_instance_number(struct gg_host *host, const char *name, int32_t *number_out,
                                                   struct gg_error *err);
GG_API int32_t gg_instance_number_known(struct gg_host *host, const char *name); /* 0: not known here */
/* The instance of a number that a client's token holds, borrowed until the next
 * yield; NULL: not known here. gg_instances_reload learns what others have made. */
GG_API const char *gg_instance_of_number(struct gg_host *host, int32_t number);
GG_API GG_YIELDS GG_CHECKED int gg_instances_reload(struct gg_host *host, struct gg_error *err);

/* ---- commands on the channel ---- */

typedef void gg_command_fn(void *self, const char *command, struct gg_str rest); /* may not yield */
GG_API void gg_repl_on_command(struct gg_host *host, const char *command, gg_command_fn *fn, void *self);
/* Publishes one line; dropped (and counted) while Redis is away. No-op without Redis. */
GG_API void gg_repl_send(struct gg_host *host, const char *command, struct gg_str rest);
GG_API bool gg_repl_connected(const struct gg_host *host);
/* The keys shared over Redis ("cache_v1:..."): best effort, never fails loudly. */
GG_API void gg_repl_cache_set(struct gg_host *host, const char *key, struct gg_str value, int64_t ttl_ms);
GG_API GG_YIELDS bool gg_repl_cache_get(struct gg_host *host, const char *key, struct gg_arena *arena, struct gg_str *out);

/* ---- calls between processes ---- */

struct gg_call {
    const char *const *args; /* decoded path arguments, in order */
    json_t *body;            /* borrowed; an object ("_INT_STREAM_POS" already taken out and waited for); NULL for
                                GG_METHOD_RAW methods */
    struct gg_str raw;       /* the body as it came, JSON text; s NULL for GET */
    const char *(*query)(const struct gg_call *call, const char *key);
    void *impl;
    struct gg_arena *arena;
};
/* 0 and *answer_out (an object, reference handed over), or err. Runs to its end
 * even if the caller goes away; concurrent and later duplicates (same txn id) get
 * the same answer. */
typedef GG_YIELDS int gg_method_fn(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err);

enum gg_method_flags {
    GG_METHOD_TXN = 1,
    GG_METHOD_GET = 2,
    GG_METHOD_MAIN_ONLY = 4,
    GG_METHOD_EVENTS_WRITER_ONLY = 8,
    GG_METHOD_RAW = 16, /* reads call->raw (events are never held in jansson) */
};
/* Tables end with an entry whose name is NULL. */
struct gg_method {
    const char *name;     /* "send_events" */
    uint32_t n_args, flags;
    gg_method_fn *fn;
    const char *writer;   /* stream group whose writer is meant to serve it, or NULL */
    const char *doc;
};
GG_API void gg_repl_serve(struct gg_host *host, const struct gg_method *table, void *self);
/* Calls a method of another process, or directly when instance is this one.
 * body is borrowed. Retries and timeouts as the facts say; bounded by the fiber's
 * deadline. Waits for the answer's stream positions before it returns. */
GG_API GG_YIELDS GG_CHECKED int gg_repl_call(struct gg_host *host, const char *instance, const char *method,
                                             const char *const *args, json_t *body, json_t **answer_out,
                                             struct gg_error *err);
/* The same with the body as JSON text (an object), for what must arrive byte by byte. */
GG_API GG_YIELDS GG_CHECKED int gg_repl_call_text(struct gg_host *host, const char *instance, const char *method,
                                                  const char *const *args, struct gg_str body, json_t **answer_out,
                                                  struct gg_error *err);

/* ---- duties ---- */

GG_API const char *gg_host_instance(const struct gg_host *host);    /* worker_name; "master" for the main process */
GG_API const char *gg_host_instance_id(const struct gg_host *host); /* 5 random letters of this start */
GG_API bool gg_host_is_main(const struct gg_host *host);

/* A duty that one process at a time may do (a loop over a stream, mails). begin() returns at once; a fiber takes the lease of
 * that name and runs work(arg) while it is held. Another process of the same duty logs who has it and stands by; it
 * takes over at once when it is given back, and within 30 s after its holder died. When the lease cannot be renewed
 * work is cancelled (it must end at its next wait) before anybody else may begin, and begun again with the next lease.
 * work that returns is begun again, unless the duty ends. */
struct gg_duty;
GG_API struct gg_duty *gg_duty_begin(struct gg_host *host, const char *name, gg_fiber_fn *work, void *arg);
GG_API GG_YIELDS void gg_duty_end(struct gg_duty *duty); /* work has ended and the lease is given back; NULL is fine */
GG_API bool gg_duty_held(const struct gg_duty *duty);

/* ---- locks in the database (worker_locks, worker_read_write_locks) ---- */

struct gg_lock;
/* Tries once: *lock_out NULL if somebody else has it. Renewed until released. */
GG_API GG_YIELDS GG_CHECKED int gg_lock_try(struct gg_host *host, const char *name, const char *key,
                                            struct gg_lock **lock_out, struct gg_error *err);
/* Waits for it. write: exclusive; else shared (worker_read_write_locks). */
GG_API GG_YIELDS GG_CHECKED int gg_rwlock_acquire(struct gg_host *host, const char *name, const char *key, bool write,
                                                  struct gg_lock **lock_out, struct gg_error *err);
GG_API GG_YIELDS GG_CHECKED int gg_lock_acquire(struct gg_host *host, const char *name, const char *key,
                                                struct gg_lock **lock_out, struct gg_error *err);
GG_API GG_YIELDS void gg_lock_release(struct gg_lock *lock); /* NULL is fine */
/* Did the last process of our name die while it held a lock of this name? What it was at may be half done. Known from the
 * "replicated" stage of services on. */
GG_API bool gg_lock_inherited(struct gg_host *host, const char *name);

#ifdef __cplusplus
}
#endif
#endif
