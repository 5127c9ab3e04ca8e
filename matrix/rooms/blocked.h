/* matrix/rooms/blocked.h: rooms that administrators have closed for local users (table blocked_rooms). */
#ifndef MX_ROOMS_BLOCKED_H
#define MX_ROOMS_BLOCKED_H

#include <ganglion/matrix/server.h>

void mx_blocked_make(struct mx_server *server);
/* 403 M_UNKNOWN, as Synapse says it, if the room is blocked. From this process's cache, or the database. */
GG_YIELDS GG_CHECKED int mx_room_not_blocked(struct mx_server *server, struct gg_str room_id, struct gg_error *err);
/* Who blocked it: s NULL: it is not. */
GG_YIELDS GG_CHECKED int mx_room_blocked_by(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena,
                                            struct gg_str *user_out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_room_block(struct mx_server *server, struct gg_str room_id, struct gg_str by, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_room_unblock(struct mx_server *server, struct gg_str room_id, struct gg_error *err);

#endif
