/* matrix/storage/federation/joined_room.h: rows about a room that we enter from outside (tables rooms,
 * event_forward_extremities). */
#ifndef MX_STORAGE_FEDERATION_JOINED_ROOM_H
#define MX_STORAGE_FEDERATION_JOINED_ROOM_H

#include <ganglion/matrix/event.h>
#include <ganglion/matrix/server.h>

/* The room's row by its create event; one that an invite made before gets the version. */
GG_YIELDS GG_CHECKED int mx_joined_room_add(struct mx_server *server, struct gg_str room_id,
                                            const struct mx_event *create, struct gg_error *err);
/* The row of a room of which only an invite or a knock is known; one that is there stays as it is. */
GG_YIELDS GG_CHECKED int mx_joined_room_know(struct mx_server *server, struct gg_str room_id,
                                             const struct mx_room_version *version, struct gg_error *err);
/* We come back to a room that all of us had left: its old forward extremities are of the past. */
GG_YIELDS GG_CHECKED int mx_joined_room_clean(struct mx_server *server, struct gg_str room_id, struct gg_error *err);

#endif
