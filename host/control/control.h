/* ganglionctl: starts, stops, replaces and looks at the processes of a deployment on this machine.
 *
 * It knows them by their configuration files, and finds them by their pid files, as Synapse's synctl does. Everything here
 * is a short-lived program without a loop: waits are sleeps. */
#ifndef GG_CONTROL_CONTROL_H
#define GG_CONTROL_CONTROL_H

#include "config/config.h"

#include <ganglion/arena.h>
#include <ganglion/buf.h>
#include <sys/types.h>

/* ---- args.c: the command line ---- */

enum gg_control_command {
    GG_CONTROL_HELP,
    GG_CONTROL_START,
    GG_CONTROL_STOP,
    GG_CONTROL_RESTART,
    GG_CONTROL_STATUS,
    GG_CONTROL_CHECK,
};

enum { GG_CONTROL_WORDS = 64 };

struct gg_control_args {
    int command;
    const char *configs[GG_CONTROL_WORDS + 1], *names[GG_CONTROL_WORDS + 1]; /* NULL-ended */
    size_t n_configs, n_names;
    const char *worker, *folder; /* -w, -a */
    const char *plugin_dirs[GG_CONTROL_WORDS + 1];
    size_t n_plugin_dirs;
    bool foreground, json;
    int64_t timeout_ms;
};

/* GG_E_INVALID with the reason: usage error. */
GG_CHECKED int gg_control_args_parse(int argc, char *const *argv, struct gg_control_args *out, struct gg_error *err);
void gg_control_usage(struct gg_buf *out);

/* ---- managed.c: the processes ---- */

struct gg_managed {
    const char *name, *app;
    const char *const *files; /* what follows -c, in order; NULL-ended */
    const char *pid_file;     /* NULL: it cannot be found */
    struct gg_config *config;
    bool main;
};

struct gg_deployment_files {
    struct gg_arena *arena;
    const char **shared; /* NULL-ended */
    size_t n_shared;
    struct gg_managed *all; /* the main process, if it is meant, first */
    size_t n;
};

/* What the arguments mean; to be freed by gg_control_close also when it fails. */
GG_CHECKED int gg_control_open(const struct gg_control_args *args, struct gg_deployment_files *out, struct gg_error *err);
void gg_control_close(struct gg_deployment_files *files);
/* The live process of the pid file, or 0. */
pid_t gg_managed_pid(const struct gg_managed *process);
bool gg_pid_alive(pid_t pid);

/* ---- act.c: start, stop, replace; each prints its progress to `out` (NULL: none) ---- */

struct gg_outcome {
    const struct gg_managed *process;
    const char *what; /* "started", "stopped", "replaced", "running already", "not running" */
    struct gg_error err;
    int rc;
    pid_t pid;
    int64_t ms;
};
void gg_control_start(const struct gg_control_args *args, const struct gg_managed *process, struct gg_outcome *out);
void gg_control_stop(const struct gg_control_args *args, const struct gg_managed *process, struct gg_outcome *out);
/* By SIGUSR2 (main/takeover.h); one that does not run is started. */
void gg_control_replace(const struct gg_control_args *args, const struct gg_managed *process, struct gg_outcome *out);

/* ---- ask.c ---- */

/* The process's /ready document (in the arena), by one of its listeners; NULL: it does not answer. */
const char *gg_control_ready(const struct gg_managed *process, struct gg_arena *arena, bool *ready_out);

/* ---- status.c, check.c: print, and return the exit code ---- */

int gg_control_status(const struct gg_control_args *args, const struct gg_deployment_files *files);
int gg_control_check(const struct gg_control_args *args, const struct gg_deployment_files *files);

/* ---- control.c ---- */

/* The whole program: 0, 1 when something failed, 2 after a usage error. */
GG_API int gg_control_main(int argc, char **argv);

#endif
