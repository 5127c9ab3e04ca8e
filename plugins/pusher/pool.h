/* The pushers of this process. */
#ifndef PUSHER_POOL_H
#define PUSHER_POOL_H

#include "pusher.h"

/* Follows the streams; does no I/O. */
struct pool *pool_new(struct mx_server *server);
/* Begins, if the configuration gives this process the duty: now, or when the process that has it is gone. */
int pool_start(void *pool, struct gg_error *err);
/* Notifications that are on their way are waited for: they would be sent again otherwise. */
GG_YIELDS void pool_drain(void *pool, int64_t deadline);
bool pool_draining(const struct pool *pool);
GG_YIELDS void pool_stop(void *pool);
void pool_free(void *pool);
struct mx_server *pool_server(const struct pool *pool);

#endif
