/* usage/monthly.c: who is counted in a month. The background process alone counts, one user after the other, so that no two
 * take the last place; the others read what it has written. */
#include "usage/internal.h"

#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <ganglion/metrics.h>

#include "storage/accounts.h"
#include "storage/usage.h"

static struct gg_logger logger = {"ganglion.usage"};

enum { SEEN_BYTES = 1 << 20, COUNT_BYTES = 4096 };

#define HOUR_MS INT64_C(3600000)
#define MONTH_MS (30 * 24 * HOUR_MS)

void mx_monthly_make(struct mx_server *server)
{
    static const struct mx_cache_def seen = {.name = "user_last_seen_monthly_active", .max_bytes = SEEN_BYTES};
    static const struct mx_cache_def count = {.name = "get_monthly_active_count", .max_bytes = COUNT_BYTES};
    server->usage->seen = mx_cache_new(server, &seen);
    server->usage->count = mx_cache_new(server, &count);
}

static void keep(struct mx_cache *cache, struct gg_str key, int64_t value, uint64_t tick)
{
    int64_t *kept = gg_xmalloc(sizeof(*kept));
    *kept = value;
    mx_cache_put(cache, key, kept, sizeof(*kept), tick);
}

int mx_usage_last_seen(struct mx_server *server, struct gg_str user_id, int64_t *out, struct gg_error *err)
{
    struct mx_cache *cache = server->usage->seen;
    const int64_t *known = mx_cache_get(cache, user_id);
    uint64_t tick = mx_cache_tick(cache);
    if (known != NULL) {
        *out = *known;
        return 0;
    }
    int rc = mx_monthly_seen(server, user_id, out, err);
    if (rc == 0)
        keep(cache, user_id, *out, tick);
    return rc;
}

int mx_usage_full(struct mx_server *server, bool *out, struct gg_error *err)
{
    const struct mx_usage *usage = server->usage;
    const int64_t *known = mx_cache_get(usage->count, GG_STR(""));
    uint64_t tick = mx_cache_tick(usage->count);
    int64_t n = known != NULL ? *known : 0;
    int rc = known != NULL ? 0 : mx_monthly_count(server, &n, err);
    if (rc == 0 && known == NULL)
        keep(usage->count, GG_STR(""), n, tick);
    *out = n >= usage->cap;
    return rc;
}

/* A user of this month is written again after an hour only: it is a matter of days. */
int mx_usage_count(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    struct mx_member member;
    int64_t now = gg_wall_ms(), seen = 0;
    bool full = false;
    int rc = mx_member_get(server, user_id, &member, err);
    if (rc != 0 || !member.exists || member.guest || member.support || now < member.trial_end_ms)
        return rc;
    rc = mx_usage_last_seen(server, user_id, &seen, err);
    if (rc == 0 && seen == 0 && server->usage->capped)
        rc = mx_usage_full(server, &full, err);
    return rc != 0 || full || now - seen <= HOUR_MS ? rc : mx_monthly_put(server, user_id, err);
}

/* ---- reserved places ---- */

bool mx_usage_is_reserved(const struct mx_usage *usage, struct gg_str medium, struct gg_str address)
{
    for (size_t i = 0; i < usage->n_reserved && medium.s != NULL && address.s != NULL; i++)
        if (gg_str_eq(usage->reserved[i].medium, medium) && gg_str_eq(usage->reserved[i].address, address))
            return true;
    return false;
}

int mx_usage_registered(struct mx_server *server, struct gg_str user_id, struct gg_str medium, struct gg_str address,
                        struct gg_error *err)
{
    return mx_usage_is_reserved(server->usage, medium, address) ? mx_monthly_put(server, user_id, err) : 0;
}

/* Those of them who have registered. */
static int reserved_users(struct mx_server *server, struct gg_arena *arena, struct gg_str **out, size_t *n_out, struct gg_error *err)
{
    const struct mx_usage *usage = server->usage;
    int rc = 0;
    *out = GG_NEW_ARRAY(arena, struct gg_str, usage->n_reserved + 1);
    *n_out = 0;
    for (size_t i = 0; rc == 0 && i < usage->n_reserved; i++) {
        struct gg_str user_id;
        rc = mx_users_by_address(server, usage->reserved[i].medium, usage->reserved[i].address, arena, &user_id, err);
        if (rc == 0 && user_id.s != NULL)
            (*out)[(*n_out)++] = user_id;
    }
    return rc;
}

int mx_usage_count_reserved(struct mx_server *server, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *users;
    size_t n;
    int rc = reserved_users(server, arena, &users, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct mx_member member;
        rc = mx_member_get(server, users[i], &member, err);
        if (rc == 0 && !member.support)
            rc = mx_monthly_put(server, users[i], err);
    }
    if (rc == 0 && n < server->usage->n_reserved)
        gg_info(&logger, "%zu of the addresses of mau_limit_reserved_threepids belong to nobody yet", server->usage->n_reserved - n);
    gg_arena_free(arena);
    return rc;
}

/* ---- jobs ---- */

int mx_usage_reap(struct mx_server *server, struct gg_error *err)
{
    const struct mx_usage *usage = server->usage;
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *reserved;
    size_t n;
    int rc = reserved_users(server, arena, &reserved, &n, err);
    int64_t rest = usage->cap > (int64_t)n ? usage->cap - (int64_t)n : 0;
    if (rc == 0)
        rc = mx_monthly_reap(server, gg_wall_ms() - MONTH_MS, usage->capped ? rest : -1, reserved, n, err);
    gg_arena_free(arena);
    return rc;
}

int mx_usage_measure(struct mx_server *server, struct gg_error *err)
{
    static struct gg_metric current = {.name = "synapse_admin_mau_current", .help = "Users of this month", .type = GG_GAUGE},
                            most = {.name = "synapse_admin_mau_max", .help = "How many there may be", .type = GG_GAUGE},
                            reserved = {.name = "synapse_admin_mau_registered_reserved_users",
                                        .help = "Users with a reserved address", .type = GG_GAUGE},
                            by_service = {.name = "synapse_admin_mau_current_mau_by_service", .type = GG_GAUGE,
                                          .help = "Users of this month by application service", .label = {"app_service"}};
    struct gg_arena *arena = gg_arena_new();
    struct mx_monthly_service *services = NULL;
    struct gg_str *users;
    size_t n = 0, n_users = 0;
    int64_t count = 0;
    int rc = server->usage->counted ? mx_monthly_count(server, &count, err) : 0;
    if (rc == 0 && server->usage->counted)
        rc = mx_monthly_by_service(server, arena, &services, &n, err);
    if (rc == 0)
        rc = reserved_users(server, arena, &users, &n_users, err);
    gg_metric_set(&current, (double)count, NULL);
    gg_metric_set(&most, (double)server->usage->cap, NULL);
    gg_metric_set(&reserved, (double)n_users, NULL);
    for (size_t i = 0; i < n; i++)
        gg_metric_set(&by_service, (double)services[i].n, GG_LABELS(gg_arena_strndup(arena, services[i].id.s, services[i].id.n)));
    gg_arena_free(arena);
    return rc;
}
