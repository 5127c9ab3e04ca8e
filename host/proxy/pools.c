/* Chooses the processes that a proxy sends a route to: the writer of its stream,
 * else processes of a role made for it, else the pool that the config names, else
 * all generic workers, else the main process. */
#include "proxy/pools.h"

#include "config/topology.h"

#include <string.h>

#define GENERIC "generic_worker"

/* Pools that a deployment can name although no route of the installed plugins does. */
static const char *const known_pools[] = {"sync", "initial_sync", "events", "federation_in", "login", "bridge"};

struct choice {
    const struct gg_process *members[GG_MAX_ROLES * 32];
    size_t n;
};

static bool serves(const struct gg_planner *planner, const struct gg_process *process,
                   const struct gg_catalog_entry *entry)
{
    const char *resources = entry->route->resource != NULL ? entry->route->resource : "client";
    if (gg_config_bool(process->config, "frontend_proxy.route"))
        return false; /* it stands where the proxy stands that the plan is for */
    for (size_t i = 0; i < entry->n_roles; i++)
        if (gg_process_has_role(process, entry->roles[i]))
            return gg_process_address(planner->arena, planner->deployment, process, resources) != NULL;
    return false;
}

static void choose(struct choice *choice, const struct gg_process *process)
{
    if (choice->n < GG_COUNT(choice->members))
        choice->members[choice->n++] = process;
}

static const struct gg_process *process_named(const struct gg_planner *planner, const char *name)
{
    return gg_deployment_find(planner->deployment, strcmp(name, "main") == 0 ? GG_MAIN_INSTANCE : name);
}

/* ---- the config's word ---- */

static const struct gg_node *names_of(const struct gg_planner *planner, const char *label)
{
    return planner->configured != NULL ? gg_node_get(planner->configured, label) : NULL;
}

bool gg_pools_is_configured(const struct gg_planner *planner, const char *label)
{
    return names_of(planner, label) != NULL;
}

static bool is_pool(const struct gg_planner *planner, const char *label)
{
    for (size_t i = 0; i < GG_COUNT(known_pools); i++)
        if (strcmp(known_pools[i], label) == 0)
            return true;
    for (size_t i = 0; i < planner->catalog->n; i++) {
        const char *pool = planner->catalog->entries[i].route->pool;
        if (pool != NULL && strcmp(pool, label) == 0)
            return true;
    }
    return false;
}

static int check_names(const struct gg_planner *planner, const char *label, const struct gg_node *names,
                       struct gg_error *err)
{
    if (gg_node_kind(names) != GG_NODE_LIST)
        return gg_fail(err, GG_E_INVALID, "%s: ganglion.pools.%s must be a list of names of processes",
                       gg_node_where(names), label);
    for (size_t i = 0; i < gg_node_count(names); i++) {
        const struct gg_node *item = gg_node_at(names, i, NULL);
        const char *name = gg_node_text(item);
        if (name == NULL || process_named(planner, name) == NULL)
            return gg_fail(err, GG_E_INVALID, "%s: ganglion.pools.%s names %s, which is no process of these files",
                           gg_node_where(item), label, name != NULL ? name : "something that is no text");
    }
    return 0;
}

