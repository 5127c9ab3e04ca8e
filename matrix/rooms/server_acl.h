/* matrix/rooms/server_acl.h: which servers a room's m.room.server_acl lets in (client-server API, "Server ACLs"). */
#ifndef MX_ROOMS_SERVER_ACL_H
#define MX_ROOMS_SERVER_ACL_H

#include <ganglion/matrix/json.h>

/* content: of the event, an object. Members of a wrong type count as absent, and an absent allow list allows nobody. */
bool mx_server_acl_allows(struct gg_str content, struct gg_str server, struct gg_arena *arena);
/* The same for a server that comes: its name is in a list with its port, as Synapse has it, or without, as the specification
 * has it. */
bool mx_server_acl_lets_in(struct gg_str content, struct gg_str server, struct gg_arena *arena);

#endif
