/* usage/part.c: what the configuration says of limits, read once: every request asks. */
#include "usage/internal.h"

#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <ganglion/memory.h>
#include <stdlib.h>

#include "accounts/consent.h"
#include "parts.h"
#include "rooms/notices.h"

enum { PENDING_MAX = 10000, TOLD_BYTES = 1 << 20 };

static void read_reserved(struct mx_usage *usage, const struct gg_config *config)
{
    const struct gg_node *list = gg_config_node(config, "mau_limit_reserved_threepids");
    size_t n = list != NULL ? gg_node_count(list) : 0;
    usage->reserved = GG_NEW_ARRAY(usage->arena, struct mx_reserved, n + 1);
    for (size_t i = 0; i < n && (int64_t)usage->n_reserved < usage->cap; i++) {
        const struct gg_node *entry = gg_node_at(list, i, NULL);
        const char *medium = gg_node_text(gg_node_get(entry, "medium")), *address = gg_node_text(gg_node_get(entry, "address"));
        usage->reserved[usage->n_reserved++] = (struct mx_reserved){gg_str(medium), gg_str(address)};
    }
}

static void read_config(struct mx_server *server, struct mx_usage *usage)
{
    const struct gg_config *config = server->config;
    usage->disabled = gg_config_bool(config, "hs_disabled");
    usage->capped = gg_config_bool(config, "limit_usage_by_mau");
    usage->counted = usage->capped || gg_config_bool(config, "mau_stats_only");
    usage->services_count = gg_config_bool(config, "track_appservice_user_ips");
    usage->cap = usage->capped ? gg_config_int(config, "max_mau_value") : 0;
    usage->speaker = mx_notice_speaker(server, usage->arena);
    usage->terms = mx_consent_version(config);
    usage->terms_refusal = gg_config_text(config, "user_consent.block_events_error");
    usage->tells_terms = gg_config_set(config, "user_consent.server_notice_content");
    usage->counts_here = usage->counted && gg_host_runs_background(server->host);
    usage->tells_here = usage->speaker.s != NULL && gg_host_is_main(server->host) && (usage->capped || usage->tells_terms);
    read_reserved(usage, config);
}

static int make(struct mx_server *server, struct gg_error *err)
{
    struct mx_usage *usage = gg_xcalloc(1, sizeof(*usage));
    usage->arena = gg_arena_new();
    server->usage = usage;
    read_config(server, usage);
    mx_members_make(server);
    mx_monthly_make(server);
    usage->told = mx_cache_new(server, &(struct mx_cache_def){.name = "usage_told", .max_bytes = TOLD_BYTES});
    if (usage->counts_here || usage->tells_here)
        usage->pending = gg_queue_new(PENDING_MAX);
    return 0;
}

static int replicated(struct mx_server *server, struct gg_error *err)
{
    return mx_usage_follow(server, err);
}

static void stop(struct mx_server *server)
{
    struct mx_usage *usage = server->usage;
    struct gg_scope *scope = usage->scope;
    void *user_id;
    if (scope == NULL)
        return;
    usage->scope = NULL;
    gg_scope_end(scope);
    gg_queue_close(usage->pending);
    while (gg_queue_count(usage->pending) > 0 && gg_queue_pop(usage->pending, &user_id, 0) == 0)
        free(user_id);
}

static void free_part(struct mx_server *server)
{
    struct mx_usage *usage = server->usage;
    if (usage == NULL)
        return;
    if (usage->pending != NULL)
        gg_queue_free(usage->pending);
    gg_arena_free(usage->arena);
    free(usage);
    server->usage = NULL;
}

const struct mx_part mx_part_usage = {"usage", make, NULL, stop, free_part, replicated};
