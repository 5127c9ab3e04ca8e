/* Compares what plugins claim: worker apps, and routes by their written-out form. */
#include "plugin/claims.h"

#include "plugin/spelling.h"

#include <ganglion/map.h>

struct claim {
    const struct gg_role *role;
    const struct gg_route *route;
};

static int check_apps(struct gg_role *const *roles, size_t n, struct gg_map *owners, struct gg_error *err)
{
    for (size_t i = 0; i < n; i++)
        for (const char *const *app = roles[i]->desc.worker_apps; *app != NULL; app++) {
            const struct gg_role *owner = gg_map_get(owners, gg_str(*app));
            if (owner != NULL)
                return gg_fail(err, GG_E_CONFLICT, "the worker_app %s is claimed by two plugins, %s and %s", *app,
                               owner->file, roles[i]->file);
            gg_map_put(owners, gg_str(*app), roles[i]);
        }
    return 0;
}

/* May both list the route? The same handler, a route that one of them only
 * forwards, and a role that includes the other are no quarrel. */
static bool agree(const struct gg_plugins *plugins, const struct claim *a, const struct gg_role *role,
                  const struct gg_route *route)
{
    return a->role == role || a->route->handler == route->handler || a->route->handler == NULL ||
           route->handler == NULL || gg_role_includes(plugins, a->role, role) ||
           gg_role_includes(plugins, role, a->role);
}

/* *fresh_out: at least one spelling of the route was not taken by another role. */
static int claim_route(const struct gg_plugins *plugins, struct gg_arena *arena, struct gg_map *claims,
                       const struct gg_role *role, const struct gg_route *route, bool *fresh_out, struct gg_error *err)
{
    const char **spellings;
    size_t n;
    *fresh_out = false;
    int rc = gg_path_spellings(arena, route->path, &spellings, &n, err);
    if (rc < 0)
        gg_error_prefix(err, "%s", role->file);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const char *key = gg_arena_printf(arena, "%s %s", route->method, gg_path_shape(arena, spellings[i]));
        const struct claim *other = gg_map_get(claims, gg_str(key));
        if (other != NULL && !agree(plugins, other, role, route))
            return gg_fail(err, GG_E_CONFLICT, "the route %s %s is claimed by two plugins, %s and %s", route->method,
                           spellings[i], other->role->file, role->file);
        if (other != NULL && (other->route->handler != NULL || route->handler == NULL))
            continue;
        struct claim *claim = GG_NEW(arena, struct claim);
        *claim = (struct claim){role, route};
        gg_map_put(claims, gg_str(key), claim);
        *fresh_out = true;
    }
    return rc;
}

typedef int each_fn(void *arg, const struct gg_role *role, const struct gg_route *route, struct gg_error *err);

static int walk_routes(const struct gg_plugins *plugins, struct gg_role *const *roles, size_t n, each_fn *fn, void *arg,
                       struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_map *claims = gg_map_new(NULL);
    int rc = 0;
    bool fresh;
    for (size_t i = 0; rc == 0 && i < n; i++)
        for (const struct gg_route *route = roles[i]->routes; rc == 0 && route->method != NULL; route++) {
            rc = claim_route(plugins, arena, claims, roles[i], route, &fresh, err);
            if (rc == 0 && fresh && fn != NULL)
                rc = fn(arg, roles[i], route, err);
        }
    gg_map_free(claims);
    gg_arena_free(arena);
    return rc;
}

static int check(const struct gg_plugins *plugins, struct gg_role *const *roles, size_t n, bool routes,
                 struct gg_error *err)
{
    struct gg_map *owners = gg_map_new(NULL);
    int rc = check_apps(roles, n, owners, err);
    gg_map_free(owners);
    return rc == 0 && routes ? walk_routes(plugins, roles, n, NULL, NULL, err) : rc;
}

int gg_claims_each(const struct gg_plugins *plugins, each_fn *fn, void *arg, struct gg_error *err)
{
    return walk_routes(plugins, plugins->roles, plugins->n, fn, arg, err);
}

int gg_claims_check(const struct gg_plugins *plugins, struct gg_error *err)
{
    return check(plugins, plugins->roles, plugins->n, true, err);
}

int gg_claims_check_pair(const struct gg_plugins *plugins, struct gg_role *a, struct gg_role *b, bool routes,
                         struct gg_error *err)
{
    struct gg_role *const pair[] = {a, b};
    return check(plugins, pair, 2, routes, err);
}
