/* host/repl/locks.c: locks in the database that processes share (worker_locks, worker_read_write_locks).
 *
 * A row is the lock; it names the start of the process that holds it and is
 * renewed while held. A holder that died is known by a row that nobody renewed
 * for two minutes, or by the next start of a process of its name. Waiting is trying again: soon when the release was announced,
 * else at growing intervals, because announcements may be lost and come before
 * the row is gone. */
#include "repl/locks.h"

#include <stdlib.h>

#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/memory.h>

static struct gg_logger logger = {"ganglion.repl.locks"};

enum { RENEW_MS = 30000, STALE_MS = 120000, REAP_MS = 12000, FIRST_RETRY_MS = 100, MAX_RETRY_MS = 5000, TOKEN = 6 };

static const struct gg_stmt plain_take = {
    "INSERT INTO worker_locks AS old (lock_name, lock_key, instance_name, token, last_renewed_ts)"
    " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (lock_name, lock_key) DO UPDATE"
    " SET token = EXCLUDED.token, instance_name = EXCLUDED.instance_name, last_renewed_ts = EXCLUDED.last_renewed_ts"
    " WHERE old.last_renewed_ts < $6 OR old.instance_name = EXCLUDED.instance_name",
    0};
static const struct gg_stmt shared_take = {
    "INSERT INTO worker_read_write_locks (lock_name, lock_key, instance_name, token, last_renewed_ts, write_lock)"
    " VALUES ($1, $2, $3, $4, $5, $6)",
    0};
static const struct gg_stmt renew[] = {
    {"UPDATE worker_locks AS l SET last_renewed_ts = $4 FROM unnest($1::text[], $2::text[], $3::text[])"
     " AS mine (name, key, token) WHERE l.lock_name = mine.name AND l.lock_key = mine.key AND l.token = mine.token",
     0},
    {"UPDATE worker_read_write_locks AS l SET last_renewed_ts = $4 FROM unnest($1::text[], $2::text[], $3::text[])"
     " AS mine (name, key, token) WHERE l.lock_name = mine.name AND l.lock_key = mine.key AND l.token = mine.token",
     0},
};
static const struct gg_stmt release[] = {
    {"DELETE FROM worker_locks WHERE lock_name = $1 AND lock_key = $2 AND token = $3", 0},
    {"DELETE FROM worker_read_write_locks WHERE lock_name = $1 AND lock_key = $2 AND token = $3", 0},
};
static const struct gg_stmt release_all[] = {
    {"DELETE FROM worker_locks WHERE instance_name = $1", 0},
    {"DELETE FROM worker_read_write_locks WHERE instance_name = $1", 0},
};
/* Duties (duty.c) name the process alone. */
#define OF_NAME " WHERE right(instance_name, length($1) + 1) = ':' || $1 OR instance_name = $1"
static const struct gg_stmt inherit[] = {
    {"DELETE FROM worker_locks" OF_NAME " RETURNING lock_name", 0},
    {"DELETE FROM worker_read_write_locks" OF_NAME " RETURNING lock_name", 0},
};
static const struct gg_stmt reap = {"DELETE FROM worker_read_write_locks WHERE last_renewed_ts < $1", 0};

struct gg_lock {
    struct gg_list link; /* gg_locks.held */
    struct gg_locks *locks;
    char *name, *key, token[TOKEN + 1];
    int kind;    /* enum gg_lock_kind */
    bool taken;  /* else it is being tried */
    bool announced;
};

struct gg_locks {
    struct gg_locks_options options;
    struct gg_list held, waiters;
    struct gg_fiber *keeper; /* renews and reaps */
    char *owner; /* what our rows carry */
    struct gg_map *inherited; /* names of locks; NULL: none */
    bool stopping;
};

struct waiter {
    struct gg_list link;
    const char *name, *key;
    struct gg_cond cond;
    bool released;
};

/* ---- trying ---- */

static GG_YIELDS int take_plain(struct gg_locks *locks, const struct gg_lock *lock, bool *got, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows = NULL;
    int64_t now = gg_wall_ms();
    int rc = gg_db_write(locks->options.db, &plain_take,
                         GG_PARAMS(gg_p_text(lock->name), gg_p_text(lock->key), gg_p_text(locks->owner),
                                   gg_p_text(lock->token), gg_p_i64(now), gg_p_i64(now - locks->options.stale_ms)),
                         arena, &rows, err);
    *got = rc == 0 && gg_rows_affected(rows) == 1;
    gg_arena_free(arena);
    return rc;
}

