/* delayed/delayed.h: events that are sent later (MSC4140, config max_event_delay_duration). */
#ifndef MX_DELAYED_DELAYED_H
#define MX_DELAYED_DELAYED_H

#include <ganglion/matrix/rooms.h>

#include "storage/delayed.h"

/* The longest delay, and how many a user may have waiting; 0: nobody may delay events. */
int64_t mx_delay_most_ms(const struct gg_config *config);
int64_t mx_delay_limit(const struct gg_config *config);
/* Keeps the event until delay_ms have passed; its id in the arena. 403 M_FORBIDDEN: that is off; 400
 * ORG.MATRIX.MSC4140_DELAY_TOO_LARGE, M_BAD_JSON; 404: there is no such room; 429: the user has too many. */
GG_YIELDS GG_CHECKED int mx_delay(struct mx_server *server, const struct mx_requester *requester, const struct mx_new_event *event,
                                  int64_t delay_ms, struct gg_arena *arena, struct gg_str *id_out, struct gg_error *err);
/* By id, which is all that one needs to know: 404 when it is unknown or already being sent. Begins its delay anew; takes it
 * back; sends it now (main process only). */
GG_YIELDS GG_CHECKED int mx_delay_restart(struct mx_server *server, struct gg_str id, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_delay_cancel(struct mx_server *server, struct gg_str id, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_delay_send(struct mx_server *server, struct gg_str id, struct gg_error *err);
/* Takes back all of a user whose account ends; on any process. */
GG_YIELDS GG_CHECKED int mx_delay_cancel_all(struct mx_server *server, struct gg_str localpart, struct gg_error *err);

/* ---- for this folder and the methods ---- */

struct mx_delaying;
/* Something was added: the main process looks when the next is due. Never waits. */
void mx_delaying_wake(struct mx_server *server);
/* Sends one that was claimed, and deletes it, however sending ended. at_ms: the time that it bears; 0: now. */
GG_YIELDS GG_CHECKED int mx_delayed_send_claimed(struct mx_server *server, const struct mx_delayed *event, int64_t at_ms,
                                                 struct gg_arena *arena, struct gg_error *err);

#endif
