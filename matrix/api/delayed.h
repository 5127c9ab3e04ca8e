/* api/delayed.h: events that are to be sent later, among the requests that send (MSC4140). */
#ifndef MX_API_DELAYED_H
#define MX_API_DELAYED_H

#include <ganglion/http.h>
#include <ganglion/matrix/rooms.h>

/* Was a delay asked for? Then *done_out, and the request is answered with the event's id: it is not to be sent now. */
GG_YIELDS GG_CHECKED int mx_api_delay(struct gg_request *rq, const struct mx_new_event *event, bool *done_out, struct gg_error *err);

#endif
