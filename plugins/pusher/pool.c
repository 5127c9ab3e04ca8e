/* pool.c: the pushers of this process: loaded when the duty begins, kept by the streams, and set to work a bounded number at
 * a time, with a share for each gateway, so that a slow one does not hold up the others. */
#include "pool.h"

#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/matrix/accounts.h>
#include <ganglion/memory.h>
#include <ganglion/topology.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.pusher"};

enum { PAGE = 1000, MAX_RUNNING = 256, MAX_OF_HOST = 64, IDLE_MS = 30000, RETRY_MS = 5000 };

struct owner { /* a user's pushers */
    struct gg_list pushers;
};

struct pool {
    struct mx_server *server;
    struct gg_duty *duty;
    struct gg_scope *scope;   /* of those that work; NULL: the duty is not ours now */
    struct gg_map *users;     /* user id -> struct owner */
    struct gg_map *hosts;     /* gateway -> how many work with it */
    struct gg_map *changed;   /* user ids whose rows are to be read again */
    struct gg_list ready;
    struct gg_cond wake;
    struct gg_cond ended;     /* one of those that work has */
    int64_t scouted;          /* events up to there were looked at */
    size_t running;
    bool news, draining;
};

struct mx_server *pool_server(const struct pool *pool)
{
    return pool->server;
}

/* ---- at work ---- */

static size_t at_work(const struct pool *pool, const char *host)
{
    return (size_t)(uintptr_t)gg_map_get(pool->hosts, gg_str(host));
}

static void count(struct pool *pool, const char *host, int by)
{
    size_t n = at_work(pool, host) + (size_t)by;
    if (n == 0)
        gg_map_delete(pool->hosts, gg_str(host));
    else
        gg_map_put(pool->hosts, gg_str(host), (void *)(uintptr_t)n);
}

static void make_ready(struct pusher *pusher)
{
    if (pusher->running || (pusher->retry != NULL && !pusher->mails))
        return; /* it looks again by itself */
    if (pusher->retry != NULL) { /* something new may be due before what it waits for */
        gg_timer_stop(pusher->retry);
        pusher->retry = NULL;
    }
    gg_list_remove(&pusher->ready);
    gg_list_push(&pusher->pool->ready, &pusher->ready);
    gg_cond_signal(&pusher->pool->wake);
}

static void on_retry(void *arg)
{
    struct pusher *pusher = arg;
    pusher->retry = NULL;
    make_ready(pusher);
}

/* Whoever has let the account expire is told nothing; what waits is told after it was renewed, with the next news. */
static bool is_expired(struct pusher *pusher)
{
    struct gg_error err = GG_ERROR_INIT;
    bool expired;
    if (mx_account_expired(pusher->pool->server, pusher->row.user_id, &expired, &err))
        gg_warn(&logger, "%.*s: %s", GG_FMT(pusher->row.user_id), err.message);
    if (expired)
        pusher->news = pusher->badge = false;
    return expired;
}

static void work(void *arg)
{
    struct pusher *pusher = arg;
    struct pool *pool = pusher->pool;
    if (is_expired(pusher))
        pusher->backoff_ms = 0;
    else if (pusher->mails)
        pusher_mail(pusher);
    else
        pusher_deliver(pusher);
    pusher->running = false;
    pool->running--;
    count(pool, pusher->host, -1);
    gg_cond_signal(&pool->wake);
    gg_cond_broadcast(&pool->ended);
    if (pusher->gone)
        pusher_free(pusher);
    else if (pusher->mails && pusher->news)
        make_ready(pusher);
    else if (pusher->backoff_ms > 0 && !gg_cancelled())
        pusher->retry = gg_timer_start(pusher->backoff_ms, on_retry, pusher);
    else if (pusher->news || pusher->badge)
        make_ready(pusher);
}

static void set_to_work(struct pool *pool)
{
    struct gg_list *it = pool->ready.next;
    while (it != &pool->ready && pool->running < MAX_RUNNING && !pool->draining) {
        struct pusher *pusher = GG_CONTAINER(it, struct pusher, ready);
        it = it->next;
        if (at_work(pool, pusher->host) >= MAX_OF_HOST)
            continue;
        gg_list_remove(&pusher->ready);
        pusher->running = true;
        pool->running++;
        count(pool, pusher->host, 1);
        if (gg_spawn(pool->scope, "pusher", work, pusher) != NULL)
            continue;
        pusher->running = false;
        pool->running--;
        count(pool, pusher->host, -1);
        gg_list_push_front(&pool->ready, &pusher->ready); /* no fiber is to be had: the next round tries again */
        return;
    }
}

/* ---- which there are ---- */

