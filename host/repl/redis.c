/* repl/redis.c: publishing, subscribing, and the few keys that processes share. */
#include "repl/redis.h"

#include "repl/redis_conn.h"

#include <ganglion/list.h>
#include <ganglion/log.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.redis"};

enum { GET_MS = 2000, MAX_CHANNELS = 2, MAX_WAITING = 10000 };

struct waiting {             /* a GET on its way; the reply comes in order */
    struct gg_list link;
    struct gg_cond done;
    struct gg_arena *arena;  /* NULL: the fiber has given up; the reply is dropped and this is freed */
    struct gg_str value;
    bool came, mine;         /* mine: belongs to a fiber; else a place for a reply nobody reads */
};

struct gg_redis {
    struct gg_redis_conn out, in;
    struct gg_redis_events events;
    const char *channels[MAX_CHANNELS];
    size_t n_channels, n_confirmed;
    bool subscribed;
    struct gg_list waiting;  /* one for each command sent on `out`, in order */
    size_t n_waiting;
};

/* ---- the outgoing connection: every command has one reply, in order ---- */

static void expect(struct gg_redis *redis, struct waiting *waiting)
{
    gg_list_push(&redis->waiting, &waiting->link);
    redis->n_waiting++;
}

static void expect_nothing(struct gg_redis *redis)
{
    struct waiting *waiting = calloc(1, sizeof(*waiting));
    GG_ASSERT(waiting != NULL);
    expect(redis, waiting);
}

static void settle(struct gg_redis *redis, const redisReply *reply)
{
    struct gg_list *link = gg_list_pop(&redis->waiting);
    if (link == NULL)
        return;
    struct waiting *waiting = GG_CONTAINER(link, struct waiting, link);
    redis->n_waiting--;
    if (!waiting->mine) {
        free(waiting);
        return;
    }
    if (reply != NULL && reply->type == REDIS_REPLY_STRING)
        waiting->value = gg_arena_str(waiting->arena, gg_strn(reply->str, reply->len));
    waiting->came = true;
    gg_cond_signal(&waiting->done);
}

static void out_greet(struct gg_redis_conn *conn, void *self)
{
    struct gg_redis *redis = self;
    const struct gg_redis_options *o = conn->options;
    if (o->password != NULL)
        expect_nothing(redis);
    if (o->dbid >= 0)
        expect_nothing(redis);
}

static void out_reply(struct gg_redis_conn *conn, const redisReply *reply, void *self)
{
    if (reply->type == REDIS_REPLY_ERROR)
        gg_err(&logger, "Redis answers: %s", reply->str);
    settle(self, reply);
}

static void out_lost(struct gg_redis_conn *conn, void *self)
{
    struct gg_redis *redis = self;
    while (!gg_list_empty(&redis->waiting))
        settle(redis, NULL);
}

static const struct gg_redis_conn_events out_events = {out_greet, out_reply, out_lost};

/* ---- the subscriber ---- */

static void in_greet(struct gg_redis_conn *conn, void *self)
{
    struct gg_redis *redis = self;
    redis->n_confirmed = 0;
    if (redis->n_channels == 1)
        (void)gg_redis_command(conn, "SUBSCRIBE %s", redis->channels[0]);
    else
        (void)gg_redis_command(conn, "SUBSCRIBE %s %s", redis->channels[0], redis->channels[1]);
}

static struct gg_str text_of(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? gg_strn(reply->str, reply->len) : (struct gg_str){0};
}

