/* repl/lines.c: the life of the channel: connecting, commands in and out. */
#include "repl/lines.h"

#include "config/topology.h"
#include "main/host.h"

#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/metrics.h>
#include <stdlib.h>

static struct gg_logger logger = {.name = "ganglion.replication"};
static struct gg_metric dropped = {.name = "ganglion_replication_lines_dropped_total", .type = GG_COUNTER,
                                   .help = "Lines not published because Redis was away"};

enum { TWIN_MS = 100, POKE_MS = 1000 };

struct handler {
    struct gg_list link;
    gg_command_fn *fn;
    void *self;
};

/* ---- commands ---- */

static void free_handlers(void *value)
{
    struct gg_list *head = value, *link;
    while ((link = gg_list_pop(head)) != NULL)
        free(GG_CONTAINER(link, struct handler, link));
    free(head);
}

struct gg_lines *gg_lines_of(struct gg_host *host)
{
    struct gg_repl *repl = gg_repl_of(host);
    if (repl->lines != NULL)
        return repl->lines;
    struct gg_lines *lines = calloc(1, sizeof(*lines));
    GG_ASSERT(lines != NULL);
    lines->host = host;
    lines->commands = gg_map_new(free_handlers);
    gg_cond_init(&lines->subscribed);
    repl->lines = lines;
    return lines;
}

void gg_repl_on_command(struct gg_host *host, const char *command, gg_command_fn *fn, void *self)
{
    struct gg_lines *lines = gg_lines_of(host);
    struct gg_list *head = gg_map_get(lines->commands, gg_str(command));
    if (head == NULL) {
        head = calloc(1, sizeof(*head));
        GG_ASSERT(head != NULL);
        gg_list_init(head);
        gg_map_put(lines->commands, gg_str(command), head);
    }
    struct handler *handler = calloc(1, sizeof(*handler));
    GG_ASSERT(handler != NULL);
    handler->fn = fn;
    handler->self = self;
    gg_list_push(head, &handler->link);
}

void gg_repl_send(struct gg_host *host, const char *command, struct gg_str rest)
{
    struct gg_lines *lines = gg_lines_of(host);
    struct gg_buf line = GG_BUF_INIT;
    if (lines->redis == NULL)
        return;
    gg_buf_printf(&line, "%s %.*s", command, GG_FMT(rest));
    /* Last-seen data goes to the few processes that want it. */
    const char *channel = strcmp(command, "USER_IP") == 0 ? lines->ip_channel : lines->channel;
    if (!gg_redis_publish(lines->redis, channel, gg_buf_view(&line)))
        gg_metric_add(&dropped, 1, NULL);
    gg_buf_done(&line);
}

bool gg_repl_connected(const struct gg_host *host)
{
    return gg_lines_connected(host);
}

bool gg_lines_connected(const struct gg_host *host)
{
    const struct gg_lines *lines = host->repl != NULL ? host->repl->lines : NULL;
    if (lines == NULL || lines->redis == NULL)
        return !host->redis;
    return gg_redis_is_subscribed(lines->redis) && gg_redis_can_publish(lines->redis);
}

void gg_repl_cache_set(struct gg_host *host, const char *key, struct gg_str value, int64_t ttl_ms)
{
    struct gg_lines *lines = gg_lines_of(host);
    if (lines->redis != NULL)
        gg_redis_set(lines->redis, key, value, ttl_ms);
}

bool gg_repl_cache_get(struct gg_host *host, const char *key, struct gg_arena *arena, struct gg_str *out)
{
    struct gg_lines *lines = gg_lines_of(host);
    return lines->redis != NULL && gg_redis_get(lines->redis, key, arena, out);
}

/* ---- what Redis tells ---- */

static void on_line(void *self, struct gg_str channel, struct gg_str line)
{
    struct gg_lines *lines = self;
    gg_lines_read_line(lines, line);
    const char *space = memchr(line.s, ' ', line.n);
    struct gg_str name = gg_strn(line.s, space != NULL ? (size_t)(space - line.s) : line.n);
    struct gg_str rest = space != NULL ? gg_strn(space + 1, line.n - name.n - 1) : GG_STR("");
    struct gg_list *head = gg_map_get(lines->commands, name);
    if (head == NULL)
        return;
    char command[64];
    (void)snprintf(command, sizeof(command), "%.*s", GG_FMT(name));
    GG_LIST_EACH(link, head) {
        struct handler *handler = GG_CONTAINER(link, struct handler, link);
        handler->fn(handler->self, command, rest);
    }
}

