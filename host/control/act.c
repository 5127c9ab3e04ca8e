/* Starting, stopping and replacing one process. */
#include "control/control.h"

#include <errno.h>
#include <ganglion/log.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 10, MAX_PATH = 4096 };

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void finish(struct gg_outcome *out, int64_t began, int rc)
{
    out->rc = rc;
    out->ms = gg_now_ms() - began;
}

/* ---- start ---- */

/* The server lies beside this program; else where the shell would find it. */
static const char *server_program(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size - sizeof("ganglion"));
    if (n > 0) {
        out[n] = '\0';
        char *slash = strrchr(out, '/');
        if (slash != NULL)
            memcpy(slash + 1, "ganglion", sizeof("ganglion"));
        if (access(out, X_OK) == 0)
            return out;
    }
    return "ganglion";
}

static const char **words_of(const struct gg_control_args *args, const struct gg_managed *process)
{
    size_t n_files = 0, n = 0;
    while (process->files[n_files] != NULL)
        n_files++;
    const char **words = calloc(2 * (n_files + args->n_plugin_dirs) + 3, sizeof(*words));
    GG_ASSERT(words != NULL);
    words[n++] = "ganglion";
    for (size_t i = 0; i < n_files; i++) {
        words[n++] = "-c";
        words[n++] = process->files[i];
    }
    for (size_t i = 0; i < args->n_plugin_dirs; i++) {
        words[n++] = "--plugin-dir";
        words[n++] = args->plugin_dirs[i];
    }
    if (!args->foreground)
        words[n++] = "-D";
    return words;
}

/* Until it listens, or in the foreground until it ends: the exit code. */
static int run_server(const struct gg_control_args *args, const struct gg_managed *process, struct gg_error *err)
{
    char path[MAX_PATH];
    const char *program = server_program(path, sizeof(path));
    const char **words = words_of(args, process);
    pid_t pid;
    int status, why = posix_spawnp(&pid, program, NULL, NULL, (char *const *)words, environ);
    free(words);
    if (why != 0)
        return gg_fail(err, GG_E_IO, "cannot start %s: %s", program, strerror(why));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return gg_fail(err, GG_E_IO, "cannot wait for %s: %s", program, strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return gg_fail(err, GG_E_UNAVAILABLE, "%s does not start (its words are above, or in its log)", process->name);
}

void gg_control_start(const struct gg_control_args *args, const struct gg_managed *process, struct gg_outcome *out)
{
    int64_t began = gg_now_ms();
    int rc = 0;
    *out = (struct gg_outcome){.process = process, .what = "running already", .err = GG_ERROR_INIT};
    out->pid = gg_managed_pid(process);
    if (out->pid == 0 && process->pid_file == NULL && !args->foreground) {
        rc = gg_fail(&out->err, GG_E_INVALID, "%s needs %s, or it could not be found again", process->name,
                     process->main ? "pid_file" : "worker_pid_file");
    } else if (out->pid == 0) {
        out->what = "started";
        rc = run_server(args, process, &out->err);
        out->pid = gg_managed_pid(process);
    }
    finish(out, began, rc);
}

/* ---- stop ---- */

void gg_control_stop(const struct gg_control_args *args, const struct gg_managed *process, struct gg_outcome *out)
{
    int64_t began = gg_now_ms();
    int rc = 0;
    *out = (struct gg_outcome){.process = process, .what = "not running", .err = GG_ERROR_INIT};
    pid_t pid = out->pid = gg_managed_pid(process);
    if (pid != 0) {
        out->what = "stopped";
        if (kill(pid, SIGTERM) < 0)
            rc = gg_fail(&out->err, GG_E_IO, "cannot stop %s (pid %ld): %s", process->name, (long)pid, strerror(errno));
        while (rc == 0 && gg_pid_alive(pid)) {
            pause_ms(LOOK_MS);
            if (gg_now_ms() - began > args->timeout_ms)
                rc = gg_fail(&out->err, GG_E_TIMEOUT, "%s (pid %ld) does not end within %lld s", process->name, (long)pid,
                             (long long)args->timeout_ms / 1000);
        }
    }
    finish(out, began, rc);
}

/* ---- replace ---- */

/* Does it wait for SIGUSR2 (blocked, since it is read from a descriptor)? Another program would die of it. */
static bool understands(pid_t pid)
{
    char path[64], line[256];
    unsigned long long blocked = 0;
    snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    while (fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, "SigBlk:", 7) == 0)
            blocked = strtoull(line + 7, NULL, 16);
    fclose(f);
    return (blocked >> (SIGUSR2 - 1)) & 1;
}

/* Its child, or 0: also when the kernel does not say. */
static pid_t child_of(pid_t pid)
{
    char path[96];
    long child = 0;
    snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", (long)pid, (long)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%ld", &child) != 1)
        child = 0;
    fclose(f);
    return (pid_t)child;
}

static int not_replaced(const struct gg_managed *process, pid_t old, struct gg_error *err)
{
    if (gg_pid_alive(old))
        return gg_fail(err, GG_E_UNAVAILABLE, "%s goes on as it was (pid %ld): its successor did not start; its log says why",
                       process->name, (long)old);
    return gg_fail(err, GG_E_UNAVAILABLE, "%s has ended, and so has its successor: start it; its log says why", process->name);
}

/* Until the pid file names another process: it is ready then. The old one may go on with what slow clients still send and read. */
static int wait_for_successor(const struct gg_control_args *args, const struct gg_managed *process, pid_t old,
                              struct gg_outcome *out)
{
    pid_t successor = 0;
    for (int64_t deadline = gg_now_ms() + args->timeout_ms; gg_now_ms() < deadline; pause_ms(LOOK_MS)) {
        pid_t child = child_of(old), pid = gg_managed_pid(process);
        bool ended = successor != 0 && !gg_pid_alive(successor);
        successor = successor != 0 ? successor : child; /* the first: a sanitizer has helpers at the end */
        if (pid != 0 && pid != old) {
            out->pid = pid;
            return 0;
        }
        if (ended)
            return not_replaced(process, old, &out->err);
    }
    return gg_fail(&out->err, GG_E_TIMEOUT, "%s is not replaced within %lld s", process->name,
                   (long long)args->timeout_ms / 1000);
}

void gg_control_replace(const struct gg_control_args *args, const struct gg_managed *process, struct gg_outcome *out)
{
    int64_t began = gg_now_ms();
    pid_t old = gg_managed_pid(process);
    int rc;
    if (old == 0) {
        gg_control_start(args, process, out);
        return;
    }
    *out = (struct gg_outcome){.process = process, .what = "replaced", .err = GG_ERROR_INIT, .pid = old};
    if (!understands(old))
        rc = gg_fail(&out->err, GG_E_INVALID, "pid %ld of %s is no process that can be replaced: stop and start it",
                     (long)old, process->name);
    else if (kill(old, SIGUSR2) < 0)
        rc = gg_fail(&out->err, GG_E_IO, "cannot signal %s (pid %ld): %s", process->name, (long)old, strerror(errno));
    else
        rc = wait_for_successor(args, process, old, out);
    finish(out, began, rc);
}