static void owner_free(void *value)
{
    struct owner *owner = value;
    while (!gg_list_empty(&owner->pushers))
        pusher_free(GG_CONTAINER(owner->pushers.next, struct pusher, of_user));
    free(owner);
}

static struct owner *owner_of(struct pool *pool, struct gg_str user_id)
{
    struct owner *owner = gg_map_get(pool->users, user_id);
    if (owner == NULL) {
        owner = gg_xcalloc(1, sizeof(*owner));
        gg_list_init(&owner->pushers);
        gg_map_put(pool->users, user_id, owner);
    }
    return owner;
}

/* One that works frees itself when it sees that it is gone. */
static void drop(struct pusher *pusher)
{
    pusher->gone = true;
    gg_list_remove(&pusher->of_user);
    if (!pusher->running)
        pusher_free(pusher);
}

static bool is_same(const struct pusher *pusher, const struct mx_pusher *row)
{
    return pusher->row.id == row->id;
}

static void add(struct pool *pool, const struct mx_pusher *row)
{
    struct pusher *pusher = pusher_new(pool, row);
    if (pusher == NULL)
        return;
    gg_list_push(&owner_of(pool, row->user_id)->pushers, &pusher->of_user);
    pusher->news = true;
    make_ready(pusher);
}

static bool is_mine(const struct pool *pool, struct gg_str user_id)
{
    return gg_topology_is_mine(pool->server->config, "pusher", user_id);
}

static int load_all(struct pool *pool, struct gg_error *err)
{
    struct mx_pusher *rows;
    size_t n = PAGE;
    int64_t after = 0;
    int rc = 0;
    while (rc == 0 && n == PAGE) {
        struct gg_arena *arena = gg_arena_new();
        rc = mx_pushers_list(pool->server, gg_strn(NULL, 0), after, PAGE, arena, &rows, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            after = rows[i].id;
            if (is_mine(pool, rows[i].user_id))
                add(pool, &rows[i]);
        }
        gg_arena_free(arena);
    }
    return rc;
}

/* Rows are the truth: what is no longer there goes, what was set anew is made anew. */
static int load_user(struct pool *pool, struct gg_str user_id, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_pusher *rows;
    size_t n;
    int rc = mx_pushers_list(pool->server, user_id, 0, 0, arena, &rows, &n, err);
    struct owner *owner = rc == 0 ? owner_of(pool, user_id) : NULL;
    for (struct gg_list *it = rc == 0 ? owner->pushers.next : NULL; rc == 0 && it != &owner->pushers;) {
        struct pusher *pusher = GG_CONTAINER(it, struct pusher, of_user);
        bool there = false;
        it = it->next;
        for (size_t i = 0; i < n; i++) {
            there |= is_same(pusher, &rows[i]);
            if (is_same(pusher, &rows[i]))
                rows[i].disabled = true; /* nothing to add */
        }
        if (!there)
            drop(pusher);
    }
    for (size_t i = 0; rc == 0 && i < n; i++)
        add(pool, &rows[i]);
    if (rc == 0 && gg_list_empty(&owner->pushers))
        gg_map_delete(pool->users, user_id);
    gg_arena_free(arena);
    return rc;
}

/* ---- what the streams tell ---- */

static void wake_user(struct pool *pool, struct gg_str user_id, bool badge)
{
    struct owner *owner = gg_map_get(pool->users, user_id);
    if (owner == NULL)
        return;
    GG_LIST_EACH (it, &owner->pushers) {
        struct pusher *pusher = GG_CONTAINER(it, struct pusher, of_user);
        if (pusher->mails && badge)
            continue; /* what was read is not mailed: that is seen when the mail is due */
        pusher->news |= !badge;
        pusher->badge |= badge;
        make_ready(pusher);
    }
}

static void on_events(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                      size_t n, bool moved)
{
    struct pool *pool = self;
    if (!moved || pool->scope == NULL)
        return;
    pool->news = true;
    gg_cond_signal(&pool->wake);
}

/* The first item of a row that is a JSON array of texts. */
static struct gg_str item(struct gg_str row, size_t i)
{
    struct mx_json_iter it = mx_json_iter(row);
    for (size_t k = 0; mx_json_next(&it); k++)
        if (k == i)
            return mx_json_is_string(it.value) ? gg_strn(it.value.s + 1, it.value.n - 2) : gg_strn(NULL, 0);
    return gg_strn(NULL, 0);
}

static void on_pushers(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                       size_t n, bool moved)
{
    struct pool *pool = self;
    for (size_t i = 0; moved && pool->scope != NULL && i < n; i++) {
        struct gg_str user_id = item(rows[i].row, 0);
        if (user_id.s == NULL || !is_mine(pool, user_id))
            continue;
        gg_map_put(pool->changed, user_id, NULL);
        gg_cond_signal(&pool->wake);
    }
}

