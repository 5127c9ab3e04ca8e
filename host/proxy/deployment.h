/* proxy/deployment.h: all processes of a deployment, from its configuration files. */
#ifndef GG_PROXY_DEPLOYMENT_H
#define GG_PROXY_DEPLOYMENT_H

#include "config/config.h"
#include "main/host.h"
#include "plugin/plugins.h"

struct gg_process {
    const char *name; /* instance name */
    const char *file; /* the worker's own; the shared one for main */
    struct gg_config *config;
    struct gg_host *host;                      /* for questions about duties only */
    const struct gg_role *root;                /* NULL: its plugin is not installed */
    const struct gg_role *roles[GG_MAX_ROLES]; /* root, and what it includes by its config */
    size_t n_roles;
};

struct gg_deployment {
    struct gg_process *processes; /* the main process first */
    size_t n;
};

/* paths: files and folders. A file with worker_app is a worker's; of a folder, its
 * *.yaml and those of "workers" below it count, but for logging files and
 * registrations of application services. All other files are shared by everybody.
 * plugins: everything that is installed. To be freed by gg_deployment_done also
 * when it fails. */
GG_CHECKED int gg_deployment_read(struct gg_arena *arena, const struct gg_plugins *plugins, const char *const *paths,
                                  size_t n_paths, struct gg_deployment *out, struct gg_error *err);
void gg_deployment_done(struct gg_deployment *deployment);

const struct gg_process *gg_deployment_find(const struct gg_deployment *deployment, const char *name);
/* Where the process answers requests for one of the resources ("client|media"), as
 * "127.0.0.1:8083" or "unix:/run/x"; NULL: nowhere a proxy can go in plain text. */
const char *gg_process_address(struct gg_arena *arena, const struct gg_deployment *deployment,
                               const struct gg_process *process, const char *resources);
bool gg_process_has_role(const struct gg_process *process, const struct gg_role *role);

#endif
