/* repl/lines.c: the life of the channel: connecting, commands in and out. */
#include "repl/lines_internal.h"

#include "config/topology.h"
#include "main/host.h"

#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/metrics.h>
#include <stdio.h>
#include <stdlib.h>

static struct gg_logger logger = {.name = "ganglion.replication"};
static struct gg_metric dropped = {.name = "ganglion_replication_lines_dropped_total",
                                   .type = GG_COUNTER,
                                   .help = "Lines not published because Redis was away"};

enum { FIRST_CONNECT_MS = 2000, TWIN_MS = 100, POKE_MS = 1000, COMPLAIN_MS = 10000, COMPARE_MS = 30000 };

struct handler {
    struct gg_list link;
    gg_command_fn *fn;
    void *self;
};

static void free_handlers(void *value)
{
    struct gg_list *head = value;
    for (struct gg_list *link; (link = gg_list_pop(head)) != NULL;)
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
    lines->compare_ms = COMPARE_MS;
    lines->arena = gg_arena_new();
    lines->commands = gg_map_new(free_handlers);
    lines->text = (struct gg_buf)GG_BUF_INIT;
    gg_cond_init(&lines->came);
    repl->lines = lines;
    return lines;
}

/* ---- what goes out ---- */

const char *gg_lines_channel_for(const struct gg_lines *lines, struct gg_str name)
{
    if (gg_str_is(name, "USER_IP"))
        return lines->ip_channel; /* last-seen data goes to the few processes that want it */
    return name.n > 0 && memchr(name.s, '.', name.n) != NULL ? lines->own_channel : lines->channel;
}

void gg_lines_publish(struct gg_lines *lines, const char *channel, struct gg_str line)
{
    if (lines->redis == NULL)
        return;
    if (memchr(line.s, '\n', line.n) != NULL)
        gg_lines_complain(lines, "not sent, as it holds a newline", line);
    else if (!gg_redis_publish(lines->redis, channel, line))
        gg_metric_add(&dropped, 1, NULL);
}

void gg_repl_send(struct gg_host *host, const char *command, struct gg_str rest)
{
    struct gg_lines *lines = gg_lines_of(host);
    gg_buf_clear(&lines->text);
    gg_buf_text(&lines->text, command);
    gg_buf_char(&lines->text, ' ');
    gg_buf_str(&lines->text, rest);
    gg_lines_publish(lines, gg_lines_channel_for(lines, gg_str(command)), gg_buf_view(&lines->text));
}

bool gg_lines_connected(const struct gg_lines *lines)
{
    return lines->redis != NULL && gg_redis_ready(lines->redis);
}

