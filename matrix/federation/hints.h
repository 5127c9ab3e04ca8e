/* matrix/federation/hints.h: what the maker of an event tells the processes that send it to other servers: on which state
 * it stands, and which servers are in that (facts replication 2.3). Who finds nothing works it out from the database. */
#ifndef MX_FEDERATION_HINTS_H
#define MX_FEDERATION_HINTS_H

#include <ganglion/matrix/persist.h>

/* Before the events are handed to their writer. Does not wait, never fails; nothing where this process alone sends. */
void mx_fed_hint(struct mx_server *server, struct gg_str room_id, const struct mx_persist_item *items, size_t n);

#endif
