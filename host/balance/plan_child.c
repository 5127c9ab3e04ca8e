/* Has another process of this program make the plan: opening every role's plugin here would cost the memory of
 * libraries that a proxy never uses, and their files can then be replaced under it. */
#include "balance/plan_child.h"

#include "main/host.h"
#include "plugin/plugins.h"

#include <errno.h>
#include <fcntl.h>
#include <ganglion/fiber.h>
#include <ganglion/memory.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_PLAN = 32 << 20, MAX_REASON = 4096 };

extern char **environ;

struct child { /* on the heap: touched by a thread of the pool */
    const char **argv;
    int out, reason; /* files in memory: no pipe that could fill up while nobody reads */
    int failed;      /* errno */
    int status;
};

static void run(void *arg)
{
    struct child *child = arg;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t pid;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, child->out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, child->reason, STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    child->failed =
        posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, (char *const *)(uintptr_t)child->argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    while (child->failed == 0 && waitpid(pid, &child->status, 0) < 0)
        child->failed = errno == EINTR ? 0 : errno;
}

static void read_file(int fd, size_t max, struct gg_buf *out)
{
    char piece[16384];
    ssize_t n;
    for (off_t at = 0; out->n < max && (n = pread(fd, piece, sizeof(piece), at)) > 0; at += n)
        gg_buf_add(out, piece, (size_t)n);
}

static size_t count(const char *const *list)
{
    size_t n = 0;
    while (list != NULL && list[n] != NULL)
        n++;
    return n;
}

static const char **arguments(const struct gg_host *host, const char *const *deployment)
{
    const char *const *folders = host->plugins != NULL ? host->plugins->folders : NULL;
    const char **argv = gg_xcalloc(5 + 2 * count(folders) + 2 * count(deployment), sizeof(*argv));
    size_t n = 0;
    argv[n++] = "ganglion";
    argv[n++] = "routes";
    argv[n++] = "--format";
    argv[n++] = "plan";
    for (size_t i = 0; i < count(folders); i++) {
        argv[n++] = "--plugin-dir";
        argv[n++] = folders[i];
    }
    for (size_t i = 0; i < count(deployment); i++) {
        argv[n++] = "-c";
        argv[n++] = deployment[i];
    }
    return argv;
}

static int judge(const struct child *child, struct gg_buf *out, struct gg_error *err)
{
    struct gg_buf reason = GG_BUF_INIT;
    int rc = 0;
    if (child->failed != 0)
        return gg_fail(err, GG_E_IO, "cannot run `ganglion routes`: %s", strerror(child->failed));
    read_file(child->reason, MAX_REASON, &reason);
    while (reason.n > 0 && reason.data[reason.n - 1] == '\n')
        reason.data[--reason.n] = '\0';
    if (!WIFEXITED(child->status) || WEXITSTATUS(child->status) != 0)
        rc = gg_fail(err, GG_E_INVALID, "the plan of the deployment: %s",
                     reason.n > 0 ? reason.data : "no reason given");
    else
        read_file(child->out, MAX_PLAN, out);
    gg_buf_done(&reason);
    return rc;
}

int gg_plan_by_child(struct gg_host *host, const char *const *deployment, struct gg_buf *out, struct gg_error *err)
{
    struct child *child = gg_xcalloc(1, sizeof(*child));
    child->argv = arguments(host, deployment);
    child->out = memfd_create("plan", MFD_CLOEXEC);
    child->reason = memfd_create("reason", MFD_CLOEXEC);
    int rc = child->out >= 0 && child->reason >= 0 ? gg_offload(run, child)
                                                   : gg_fail(err, GG_E_IO, "no file in memory: %s", strerror(errno));
    if (rc == 0)
        rc = judge(child, out, err);
    else if (err->code == 0)
        gg_fail(err, rc, "the plan of the deployment cannot be made now");
    if (child->out >= 0)
        close(child->out);
    if (child->reason >= 0)
        close(child->reason);
    free(child->argv);
    free(child);
    return rc;
}
