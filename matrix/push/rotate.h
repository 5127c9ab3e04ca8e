/* matrix/push/rotate.h: sums up what notified users, so that counting stays cheap, and lets old rows go (facts database 4.9).
 * Runs on the process that run_background_tasks_on names. */
#ifndef MX_PUSH_ROTATE_H
#define MX_PUSH_ROTATE_H

#include <ganglion/matrix/server.h>

void mx_push_rotate_register(struct mx_server *server); /* from make */
/* One round: receipts that have come, actions that are not summed up yet, actions that are old. */
GG_YIELDS GG_CHECKED int mx_push_rotate(struct mx_server *server, struct gg_error *err);
/* Staged actions of events that were never written: older than an hour. */
GG_YIELDS GG_CHECKED int mx_push_sweep_staging(struct mx_server *server, struct gg_error *err);

#endif
