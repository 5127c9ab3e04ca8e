/* matrix/presence/part.c: presence as a part of the process. */
#include "parts.h"

#include "presence/internal.h"

#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/memory.h>

enum { BUSY_MS = 60 * 60 * 1000 };

static bool busy_known(const struct gg_config *config)
{
    const struct gg_node *features = gg_config_node(config, "experimental_features");
    const struct gg_node *flag = features != NULL ? gg_node_get(features, "msc3026_enabled") : NULL;
    return flag != NULL && gg_node_bool(flag);
}

/* USER_SYNC <instance id> <user> <device or None> <start or end> <ms> */
static void hear_sync(void *self, const char *command, struct gg_str rest)
{
    struct mx_server *server = self;
    struct gg_str word[5] = {{0}};
    size_t n = 0;
    int64_t at;
    for (const char *p = rest.s, *end = rest.s + rest.n; p < end && n < GG_COUNT(word);) {
        const char *blank = memchr(p, ' ', (size_t)(end - p));
        const char *stop = blank != NULL ? blank : end;
        word[n++] = gg_strn(p, (size_t)(stop - p));
        p = blank != NULL ? blank + 1 : end;
    }
    if (n != GG_COUNT(word) || !mx_json_i64(word[4], &at) || memchr(word[1].s, '\n', word[1].n) != NULL)
        return;
    if (gg_str_is(word[2], "None"))
        word[2] = (struct gg_str){0};
    mx_presence_writer_line(server->who_is_there, word[0], word[1], word[2], gg_str_is(word[3], "start"), at);
}

static void hear_clear(void *self, const char *command, struct gg_str rest)
{
    struct mx_server *server = self;
    mx_presence_writer_clear(server->who_is_there, rest);
}

static int make(struct mx_server *server, struct gg_error *err)
{
    struct mx_presences *p = gg_xcalloc(1, sizeof(*p));
    const struct gg_config *config = server->config;
    const char *enabled = gg_config_text(config, "presence.enabled");
    server->who_is_there = p;
    p->server = server;
    p->enabled = strcmp(enabled, "false") != 0;
    p->tracked = strcmp(enabled, "true") == 0;
    p->busy = busy_known(config);
    p->times = (struct mx_presence_times){gg_config_int(config, "presence.last_active_granularity"),
                                          gg_config_int(config, "presence.sync_online_timeout"),
                                          gg_config_int(config, "presence.idle_timeout"), BUSY_MS};
    if (p->times.idle_timeout <= p->times.granularity)
        return gg_fail(err, GG_E_INVALID, "presence.idle_timeout must be longer than presence.last_active_granularity");
    p->book = mx_presence_book_new();
    p->visits = mx_presence_visits_new(p);
    if (p->tracked && gg_stream_is_writer(server->presence)) {
        p->writer = mx_presence_writer_new(p);
        p->servers = mx_presence_servers_new(server);
        gg_repl_on_command(server->host, "USER_SYNC", hear_sync, server);
        gg_repl_on_command(server->host, "CLEAR_USER_SYNC", hear_clear, server);
    }
    gg_stream_follow(server->presence, mx_presence_apply, server);
    return 0;
}

static int replicated(struct mx_server *server, struct gg_error *err)
{
    struct mx_presences *p = server->who_is_there;
    mx_presence_book_start(p->book, gg_stream_max_seen(server->presence));
    p->scope = gg_scope_new(NULL, "presence");
    int rc = p->writer != NULL ? mx_presence_writer_start(p, err) : 0;
    return rc == 0 && p->servers != NULL ? mx_presence_servers_start(p, err) : rc;
}

static void stop(struct mx_server *server)
{
    struct mx_presences *p = server->who_is_there;
    struct gg_scope *scope = p->scope;
    p->scope = NULL;
    if (scope == NULL)
        return;
    gg_scope_end(scope);
    mx_presence_visits_stop(p);
    if (p->writer != NULL)
        mx_presence_writer_stop(p);
}

static void free_all(struct mx_server *server)
{
    struct mx_presences *p = server->who_is_there;
    if (p == NULL)
        return;
    mx_presence_servers_free(p->servers);
    mx_presence_writer_free(p->writer);
    mx_presence_visits_free(p->visits);
    mx_presence_book_free(p->book);
    free(p);
}

const struct mx_part mx_part_presence = {
    .name = "presence", .make = make, .replicated = replicated, .stop = stop, .free = free_all};

bool mx_presence_enabled(const struct mx_server *server)
{
    return server->who_is_there->enabled;
}

bool mx_presence_tracked(const struct mx_server *server)
{
    return server->who_is_there->tracked;
}

bool mx_presence_busy_known(const struct mx_server *server)
{
    return server->who_is_there->busy;
}
