/* matrix/rooms/alias.h: names of rooms, made and taken away by users (client-server API, "Room aliases"). */
#ifndef MX_ROOMS_ALIAS_H
#define MX_ROOMS_ALIAS_H

#include <ganglion/matrix/rooms.h>

/* Members of the room may name it; 409 when the name is taken. */
GG_YIELDS GG_CHECKED int mx_alias_add(struct mx_server *server, const struct mx_requester *requester, struct gg_str alias,
                                      struct gg_str room_id, struct gg_arena *arena, struct gg_error *err);
/* Its maker, a server administrator, and who may set m.room.canonical_alias; that event loses the alias too, when the
 * user may change it. */
GG_YIELDS GG_CHECKED int mx_alias_remove(struct mx_server *server, const struct mx_requester *requester, struct gg_str alias,
                                         struct gg_arena *arena, struct gg_error *err);
/* Does the local part of an alias hold what no alias may (blanks, a colon)? */
bool mx_alias_has_blanks(struct gg_str localpart);

#endif
