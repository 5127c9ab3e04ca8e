/* repl/redis.h: the two connections to Redis (facts replication 2): one that publishes, one that is subscribed.
 *
 * Both connect by themselves and reconnect for ever; while one is away what would be sent over it is dropped, and
 * whoever sends is told so. */
#ifndef GANGLION_HOST_REPL_REDIS_H
#define GANGLION_HOST_REPL_REDIS_H

#include "config/topology.h"

#include <ganglion/arena.h>
#include <ganglion/fiber.h>

struct gg_redis;

enum { GG_REDIS_CHANNELS = 3 };

/* Called by the fibers of the connections; may not yield. */
struct gg_redis_events {
    void (*line)(void *self, struct gg_str line);
    /* Both connections work. resubscribed: the subscriber was away meanwhile (or this is the first time), so lines
     * were missed; else only what we published was lost. */
    void (*ready)(void *self, bool resubscribed);
    void (*lost)(void *self); /* the subscriber is away */
    void *self;
};

/* channels: n names to subscribe to. They and options must outlive it. Nothing connects before gg_redis_start. */
struct gg_redis *gg_redis_new(const struct gg_redis_options *options, const char *const *channels, size_t n,
                              const struct gg_redis_events *events);
void gg_redis_start(struct gg_redis *redis, struct gg_scope *scope);
/* Sends what is queued and ends both connections; all of their fibers have ended when it returns. */
GG_YIELDS void gg_redis_stop(struct gg_redis *redis);
void gg_redis_free(struct gg_redis *redis); /* after stop; NULL is fine */

bool gg_redis_ready(const struct gg_redis *redis); /* subscribed, and can publish */
/* False: the connection is away and the line is lost. All lines of one turn of the loop leave in one write. */
bool gg_redis_publish(struct gg_redis *redis, const char *channel, struct gg_str line);
void gg_redis_set(struct gg_redis *redis, const char *key, struct gg_str value, int64_t ttl_ms);
/* False: away, late, empty or not there. */
GG_YIELDS bool gg_redis_get(struct gg_redis *redis, const char *key, struct gg_arena *arena, struct gg_str *out);

#endif