static void in_reply(struct gg_redis_conn *conn, const redisReply *reply, void *self)
{
    struct gg_redis *redis = self;
    if (reply->type == REDIS_REPLY_ERROR) {
        gg_err(&logger, "Redis refuses the subscription: %s", reply->str);
        conn->broken = true;
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
        return; /* +OK of AUTH, pong */
    struct gg_str kind = text_of(reply->element[0]);
    if (gg_str_is(kind, "message")) {
        redis->events.line(redis->events.self, text_of(reply->element[1]), text_of(reply->element[2]));
    } else if (gg_str_is(kind, "subscribe") && ++redis->n_confirmed == redis->n_channels) {
        redis->subscribed = true;
        gg_info(&logger, "subscribed to %s", redis->channels[redis->n_channels - 1]);
        redis->events.subscribed(redis->events.self);
    }
}

static void in_lost(struct gg_redis_conn *conn, void *self)
{
    struct gg_redis *redis = self;
    if (redis->subscribed)
        redis->events.lost(redis->events.self);
    redis->subscribed = false;
}

static const struct gg_redis_conn_events in_events = {in_greet, in_reply, in_lost};

/* ---- both ---- */

struct gg_redis *gg_redis_new(const struct gg_redis_options *options, const char *const *channels, size_t n,
                              const struct gg_redis_events *events)
{
    GG_ASSERT(n > 0 && n <= MAX_CHANNELS);
    struct gg_redis *redis = calloc(1, sizeof(*redis));
    GG_ASSERT(redis != NULL);
    redis->events = *events;
    redis->n_channels = n;
    memcpy(redis->channels, channels, n * sizeof(*channels));
    gg_list_init(&redis->waiting);
    gg_redis_conn_init(&redis->out, "redis publisher", options, &out_events, redis);
    redis->out.select = true;
    redis->out.retry_cap_ms = 10000;
    gg_redis_conn_init(&redis->in, "redis subscriber", options, &in_events, redis);
    return redis;
}

void gg_redis_start(struct gg_redis *redis, struct gg_scope *scope)
{
    gg_redis_conn_start(&redis->out, scope);
    gg_redis_conn_start(&redis->in, scope);
}

void gg_redis_stop(struct gg_redis *redis)
{
    gg_redis_conn_stop(&redis->in);
    gg_redis_conn_stop(&redis->out);
}

void gg_redis_free(struct gg_redis *redis)
{
    if (redis == NULL)
        return;
    gg_redis_conn_done(&redis->in);
    gg_redis_conn_done(&redis->out);
    free(redis);
}

bool gg_redis_is_subscribed(const struct gg_redis *redis)
{
    return redis->subscribed;
}

bool gg_redis_can_publish(const struct gg_redis *redis)
{
    return redis->out.up && !redis->out.broken;
}

bool gg_redis_publish(struct gg_redis *redis, const char *channel, struct gg_str line)
{
    if (!gg_redis_can_publish(redis) || !gg_redis_command(&redis->out, "PUBLISH %s %b", channel, line.s, line.n))
        return false;
    expect_nothing(redis);
    return true;
}

void gg_redis_set(struct gg_redis *redis, const char *key, struct gg_str value, int64_t ttl_ms)
{
    if (gg_redis_can_publish(redis) &&
        gg_redis_command(&redis->out, "SET %s %b PX %lld", key, value.s, value.n, (long long)ttl_ms))
        expect_nothing(redis);
}

bool gg_redis_get(struct gg_redis *redis, const char *key, struct gg_arena *arena, struct gg_str *out)
{
    if (!gg_redis_can_publish(redis) || redis->n_waiting > MAX_WAITING || !gg_redis_command(&redis->out, "GET %s", key))
        return false;
    struct waiting *waiting = calloc(1, sizeof(*waiting));
    GG_ASSERT(waiting != NULL);
    gg_cond_init(&waiting->done);
    waiting->mine = true;
    waiting->arena = arena;
    expect(redis, waiting);
    int64_t deadline = gg_deadline(GET_MS);
    int rc = 0;
    while (rc == 0 && !waiting->came)
        rc = gg_cond_wait(&waiting->done, deadline);
    if (!waiting->came) { /* its place in the order stays */
        waiting->mine = false;
        return false;
    }
    *out = waiting->value;
    free(waiting);
    return out->s != NULL && out->n > 0;
}