/* One statement in a transaction of its own. The triggers of the shared table can
 * make two of these wait for each other until the server's deadlock check, so they
 * stay off the connections that all single writes share. */
struct single {
    const struct gg_stmt *stmt;
    const struct gg_param *params;
    size_t n;
};

static int single_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    const struct single *s = arg;
    return gg_txn_queue(txn, s->stmt, s->params, s->n, err);
}

/* The constraints say no by violating a key; a deadlock with somebody who comes or
 * goes at the same moment is a no as well. */
static GG_YIELDS int take_shared(struct gg_locks *locks, const struct gg_lock *lock, bool write, bool *got,
                                 struct gg_error *err)
{
    const struct gg_param params[] = {gg_p_text(lock->name),  gg_p_text(lock->key),
                                      gg_p_text(locks->owner), gg_p_text(lock->token),
                                      gg_p_i64(gg_wall_ms()), gg_p_bool(write)};
    struct single single = {&shared_take, params, GG_COUNT(params)};
    int rc = gg_db_txn(locks->options.db, "acquire_read_write_lock", GG_TXN_READ_COMMITTED | GG_TXN_NO_RETRY,
                       single_body, &single, err);
    *got = rc == 0;
    return rc == GG_E_CONFLICT ? 0 : rc;
}

static void lock_free(struct gg_lock *lock)
{
    gg_list_remove(&lock->link);
    free(lock->name);
    free(lock->key);
    free(lock);
}

static struct gg_lock *lock_new(struct gg_locks *locks, int kind, const char *name, const char *key, bool announced)
{
    struct gg_lock *lock = calloc(1, sizeof(*lock));
    GG_ASSERT(lock != NULL);
    lock->locks = locks;
    lock->name = strdup(name);
    lock->key = strdup(key);
    GG_ASSERT(lock->name && lock->key);
    lock->kind = kind;
    lock->announced = announced;
    gg_random_text(lock->token, TOKEN, GG_LETTERS);
    gg_list_init(&lock->link);
    return lock;
}

static void keeper_main(void *arg);

static bool is_shared(const struct gg_lock *lock) /* which table */
{
    return lock->kind != GG_LOCK_PLAIN;
}

/* Would it conflict with one that this process holds, takes or gives back? For a
 * plain lock the row would not say so (it bears our name); for the others it saves
 * a statement that could only fail. */
static bool conflicts_here(const struct gg_locks *locks, int kind, const char *name, const char *key)
{
    GG_LIST_EACH (it, &locks->held) {
        const struct gg_lock *lock = GG_CONTAINER(it, struct gg_lock, link);
        if (is_shared(lock) == (kind != GG_LOCK_PLAIN) && (kind != GG_LOCK_READ || lock->kind != GG_LOCK_READ) &&
            strcmp(lock->name, name) == 0 && strcmp(lock->key, key) == 0)
            return true;
    }
    return false;
}

int gg_locks_try(struct gg_locks *locks, int kind, const char *name, const char *key, bool announced,
                 struct gg_lock **lock_out, struct gg_error *err)
{
    bool got = false;
    *lock_out = NULL;
    if (locks->stopping)
        return gg_fail(err, GG_E_CLOSED, "the process is about to end");
    if (conflicts_here(locks, kind, name, key))
        return 0;
    if (!locks->keeper)
        locks->keeper = gg_spawn_joinable(locks->options.scope, "repl.locks", keeper_main, locks);
    struct gg_lock *lock = lock_new(locks, kind, name, key, announced);
    gg_list_push(&locks->held, &lock->link);
    int rc = kind == GG_LOCK_PLAIN ? take_plain(locks, lock, &got, err)
                                   : take_shared(locks, lock, kind == GG_LOCK_WRITE, &got, err);
    if (!got) {
        lock_free(lock);
        return rc;
    }
    lock->taken = true;
    *lock_out = lock;
    return 0;
}

/* ---- waiting ---- */

