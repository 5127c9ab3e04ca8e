/* Signals through a signalfd: no handler runs, so no code needs to be async-safe. */
#include "main/signals.h"

#include <errno.h>
#include <ganglion/fiber.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void wanted(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGUSR2);
}

int gg_signals_open(int *fd_out, struct gg_error *err)
{
    sigset_t set;
    wanted(&set);
    signal(SIGPIPE, SIG_IGN);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0 || (*fd_out = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)) < 0)
        return gg_fail(err, GG_E_IO, "cannot listen for signals: %s", strerror(errno));
    return 0;
}

void gg_signals_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

int gg_signals_next(int fd)
{
    struct signalfd_siginfo info;
    for (;;) {
        ssize_t n = read(fd, &info, sizeof(info));
        if (n == (ssize_t)sizeof(info))
            return (int)info.ssi_signo;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return GG_E_IO;
        int rc = gg_wait_fd(fd, GG_READABLE, NULL, GG_FOREVER);
        if (rc < 0)
            return rc;
    }
}
