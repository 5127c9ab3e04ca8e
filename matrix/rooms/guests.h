/* matrix/rooms/guests.h: guests leave when a room no longer lets them in (client-server API, "Guest Access"). */
#ifndef MX_ROOMS_GUESTS_H
#define MX_ROOMS_GUESTS_H

#include <ganglion/matrix/rooms.h>

/* After m.room.guest_access has been set: unless it is can_join, this server's guests leave the room. Failures are
 * logged. */
GG_YIELDS void mx_room_guests_leave(struct mx_server *server, struct gg_str room_id, struct gg_str guest_access,
                                    struct gg_arena *arena);

#endif
