/* proxy/catalog.h: every route of the opened plugins, written out. */
#ifndef GG_PROXY_CATALOG_H
#define GG_PROXY_CATALOG_H

#include "plugin/plugins.h"

/* One method and one spelling of a path. */
struct gg_catalog_entry {
    const char *method, *path;
    const struct gg_route *route;   /* the first table that lists it */
    const char *const *worker_apps; /* of all roles that serve it, NULL-ended */
    const struct gg_role **roles;   /* those that list it, and those that include one that does */
    size_t n_roles;
};

struct gg_catalog {
    struct gg_catalog_entry *entries;
    size_t n;
};

/* In the order of the tables. Lives in the arena, borrows from the plugins. */
GG_CHECKED int gg_catalog_make(struct gg_arena *arena, const struct gg_plugins *plugins, struct gg_catalog *out,
                               struct gg_error *err);
const char *gg_auth_name(uint32_t auth); /* "user", "server", ... */

/* JSON: an array of {method, path, worker_apps, resource, auth}. */
void gg_catalog_json(const struct gg_catalog *catalog, struct gg_buf *out);
void gg_catalog_table(const struct gg_catalog *catalog, struct gg_buf *out);

#endif