static void on_subscribed(void *self)
{
    struct gg_lines *lines = self;
    gg_repl_send(lines->host, "REPLICATE", GG_STR(""));
    gg_cond_broadcast(&lines->subscribed);
    if (lines->started)
        gg_lines_announce_all(lines);
}

static void on_lost(void *self)
{
    gg_lines_forget_connections(self);
}

static const struct gg_redis_events events_template = {on_line, on_subscribed, on_lost, NULL};

/* ---- starting and stopping ---- */

static void gather_streams(struct gg_lines *lines)
{
    lines->streams = gg_streams_of(lines->host);
    lines->n = gg_streams_count(lines->streams);
    lines->all = calloc(lines->n + 1, sizeof(*lines->all));
    GG_ASSERT(lines->all != NULL);
    for (size_t i = 0; i < lines->n; i++) {
        struct gg_line_stream *s = &lines->all[i];
        s->stream = gg_streams_at(lines->streams, i);
        gg_list_init(&s->queue);
        gg_list_init(&s->batches);
        s->last = gg_stream_current(s->stream, lines->host->instance);
        gg_stream_set_lines(s->stream, s);
    }
    gg_streams_on_poke(lines->streams, gg_lines_poke, lines);
}

static void name_channels(struct gg_lines *lines)
{
    const char *name = gg_config_text(lines->host->config, "server_name");
    size_t n = strlen(name) + sizeof("/USER_IP");
    lines->channel = strdup(name);
    lines->ip_channel = malloc(n);
    GG_ASSERT(lines->channel != NULL && lines->ip_channel != NULL);
    (void)snprintf(lines->ip_channel, n, "%s/USER_IP", name);
    bool wants_ips = lines->host->main || lines->host->background;
    lines->channels[0] = wants_ips ? lines->ip_channel : lines->channel;
    lines->channels[1] = lines->channel;
}

/* Somebody who answers REPLICATE under our name before we have said a word is a second process of that name: two of
 * them break replication for all, so the later one gives way. */
static int look_for_twin(struct gg_lines *lines, struct gg_error *err)
{
    int64_t deadline = gg_deadline(2000);
    while (!gg_redis_is_subscribed(lines->redis) && gg_cond_wait(&lines->subscribed, deadline) == 0)
        ;
    if (!gg_redis_is_subscribed(lines->redis)) {
        gg_warn(&logger, "Redis cannot be reached; starting without it, not ready until it is there");
        return 0;
    }
    deadline = gg_deadline(TWIN_MS);
    while (!lines->twin && gg_sleep_until(gg_deadline(5) < deadline ? gg_deadline(5) : deadline) == 0 && gg_now_ms() < deadline)
        ;
    if (lines->twin)
        return gg_fail(err, GG_E_CONFLICT, "a process with the name %s is running already (it answers on Redis); worker_name must be unique",
                       lines->host->instance);
    return 0;
}

/* Positions also move by what other processes commit without telling us about ourselves. */
static void poke_now_and_then(void *arg)
{
    while (gg_sleep(POKE_MS) == 0)
        gg_lines_poke(arg);
}

int gg_lines_start(struct gg_host *host, struct gg_error *err)
{
    struct gg_lines *lines = gg_lines_of(host);
    gather_streams(lines);
    if (!host->redis) {
        lines->started = true;
        return 0;
    }
    name_channels(lines);
    lines->scope = gg_scope_new(host->scope, "replication");
    struct gg_redis_events events = events_template;
    events.self = lines;
    bool both = lines->channels[0] != lines->channels[1];
    lines->redis = gg_redis_new(gg_topology_redis(host->config), lines->channels, both ? 2 : 1, &events);
    gg_redis_start(lines->redis, lines->scope);
    int rc = look_for_twin(lines, err);
    if (rc != 0)
        return rc;
    lines->started = true;
    gg_lines_announce_all(lines);
    (void)gg_spawn(lines->scope, "poke streams", poke_now_and_then, lines);
    return 0;
}

void gg_lines_stop(struct gg_host *host)
{
    struct gg_lines *lines = host->repl != NULL ? host->repl->lines : NULL;
    if (lines == NULL || lines->redis == NULL)
        return;
    (void)gg_yield(); /* what is due at the end of this turn still leaves */
    lines->started = false;
    gg_redis_stop(lines->redis);
    gg_scope_end(lines->scope);
    lines->scope = NULL;
}

void gg_lines_free(struct gg_lines *lines)
{
    if (lines == NULL)
        return;
    gg_lines_forget_connections(lines);
    gg_redis_free(lines->redis);
    gg_map_free(lines->commands);
    free(lines->all);
    free(lines->channel);
    free(lines->ip_channel);
    free(lines);
}
