/* matrix/api/events_out.h: events in answers, with all that is shown beside them. */
#ifndef MX_API_EVENTS_OUT_H
#define MX_API_EVENTS_OUT_H

#include "rooms/access.h"

#include <ganglion/http.h>
#include <ganglion/matrix/token.h>

/* What the requester may see of the route's {room_id}: on a route for administrators, all of it. */
GG_YIELDS GG_CHECKED int mx_api_access(struct gg_request *rq, struct mx_access *access, struct gg_error *err);
/* As the endpoints outside /sync show events to the requester. */
struct mx_client_format mx_api_format(struct gg_request *rq);
/* Appends a list of events (NULL ones are left out). access: of those who read history: the reader's membership and what
 * relates to each event are told with it; NULL: not told (state). */
GG_YIELDS GG_CHECKED int mx_api_write_events(struct gg_request *rq, struct gg_buf *buf, const struct mx_event *const *events,
                                             size_t n, const struct mx_access *access, struct gg_error *err);
/* Appends a list of state events as /state and /members show them: without what relates to them. */
GG_YIELDS GG_CHECKED int mx_api_write_state(struct gg_request *rq, struct gg_buf *buf, const struct mx_event *const *events, size_t n,
                                            struct gg_error *err);
/* One event by itself; `format=event` of a state event has never had the old copies. */
GG_YIELDS GG_CHECKED int mx_api_write_event(struct gg_request *rq, struct gg_buf *buf, const struct mx_event *event,
                                            const struct mx_access *access, bool old_copies, struct gg_error *err);
/* Sends what was written, or, when rc says that something failed, gives it up. Returns what the handler returns. */
int mx_api_answer(struct gg_request *rq, struct gg_buf *buf, int rc);
/* "key":"token" for a place in the room, in other streams that of base. */
void mx_api_write_room_token(struct gg_buf *buf, const char *key, const struct mx_token *base, const struct mx_room_token *at);

#endif
