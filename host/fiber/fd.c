/* fd.c: waiting for descriptors.
 *
 * Descriptors sit in an epoll set of our own, which libevent watches as one descriptor. A wait arms its descriptor for
 * one event with a single epoll_ctl and needs no other call: what stays armed after a wait that ended otherwise is
 * spent by an event that finds nobody. Because the kernel knows by itself when a descriptor was closed and its number
 * used again, who closes one need not tell us. */
#include "fiber/sched.h"

#include <ganglion/memory.h>
#include "fiber/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 64

struct fd_wait {
    struct gg_wait wait;
    int fd, want, got;
};

/* Of one descriptor number: who waits to read and who to write (may be the same). */
struct fd_slot {
    struct fd_wait *reader, *writer;
};

static struct {
    int epoll;
    struct event *event;
    struct fd_slot *slots;
    size_t size;
} fds = {.epoll = -1};

static uint32_t interest(const struct fd_slot *slot)
{
    return (slot->reader ? (uint32_t)EPOLLIN | EPOLLRDHUP : 0) | (slot->writer ? (uint32_t)EPOLLOUT : 0);
}

static int arm(int fd, const struct fd_slot *slot)
{
    struct epoll_event ev = {.events = interest(slot) | EPOLLONESHOT, .data.fd = fd};
    if (epoll_ctl(fds.epoll, EPOLL_CTL_MOD, fd, &ev) == 0)
        return 0;
    return errno == ENOENT && epoll_ctl(fds.epoll, EPOLL_CTL_ADD, fd, &ev) == 0 ? 0 : -1;
}

static void leave(struct fd_wait *w)
{
    struct fd_slot *slot = &fds.slots[w->fd];
    if (slot->reader == w)
        slot->reader = NULL;
    if (slot->writer == w)
        slot->writer = NULL;
}

static void ready(struct fd_wait *w, int got)
{
    w->got = got & w->want;
    leave(w);
    gg_wait_wake(&w->wait, GG_OK);
}

static void deliver(int fd, uint32_t events)
{
    if ((size_t)fd >= fds.size)
        return;
    struct fd_slot *slot = &fds.slots[fd];
    int got = 0;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        got |= GG_READABLE;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        got |= GG_WRITABLE;
    if ((got & GG_READABLE) && slot->reader)
        ready(slot->reader, got);
    if ((got & GG_WRITABLE) && slot->writer)
        ready(slot->writer, got);
    if (interest(slot))
        arm(fd, slot); /* the event disarmed the other direction too */
}

static void on_epoll(evutil_socket_t fd, short what, void *arg)
{
    struct epoll_event events[BATCH];
    int n = epoll_wait(fds.epoll, events, BATCH, 0);
    /* What did not fit is reported in the next turn: the set stays readable. */
    for (int i = 0; i < n; i++)
        deliver(events[i].data.fd, events[i].events);
}

int gg_fds_setup(void)
{
    fds.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (fds.epoll < 0)
        return GG_E_IO;
    fds.event = event_new(gg_loop_base(), fds.epoll, EV_READ | EV_PERSIST, on_epoll, NULL);
    return fds.event && event_add(fds.event, NULL) == 0 ? GG_OK : GG_E_NOMEM;
}

void gg_fds_teardown(void)
{
    if (fds.event)
        event_free(fds.event);
    if (fds.epoll >= 0)
        close(fds.epoll);
    free(fds.slots);
    memset(&fds, 0, sizeof(fds));
    fds.epoll = -1;
}

static struct fd_slot *slot_of(int fd)
{
    if ((size_t)fd >= fds.size) {
        size_t size = fds.size ? fds.size : 64;
        while (size <= (size_t)fd)
            size *= 2;
        fds.slots = gg_xrealloc(fds.slots, size * sizeof(*fds.slots));
        memset(fds.slots + fds.size, 0, (size - fds.size) * sizeof(*fds.slots));
        fds.size = size;
    }
    return &fds.slots[fd];
}

int gg_wait_fd(int fd, int want, int *got_out, int64_t deadline)
{
    gg_must_wait_in_fiber("gg_wait_fd");
    if (fd < 0 || !(want & (GG_READABLE | GG_WRITABLE)))
        return GG_E_INVALID;
    struct fd_slot *slot = slot_of(fd);
    GG_ASSERT(!((want & GG_READABLE) && slot->reader) && !((want & GG_WRITABLE) && slot->writer));
    struct fd_wait w = {.fd = fd, .want = want};
    gg_wait_init(&w.wait);
    if (want & GG_READABLE)
        slot->reader = &w;
    if (want & GG_WRITABLE)
        slot->writer = &w;
    int r = GG_OK;
    if (arm(fd, slot) == 0)
        r = gg_wait_block(&w.wait, deadline);
    else if (errno == EPERM)
        w.got = want; /* an ordinary file is always ready */
    else
        r = GG_E_INVALID;
    leave(&w); /* by number, since the table may have moved meanwhile */
    if (got_out)
        *got_out = r == GG_OK ? w.got : 0;
    return r;
}