int gg_pools_check(const struct gg_planner *planner, struct gg_error *err)
{
    size_t n = planner->configured != NULL ? gg_node_count(planner->configured) : 0;
    for (size_t i = 0; i < n; i++) {
        const char *label;
        const struct gg_node *names = gg_node_at(planner->configured, i, &label);
        if (!is_pool(planner, label))
            return gg_fail(
                err, GG_E_INVALID,
                "%s: there is no pool '%s'; pools are sync, initial_sync, events, federation_in, login, bridge",
                gg_node_where(names), label);
        int rc = check_names(planner, label, names, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- choosing ---- */

static void choose_writers(const struct gg_planner *planner, const struct gg_catalog_entry *entry,
                           struct choice *choice)
{
    size_t n;
    const char *const *names = gg_topology_writers(planner->deployment->processes[0].config, entry->route->writer, &n);
    for (size_t i = 0; i < n; i++) {
        const struct gg_process *process = process_named(planner, names[i]);
        if (process != NULL && serves(planner, process, entry))
            choose(choice, process);
    }
}

/* Processes whose own role lists the route and is made for little else. */
static const char *choose_dedicated(const struct gg_planner *planner, const struct gg_catalog_entry *entry,
                                    struct choice *choice)
{
    const char *label = NULL;
    for (size_t i = 1; i < planner->deployment->n; i++) {
        const struct gg_process *process = &planner->deployment->processes[i];
        if (process->root == NULL || strcmp(process->root->desc.name, GENERIC) == 0 || !serves(planner, process, entry))
            continue;
        label = label != NULL ? label : process->root->desc.name;
        choose(choice, process);
    }
    return label;
}

static void choose_pool(const struct gg_planner *planner, const struct gg_catalog_entry *entry, const char *label,
                        struct choice *choice)
{
    const struct gg_node *names = names_of(planner, label);
    for (size_t i = 0; names != NULL && i < gg_node_count(names); i++) {
        const struct gg_process *process = process_named(planner, gg_node_text(gg_node_at(names, i, NULL)));
        if (process != NULL && serves(planner, process, entry))
            choose(choice, process);
    }
    if (choice->n > 0)
        return;
    for (size_t i = 1; i < planner->deployment->n; i++) {
        const struct gg_process *process = &planner->deployment->processes[i];
        if (process->root != NULL && strcmp(process->root->desc.name, GENERIC) == 0 && serves(planner, process, entry))
            choose(choice, process);
    }
}

/* ---- pools ---- */

static const char *clean(struct gg_arena *arena, const char *text)
{
    char *copy = gg_arena_strdup(arena, text);
    for (char *c = copy; *c != '\0'; c++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", *c) == NULL)
            *c = '_';
    return copy;
}

static const char *pool_name(const struct gg_planner *planner, const char *label, const char *resources,
                             const char *balance)
{
    size_t n = strcspn(resources, "|");
    bool client = strncmp(resources, "client", n) == 0 && n == 6;
    return gg_arena_printf(planner->arena, "ganglion_%s%s%.*s%s%s", clean(planner->arena, label), client ? "" : "_",
                           client ? 0 : (int)n, resources, balance != NULL ? "_by_" : "",
                           balance != NULL ? balance : "");
}

static bool same_members(const struct gg_pool *pool, const char **addresses, size_t n)
{
    if (pool->n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (strcmp(pool->addresses[i], addresses[i]) != 0)
            return false;
    return true;
}

/* The pool of that name and those members, made if there is none; a second set of members gets a name of its own. */
static struct gg_pool *intern(struct gg_planner *planner, const struct choice *choice, const char *label,
                              const char *resources, const char *balance)
{
    const char **addresses = GG_NEW_ARRAY(planner->arena, const char *, choice->n);
    const char **members = GG_NEW_ARRAY(planner->arena, const char *, choice->n);
    for (size_t i = 0; i < choice->n; i++) {
        addresses[i] = gg_process_address(planner->arena, planner->deployment, choice->members[i], resources);
        members[i] = choice->members[i]->name;
    }
    const char *base = pool_name(planner, label, resources, choice->n > 1 ? balance : NULL), *name = base;
    struct gg_plan *plan = planner->plan;
    size_t taken = 1;
    for (size_t i = 0; i < plan->n_pools; i++) {
        if (strcmp(plan->pools[i]->name, name) != 0)
            continue;
        if (same_members(plan->pools[i], addresses, choice->n))
            return plan->pools[i];
        name = gg_arena_printf(planner->arena, "%s_%zu", base, ++taken);
        i = SIZE_MAX; /* from the start, with the new name */
    }
    struct gg_pool *pool = GG_NEW(planner->arena, struct gg_pool);
    *pool = (struct gg_pool){name, label, choice->n > 1 ? balance : NULL, members, addresses, choice->n};
    if (plan->n_pools < planner->max_pools)
        plan->pools[plan->n_pools++] = pool;
    return pool;
}

static struct gg_pool *main_pool(struct gg_planner *planner, const char *resources)
{
    struct choice choice = {.n = 0};
    const struct gg_process *main_process = &planner->deployment->processes[0];
    const char *address = gg_process_address(planner->arena, planner->deployment, main_process, resources);
    if (address == NULL)
        return NULL;
    if (planner->plan->n_pools > 0 && strcmp(planner->plan->pools[0]->addresses[0], address) == 0)
        return planner->plan->pools[0]; /* one listener for all: no rule is needed */
    choose(&choice, main_process);
    return intern(planner, &choice, "main", resources, NULL);
}

struct gg_pool *gg_pools_for(struct gg_planner *planner, const struct gg_catalog_entry *entry)
{
    const struct gg_route *route = entry->route;
    const char *resources = route->resource != NULL ? route->resource : "client";
    const char *label = route->pool != NULL ? route->pool : "default", *balance = route->balance;
    struct choice choice = {.n = 0};
    if (route->writer != NULL && strcmp(route->writer, GG_WRITER_MAIN) == 0)
        return main_pool(planner, resources);
    if (route->writer != NULL) {
        choose_writers(planner, entry, &choice);
        if (choice.n > 0)
            label = gg_arena_printf(planner->arena, "writer_%s", route->writer);
        else
            return main_pool(planner, resources); /* it forwards to the writer */
    }
    if (choice.n == 0) {
        const char *dedicated = choose_dedicated(planner, entry, &choice);
        label = dedicated != NULL ? dedicated : label;
    }
    if (choice.n == 0)
        choose_pool(planner, entry, label, &choice);
    bool only_main = choice.n == 1 && gg_host_is_main(choice.members[0]->host);
    return choice.n == 0 || only_main ? main_pool(planner, resources)
                                      : intern(planner, &choice, label, resources, balance);
}

struct gg_pool *gg_pools_named(struct gg_planner *planner, const struct gg_catalog_entry *entry, const char *label,
                               bool configured_only)
{
    struct choice choice = {.n = 0};
    if (configured_only && !gg_pools_is_configured(planner, label))
        return NULL;
    choose_pool(planner, entry, label, &choice);
    const char *resources = entry->route->resource != NULL ? entry->route->resource : "client";
    return choice.n > 0 ? intern(planner, &choice, label, resources, NULL) : NULL;
}
