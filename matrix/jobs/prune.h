/* matrix/jobs/prune.h: the text of one event made less, with the row that asked for it. */
#ifndef MX_JOBS_PRUNE_H
#define MX_JOBS_PRUNE_H

#include <ganglion/db.h>
#include <ganglion/matrix/event.h>
#include <ganglion/matrix/server.h>

/* In one transaction of that name: the event's JSON becomes what a redaction leaves of it (raw: the event as it is stored; NULL:
 * nothing of it changes), every process forgets it, and done ($1: key) strikes what asked for it off. */
GG_YIELDS GG_CHECKED int mx_prune_event(struct mx_server *server, const char *name, const struct mx_event *raw,
                                        const struct gg_stmt *done, struct gg_str key, struct gg_arena *arena,
                                        struct gg_error *err);

#endif
