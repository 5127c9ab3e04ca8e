/* matrix/appservice/sending/sending.c: the life of what is sent to application services. */
#include "appservice/sending/sending.h"
#include "appservice/services.h"

#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/matrix/appservice_sender.h>
#include <ganglion/memory.h>
#include <ganglion/topology.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.appservice"};

#define DUTY "appservice"

enum { REACHED_MS = 15 * 60 * 1000 }; /* longer than the longest wait */

bool mx_as_messages_on(const struct mx_as_sending *sending, const struct mx_appservice *s)
{
    return mx_as_hears_ephemeral(s) &&
           gg_config_bool(sending->server->config, "experimental_features.msc2409_to_device_messages_enabled");
}

bool mx_as_lists_on(const struct mx_as_sending *sending, const struct mx_appservice *s)
{
    return s->url != NULL && s->extensions &&
           gg_config_bool(sending->server->config, "experimental_features.msc3202_transaction_extensions");
}

/* ---- the streams ---- */

static void on_events(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                      size_t n, bool moved)
{
    struct mx_as_sending *sending = self;
    if (moved)
        gg_cond_signal(&sending->events);
}

static void on_to_device(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                         size_t n, bool moved)
{
    struct mx_as_sending *sending = self;
    for (size_t i = 0; i < sending->n && moved && sending->working; i++)
        if (mx_as_messages_on(sending, sending->queues[i].service)) {
            sending->queues[i].to_device_news = true;
            gg_cond_signal(&sending->queues[i].news);
        }
}

static void on_lists(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                     size_t n, bool moved)
{
    struct mx_as_sending *sending = self;
    for (size_t i = 0; i < sending->n && moved && sending->working; i++)
        if (mx_as_lists_on(sending, sending->queues[i].service)) {
            sending->queues[i].lists_news = true;
            gg_cond_signal(&sending->queues[i].news);
        }
}

static void follow_streams(struct mx_as_sending *sending)
{
    struct mx_server *server = sending->server;
    bool told = false, messages = false, lists = false;
    for (size_t i = 0; i < sending->n; i++) {
        told = told || mx_as_hears_ephemeral(sending->queues[i].service);
        messages = messages || mx_as_messages_on(sending, sending->queues[i].service);
        lists = lists || mx_as_lists_on(sending, sending->queues[i].service);
    }
    gg_stream_follow(server->events, on_events, sending);
    if (told) {
        gg_stream_follow(server->typing_stream, mx_as_hear_typing, sending);
        gg_stream_follow(server->receipts, mx_as_hear_receipts, sending);
        gg_stream_follow(server->presence, mx_as_hear_presence, sending);
    }
    if (messages)
        gg_stream_follow(server->to_device, on_to_device, sending);
    if (lists)
        gg_stream_follow(server->device_lists, on_lists, sending);
}

/* ---- the duty ---- */

static bool spawn(struct gg_scope *scope, const char *name, gg_fiber_fn *fn, void *arg)
{
    if (gg_spawn(scope, name, fn, arg) != NULL)
        return true;
    gg_err(&logger, "no fiber for %s", name);
    return false;
}

/* What was known belongs to the last time that this process had the duty. */
static void forget_state(struct mx_as_sending *sending)
{
    gg_map_clear(sending->typing);
    gg_map_clear(sending->presence);
    sending->receipts = false;
    for (size_t i = 0; i < sending->n; i++) {
        struct mx_as_queue *q = &sending->queues[i];
        q->known = q->committing = q->down = false;
        q->rows = q->to_device_news = q->lists_news = true;
        q->open_id = q->picked = 0;
        q->retry_at = 0;
        q->backoff = 0;
        mx_as_told_drop(q, q->n_told);
        mx_as_extras_clear(&q->extras);
    }
}

static void work(void *arg)
{
    struct mx_as_sending *sending = arg;
    struct gg_cond never;
    struct gg_scope *scope = gg_scope_new(gg_host_scope(sending->server->host), "appservices");
    forget_state(sending);
    sending->working = true;
    bool ok = spawn(scope, "appservice events", mx_as_follow, sending) && spawn(scope, "appservice told", mx_as_tell, sending);
    for (size_t i = 0; ok && i < sending->n; i++)
        if (sending->queues[i].service->url != NULL)
            ok = spawn(scope, "appservice", mx_as_deliver, &sending->queues[i]);
    gg_cond_init(&never);
    while (ok && gg_cond_wait(&never, GG_FOREVER) == 0)
        ;
    sending->working = false;
    gg_scope_end(scope);
}

/* ---- life ---- */

