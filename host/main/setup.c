/* Reads the configuration and opens the plugins that it asks for. */
#include "main/setup.h"

#include "config/topology.h"
#include "main/keys.h"

#include <ganglion/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Entries were copied to the host's size when the plugin was opened. */
static int declare_role(struct gg_config *config, const struct gg_role *role, struct gg_error *err)
{
    for (const struct gg_config_key *const *table = role->keys; *table != NULL; table++) {
        int rc = gg_config_declare(config, *table, sizeof(**table), err);
        if (rc < 0) {
            gg_error_prefix(err, "%s", role->desc.name);
            return rc;
        }
    }
    return 0;
}

/* Keys of the included roles are declared after the process's own: what is
 * included is decided by keys of the host. */
static int open_roles(struct gg_setup *setup, struct gg_error *err)
{
    const char *app = gg_topology_is_main(setup->config) ? NULL : gg_topology_worker_app(setup->config);
    int rc = gg_plugins_open_root(setup->plugins, app, err);
    if (rc == 0)
        rc = gg_plugins_open_includes(setup->plugins, setup->host, err);
    for (size_t i = 0; rc == 0 && i < setup->plugins->n; i++)
        rc = declare_role(setup->config, setup->plugins->roles[i], err);
    return rc;
}

static struct gg_host *make_host(const struct gg_setup *setup)
{
    const struct gg_config *config = setup->config;
    bool main_process = gg_topology_is_main(config);
    struct gg_host *host =
        gg_host_new(config, main_process ? NULL : gg_topology_worker_app(config), gg_topology_instance(config));
    host->redis = gg_topology_redis(config)->enabled;
    host->background = gg_topology_has_duty(config, "background", NULL);
    host->plugins = setup->plugins;
    return host;
}

static int check_process(const struct gg_setup *setup, struct gg_error *err)
{
    const struct gg_host *host = setup->host;
    if (!host->main && !host->redis)
        return gg_fail(err, GG_E_INVALID,
                       "%s is a worker, and workers need Redis: set redis.enabled: true in the shared configuration",
                       host->instance);
    int rc = gg_claims_check(setup->plugins, err);
    return rc == 0 ? gg_plugins_check(setup->plugins, host, err) : rc;
}

static void print_findings(const struct gg_config *config, int least, const struct gg_error *err)
{
    size_t n;
    const struct gg_finding *findings = gg_config_findings(config, &n);
    for (size_t i = 0; i < n; i++)
        if (findings[i].level >= least && (err == NULL || strcmp(findings[i].text, err->message) != 0))
            fprintf(stderr, "%s: %s\n", findings[i].level == GG_FINDING_ERROR ? "error" : "warning", findings[i].text);
}

/* --plugin-dir first, then ganglion.plugin_path. */
static const char *const *folder_options(const struct gg_args *args, const struct gg_config *config)
{
    size_t n;
    const char *const *more = gg_config_texts(config, "ganglion.plugin_path", &n);
    const char **list = calloc(args->plugin_dirs.n + n + 1, sizeof(*list));
    GG_ASSERT(list != NULL);
    memcpy(list, args->plugin_dirs.values, args->plugin_dirs.n * sizeof(*list));
    memcpy(list + args->plugin_dirs.n, more, n * sizeof(*list));
    return list;
}

static int open_in(struct gg_setup *setup, const char *const *folders, struct gg_error *err)
{
    int rc = gg_config_declare(setup->config, gg_main_keys, sizeof(*gg_main_keys), err);
    if (rc < 0)
        return rc;
    setup->plugins = gg_plugins_new(folders);
    setup->host = make_host(setup);
    return open_roles(setup, err);
}

int gg_setup_open(const struct gg_args *args, struct gg_setup *setup, struct gg_error *err)
{
    const char *const *folders = folder_options(args, setup->config);
    int rc = open_in(setup, folders, err);
    free((void *)folders);
    return rc;
}

/* What the installed plugins claim is compared by a child while this process goes on. */
static int open_and_check(struct gg_setup *out, const char *const *folders, struct gg_error *err)
{
    struct gg_claims_child *child = NULL;
    struct gg_error claims = GG_ERROR_INIT;
    int rc = open_in(out, folders, err);
    if (rc == 0) {
        child = gg_claims_start(folders, out->plugins);
        rc = gg_config_finish(out->config, err);
    }
    if (rc == 0)
        rc = check_process(out, err);
    int other = gg_claims_finish(child, &claims);
    if (rc == 0 && other < 0)
        *err = claims;
    return rc < 0 ? rc : other;
}

int gg_setup(const struct gg_args *args, int mode, struct gg_setup *out, struct gg_error *err)
{
    struct gg_config_source source = gg_args_source(args);
    source.generate = mode != GG_SETUP_EXPLAIN;
    source.checking = mode == GG_SETUP_EXPLAIN;
    memset(out, 0, sizeof(*out));
    int rc = gg_config_read(&source, &out->config, err);
    if (rc == 0) {
        const char *const *folders = folder_options(args, out->config);
        rc = open_and_check(out, folders, err);
        free((void *)folders);
    }
    if (out->config != NULL && rc < 0)
        print_findings(out->config, GG_FINDING_ERROR, err);
    else if (out->config != NULL && mode != GG_SETUP_RUN)
        print_findings(out->config, GG_FINDING_WARNING, NULL);
    return rc;
}

void gg_setup_done(struct gg_setup *setup)
{
    gg_host_free(setup->host);
    gg_plugins_free(setup->plugins);
    gg_config_free(setup->config);
    memset(setup, 0, sizeof(*setup));
}
