/* repl/redis.h: the two connections to Redis (facts replication 2): one that publishes, one that is subscribed.
 *
 * Both connect by themselves and reconnect for ever; while one is away what would be sent over it is dropped, and whoever
 * sends is told so. */
#ifndef GANGLION_HOST_REPL_REDIS_H
#define GANGLION_HOST_REPL_REDIS_H

#include "config/topology.h"

#include <ganglion/arena.h>
#include <ganglion/fiber.h>

struct gg_redis;

struct gg_redis_events {
    /* Called by a fiber of the connection; may not wait. */
    void (*line)(void *self, struct gg_str channel, struct gg_str line);
    void (*subscribed)(void *self);   /* after every (re)connect of the subscriber */
    void (*lost)(void *self);         /* the subscriber is away: lines may have been missed */
    void *self;
};

/* channels: n names to subscribe to. options must outlive it. Nothing connects before gg_redis_start. */
struct gg_redis *gg_redis_new(const struct gg_redis_options *options, const char *const *channels, size_t n,
                              const struct gg_redis_events *events);
void gg_redis_start(struct gg_redis *redis, struct gg_scope *scope);
/* Ends both connections; all of their fibers have ended when it returns. */
GG_YIELDS void gg_redis_stop(struct gg_redis *redis);
void gg_redis_free(struct gg_redis *redis); /* after stop; NULL is fine */

bool gg_redis_is_subscribed(const struct gg_redis *redis);
bool gg_redis_can_publish(const struct gg_redis *redis);
/* False: the connection is away and the line is lost. All lines of one turn of the loop leave in one write. */
bool gg_redis_publish(struct gg_redis *redis, const char *channel, struct gg_str line);
void gg_redis_set(struct gg_redis *redis, const char *key, struct gg_str value, int64_t ttl_ms);
/* False: away, late or not there. */
GG_YIELDS bool gg_redis_get(struct gg_redis *redis, const char *key, struct gg_arena *arena, struct gg_str *out);

#endif
