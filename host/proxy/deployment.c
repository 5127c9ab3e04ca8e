/* Reads the configuration of every process of a deployment, without running any. */
#include "proxy/deployment.h"

#include "config/files.h"
#include "config/topology.h"
#include "main/keys.h"
#include "plugin/name.h"

#include <arpa/inet.h>
#include <string.h>

/* ---- roles ---- */

static void add_role(struct gg_process *process, const struct gg_role *role)
{
    if (!gg_process_has_role(process, role) && process->n_roles < GG_MAX_ROLES)
        process->roles[process->n_roles++] = role;
}

bool gg_process_has_role(const struct gg_process *process, const struct gg_role *role)
{
    for (size_t i = 0; i < process->n_roles; i++)
        if (process->roles[i] == role)
            return true;
    return false;
}

static int find_roles(struct gg_arena *arena, const struct gg_plugins *plugins, struct gg_process *process,
                      struct gg_error *err)
{
    struct gg_role_name name;
    int rc = gg_role_of_app(gg_host_worker_app(process->host), &name, err);
    if (rc < 0)
        return rc;
    process->root = gg_plugins_find(plugins, name.base);
    if (process->root != NULL)
        add_role(process, process->root);
    for (size_t i = 0; i < process->n_roles; i++)
        for (const struct gg_include *include = process->roles[i]->includes; include->role != NULL; include++) {
            const struct gg_role *role = gg_plugins_find(plugins, include->role);
            bool explicitly;
            const char *why;
            if (role != NULL && gg_role_wants(arena, process->roles[i], include, process->host, &explicitly, &why))
                add_role(process, role);
        }
    return 0;
}

/* ---- processes ---- */

static int read_process(struct gg_arena *arena, const struct gg_plugins *plugins, const struct gg_config_files *files,
                        const char *worker, struct gg_process *out, struct gg_error *err)
{
    const char **paths = GG_NEW_ARRAY(arena, const char *, files->n_shared + 2);
    memcpy(paths, files->shared, files->n_shared * sizeof(*paths));
    paths[files->n_shared] = worker;
    struct gg_config_source source = {.paths = paths, .n_paths = files->n_shared + (worker != NULL)};
    out->file = worker != NULL ? worker : files->shared[0];
    int rc = gg_config_read(&source, &out->config, err);
    if (rc == 0)
        rc = gg_config_declare(out->config, gg_main_keys, sizeof(*gg_main_keys), err);
    if (rc < 0)
        return rc;
    bool is_main = gg_topology_is_main(out->config);
    out->host = gg_host_new(out->config, is_main ? NULL : gg_topology_worker_app(out->config),
                            gg_topology_instance(out->config));
    out->name = gg_host_instance(out->host);
    return find_roles(arena, plugins, out, err);
}

int gg_deployment_read(struct gg_arena *arena, const struct gg_plugins *plugins, const char *const *paths,
                       size_t n_paths, struct gg_deployment *out, struct gg_error *err)
{
    struct gg_config_files files;
    memset(out, 0, sizeof(*out));
    int rc = gg_config_files_find(arena, paths, n_paths, &files, err);
    if (rc < 0)
        return rc;
    out->processes = GG_NEW_ARRAY(arena, struct gg_process, files.n_workers + 1);
    rc = read_process(arena, plugins, &files, NULL, &out->processes[out->n++], err);
    for (size_t i = 0; rc == 0 && i < files.n_workers; i++) {
        struct gg_process *process = &out->processes[out->n];
        out->n++;
        rc = read_process(arena, plugins, &files, files.workers[i], process, err);
        for (size_t k = 0; rc == 0 && k + 1 < out->n; k++)
            if (strcmp(out->processes[k].name, process->name) == 0)
                rc = gg_fail(err, GG_E_CONFLICT, "two processes have the name %s: %s and %s", process->name,
                             out->processes[k].file, process->file);
    }
    return rc;
}

void gg_deployment_done(struct gg_deployment *deployment)
{
    for (size_t i = 0; i < deployment->n; i++) {
        gg_host_free(deployment->processes[i].host);
        gg_config_free(deployment->processes[i].config);
    }
    deployment->n = 0;
}

const struct gg_process *gg_deployment_find(const struct gg_deployment *deployment, const char *name)
{
    for (size_t i = 0; i < deployment->n; i++)
        if (strcmp(deployment->processes[i].name, name) == 0)
            return &deployment->processes[i];
    return NULL;
}

/* ---- addresses ---- */

/* What a listener serves beyond the names that it lists (facts of Synapse). */
static bool covers(const struct gg_listener *listener, bool is_main, const char *resource)
{
    static const struct {
        const char *listed, *also;
        bool main_only;
    } rules[] = {{"federation", "openid", false},
                 {"federation", "keys", false},
                 {"client", "static", false},
                 {"client", "media", true},
                 {"federation", "media", true}};
    if (gg_listener_has(listener, resource))
        return true;
    for (size_t i = 0; i < GG_COUNT(rules); i++)
        if (strcmp(rules[i].also, resource) == 0 && (is_main || !rules[i].main_only) &&
            gg_listener_has(listener, rules[i].listed))
            return true;
    return false;
}

static bool covers_any(struct gg_arena *arena, const struct gg_listener *listener, bool is_main, const char *resources)
{
    for (const char *from = resources; *from != '\0';) {
        size_t n = strcspn(from, "|");
        if (covers(listener, is_main, gg_arena_strndup(arena, from, n)))
            return true;
        from += n + (from[n] == '|');
    }
    return false;
}

static bool is_wildcard(const char *address)
{
    return strcmp(address, "::") == 0 || strcmp(address, "0.0.0.0") == 0 || address[0] == '\0';
}

/* A listener on every address is reached where the deployment says that its process
 * is (instance_map), or on this machine. */
static const char *host_of(const struct gg_deployment *deployment, const struct gg_process *process,
                           const struct gg_listener *listener)
{
    const char *address = listener->n_addresses > 0 ? listener->addresses[0] : "::";
    const struct gg_peer *peer = gg_topology_peer(deployment->processes[0].config, process->name);
    if (!is_wildcard(address))
        return address;
    return peer != NULL && peer->host != NULL ? peer->host : "127.0.0.1";
}

static const char *address_text(struct gg_arena *arena, const struct gg_deployment *deployment,
                                const struct gg_process *process, const struct gg_listener *listener)
{
    struct in6_addr v6;
    if (listener->path != NULL)
        return gg_arena_printf(arena, "unix:%s", listener->path);
    const char *host = host_of(deployment, process, listener);
    return inet_pton(AF_INET6, host, &v6) == 1 ? gg_arena_printf(arena, "[%s]:%u", host, listener->port)
                                               : gg_arena_printf(arena, "%s:%u", host, listener->port);
}

const char *gg_process_address(struct gg_arena *arena, const struct gg_deployment *deployment,
                               const struct gg_process *process, const char *resources)
{
    size_t n;
    const struct gg_listener *listeners = gg_topology_listeners(process->config, &n);
    for (size_t i = 0; i < n; i++)
        if (listeners[i].type == GG_LISTENER_HTTP && !listeners[i].tls &&
            covers_any(arena, &listeners[i], gg_host_is_main(process->host), resources))
            return address_text(arena, deployment, process, &listeners[i]);
    return NULL;
}
