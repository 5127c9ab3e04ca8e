/* matrix/rooms/inherit.h: what a room that replaces another one takes over from it. */
#ifndef MX_ROOMS_INHERIT_H
#define MX_ROOMS_INHERIT_H

#include <ganglion/matrix/rooms.h>

/* The room that this one replaces, by its create event; s NULL: none. In the arena. */
struct gg_str mx_room_predecessor(const struct mx_event *create, struct gg_arena *arena);
/* A local user who has joined the new room has there the tags and push rules of the old one, and finds it among their
 * direct chats when the old one was there. Failures are logged: the join stands. */
GG_YIELDS void mx_room_inherit(struct mx_server *server, struct gg_str user_id, struct gg_str old_room,
                               struct gg_str new_room, struct gg_arena *arena);

#endif
