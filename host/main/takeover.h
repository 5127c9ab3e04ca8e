/* main/takeover.h: a process is replaced by a new one of the same name without turning anybody away (SIGUSR2).
 *
 * The old process starts the new one with its own command line, and goes on until that one is prepared: plugins loaded,
 * database there, schema checked. Then it gives it the listening sockets, answers what it has begun, gives away the
 * connections that are between two requests, stops whatever it writes, and says so. Only then does the new one load
 * positions and begin: two live writers of one name would break replication. Requests that come meanwhile wait in the
 * sockets. A new process that does not get as far as to be prepared changes nothing. */
#ifndef GG_MAIN_TAKEOVER_H
#define GG_MAIN_TAKEOVER_H

#include "http/server.h"

#include <ganglion/error.h>
#include <ganglion/fiber.h>
#include <sys/types.h>

/* ---- the old one ---- */

struct gg_successor {
    pid_t pid;
    int fd; /* the conversation; -1: none */
};

/* Starts it; out->fd is -1 when that fails. */
GG_CHECKED int gg_successor_start(struct gg_successor *out, struct gg_error *err);
/* Until it is prepared. When that fails it has ended and nothing is left of it. */
GG_YIELDS GG_CHECKED int gg_successor_wait(struct gg_successor *successor, int64_t deadline, struct gg_error *err);
/* A gg_http_give_fn; self is the struct gg_successor. */
GG_YIELDS bool gg_successor_give(void *self, const struct gg_http_legacy *legacy);
/* It is not wanted after all, and ends. */
void gg_successor_cancel(struct gg_successor *successor);
/* It may begin: nothing is written here any more. */
GG_YIELDS void gg_successor_release(struct gg_successor *successor);

/* ---- the new one ---- */

/* The conversation that the environment names, or -1: nobody is succeeded. To be called once, early. */
int gg_takeover_open(void);
/* Says that this process is prepared, takes what it is given until the old one has released its work, or is gone. */
GG_YIELDS GG_CHECKED int gg_takeover_receive(int fd, struct gg_server *server, struct gg_error *err);

#endif
