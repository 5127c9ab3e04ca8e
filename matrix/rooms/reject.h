/* matrix/rooms/reject.h: turning an invitation down where no member of this server is left to ask. */
#ifndef MX_ROOMS_REJECT_H
#define MX_ROOMS_REJECT_H

#include <ganglion/matrix/rooms.h>

/* The requester's own invite to, or knock at, a room that no user of this server is in; held by the arena. 404 when there is
 * none. */
GG_YIELDS GG_CHECKED int mx_reject_find(struct mx_server *server, const struct mx_requester *requester, struct gg_str room_id,
                                        struct gg_arena *arena, const struct mx_event **out, struct gg_error *err);
/* Takes such an event back by one outside the room's history (an outlier that this server alone knows). content: of the
 * member event. stream_out may be NULL. */
GG_YIELDS GG_CHECKED int mx_reject_event(struct mx_server *server, const struct mx_requester *requester,
                                         const struct mx_event *event, struct gg_str content, struct gg_arena *arena,
                                         struct gg_str *event_id_out, int64_t *stream_out, struct gg_error *err);

#endif
