/* delayed/worker.c: the main process sends what is due, and takes back what the state of a room has overtaken. */
#include "delayed/delayed.h"

#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/memory.h>
#include <stdlib.h>

#include "parts.h"

static struct gg_logger logger = {"ganglion.delayed"};

/* LOOK_MS: what could not be told is found then, at the latest. */
enum { ASKED_BYTES = 1 << 20 }; /* ids by the transactions that asked for them (api/delayed.c) */
enum { AT_ONCE = 100, LOOK_MS = 60000, AGAIN_MS = 1000, PAUSE_MS = 100 };

struct mx_delaying {
    struct gg_cond changed;
    bool woken;
    bool waiting;        /* do any events wait? */
    int64_t position;    /* of the events stream: up to there they were compared with the state of rooms */
    struct gg_scope *scope;
};

void mx_delaying_wake(struct mx_server *server)
{
    struct mx_delaying *d = server->delaying;
    if (d == NULL)
        return;
    d->woken = d->waiting = true;
    gg_cond_signal(&d->changed);
}

/* With nothing waiting there is nothing to compare: what comes meanwhile came before whatever is added later. */
static void follow(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows, size_t n,
                   bool moved)
{
    struct mx_server *server = self;
    struct mx_delaying *d = server->delaying;
    if (!moved || d->scope == NULL)
        return;
    if (d->waiting)
        mx_delaying_wake(server);
    else
        d->position = gg_stream_upto(stream);
}

static int compare(struct mx_server *server, bool any, struct gg_error *err)
{
    struct mx_delaying *d = server->delaying;
    int64_t upto = gg_stream_upto(server->events);
    int rc = mx_delayed_supersede(server, any && d->position < upto ? d->position : upto, upto, err);
    if (rc == 0)
        d->position = upto;
    return rc;
}

/* Of several of one state key that are due together only the first that can be sent counts. */
static bool is_repeated(const struct mx_delayed *events, const bool *sent, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (sent[j] && events[i].state_key.s != NULL && events[j].state_key.s != NULL && gg_str_eq(events[i].room_id, events[j].room_id) &&
            gg_str_eq(events[i].type, events[j].type) && gg_str_eq(events[i].state_key, events[j].state_key))
            return true;
    return false;
}

static void send_one(struct mx_server *server, const struct mx_delayed *events, bool *sent, size_t i)
{
    struct gg_arena *arena = gg_arena_new();
    const struct mx_delayed *e = &events[i];
    struct gg_error err = GG_ERROR_INIT;
    int64_t at = e->origin_server_ts != 0 ? e->origin_server_ts : e->send_ts;
    bool repeated = is_repeated(events, sent, i);
    int rc = repeated ? mx_delayed_done(server, e->id, &err) : mx_delayed_send_claimed(server, e, at, arena, &err);
    sent[i] = rc == 0 && !repeated;
    if (rc != 0 && rc != GG_E_CANCELLED)
        gg_warn(&logger, "the delayed event %.*s of %.*s was not sent: %s", GG_FMT(e->id), GG_FMT(e->localpart), err.message);
    gg_arena_free(arena);
}

/* begun: also what a process before this one had begun to send. */
static int send_due(struct mx_server *server, bool begun, struct gg_error *err)
{
    size_t n = AT_ONCE;
    int rc = 0;
    while (rc == 0 && n == AT_ONCE && !gg_cancelled()) {
        struct gg_arena *arena = gg_arena_new();
        struct mx_delayed *events;
        bool sent[AT_ONCE] = {false};
        rc = mx_delayed_claim_due(server, gg_wall_ms(), begun, AT_ONCE, arena, &events, &n, err);
        for (size_t i = 0; rc == 0 && i < n && !gg_cancelled(); i++)
            send_one(server, events, sent, i);
        gg_arena_free(arena);
    }
    return rc;
}

/* *wait_out: until the next turn. */
static int turn(struct mx_server *server, bool first, int64_t *wait_out, struct gg_error *err)
{
    struct mx_delaying *d = server->delaying;
    int64_t n = 0, due = 0;
    int rc = first ? mx_delayed_position(server, &d->position, err) : 0;
    d->woken = false;
    if (rc == 0)
        rc = mx_delayed_pending(server, &n, &due, err);
    if (rc == 0)
        rc = compare(server, n > 0, err);
    if (rc == 0)
        rc = send_due(server, first, err);
    if (rc == 0)
        rc = mx_delayed_pending(server, &n, &due, err);
    *wait_out = AGAIN_MS;
    if (rc != 0)
        return rc;
    d->waiting = n > 0 || d->woken;
    due -= gg_wall_ms();
    *wait_out = n == 0 || due > LOOK_MS ? LOOK_MS : due > 0 ? due : 0;
    return 0;
}

static void work(void *arg)
{
    struct mx_server *server = arg;
    struct mx_delaying *d = server->delaying;
    for (bool first = true; !gg_cancelled();) {
        struct gg_error err = GG_ERROR_INIT;
        int64_t wait;
        int rc = turn(server, first, &wait, &err);
        if (rc != 0 && !gg_cancelled())
            gg_warn(&logger, "delayed events: %s", err.message);
        first = first && rc != 0;
        int64_t deadline = gg_deadline(wait);
        if (gg_sleep(PAUSE_MS) != 0) /* a busy server need not be looked at for each event */
            return;
        while (!gg_cancelled() && !d->woken && gg_cond_wait(&d->changed, deadline) == 0)
            ;
    }
}

/* ---- the part ---- */

static int make(struct mx_server *server, struct gg_error *err)
{
    static const struct mx_cache_def asked = {.name = "delayed_event_transactions", .max_bytes = ASKED_BYTES};
    server->delays_asked = mx_cache_new(server, &asked);
    if (!gg_host_is_main(server->host) || mx_delay_limit(server->config) <= 0)
        return 0;
    server->delaying = gg_xcalloc(1, sizeof(*server->delaying));
    gg_cond_init(&server->delaying->changed);
    gg_stream_follow(server->events, follow, server);
    return 0;
}

static int replicated(struct mx_server *server, struct gg_error *err)
{
    struct mx_delaying *d = server->delaying;
    if (d == NULL)
        return 0;
    d->waiting = true;
    d->scope = gg_scope_new(gg_host_scope(server->host), "delayed events");
    return gg_spawn(d->scope, "delayed events", work, server) != NULL
               ? 0
               : gg_fail(err, GG_E_UNAVAILABLE, "no fiber for delayed events");
}

static void stop(struct mx_server *server)
{
    struct mx_delaying *d = server->delaying;
    struct gg_scope *scope = d != NULL ? d->scope : NULL;
    if (scope == NULL)
        return;
    d->scope = NULL;
    gg_scope_end(scope);
}

static void free_part(struct mx_server *server)
{
    free(server->delaying);
    server->delaying = NULL;
}

const struct mx_part mx_part_delayed = {"delayed events", make, NULL, stop, free_part, replicated};
