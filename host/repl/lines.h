/* repl/lines.h: the lines of the channel (facts replication 3 and 4): reading what others say, announcing what we did.
 */
#ifndef GANGLION_HOST_REPL_LINES_H
#define GANGLION_HOST_REPL_LINES_H

#include "repl/repl.h"

#include <ganglion/buf.h>
#include <ganglion/fiber.h>

/* Needs the streams to be loaded. Connects when Redis is enabled and follows the others, but announces nothing yet;
 * waits a moment for a live process of the same name: GG_E_CONFLICT, the process must not start. Redis that cannot be
 * reached does not fail: it is tried on. */
GG_YIELDS GG_CHECKED int gg_lines_start(struct gg_host *host, struct gg_error *err);
/* Once others may ask us: says where we stand, and from now on what we write. */
void gg_lines_announce(struct gg_host *host);
GG_YIELDS void
gg_lines_stop(struct gg_host *host); /* sends what is left to say, disconnects; also after a failed start */
void gg_lines_free(struct gg_lines *lines);

#endif
