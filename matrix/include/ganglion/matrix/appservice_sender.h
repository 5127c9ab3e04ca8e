/* ganglion/matrix/appservice_sender.h: what application services are sent, as the role appservice loads it. */
#ifndef GANGLION_MATRIX_APPSERVICE_SENDER_H
#define GANGLION_MATRIX_APPSERVICE_SENDER_H

#include <ganglion/matrix/server.h>

struct mx_as_sending;

/* Follows the streams; does no I/O. */
GG_API struct mx_as_sending *mx_as_sending_new(struct mx_server *server);
/* Begins, if the configuration gives this process the duty and names services: now, or when the process that has the
 * duty is gone. */
GG_API GG_CHECKED int mx_as_sending_start(void *sending, struct gg_error *err);
/* What is on its way is waited for: it would be sent again otherwise. */
GG_API GG_YIELDS void mx_as_sending_drain(void *sending, int64_t deadline);
GG_API GG_YIELDS void mx_as_sending_stop(void *sending);
GG_API void mx_as_sending_free(void *sending);

/* A service was reached: whatever process has the duty, it need not wait any longer to send what failed. Does not wait. */
struct mx_appservice;
void mx_as_sending_poke(struct mx_server *server, const struct mx_appservice *service);
void mx_as_sending_poke_here(struct mx_server *server, const struct mx_appservice *service); /* if it is this process */

#endif
