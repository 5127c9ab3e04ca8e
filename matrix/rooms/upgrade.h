/* matrix/rooms/upgrade.h: a room is replaced by one of another version (client-server API, "Room Upgrades"). */
#ifndef MX_ROOMS_UPGRADE_H
#define MX_ROOMS_UPGRADE_H

#include <ganglion/matrix/rooms.h>

struct mx_json;
struct mx_room_upgrade {
    struct gg_str room_id;
    const struct mx_room_version *version;
    const struct mx_json *additional_creators; /* an array of user ids for versions 12 and later; NULL: none */
};
/* Makes the new room with what the old one was, and closes the old one with a tombstone. Asked again by the same user
 * within some minutes it answers with the room that there is. 404 for an unknown room; 403 for who may not send the
 * tombstone. *new_room_out in the arena. */
GG_YIELDS GG_CHECKED int mx_room_upgrade(struct mx_server *server, const struct mx_requester *requester,
                                         const struct mx_room_upgrade *upgrade, struct gg_arena *arena,
                                         struct gg_str *new_room_out, struct gg_error *err);

#endif