void gg_locks_released(struct gg_locks *locks, struct gg_str name, struct gg_str key)
{
    GG_LIST_EACH (it, &locks->waiters) {
        struct waiter *w = GG_CONTAINER(it, struct waiter, link);
        if (gg_str_is(name, w->name) && gg_str_is(key, w->key)) {
            w->released = true;
            gg_cond_signal(&w->cond);
        }
    }
}

static int64_t jittered(int64_t ms)
{
    uint32_t random;
    gg_random_bytes(&random, sizeof(random));
    return ms * 9 / 10 + random % (ms / 5 + 1); /* +-10 % */
}

int gg_locks_wait(struct gg_locks *locks, int kind, const char *name, const char *key, struct gg_lock **lock_out,
                  struct gg_error *err)
{
    struct waiter w = {.name = name, .key = key};
    int64_t pause = FIRST_RETRY_MS;
    gg_cond_init(&w.cond);
    gg_list_push(&locks->waiters, &w.link);
    int rc;
    for (;;) {
        w.released = false;
        rc = gg_locks_try(locks, kind, name, key, true, lock_out, err);
        if (rc || *lock_out)
            break;
        int64_t until = gg_deadline(jittered(pause));
        rc = w.released ? 0 : gg_cond_wait(&w.cond, until);
        if (rc == GG_E_CANCELLED || (rc == GG_E_TIMEOUT && gg_get_deadline() <= gg_now_ms())) {
            gg_fail(err, rc, "gave up waiting for the lock %s", name);
            break;
        }
        pause = pause * 2 < MAX_RETRY_MS ? pause * 2 : MAX_RETRY_MS;
    }
    gg_list_remove(&w.link);
    return rc;
}

/* ---- releasing ---- */

/* Announced before the row goes, as Python does; the pause of those who come too
 * early is short. Held here until the row is gone. */
void gg_lock_release(struct gg_lock *lock)
{
    struct gg_error err = GG_ERROR_INIT;
    if (!lock)
        return;
    struct gg_locks *locks = lock->locks;
    if (lock->announced && locks->options.announce && !locks->stopping) /* else all were announced */
        locks->options.announce(locks->options.self, lock->name, lock->key);
    const struct gg_param params[] = {gg_p_text(lock->name), gg_p_text(lock->key), gg_p_text(lock->token)};
    struct single single = {&release[is_shared(lock)], params, GG_COUNT(params)};
    gg_shield_begin();
    int rc = is_shared(lock) ? gg_db_txn(locks->options.db, "release_read_write_lock", GG_TXN_READ_COMMITTED,
                                         single_body, &single, &err)
                             : gg_db_write(locks->options.db, single.stmt, params, single.n, NULL, NULL, &err);
    gg_shield_end();
    if (rc)
        gg_warn(&logger, "the lock %s was not released and will go stale: %s", lock->name, err.message);
    gg_list_remove(&lock->link);
    gg_locks_released(locks, gg_str(lock->name), gg_str(lock->key)); /* those in this process */
    lock_free(lock);
}

/* ---- keeping ---- */

/* Those of one table as three columns: names, keys, tokens. */
static size_t held_columns(const struct gg_locks *locks, bool shared, struct gg_arena *arena, struct gg_str *column[3])
{
    size_t n = 0, used = 0;
    GG_LIST_EACH (it, &locks->held)
        n++;
    for (int i = 0; i < 3; i++)
        column[i] = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    GG_LIST_EACH (it, &locks->held) {
        const struct gg_lock *lock = GG_CONTAINER(it, struct gg_lock, link);
        if (is_shared(lock) != shared || !lock->taken)
            continue;
        column[0][used] = gg_arena_str(arena, gg_str(lock->name));
        column[1][used] = gg_arena_str(arena, gg_str(lock->key));
        column[2][used++] = gg_arena_str(arena, gg_str(lock->token));
    }
    return used;
}

static GG_YIELDS void renew_table(struct gg_locks *locks, bool shared)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_rows *rows;
    struct gg_str *column[3];
    size_t n = held_columns(locks, shared, arena, column);
    if (n && gg_db_write(locks->options.db, &renew[shared],
                         GG_PARAMS(gg_p_texts(column[0], n), gg_p_texts(column[1], n), gg_p_texts(column[2], n),
                                   gg_p_i64(gg_wall_ms())),
                         arena, &rows, &err))
        gg_warn(&logger, "locks could not be renewed: %s", err.message);
    gg_arena_free(arena);
}

