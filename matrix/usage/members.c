/* usage/members.c: what of a user limits ask: kept in memory for as long as the users' rows do not change. */
#include "usage/internal.h"

#include <ganglion/config.h>
#include <ganglion/memory.h>

#include "storage/usage.h"

enum { BYTES = 1 << 20 };

#define DAY_MS INT64_C(86400000)

static int64_t trial_of(const struct gg_config *config, struct gg_str service)
{
    const struct gg_node *days = gg_config_node(config, "mau_appservice_trial_days");
    const char *key;
    for (size_t i = 0; days != NULL && service.s != NULL && i < gg_node_count(days); i++) {
        const struct gg_node *value = gg_node_at(days, i, &key);
        if (gg_str_is(service, key))
            return gg_node_int(value) * DAY_MS;
    }
    return gg_config_int(config, "mau_trial_days") * DAY_MS;
}

static bool is_current(const struct mx_usage *usage, struct gg_str version)
{
    return version.s != NULL && usage->terms != NULL && gg_str_is(version, usage->terms);
}

static int read_member(struct mx_server *server, struct gg_str user_id, struct mx_member *out, struct gg_error *err)
{
    const struct mx_usage *usage = server->usage;
    struct gg_arena *arena = gg_arena_new();
    struct mx_usage_row row;
    int rc = mx_usage_user(server, user_id, arena, &row, err);
    bool support = rc == 0 && gg_str_is(row.kind, "support");
    if (rc == 0)
        *out = (struct mx_member){.exists = row.exists, .guest = row.guest, .support = support,
                                  .excused = support || gg_str_is(row.kind, "bot") || row.service.s != NULL,
                                  .agreed = is_current(usage, row.agreed), .told = is_current(usage, row.told),
                                  .trial_end_ms = row.created_s * 1000 + trial_of(server->config, row.service)};
    gg_arena_free(arena);
    return rc;
}

int mx_member_get(struct mx_server *server, struct gg_str user_id, struct mx_member *out, struct gg_error *err)
{
    struct mx_cache *cache = server->usage->members;
    const struct mx_member *known = mx_cache_get(cache, user_id);
    uint64_t tick = mx_cache_tick(cache);
    if (known != NULL) {
        *out = *known;
        return 0;
    }
    int rc = read_member(server, user_id, out, err);
    if (rc != 0 || !out->exists)
        return rc;
    struct mx_member *kept = gg_xmalloc(sizeof(*kept));
    *kept = *out;
    mx_cache_put(cache, user_id, kept, sizeof(*kept), tick);
    return 0;
}

static void forget(void *self, const struct gg_str *keys, size_t n)
{
    struct mx_cache *cache = self;
    if (n > 0)
        mx_cache_drop(cache, keys[0]);
    else
        mx_cache_clear(cache);
}

void mx_members_make(struct mx_server *server)
{
    struct mx_usage *usage = server->usage;
    usage->members = mx_cache_new(server, &(struct mx_cache_def){.name = "usage_members", .max_bytes = BYTES});
    mx_caches_on(server, "get_user_by_id", forget, usage->members);
}
