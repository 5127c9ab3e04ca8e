/* Which plugin files a process opens: its own role, and the roles that it includes. */
#include "plugin/plugins.h"

#include "config/topology.h"
#include "plugin/name.h"
#include "plugin/path.h"

#include <ganglion/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct gg_logger logger = {"ganglion.plugin"};

struct gg_plugins *gg_plugins_new(const char *const *folder_options)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_plugins *plugins = GG_NEW(arena, struct gg_plugins);
    plugins->arena = arena;
    plugins->folders = gg_plugin_folders(arena, folder_options, getenv("GANGLION_PLUGIN_PATH"));
    return plugins;
}

void gg_plugins_free(struct gg_plugins *plugins)
{
    if (plugins != NULL)
        gg_arena_free(plugins->arena);
}

struct gg_role *gg_plugins_find(const struct gg_plugins *plugins, const char *base)
{
    for (size_t i = 0; i < plugins->n; i++)
        if (strcmp(plugins->roles[i]->desc.name, base) == 0)
            return plugins->roles[i];
    return NULL;
}

static bool provides(const struct gg_role *role, const char *worker_app)
{
    for (const char *const *app = role->desc.worker_apps; *app != NULL; app++)
        if (strcmp(*app, worker_app) == 0)
            return true;
    return false;
}

static bool lists(const struct gg_role *a, const char *base)
{
    for (const struct gg_include *include = a->includes; include->role != NULL; include++)
        if (strcmp(include->role, base) == 0)
            return true;
    return false;
}

bool gg_role_includes(const struct gg_plugins *plugins, const struct gg_role *a, const struct gg_role *b)
{
    const struct gg_role *seen[GG_MAX_ROLES];
    size_t n = 0;
    seen[n++] = a;
    for (size_t at = 0; at < n; at++) {
        if (lists(seen[at], b->desc.name))
            return true;
        for (size_t i = 0; i < plugins->n; i++) {
            bool known = false;
            for (size_t k = 0; k < n; k++)
                known = known || seen[k] == plugins->roles[i];
            if (!known && lists(seen[at], plugins->roles[i]->desc.name))
                seen[n++] = plugins->roles[i]; /* at most plugins->n <= GG_MAX_ROLES of them */
        }
    }
    return false;
}

static int open_file(struct gg_plugins *plugins, const char *path, const char *base, struct gg_role **out,
                     struct gg_error *err)
{
    if (plugins->n == GG_MAX_ROLES)
        return gg_fail(err, GG_E_LIMIT, "more than %d plugins in one process", GG_MAX_ROLES);
    int rc = gg_role_open(plugins->arena, path, base, out, err);
    if (rc == 0)
        plugins->roles[plugins->n++] = *out;
    return rc;
}

static int missing_file(struct gg_plugins *plugins, const char *base, const char *who, struct gg_error *err)
{
    struct gg_buf installed = GG_BUF_INIT, folders = GG_BUF_INIT;
    char package[GG_ROLE_MAX + 64] = "";
    size_t n;
    if (strchr(base, '.') == NULL) { /* a role of Ganglion's own; plugins of others come from elsewhere */
        memcpy(package, " (Debian package ", 17);
        gg_role_package(base, package + 17, GG_ROLE_MAX + 32);
        strcat(package, ")");
    }
    gg_plugin_list_text(&installed, gg_plugin_installed(plugins->arena, plugins->folders, &n));
    gg_plugin_list_text(&folders, plugins->folders);
    int rc =
        gg_fail(err, GG_E_NOT_FOUND, "%s needs %s.so%s, which is not installed; looked in: %s; installed roles: %s",
                who, base, package, folders.data, installed.data);
    gg_buf_done(&installed);
    gg_buf_done(&folders);
    return rc;
}

int gg_plugins_open_root(struct gg_plugins *plugins, const char *worker_app, struct gg_error *err)
{
    struct gg_role_name name;
    struct gg_role *role;
    int rc = gg_role_of_app(worker_app, &name, err);
    if (rc < 0)
        return rc;
    const char *who =
        worker_app != NULL ? gg_arena_printf(plugins->arena, "worker_app %s", worker_app) : "the main process";
    const char *path = gg_plugin_find(plugins->arena, plugins->folders, name.base);
    if (path == NULL)
        return missing_file(plugins, name.base, who, err);
    rc = open_file(plugins, path, name.base, &role, err);
    if (rc < 0)
        return rc;
    if (name.historical)
        plugins->past_name = gg_arena_strdup(plugins->arena, worker_app);
    else if (worker_app != NULL && !provides(role, worker_app))
        return gg_fail(err, GG_E_INVALID, "%s does not provide the worker_app %s that its name stands for", path,
                       worker_app);
    role->why = gg_arena_printf(plugins->arena, "%s", worker_app != NULL ? who : "no worker_app: the main process");
    return 0;
}

