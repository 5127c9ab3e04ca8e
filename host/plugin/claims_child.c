/* Looks for claims of plugins that this process does not load, in a child of its
 * own: opening all of them here would cost every worker the memory of libraries
 * that only other roles need. */
#include "plugin/claims.h"

#include <errno.h>
#include <fcntl.h>
#include <ganglion/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct gg_logger logger = {"ganglion.plugin"};

struct gg_claims_child {
    pid_t pid;
    int fd; /* the child writes the reason of a quarrel, or nothing */
};

/* Only what concerns the role that starts: two strangers that quarrel stop
 * themselves when they start, not everybody else. Roles of Synapse may list the
 * same routes by design (main serves everything). */
static bool of_synapse(const struct gg_role *role)
{
    for (const char *const *app = role->desc.worker_apps; *app != NULL; app++)
        if (strncmp(*app, "synapse.app.", 12) != 0)
            return false;
    return true;
}

static int check_role(const struct gg_plugins *all, struct gg_role *mine, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; mine != NULL && rc == 0 && i < all->n; i++)
        if (all->roles[i] != mine)
            rc = gg_claims_check_pair(all, mine, all->roles[i], !of_synapse(mine) || !of_synapse(all->roles[i]), err);
    return rc;
}

static int check_against_all(const char *const *folder_options, const struct gg_plugins *opened, struct gg_error *err)
{
    struct gg_plugins *all = gg_plugins_new(folder_options);
    int rc = 0;
    gg_plugins_open_installed(all, NULL, NULL);
    for (size_t i = 0; rc == 0 && i < opened->n; i++)
        rc = check_role(all, gg_plugins_find(all, opened->roles[i]->desc.name), err);
    return rc; /* the process ends: nothing is freed */
}

static GG_NORETURN void run_child(int fd, const char *const *folder_options, const struct gg_plugins *opened)
{
    struct gg_error err = GG_ERROR_INIT;
    if (check_against_all(folder_options, opened, &err) < 0) {
        ssize_t n = write(fd, err.message, strlen(err.message));
        _exit(n < 0);
    }
    _exit(0);
}

struct gg_claims_child *gg_claims_start(const char *const *folder_options, const struct gg_plugins *opened)
{
    int fds[2];
    struct gg_claims_child *child = calloc(1, sizeof(*child));
    GG_ASSERT(child != NULL);
    child->pid = -1;
    child->fd = -1;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return child;
    fflush(NULL); /* the child must not write what is buffered here a second time */
    child->pid = fork();
    if (child->pid == 0)
        run_child(fds[1], folder_options, opened);
    close(fds[1]);
    child->fd = fds[0];
    return child;
}

static size_t read_all(int fd, char *out, size_t size)
{
    size_t n = 0;
    for (ssize_t got; n < size - 1 && (got = read(fd, out + n, size - 1 - n)) != 0;) {
        if (got < 0 && errno != EINTR)
            break;
        n += got > 0 ? (size_t)got : 0;
    }
    out[n] = '\0';
    return n;
}

int gg_claims_finish(struct gg_claims_child *child, struct gg_error *err)
{
    char reason[sizeof(err->message)] = "";
    int status = 0;
    if (child == NULL)
        return 0;
    if (child->fd >= 0) {
        read_all(child->fd, reason, sizeof(reason));
        close(child->fd);
    }
    if (child->pid > 0)
        while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
            ;
    if (child->pid < 0 || !WIFEXITED(status))
        gg_warn(&logger, "could not compare the installed plugins with each other");
    free(child);
    return reason[0] != '\0' ? gg_fail(err, GG_E_CONFLICT, "%s", reason) : 0;
}