static GG_YIELDS void reap_stale(struct gg_locks *locks)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int64_t before = gg_wall_ms() - locks->options.stale_ms;
    int rc = gg_db_write(locks->options.db, &reap, GG_PARAMS(gg_p_i64(before)), arena, &rows, &err);
    if (rc == 0 && gg_rows_affected(rows) > 0)
        gg_info(&logger, "removed %lld stale locks", (long long)gg_rows_affected(rows));
    gg_arena_free(arena);
}

static void keeper_main(void *arg)
{
    struct gg_locks *locks = arg;
    int64_t renew_at = gg_deadline(locks->options.renew_ms), reap_at = gg_deadline(locks->options.reap_ms);
    while (!locks->stopping && gg_sleep_until(renew_at < reap_at ? renew_at : reap_at) == 0) {
        int64_t now = gg_now_ms();
        if (now >= renew_at) {
            renew_at = now + locks->options.renew_ms;
            renew_table(locks, false);
            renew_table(locks, true);
        }
        if (now >= reap_at) {
            reap_at = now + locks->options.reap_ms;
            reap_stale(locks);
        }
    }
}

/* ---- life ---- */

struct gg_locks *gg_locks_new(const struct gg_locks_options *options)
{
    struct gg_locks *locks = calloc(1, sizeof(*locks));
    GG_ASSERT(locks != NULL);
    locks->options = *options;
    locks->options.renew_ms = options->renew_ms ? options->renew_ms : RENEW_MS;
    locks->options.reap_ms = options->reap_ms ? options->reap_ms : REAP_MS;
    locks->options.stale_ms = options->stale_ms ? options->stale_ms : STALE_MS;
    gg_list_init(&locks->held);
    gg_list_init(&locks->waiters);
    locks->owner = gg_xmalloc(strlen(options->instance_id) + strlen(options->instance) + 2);
    sprintf(locks->owner, "%s:%s", options->instance_id, options->instance);
    return locks;
}

static int inherit_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct gg_locks *locks = arg;
    struct gg_arena *arena = gg_arena_new();
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < GG_COUNT(inherit); i++) {
        struct gg_rows *rows;
        rc = gg_txn_exec(txn, &inherit[i], GG_PARAMS(gg_p_text(locks->options.instance)), arena, &rows, err);
        for (size_t k = 0; rc == 0 && k < gg_rows_count(rows); k++) {
            locks->inherited = locks->inherited ? locks->inherited : gg_map_new(NULL);
            gg_map_put(locks->inherited, gg_rows_str(rows, k, 0), NULL);
        }
    }
    gg_arena_free(arena);
    return rc;
}

int gg_locks_inherit(struct gg_locks *locks, struct gg_error *err)
{
    return gg_db_txn(locks->options.db, "inherit_locks", GG_TXN_READ_COMMITTED, inherit_body, locks, err);
}

bool gg_locks_inherited(const struct gg_locks *locks, const char *name)
{
    return locks->inherited != NULL && gg_map_has(locks->inherited, gg_str(name));
}

void gg_locks_stop(struct gg_locks *locks)
{
    struct gg_error err = GG_ERROR_INIT;
    if (!locks || locks->stopping)
        return;
    locks->stopping = true;
    gg_shield_begin();
    if (locks->keeper) {
        gg_cancel(locks->keeper);
        (void)gg_join(locks->keeper, GG_FOREVER);
    }
    GG_LIST_EACH (it, &locks->held) {
        const struct gg_lock *lock = GG_CONTAINER(it, struct gg_lock, link);
        if (lock->announced && locks->options.announce)
            locks->options.announce(locks->options.self, lock->name, lock->key);
    }
    for (size_t i = 0; i < GG_COUNT(release_all); i++) {
        if (gg_db_write(locks->options.db, &release_all[i], GG_PARAMS(gg_p_text(locks->owner)), NULL,
                        NULL, &err))
            gg_warn(&logger, "locks were not released and will go stale: %s", err.message);
    }
    gg_shield_end();
}

void gg_locks_free(struct gg_locks *locks)
{
    struct gg_list *link;
    if (!locks)
        return;
    while ((link = gg_list_pop(&locks->held)))
        lock_free(GG_CONTAINER(link, struct gg_lock, link));
    gg_map_free(locks->inherited);
    free(locks->owner);
    free(locks);
}
