/* matrix/push/part.c: push as a part of the process. */
#include "parts.h"
#include "push/ignorers.h"
#include "push/members.h"
#include "push/rotate.h"
#include "push/stream.h"
#include "sync/changes.h"

#include <ganglion/config.h>
#include <ganglion/map.h>
#include <ganglion/matrix/api.h>
#include <ganglion/memory.h>
#include <stdlib.h>

enum { ROOMS_BYTES = 64 << 20, MAX_CHANGES = 50000 };

static const struct {
    const char *key;
    uint32_t feature;
} switches[] = {{"experimental_features.msc1767_enabled", MX_PUSH_F_EXTENSIBLE},
                {"experimental_features.msc3381_polls_enabled", MX_PUSH_F_POLLS},
                {"experimental_features.msc3664_enabled", MX_PUSH_F_RELATED},
                {"experimental_features.msc4028_push_encrypted_events", MX_PUSH_F_ENCRYPTED},
                {"experimental_features.msc4075_enabled", MX_PUSH_F_CALLS},
                {"experimental_features.msc4210_enabled", MX_PUSH_F_MODERN_MENTIONS},
                {"experimental_features.msc4306_enabled", MX_PUSH_F_SUBSCRIPTIONS}};

static void read_config(struct mx_push *push, const struct gg_config *config)
{
    push->enabled = gg_config_bool(config, "push.enabled");
    push->count_unread = gg_config_bool(config, "experimental_features.msc2654_enabled");
    push->unstable_threads = gg_config_bool(config, "experimental_features.msc3773_enabled");
    for (size_t i = 0; i < GG_COUNT(switches); i++)
        if (gg_config_bool(config, switches[i].key))
            push->features |= switches[i].feature;
}

static int make(struct mx_server *server, struct gg_error *err)
{
    struct mx_push *push = server->push = gg_xcalloc(1, sizeof(*push));
    push->server = server;
    read_config(push, server->config);
    push->arena = gg_arena_new();
    push->base = mx_push_base_new(push->arena);
    push->defaults =
        mx_push_rules_make(push->base, push->features, &(struct mx_push_rows){.n_rules = 0}, false, push->arena);
    push->held = gg_map_new(NULL);
    push->rooms = mx_cache_new(server, &(struct mx_cache_def){"push_members", ROOMS_BYTES, mx_push_members_free});
    push->changes = mx_changes_new(MAX_CHANGES);
    gg_mutex_init(&push->changing);
    push->counts = gg_gather_new(NULL, &mx_push_counts_gather, server);
    push->news = gg_gather_new(NULL, &mx_push_news_gather, server);
    push->told = gg_gather_new(NULL, &mx_push_told_gather, server);
    mx_push_ignorers_make(server);
    mx_push_follow(server);
    gg_repl_serve(server->host, mx_methods_push, server);
    gg_repl_serve(server->host, mx_methods_pushers, server);
    mx_push_rotate_register(server);
    return 0;
}

static int replicated(struct mx_server *server, struct gg_error *err)
{
    mx_push_replicated(server);
    return 0;
}

static void free_part(struct mx_server *server)
{
    struct mx_push *push = server->push;
    mx_cache_clear(push->rooms); /* before what its members hold */
    mx_changes_free(push->changes);
    gg_gather_free(push->counts);
    gg_gather_free(push->news);
    gg_gather_free(push->told);
    gg_map_free(push->held);
    gg_arena_free(push->arena);
    free(push);
    server->push = NULL;
}

const struct mx_part mx_part_push = {.name = "push", .make = make, .replicated = replicated, .free = free_part};
