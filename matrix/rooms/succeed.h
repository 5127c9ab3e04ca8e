/* matrix/rooms/succeed.h: a room of other servers takes the place of an older one here (client-server API, "Room
 * Upgrades"). */
#ifndef MX_ROOMS_SUCCEED_H
#define MX_ROOMS_SUCCEED_H

#include <ganglion/matrix/rooms.h>

/* When the old room's tombstone names the new one, and the new one's create event the old one: this server's aliases and
 * its place in the public list move, and who of ours is in the new room has there what was theirs in the old one. Called when
 * either becomes known, the tombstone or the new room; what is not so (yet) changes nothing. Failures are logged. */
GG_YIELDS void mx_room_succeed(struct mx_server *server, struct gg_str old_room, struct gg_str new_room, struct gg_arena *arena);

#endif
