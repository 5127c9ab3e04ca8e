/* matrix/rooms/auto_join.h: the rooms that new users find themselves in (auto_join_rooms of the configuration). */
#ifndef MX_ROOMS_AUTO_JOIN_H
#define MX_ROOMS_AUTO_JOIN_H

#include <ganglion/matrix/rooms.h>

/* Has a new user join them, and makes them for the first user of a server. Failures are logged: the account stands. */
GG_YIELDS void mx_auto_join(struct mx_server *server, struct gg_str user_id, bool guest, struct gg_arena *arena);

#endif