static void queue_init(struct mx_as_sending *sending, struct mx_as_queue *q, const struct mx_appservice *service)
{
    static const struct gg_buf empty = GG_BUF_INIT;
    q->sending = sending;
    q->service = service;
    q->open_ids = q->extras.told = q->extras.messages = q->extras.lists = empty;
    q->extras.users = gg_map_new(NULL);
    q->extras.rooms = gg_map_new(NULL);
    q->told = gg_xcalloc(MX_AS_TOLD_WAITING, sizeof(*q->told));
    q->told_rooms = gg_xcalloc(MX_AS_TOLD_WAITING, sizeof(*q->told_rooms));
    gg_cond_init(&q->news);
}

struct mx_as_sending *mx_as_sending_new(struct mx_server *server)
{
    struct mx_as_sending *sending = gg_xcalloc(1, sizeof(*sending));
    const struct mx_appservice *services = mx_appservices(server, &sending->n);
    sending->server = server;
    sending->typing = gg_map_new(NULL);
    sending->presence = gg_map_new(free);
    gg_cond_init(&sending->events);
    gg_cond_init(&sending->told);
    gg_cond_init(&sending->turned);
    sending->queues = gg_xcalloc(sending->n, sizeof(*sending->queues));
    for (size_t i = 0; i < sending->n; i++)
        queue_init(sending, &sending->queues[i], &services[i]);
    mx_appservices_of(server)->sending = sending;
    if (sending->n > 0 && gg_topology_has_duty(server->config, DUTY, NULL))
        follow_streams(sending);
    return sending;
}

int mx_as_sending_start(void *self, struct gg_error *err)
{
    struct mx_as_sending *sending = self;
    if (sending->n > 0 && gg_topology_has_duty(sending->server->config, DUTY, NULL))
        sending->duty = gg_duty_begin(sending->server->host, DUTY, work, sending);
    return 0;
}

void mx_as_sending_drain(void *self, int64_t deadline)
{
    struct mx_as_sending *sending = self;
    sending->draining = true;
    while (sending->n_turns > 0 && gg_cond_wait(&sending->turned, deadline) == 0)
        continue;
}

void mx_as_sending_stop(void *self)
{
    struct mx_as_sending *sending = self;
    gg_duty_end(sending->duty);
    sending->duty = NULL;
}

/* ---- from beside ---- */

void mx_as_sending_poke_here(struct mx_server *server, const struct mx_appservice *service)
{
    struct mx_as_sending *sending = mx_appservices_of(server)->sending;
    if (sending == NULL || !sending->working || !sending->queues[service->index].down)
        return;
    sending->queues[service->index].again = true;
    gg_cond_signal(&sending->queues[service->index].news);
}

/* The key that says when a service was reached; whoever waits for it looks there. */
static const char *reached_key(const struct mx_appservice *service, struct gg_arena *arena)
{
    return gg_arena_printf(arena, "ganglion:appservice_reached:%s", service->id);
}

void mx_as_sending_poke(struct mx_server *server, const struct mx_appservice *service)
{
    struct gg_arena *arena = gg_arena_new();
    mx_as_sending_poke_here(server, service);
    if (gg_host_redis_enabled(server->host))
        gg_repl_cache_set(server->host, reached_key(service, arena),
                          gg_str(gg_arena_printf(arena, "%lld", (long long)gg_wall_ms())), REACHED_MS);
    gg_arena_free(arena);
}

bool mx_as_reached_since(struct mx_as_queue *queue, int64_t wall_ms)
{
    struct gg_host *host = queue->sending->server->host;
    struct gg_arena *arena = gg_arena_new();
    struct gg_str when;
    bool reached = gg_host_redis_enabled(host) && gg_repl_cache_get(host, reached_key(queue->service, arena), arena, &when) &&
                   strtoll(gg_arena_strndup(arena, when.s, when.n), NULL, 10) > wall_ms;
    gg_arena_free(arena);
    return reached;
}

void mx_as_sending_free(void *self)
{
    struct mx_as_sending *sending = self;
    for (size_t i = 0; i < sending->n; i++) {
        struct mx_as_queue *q = &sending->queues[i];
        mx_as_told_drop(q, q->n_told);
        mx_as_extras_clear(&q->extras);
        gg_map_free(q->extras.users);
        gg_map_free(q->extras.rooms);
        gg_buf_done(&q->open_ids);
        free(q->told);
        free(q->told_rooms);
    }
    if (mx_appservices_of(sending->server) != NULL)
        mx_appservices_of(sending->server)->sending = NULL;
    gg_map_free(sending->typing);
    gg_map_free(sending->presence);
    free(sending->queues);
    free(sending);
}
