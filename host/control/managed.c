/* The processes that the configuration files name. */
#include "control/control.h"

#include "config/files.h"
#include "config/topology.h"
#include "config/yaml.h"
#include "main/host.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- alive? ---- */

/* A zombie still has a number, and does nothing any more. */
static bool is_zombie(pid_t pid)
{
    char path[64], line[512] = "";
    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    bool read = fgets(line, sizeof(line), f) != NULL;
    fclose(f);
    const char *state = read ? strrchr(line, ')') : NULL;
    return state != NULL && (state[2] == 'Z' || state[2] == 'X');
}

bool gg_pid_alive(pid_t pid)
{
    return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM) && !is_zombie(pid);
}

/* A pid file outlives a crash, and its number may be somebody else's by now: who must not be signalled. */
static bool is_server(pid_t pid)
{
    static const char *const programs[] = {"ganglion", "python", "valgrind", "memcheck"}; /* python: Synapse's own */
    char path[64], program[4096];
    snprintf(path, sizeof(path), "/proc/%ld/exe", (long)pid);
    ssize_t n = readlink(path, program, sizeof(program) - 1);
    if (n < 0)
        return true; /* not ours to look at; then it is not ours to signal either, which is said later */
    program[n] = '\0';
    const char *slash = strrchr(program, '/'), *base = slash != NULL ? slash + 1 : program;
    for (size_t i = 0; i < GG_COUNT(programs); i++)
        if (strncmp(base, programs[i], strlen(programs[i])) == 0)
            return true;
    return false;
}

pid_t gg_managed_pid(const struct gg_managed *process)
{
    char text[32] = "";
    FILE *f = process->pid_file != NULL ? fopen(process->pid_file, "re") : NULL;
    if (f == NULL)
        return 0;
    bool read = fgets(text, sizeof(text), f) != NULL;
    fclose(f);
    pid_t pid = read ? (pid_t)strtol(text, NULL, 10) : 0;
    return gg_pid_alive(pid) && is_server(pid) ? pid : 0;
}

/* ---- reading ---- */

static int add_process(struct gg_deployment_files *files, const char *own, struct gg_error *err)
{
    struct gg_managed *process = &files->all[files->n];
    const char **paths = GG_NEW_ARRAY(files->arena, const char *, files->n_shared + 2);
    memcpy(paths, files->shared, files->n_shared * sizeof(*paths));
    paths[files->n_shared] = own;
    struct gg_config_source source = {.paths = paths, .n_paths = files->n_shared + (own != NULL), .checking = true};
    int rc = gg_config_read(&source, &process->config, err);
    if (rc < 0) {
        gg_config_free(process->config);
        process->config = NULL;
        return rc;
    }
    files->n++;
    process->files = paths;
    process->main = gg_topology_is_main(process->config);
    process->name = process->main ? "main" : gg_topology_instance(process->config);
    process->app = gg_topology_worker_app(process->config);
    process->pid_file = gg_config_text(process->config, process->main ? "pid_file" : "worker_pid_file");
    return 0;
}

static int is_yaml(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 5 && strcmp(entry->d_name + n - 5, ".yaml") == 0;
}

/* Synctl's -a: each file is one process; one with the main process's worker_app stands for that. */
static int find_workers(struct gg_arena *arena, const char *folder, struct gg_config_files *out, const char **main_out,
                        struct gg_error *err)
{
    struct dirent **list;
    int rc = 0, n = scandir(folder, &list, is_yaml, alphasort);
    if (n < 0)
        return gg_fail(err, GG_E_NOT_FOUND, "%s: %s", folder, strerror(errno));
    for (int i = 0; i < n; i++) {
        const char *path = gg_arena_printf(arena, "%s/%s", folder, list[i]->d_name);
        struct gg_node *top = NULL;
        if (rc == 0)
            rc = gg_yaml_parse_file(arena, path, NULL, NULL, &top, err);
        const char *app = rc == 0 ? gg_node_text(gg_node_get(top, "worker_app")) : NULL;
        if (app != NULL && strcmp(app, GG_MAIN_APP) == 0)
            *main_out = path;
        else if (app != NULL && out->n_workers < GG_MAX_CONFIG_FILES)
            out->workers[out->n_workers++] = path;
        free(list[i]);
    }
    free(list);
    return rc;
}

static bool any_folder(const struct gg_control_args *args)
{
    struct stat st;
    for (size_t i = 0; i < args->n_configs; i++)
        if (stat(args->configs[i], &st) == 0 && S_ISDIR(st.st_mode))
            return true;
    return false;
}

/* Who is meant, by synctl's rules; when processes are named, status or check are asked for: everybody that is known. */
static bool main_is_meant(const struct gg_control_args *args, const char *mark)
{
    bool everybody = args->n_names > 0 || args->command == GG_CONTROL_STATUS || args->command == GG_CONTROL_CHECK;
    if (args->worker != NULL)
        return false;
    return args->folder == NULL || mark != NULL || everybody || any_folder(args);
}

static int keep_named(const struct gg_control_args *args, struct gg_deployment_files *files, struct gg_error *err)
{
    size_t kept = 0;
    for (size_t k = 0; k < args->n_names; k++) {
        size_t i = 0;
        const char *name = strcmp(args->names[k], GG_MAIN_INSTANCE) == 0 ? "main" : args->names[k];
        while (i < files->n && strcmp(files->all[i].name, name) != 0)
            i++;
        if (i == files->n)
            return gg_fail(err, GG_E_NOT_FOUND, "none of the files is of a process called %s", args->names[k]);
        if (i < kept)
            continue; /* named twice */
        struct gg_managed found = files->all[i];
        files->all[i] = files->all[kept];
        files->all[kept++] = found;
    }
    for (size_t i = kept; args->n_names > 0 && i < files->n; i++)
        gg_config_free(files->all[i].config);
    files->n = args->n_names > 0 ? kept : files->n;
    return 0;
}

/* A worker's broken file must not stand in the way of the others; but nothing is started by halves. */
static bool is_tolerant(const struct gg_control_args *args)
{
    return args->n_names > 0 || (args->command != GG_CONTROL_START && args->command != GG_CONTROL_RESTART);
}

int gg_control_open(const struct gg_control_args *args, struct gg_deployment_files *out, struct gg_error *err)
{
    struct gg_config_files found;
    const char *mark = NULL;
    *out = (struct gg_deployment_files){.arena = gg_arena_new()};
    int rc = gg_config_files_find(out->arena, args->configs, args->n_configs, &found, err);
    if (rc == 0 && args->folder != NULL) {
        found.n_workers = 0;
        rc = find_workers(out->arena, args->folder, &found, &mark, err);
    } else if (rc == 0 && args->worker != NULL) {
        found.workers[0] = args->worker;
        found.n_workers = 1;
    }
    if (rc < 0)
        return rc;
    out->shared = found.shared;
    out->n_shared = found.n_shared;
    out->all = GG_NEW_ARRAY(out->arena, struct gg_managed, found.n_workers + 1);
    if (main_is_meant(args, mark))
        rc = add_process(out, mark, err);
    for (size_t i = 0; rc == 0 && i < found.n_workers; i++) {
        rc = add_process(out, found.workers[i], err);
        if (rc < 0 && is_tolerant(args)) {
            fprintf(stderr, "ganglionctl: left out: %s\n", err->message);
            *err = (struct gg_error)GG_ERROR_INIT;
            rc = 0;
        }
    }
    return rc == 0 ? keep_named(args, out, err) : rc;
}

void gg_control_close(struct gg_deployment_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        gg_config_free(files->all[i].config);
    gg_arena_free(files->arena);
}
