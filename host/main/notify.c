/* systemd's notify protocol, by hand: one datagram, no library. */
#include "main/notify.h"

#include <errno.h>
#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct gg_logger logger = {"ganglion.main"};

void gg_notify(const char *lines)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (name == NULL || (name[0] != '/' && name[0] != '@'))
        return;
    size_t n = strlen(name);
    if (n >= sizeof(address.sun_path)) {
        gg_warn(&logger, "NOTIFY_SOCKET is too long for a socket's name");
        return;
    }
    memcpy(address.sun_path, name, n);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (name[0] == '/'));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || sendto(fd, lines, strlen(lines), MSG_NOSIGNAL, (struct sockaddr *)&address, length) < 0)
        gg_warn(&logger, "cannot notify %s: %s", name, strerror(errno));
    if (fd >= 0)
        close(fd);
}

void gg_notify_ready(void)
{
    char lines[64];
    snprintf(lines, sizeof(lines), "READY=1\nMAINPID=%ld", (long)getpid());
    gg_notify(lines);
}

void gg_notify_reloading(void)
{
    struct timespec now; /* systemd asks for the moment, to tell two reloads apart */
    char lines[96];
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(lines, sizeof(lines), "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)now.tv_sec * 1000000LL + now.tv_nsec / 1000);
    gg_notify(lines);
}

void gg_notify_main(pid_t pid)
{
    char line[32];
    snprintf(line, sizeof(line), "MAINPID=%ld", (long)pid);
    gg_notify(line);
}

/* WATCHDOG_USEC, when it is meant for this process (WATCHDOG_PID, sd_watchdog_enabled(3)); else 0. */
static int64_t watchdog_us(void)
{
    const char *period = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (period == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    return strtoll(period, NULL, 10);
}

void gg_notify_alive(void)
{
    int64_t ms = watchdog_us() / 3000; /* thrice in the time after which it would act */
    if (ms <= 0)
        return;
    do
        gg_notify("WATCHDOG=1");
    while (gg_sleep(ms) == GG_OK);
}

void gg_notify_stopping(void)
{
    gg_notify("STOPPING=1");
}
