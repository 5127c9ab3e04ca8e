/* Background start that reports its outcome; pid files; the limit of open files. */
#include "main/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <ganglion/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct gg_logger logger = {"ganglion.main"};

static int ready_fd = -1; /* the parent waits for a byte here; a static because a process is a daemon once */

static GG_NORETURN void wait_for_child(pid_t pid, int fd)
{
    char byte;
    ssize_t n;
    int status = 0;
    do
        n = read(fd, &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1)
        _exit(0);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    _exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : 1);
}

int gg_daemonize(struct gg_error *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return gg_fail(err, GG_E_IO, "cannot make a pipe: %s", strerror(errno));
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return gg_fail(err, GG_E_IO, "cannot fork: %s", strerror(errno));
    if (pid > 0) {
        close(fds[1]);
        wait_for_child(pid, fds[0]);
    }
    close(fds[0]);
    ready_fd = fds[1];
    setsid();
    return 0;
}

void gg_daemon_ready(bool keep_stdio)
{
    if (ready_fd < 0)
        return;
    if (!keep_stdio) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int fd = 0; null >= 0 && fd <= 2; fd++)
            dup2(null, fd);
        if (null > 2)
            close(null);
    }
    if (write(ready_fd, "", 1) != 1)
        gg_warn(&logger, "the process that started this one is gone");
    close(ready_fd);
    ready_fd = -1;
}

int gg_pid_file_write(const char *path, struct gg_error *err)
{
    FILE *f = fopen(path, "we");
    if (f == NULL)
        return gg_fail(err, GG_E_IO, "cannot write the pid file %s: %s", path, strerror(errno));
    bool written = fprintf(f, "%ld\n", (long)getpid()) > 0;
    if (fclose(f) != 0 || !written)
        return gg_fail(err, GG_E_IO, "cannot write the pid file %s: %s", path, strerror(errno));
    return 0;
}

void gg_pid_file_remove(const char *path)
{
    char text[32] = "";
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return;
    bool ours = fgets(text, sizeof(text), f) != NULL && strtol(text, NULL, 10) == (long)getpid();
    fclose(f);
    if (ours)
        unlink(path);
}

void gg_raise_file_limit(int64_t soft)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = soft <= 0 || (rlim_t)soft > limit.rlim_max ? limit.rlim_max : (rlim_t)soft;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        gg_warn(&logger, "cannot raise the limit of open files to %llu: %s", (unsigned long long)limit.rlim_cur,
                strerror(errno));
}
