/* repl/repl.h: what replication keeps for a process; hangs at gg_host.repl.
 *
 * Each part of this folder makes its own member on first use and is freed by
 * gg_repl_free; none looks into another's. */
#ifndef GANGLION_HOST_REPL_REPL_H
#define GANGLION_HOST_REPL_REPL_H

#include <ganglion/repl.h>

struct gg_streams;
struct gg_locks;
struct gg_redis;
struct gg_lines;
struct gg_calls;

struct gg_repl {
    struct gg_host *host;
    struct gg_streams *streams; /* ids.h: streams, ids, positions */
    struct gg_locks *locks;     /* locks.h */
    struct gg_redis *redis;     /* connections to Redis */
    struct gg_lines *lines;     /* lines of the channel: reading and announcing */
    struct gg_calls *calls;     /* calls between processes */
};

/* The host's; made when it is first asked for (streams are registered while plugins load). */
struct gg_repl *gg_repl_of(struct gg_host *host);
/* Frees host->repl and the members that are set; after all fibers that use them have ended. */
void gg_repl_free(struct gg_host *host);

#endif
