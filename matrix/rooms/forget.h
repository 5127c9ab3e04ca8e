/* matrix/rooms/forget.h: a user forgets a room that they have left (client-server API, "Leaving rooms"). */
#ifndef MX_ROOMS_FORGET_H
#define MX_ROOMS_FORGET_H

#include <ganglion/matrix/server.h>

/* 400 M_UNKNOWN while the user is still in the room. */
GG_YIELDS GG_CHECKED int mx_room_forget(struct mx_server *server, struct gg_str user_id, struct gg_str room_id,
                                        struct gg_error *err);

#endif