bool gg_repl_connected(const struct gg_host *host)
{
    return !host->redis || (host->repl != NULL && host->repl->lines != NULL && gg_lines_connected(host->repl->lines));
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

/* ---- what comes in ---- */

void gg_repl_on_command(struct gg_host *host, const char *command, gg_command_fn *fn, void *self)
{
    struct gg_lines *lines = gg_lines_of(host);
    struct gg_list *head = gg_map_get(lines->commands, gg_str(command));
    struct handler *handler = calloc(1, sizeof(*handler));
    GG_ASSERT(handler != NULL);
    if (head == NULL) {
        head = calloc(1, sizeof(*head));
        GG_ASSERT(head != NULL);
        gg_list_init(head);
        gg_map_put(lines->commands, gg_str(command), head);
    }
    handler->fn = fn;
    handler->self = self;
    gg_list_push(head, &handler->link);
}

void gg_lines_complain(struct gg_lines *lines, const char *what, struct gg_str line)
{
    int64_t now = gg_now_ms();
    if (lines->warned != 0 && now - lines->warned < COMPLAIN_MS) {
        lines->unsaid++;
        return;
    }
    lines->warned = now;
    gg_warn(&logger, "a line of the channel: %s: %.*s (and %zu more since the last warning)", what,
            (int)(line.n < 200 ? line.n : 200), line.s, lines->unsaid);
    lines->unsaid = 0;
}

static void run_command(struct gg_lines *lines, const struct gg_line *line)
{
    struct gg_list *head = gg_map_get(lines->commands, line->name);
    if (gg_str_is(line->name, "REPLICATE"))
        gg_lines_announce_all(lines);
    if (head == NULL)
        return;
    char name[GG_LINE_MAX_WORD + 1];
    (void)snprintf(name, sizeof(name), "%.*s", GG_FMT(line->name));
    GG_LIST_EACH (link, head) {
        struct handler *handler = GG_CONTAINER(link, struct handler, link);
        handler->fn(handler->self, name, line->rest);
    }
}

static void on_line(void *self, struct gg_str text)
{
    struct gg_lines *lines = self;
    struct gg_line line;
    if (text.n == 0)
        return;
    if (!gg_line_parse(text, &line))
        gg_lines_complain(lines, "it makes no sense", text);
    else if (line.kind == GG_LINE_COMMAND)
        run_command(lines, &line);
    else
        gg_lines_read(lines, text, &line);
}

static void on_ready(void *self, bool resubscribed)
{
    struct gg_lines *lines = self;
    if (resubscribed) {
        gg_lines_forget_connections(lines); /* also what was found without lines meanwhile */
        gg_repl_send(lines->host, "REPLICATE", GG_STR(""));
    }
    gg_cond_broadcast(&lines->came);
    gg_lines_announce_all(lines);
}

static void on_lost(void *self)
{
    struct gg_lines *lines = self;
    gg_lines_forget_connections(lines);
}

/* ---- starting ---- */

static void take_stream(struct gg_lines *lines, struct gg_stream *stream, bool everybody)
{
    const struct gg_stream_def *def = gg_stream_def(stream);
    if ((def->writers_key != NULL && strcmp(def->writers_key, "*") == 0) != everybody)
        return;
    struct gg_line_stream *s = &lines->all[lines->n++];
    s->lines = lines;
    s->stream = stream;
    s->everybody = everybody;
    s->last = gg_stream_current(stream, lines->host->instance);
    gg_list_init(&s->queue);
    gg_list_init(&s->writers);
    gg_lines_prepare_compare(s);
}

static void gather_streams(struct gg_lines *lines)
{
    lines->streams = gg_streams_of(lines->host);
    size_t n = gg_streams_count(lines->streams);
    lines->all = calloc(n + 1, sizeof(*lines->all));
    GG_ASSERT(lines->all != NULL);
    for (int everybody = 1; everybody >= 0; everybody--)
        for (size_t i = 0; i < n; i++)
            take_stream(lines, gg_streams_at(lines->streams, i), everybody != 0);
    gg_streams_on_poke(lines->streams, gg_lines_poke, lines);
}

static bool has_own_streams(const struct gg_lines *lines)
{
    for (size_t i = 0; i < lines->n; i++)
        if (strchr(gg_stream_def(lines->all[i].stream)->name, '.') != NULL)
            return true;
    return false;
}

static bool has_own_commands(const struct gg_lines *lines)
{
    struct gg_str name;
    void *value;
    for (size_t i = 0; gg_map_next(lines->commands, &i, &name, &value);)
        if (memchr(name.s, '.', name.n) != NULL)
            return true;
    return false;
}

/* Synapse's order: the channel with a suffix first. */
static size_t name_channels(struct gg_lines *lines)
{
    const char *name = gg_config_text(lines->host->config, "server_name");
    size_t n = 0;
    lines->channel = gg_arena_strdup(lines->arena, name);
    lines->ip_channel = gg_arena_printf(lines->arena, "%s/USER_IP", name);
    lines->own_channel = gg_arena_printf(lines->arena, "%s/ganglion", name);
    if (lines->host->main || lines->host->background)
        lines->channels[n++] = lines->ip_channel;
    if (has_own_streams(lines) || has_own_commands(lines))
        lines->channels[n++] = lines->own_channel;
    lines->channels[n++] = lines->channel;
    return n;
}

/* Somebody who answers REPLICATE under our name before we have said a word is a second process of that name: two of
 * them break replication for all, so the later one gives way. */
static int look_for_twin(struct gg_lines *lines, struct gg_error *err)
{
    int64_t deadline = gg_deadline(FIRST_CONNECT_MS);
    while (!gg_lines_connected(lines) && gg_cond_wait(&lines->came, deadline) == 0)
        ;
    if (gg_cancelled())
        return gg_fail(err, GG_E_CANCELLED, "stopped while connecting to Redis");
    if (!gg_lines_connected(lines)) {
        gg_warn(&logger, "Redis cannot be reached; starting without it, not ready until it is there");
        return 0;
    }
    deadline = gg_deadline(TWIN_MS);
    while (!lines->twin && gg_cond_wait(&lines->came, deadline) == 0)
        ;
    if (!lines->twin)
        return 0;
    return gg_fail(err, GG_E_CONFLICT,
                   "a process with the name %s is running already (it answers on Redis); worker_name must be unique",
                   lines->host->instance);
}

/* What moved without a poke, as others' commits that tell about ours. */
static void poke_now_and_then(void *arg)
{
    while (gg_sleep(POKE_MS) == 0)
        gg_lines_poke(arg);
}

int gg_lines_start(struct gg_host *host, struct gg_error *err)
{
    struct gg_lines *lines = gg_lines_of(host);
    if (!host->redis)
        return 0;
    gather_streams(lines);
    size_t n = name_channels(lines);
    lines->scope = gg_scope_new(host->scope, "replication");
    const struct gg_redis_events events = {on_line, on_ready, on_lost, lines};
    lines->redis = gg_redis_new(gg_topology_redis(host->config), lines->channels, n, &events);
    gg_redis_start(lines->redis, lines->scope);
    int rc = look_for_twin(lines, err);
    if (rc != 0) {
        gg_lines_stop(host);
        return rc;
    }
    (void)gg_spawn(lines->scope, "poke streams", poke_now_and_then, lines);
    if (host->db != NULL)
        (void)gg_spawn(lines->scope, "compare positions", gg_lines_compare_main, lines);
    return 0;
}

void gg_lines_announce(struct gg_host *host)
{
    struct gg_lines *lines = gg_lines_of(host);
    if (lines->redis == NULL)
        return;
    lines->announcing = true;
    gg_lines_announce_all(lines);
}

/* ---- stopping ---- */

void gg_lines_stop(struct gg_host *host)
{
    struct gg_lines *lines = host->repl != NULL ? host->repl->lines : NULL;
    if (lines == NULL || lines->scope == NULL)
        return;
    gg_shield_begin();
    while (lines->turn_due) /* what was just written still leaves */
        (void)gg_yield();
    lines->announcing = false;
    gg_redis_stop(lines->redis);
    gg_scope_end(lines->scope);
    gg_shield_end();
    lines->scope = NULL;
}

static void free_stream(struct gg_line_stream *s)
{
    gg_lines_drop_queue(s);
    for (struct gg_list *link; (link = gg_list_pop(&s->writers)) != NULL;) {
        struct gg_line_writer *writer = GG_CONTAINER(link, struct gg_line_writer, link);
        gg_lines_drop_batch(writer);
        free(writer);
    }
}

void gg_lines_free(struct gg_lines *lines)
{
    if (lines == NULL)
        return;
    GG_ASSERT(lines->scope == NULL);
    for (size_t i = 0; i < lines->n; i++)
        free_stream(&lines->all[i]);
    gg_redis_free(lines->redis);
    gg_map_free(lines->commands);
    gg_buf_done(&lines->text);
    gg_arena_free(lines->arena);
    free(lines->all);
    free(lines);
}
