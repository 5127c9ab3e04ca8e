/* proxy/pools.h: who serves a route, for plan.c. */
#ifndef GG_PROXY_POOLS_H
#define GG_PROXY_POOLS_H

#include "proxy/plan.h"

struct gg_planner {
    struct gg_arena *arena;
    const struct gg_catalog *catalog;
    const struct gg_deployment *deployment;
    const struct gg_node *configured; /* ganglion.pools, or NULL */
    struct gg_plan *plan;
    size_t max_pools;
};

/* ganglion.pools names only what is there. */
GG_CHECKED int gg_pools_check(const struct gg_planner *planner, struct gg_error *err);
/* The pool for an entry of the catalogue; the main process's when nobody else serves it. */
struct gg_pool *gg_pools_for(struct gg_planner *planner, const struct gg_catalog_entry *entry);
/* The pool `label` for the same entry, without a balance; NULL: configured_only and not configured. */
struct gg_pool *gg_pools_named(struct gg_planner *planner, const struct gg_catalog_entry *entry, const char *label,
                               bool configured_only);
bool gg_pools_is_configured(const struct gg_planner *planner, const char *label);

#endif