static void note_missing(struct gg_plugins *plugins, const char *role, const char *why)
{
    char package[GG_ROLE_MAX + 32];
    gg_role_package(role, package, sizeof(package));
    if (plugins->n_missing == GG_MAX_ROLES)
        return;
    plugins->missing[plugins->n_missing++] =
        (struct gg_missing){role, gg_arena_strdup(plugins->arena, package), gg_arena_strdup(plugins->arena, why)};
}

static void warn_missing(const struct gg_plugins *plugins)
{
    struct gg_buf roles = GG_BUF_INIT, packages = GG_BUF_INIT;
    for (size_t i = 0; i < plugins->n_missing; i++) {
        gg_buf_printf(&roles, "%s%s", i > 0 ? ", " : "", plugins->missing[i].role);
        gg_buf_printf(&packages, " %s", plugins->missing[i].package);
    }
    if (plugins->n_missing > 0)
        gg_warn(&logger,
                "work that falls to this process is left undone, since its roles are not installed: %s (install%s)",
                roles.data, packages.data);
    gg_buf_done(&roles);
    gg_buf_done(&packages);
}

void gg_plugins_log_notes(const struct gg_plugins *plugins)
{
    if (plugins->past_name != NULL)
        gg_info(&logger, "%s is a name of the past: its work belongs to synapse.app.generic_worker, which is loaded",
                plugins->past_name);
    warn_missing(plugins);
}

static bool already_missing(const struct gg_plugins *plugins, const char *role)
{
    for (size_t i = 0; i < plugins->n_missing; i++)
        if (strcmp(plugins->missing[i].role, role) == 0)
            return true;
    return false;
}

static bool any_listener_has(const struct gg_config *config, const char *resource)
{
    size_t n;
    const struct gg_listener *listeners = gg_topology_listeners(config, &n);
    for (size_t i = 0; i < n; i++)
        if (gg_listener_has(&listeners[i], resource))
            return true;
    return false;
}

bool gg_role_wants(struct gg_arena *arena, const struct gg_role *by, const struct gg_include *include,
                   const struct gg_host *host, bool *explicitly, const char **why)
{
    const struct gg_config *config = gg_host_config(host);
    *explicitly = false;
    *why = NULL;
    if (include->wanted != NULL)
        return include->wanted(host, explicitly, why);
    if (include->duty != NULL && !gg_topology_has_duty(config, include->duty, explicitly))
        return false;
    if (include->resource != NULL && !any_listener_has(config, include->resource))
        return false;
    *why = include->duty == NULL ? gg_arena_printf(arena, "%s includes it", by->desc.name)
           : *explicitly ? gg_arena_printf(arena, "the config names this process for the duty %s", include->duty)
                         : gg_arena_printf(arena, "the config gives the duty %s to no other process", include->duty);
    return true;
}

static int open_include(struct gg_plugins *plugins, struct gg_role *by, const struct gg_include *include,
                        struct gg_host *host, struct gg_error *err)
{
    bool explicitly;
    const char *why;
    if (gg_plugins_find(plugins, include->role) != NULL || already_missing(plugins, include->role))
        return 0;
    if (!gg_role_wants(plugins->arena, by, include, host, &explicitly, &why))
        return 0;
    if (why == NULL)
        why = "";
    const char *path = gg_plugin_find(plugins->arena, plugins->folders, include->role);
    if (path == NULL && explicitly)
        return missing_file(plugins, include->role, why, err);
    if (path == NULL) {
        note_missing(plugins, include->role, why);
        return 0;
    }
    struct gg_role *role;
    int rc = open_file(plugins, path, include->role, &role, err);
    if (rc < 0)
        return rc; /* a damaged file is no absent one: somebody must look at it */
    role->why = gg_arena_strdup(plugins->arena, why);
    role->included_by = by->desc.name;
    return 0;
}

int gg_plugins_open_includes(struct gg_plugins *plugins, struct gg_host *host, struct gg_error *err)
{
    for (size_t i = 0; i < plugins->n; i++) { /* grows while it runs: includes may include */
        struct gg_role *by = plugins->roles[i];
        for (const struct gg_include *include = by->includes; include->role != NULL; include++) {
            int rc = open_include(plugins, by, include, host, err);
            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

void gg_plugins_open_installed(struct gg_plugins *plugins,
                               void (*broken)(void *arg, const char *base, const struct gg_error *err), void *arg)
{
    size_t n;
    const char *const *names = gg_plugin_installed(plugins->arena, plugins->folders, &n);
    for (size_t i = 0; i < n; i++) {
        struct gg_error err = GG_ERROR_INIT;
        struct gg_role *role;
        const char *path = gg_plugin_find(plugins->arena, plugins->folders, names[i]);
        if (gg_plugins_find(plugins, names[i]) != NULL || path == NULL)
            continue;
        if (open_file(plugins, path, names[i], &role, &err) < 0 && broken != NULL)
            broken(arg, names[i], &err);
    }
}
