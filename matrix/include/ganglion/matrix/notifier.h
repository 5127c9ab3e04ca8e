/* ganglion/matrix/notifier.h: who waits for what; one wake-up a change, no scan over waiters. */
#ifndef GANGLION_MATRIX_NOTIFIER_H
#define GANGLION_MATRIX_NOTIFIER_H

#include <ganglion/matrix/server.h>

/* Tells that something changed for a room or a user. Called by stream followers (they may not yield). */
GG_API void mx_notify_room(struct mx_server *server, struct gg_str room_id);
GG_API void mx_notify_user(struct mx_server *server, struct gg_str user_id);
GG_API bool mx_notifier_idle(const struct mx_server *server); /* nobody waits */
GG_API void mx_notify_everybody(struct mx_server *server);

/* A place to wait: the user and the rooms that they are in. Lives on the waiting fiber's stack. */
struct mx_waiter;
GG_API struct mx_waiter *mx_wait_begin(struct mx_server *server, struct gg_str user_id, const struct gg_str *rooms, size_t n);
/* The same for all rooms that the user is joined to. Cheap for who comes again and again: what is set up for a user is
 * kept for a while, as long as their rooms stay the same. */
GG_API GG_YIELDS GG_CHECKED int mx_wait_begin_everywhere(struct mx_server *server, struct gg_str user_id,
                                                         struct mx_waiter **waiter_out, struct gg_error *err);
/* Until something was notified since begin or since the last return (GG_OK), the deadline (TIMEOUT) or cancel. */
GG_API GG_YIELDS int mx_wait(struct mx_waiter *waiter, int64_t deadline);
GG_API void mx_wait_end(struct mx_waiter *waiter);

#endif
