/* matrix/directory/publish.h: putting a room on the public list and taking it off (client-server API, "Listing rooms"). */
#ifndef MX_DIRECTORY_PUBLISH_H
#define MX_DIRECTORY_PUBLISH_H

#include <ganglion/matrix/rooms.h>

/* 400 for an unknown room; 403 for who may not set the room's canonical alias, and where the rules refuse. */
GG_YIELDS GG_CHECKED int mx_room_publish(struct mx_server *server, const struct mx_requester *requester, struct gg_str room_id,
                                         bool listed, struct gg_arena *arena, struct gg_error *err);
/* May the requester change what the directory says of the room? Server administrators, and members who may set
 * m.room.canonical_alias. 403 with `refusal` in words. */
GG_YIELDS GG_CHECKED int mx_may_change_directory(struct mx_server *server, const struct mx_requester *requester,
                                                 struct gg_str room_id, const char *refusal, struct gg_arena *arena,
                                                 struct gg_error *err);

#endif
