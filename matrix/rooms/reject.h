/* matrix/rooms/reject.h: turning an invitation down where no member of this server is left to ask. */
#ifndef MX_ROOMS_REJECT_H
#define MX_ROOMS_REJECT_H

#include <ganglion/matrix/rooms.h>

/* Takes the requester's own invite or knock back by an event outside the room's history (an outlier that this server
 * alone knows). content: of the member event. 404 when there is nothing to take back. Hold the room's lock. */
GG_YIELDS GG_CHECKED int mx_reject_alone(struct mx_server *server, const struct mx_requester *requester, struct gg_str room_id,
                                         struct gg_str content, struct gg_arena *arena, struct gg_str *event_id_out,
                                         struct gg_error *err);

#endif