/* [room, type, user, event, thread, data]: the user has read something. */
static void on_receipts(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                        size_t n, bool moved)
{
    struct pool *pool = self;
    for (size_t i = 0; moved && pool->scope != NULL && i < n; i++) {
        struct gg_str user_id = item(rows[i].row, 2);
        if (user_id.s != NULL)
            wake_user(pool, user_id, true);
    }
}

/* ---- the loop ---- */

static int scout(struct pool *pool, struct gg_error *err)
{
    int64_t upto = gg_stream_upto(pool->server->events);
    struct gg_str *users;
    size_t n = 0;
    if (upto <= pool->scouted)
        return 0;
    if (gg_map_count(pool->users) == 0) { /* nobody to be told: a message to thousands costs nothing here */
        pool->scouted = upto;
        return 0;
    }
    struct gg_arena *arena = gg_arena_new();
    int rc = mx_push_notified_users(pool->server, pool->scouted, upto, arena, &users, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        wake_user(pool, users[i], false);
    if (rc == 0)
        pool->scouted = upto;
    gg_arena_free(arena);
    return rc;
}

static int reload_changed(struct pool *pool, struct gg_error *err)
{
    while (gg_map_count(pool->changed) > 0) {
        size_t i = 0;
        struct gg_str key;
        struct gg_arena *arena = gg_arena_new();
        gg_map_next(pool->changed, &i, &key, NULL);
        struct gg_str user_id = gg_arena_str(arena, key);
        gg_map_delete(pool->changed, user_id);
        int rc = load_user(pool, user_id, err);
        if (rc < 0)
            gg_map_put(pool->changed, user_id, NULL);
        gg_arena_free(arena);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void loop(struct pool *pool)
{
    while (!gg_cancelled()) {
        struct gg_error err = GG_ERROR_INIT;
        pool->news = false;
        int rc = reload_changed(pool, &err);
        if (rc == 0)
            rc = scout(pool, &err);
        set_to_work(pool);
        if (rc < 0 && !gg_cancelled()) {
            gg_warn(&logger, "pushers: %s", err.message);
            (void)gg_sleep(RETRY_MS);
        } else if (!pool->news && gg_map_count(pool->changed) == 0) {
            (void)gg_cond_wait(&pool->wake, gg_deadline(IDLE_MS));
        }
    }
}

/* While the duty is ours. */
static void run(void *arg)
{
    struct pool *pool = arg;
    struct gg_error err = GG_ERROR_INIT;
    pool->scope = gg_scope_new(gg_host_scope(pool->server->host), "pushers");
    pool->users = gg_map_new(owner_free);
    pool->hosts = gg_map_new(NULL);
    pool->changed = gg_map_new(NULL);
    gg_list_init(&pool->ready);
    pool->scouted = gg_stream_upto(pool->server->events);
    if (load_all(pool, &err) == 0)
        loop(pool);
    else if (!gg_cancelled())
        gg_warn(&logger, "pushers could not be read: %s", err.message);
    gg_scope_end(pool->scope);
    pool->scope = NULL;
    gg_map_free(pool->users);
    gg_map_free(pool->hosts);
    gg_map_free(pool->changed);
    pool->users = pool->hosts = pool->changed = NULL;
}

struct pool *pool_new(struct mx_server *server)
{
    struct pool *pool = gg_xcalloc(1, sizeof(*pool));
    pool->server = server;
    gg_cond_init(&pool->wake);
    gg_cond_init(&pool->ended);
    gg_stream_follow(server->events, on_events, pool);
    gg_stream_follow(server->pushers, on_pushers, pool);
    gg_stream_follow(server->receipts, on_receipts, pool);
    return pool;
}

/* Sharded: each listed instance has a part that is its own; else one process at a time has all. */
int pool_start(void *self, struct gg_error *err)
{
    struct pool *pool = self;
    const struct gg_config *config = pool->server->config;
    char name[128];
    size_t n;
    if (!gg_topology_has_duty(config, "pusher", NULL))
        return 0;
    (void)gg_topology_duty(config, "pusher", &n);
    snprintf(name, sizeof(name), n > 1 ? "pusher %s" : "pusher", gg_host_instance(pool->server->host));
    pool->duty = gg_duty_begin(pool->server->host, name, run, pool);
    return 0;
}

void pool_drain(void *self, int64_t deadline)
{
    struct pool *pool = self;
    pool->draining = true;
    while (pool->running > 0 && gg_cond_wait(&pool->ended, deadline) == 0)
        continue;
}

bool pool_draining(const struct pool *pool)
{
    return pool->draining;
}

void pool_stop(void *self)
{
    struct pool *pool = self;
    gg_duty_end(pool->duty);
    pool->duty = NULL;
}

void pool_free(void *self)
{
    free(self);
}
