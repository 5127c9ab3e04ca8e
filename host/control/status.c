/* `ganglionctl status`: which processes run, and whether they are ready. */
#include "control/control.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct seen {
    const struct gg_managed *process;
    pid_t pid;
    long long resident;
    const char *state; /* "running", "not ready", "stopped"; "unknown": no pid file, no listener that answers */
    bool answers, ready;
};

static long long resident_bytes(pid_t pid)
{
    char path[64];
    long long total, pages = 0;
    snprintf(path, sizeof(path), "/proc/%ld/statm", (long)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%lld %lld", &total, &pages) != 2)
        pages = 0;
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

static struct seen look(const struct gg_managed *process, struct gg_arena *arena)
{
    struct seen seen = {.process = process, .pid = gg_managed_pid(process)};
    seen.answers = gg_control_ready(process, arena, &seen.ready) != NULL;
    seen.resident = seen.pid != 0 ? resident_bytes(seen.pid) : 0;
    if (seen.answers)
        seen.state = seen.ready ? "running" : "not ready";
    else if (process->pid_file == NULL)
        seen.state = "unknown";
    else
        seen.state = seen.pid != 0 ? "running" : "stopped"; /* it may have no listener that can be asked */
    return seen;
}

static void print_row(const struct seen *seen)
{
    char pid[24] = "-", memory[24] = "-";
    if (seen->pid != 0) {
        snprintf(pid, sizeof(pid), "%ld", (long)seen->pid);
        snprintf(memory, sizeof(memory), "%.1f MiB", (double)seen->resident / (1 << 20));
    }
    printf("%-24s %-32s %8s %12s  %s\n", seen->process->name, seen->process->app, pid, memory, seen->state);
}

static json_t *row_json(const struct seen *seen)
{
    return json_pack("{s:s, s:s, s:o, s:I, s:s, s:o}", "name", seen->process->name, "worker_app", seen->process->app, "pid",
                     seen->pid != 0 ? json_integer(seen->pid) : json_null(), "resident_bytes", (json_int_t)seen->resident,
                     "state", seen->state, "ready", seen->answers ? json_boolean(seen->ready) : json_null());
}

int gg_control_status(const struct gg_control_args *args, const struct gg_deployment_files *files)
{
    json_t *list = json_array();
    bool all = true;
    if (!args->json)
        printf("%-24s %-32s %8s %12s  %s\n", "PROCESS", "WORKER APP", "PID", "MEMORY", "STATE");
    for (size_t i = 0; i < files->n; i++) {
        struct seen seen = look(&files->all[i], files->arena);
        all = all && strcmp(seen.state, "running") == 0;
        if (args->json)
            json_array_append_new(list, row_json(&seen));
        else
            print_row(&seen);
    }
    if (args->json) {
        json_dumpf(list, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(list);
    return all ? 0 : 1;
}
