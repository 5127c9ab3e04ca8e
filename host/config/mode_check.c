/* --check-config: every process of a deployment is read as it would be at start, and
 * then what they say is held against each other. */
#include "config/deployment.h"
#include "config/modes.h"
#include "config/yaml.h"

#include <stdio.h>
#include <sys/stat.h>

/* ---- reporting ---- */

void gg_deployment_say(struct gg_deployment *deployment, int level, const char *fmt, ...)
{
    static const char *const names[] = {"?", "note", "warning", "error"};
    const char *text;
    va_list ap;

    va_start(ap, fmt);
    text = gg_arena_vprintf(deployment->arena, fmt, ap);
    va_end(ap);
    if (gg_map_has(deployment->said, gg_str(text)))
        return; /* what stands in a shared file is found once for each process */
    gg_map_put(deployment->said, gg_str(text), NULL);
    deployment->errors += level == GG_FINDING_ERROR ? 1 : 0;
    deployment->warnings += level == GG_FINDING_WARNING ? 1 : 0;
    gg_buf_printf(deployment->report, "%s: %s\n", names[level], text);
}

static void report_findings(struct gg_deployment *deployment, const struct gg_process *process)
{
    size_t n;
    const struct gg_finding *findings = gg_config_findings(process->config, &n);

    for (size_t i = 0; i < n; i++)
        gg_deployment_say(deployment, findings[i].level, "%s", findings[i].text);
}

const struct gg_process *gg_deployment_find(const struct gg_deployment *deployment, const char *name)
{
    for (size_t i = 0; i < deployment->n; i++)
        if (strcmp(deployment->processes[i].name, name) == 0)
            return &deployment->processes[i];
    return NULL;
}

/* ---- which files belong to whom ---- */

struct files {
    const char **shared, **own; /* NULL-ended */
    size_t n_shared, n_own;
};

/* A worker's own file names its worker_app. */
static int is_worker_file(struct gg_deployment *deployment, const char *path, bool *out, struct gg_error *err)
{
    struct gg_node *root;
    const char *app;
    int status = gg_yaml_parse_file(deployment->arena, path, NULL, NULL, &root, err);

    if (status)
        return status;
    app = gg_node_text(gg_node_get(root, "worker_app"));
    *out = app && strcmp(app, "synapse.app.homeserver") != 0;
    return 0;
}

static int sort_files(struct gg_deployment *deployment, const char *const *paths, struct files *out,
                      struct gg_error *err)
{
    size_t n = 0;

    while (paths[n])
        n++;
    out->shared = GG_NEW_ARRAY(deployment->arena, const char *, n + 2); /* room for one worker's file */
    out->own = GG_NEW_ARRAY(deployment->arena, const char *, n + 1);
    for (; *paths; paths++) {
        bool own = false;
        int status = is_worker_file(deployment, *paths, &own, err);

        if (status)
            return status;
        if (own)
            out->own[out->n_own++] = *paths;
        else
            out->shared[out->n_shared++] = *paths;
    }
    return 0;
}

/* ---- reading each process ---- */

/* Problems become findings of the process; it stays in the list, to be compared. */
static void read_process(struct gg_deployment *deployment, const struct gg_check_options *options,
                         const struct files *files, const char *own)
{
    struct gg_process *process = &deployment->processes[deployment->n++];
    struct gg_config_source source = *options->source;
    struct gg_error err = GG_ERROR_INIT;
    int status;

    files->shared[files->n_shared] = own;
    source.paths = files->shared;
    source.n_paths = files->n_shared + (own ? 1 : 0);
    source.generate = false;
    source.checking = true;
    status = gg_config_read(&source, &process->config, &err);
    if (process->config->topo.instance && options->declare &&
        (options->declare(options->arg, process->config, &err) != 0))
        gg_config_find(process->config, GG_FINDING_ERROR, "%s", err.message);
    else if (process->config->topo.instance)
        status = gg_config_finish(process->config, &err);
    (void)status; /* every error is among the findings */
    process->file = own;
    process->name = process->config->topo.instance ? process->config->topo.instance : "?";
    report_findings(deployment, process);
}

static bool any_folder(const struct gg_config_source *source)
{
    struct stat st;

    for (size_t i = 0; i < source->n_paths; i++)
        if (stat(source->paths[i], &st) == 0 && S_ISDIR(st.st_mode))
            return true;
    return false;
}

static void read_all(struct gg_deployment *deployment, const struct gg_check_options *options,
                     const struct files *files)
{
    deployment->processes = GG_NEW_ARRAY(deployment->arena, struct gg_process, files->n_own + 1);
    deployment->whole = files->n_own > 1 || any_folder(options->source);
    read_process(deployment, options, files, NULL);
    for (size_t i = 0; i < files->n_own; i++)
        read_process(deployment, options, files, files->own[i]);
}

static bool all_readable(const struct gg_deployment *deployment)
{
    for (size_t i = 0; i < deployment->n; i++)
        if (!deployment->processes[i].config->topo.writers)
            return false;
    return true;
}

static void compare(struct gg_deployment *deployment, bool offline)
{
    gg_deployment_check_names(deployment);
    gg_deployment_check_listeners(deployment);
    gg_deployment_check_duties(deployment);
    gg_deployment_check_connections(deployment, offline);
}

static void sum_up(struct gg_deployment *deployment)
{
    gg_buf_printf(deployment->report, "%zu process%s checked: %zu error%s, %zu warning%s\n", deployment->n,
                  deployment->n == 1 ? "" : "es", deployment->errors, deployment->errors == 1 ? "" : "s",
                  deployment->warnings, deployment->warnings == 1 ? "" : "s");
}

static int list_files(struct gg_deployment *deployment, const struct gg_check_options *options, struct files *files,
                      struct gg_config *lister, struct gg_error *err)
{
    const char *const *paths;
    int status;

    lister->arena = deployment->arena;
    status = gg_config_list_files(lister, options->source, &paths, err);
    for (size_t i = 0; i < lister->n_findings; i++)
        gg_deployment_say(deployment, lister->findings[i].level, "%s", lister->findings[i].text);
    return status ? status : sort_files(deployment, paths, files, err);
}

int gg_mode_check_config(const struct gg_check_options *options, struct gg_buf *report, struct gg_error *err)
{
    struct gg_deployment deployment = {.arena = gg_arena_new(), .said = gg_map_new(NULL), .report = report};
    struct gg_config lister = {0};
    struct files files = {0};
    int status = list_files(&deployment, options, &files, &lister, err);

    if (!status) {
        read_all(&deployment, options, &files);
        if (all_readable(&deployment))
            compare(&deployment, options->offline);
        sum_up(&deployment);
        if (deployment.errors > 0)
            status = gg_fail(err, GG_E_INVALID, "the configuration has %zu error%s", deployment.errors,
                             deployment.errors == 1 ? "" : "s");
    }
    for (size_t i = 0; i < deployment.n; i++)
        gg_config_free(deployment.processes[i].config);
    gg_map_free(deployment.said);
    gg_arena_free(deployment.arena);
    return status;
}
