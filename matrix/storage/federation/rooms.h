/* matrix/storage/federation/rooms.h: rooms of which this server only knows that they are. */
#ifndef MX_STORAGE_FEDERATION_ROOMS_H
#define MX_STORAGE_FEDERATION_ROOMS_H

#include <ganglion/matrix/room_version.h>
#include <ganglion/matrix/server.h>

/* Keeps the version that an invite or a knock is told (table rooms). What a room whose state we hold says of itself stands. */
GG_YIELDS GG_CHECKED int mx_room_note_version(struct mx_server *server, struct gg_str room_id,
                                              const struct mx_room_version *version, struct gg_error *err);

#endif
