/* matrix/appservice/sent.h: events that services sent under a transaction id, without a device of their own: a request
 * that comes twice is answered with the event of the first (client-server API, "Transaction identifiers"). Each process
 * remembers its own, as Synapse's do. */
#ifndef MX_APPSERVICE_SENT_H
#define MX_APPSERVICE_SENT_H

#include <ganglion/http.h>
#include <ganglion/matrix/rooms.h>

/* mx_room_send for a request: an application service's once only. */
GG_YIELDS GG_CHECKED int mx_send_once(struct gg_request *rq, const struct mx_new_event *event, struct gg_str *event_id_out,
                                      struct gg_error *err);

#endif
