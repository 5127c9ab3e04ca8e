/* repl/redis.c: publishing, subscribing, and the few keys that processes share. */
#include "repl/redis.h"

#include "repl/redis_conn.h"

#include <ganglion/list.h>
#include <ganglion/log.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.redis"};

enum { GET_MS = 2000, MAX_GETS = 10000 };

struct get { /* a GET on its way, on the stack of its fiber */
    struct gg_list link;
    struct gg_cond done;
    struct gg_arena *arena;
    struct gg_str value;
    uint64_t number; /* of its command on the connection */
    bool came;
};

struct gg_redis {
    struct gg_redis_conn out, in;
    struct gg_redis_events events;
    const char *channels[GG_REDIS_CHANNELS];
    size_t n_channels, n_confirmed;
    bool subscribed, missed; /* missed: lines, since ready was last told */
    struct gg_list gets;     /* in the order of their numbers */
    size_t n_gets;
};

static void tell_ready(struct gg_redis *redis)
{
    if (!redis->subscribed || !redis->out.up)
        return;
    bool missed = redis->missed;
    redis->missed = false;
    redis->events.ready(redis->events.self, missed);
}

/* ---- the outgoing connection ---- */

static void out_ready(struct gg_redis_conn *conn, void *self)
{
    tell_ready(self);
}

static void settle(struct gg_redis *redis, struct get *get)
{
    gg_list_remove(&get->link);
    redis->n_gets--;
    get->came = true;
    gg_cond_signal(&get->done);
}

static void out_reply(struct gg_redis_conn *conn, const redisReply *reply, void *self)
{
    struct gg_redis *redis = self;
    if (reply->type == REDIS_REPLY_ERROR)
        gg_err(&logger, "Redis answers: %s", reply->str);
    if (gg_list_empty(&redis->gets))
        return;
    struct get *first = GG_CONTAINER(redis->gets.next, struct get, link);
    if (first->number != conn->answered)
        return;
    if (reply->type == REDIS_REPLY_STRING)
        first->value = gg_arena_str(first->arena, gg_strn(reply->str, reply->len));
    settle(redis, first);
}

static void out_lost(struct gg_redis_conn *conn, void *self)
{
    struct gg_redis *redis = self;
    while (!gg_list_empty(&redis->gets))
        settle(redis, GG_CONTAINER(redis->gets.next, struct get, link));
}

static const struct gg_redis_conn_events out_events = {out_ready, out_reply, out_lost};

/* ---- the subscriber ---- */

static void in_ready(struct gg_redis_conn *conn, void *self)
{
    struct gg_redis *redis = self;
    struct gg_str words[GG_REDIS_CHANNELS + 1] = {GG_STR("SUBSCRIBE")};
    redis->n_confirmed = 0;
    for (size_t i = 0; i < redis->n_channels; i++)
        words[i + 1] = gg_str(redis->channels[i]);
    (void)gg_redis_command_words(conn, words, redis->n_channels + 1);
}

static struct gg_str text_of(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? gg_strn(reply->str, reply->len) : (struct gg_str){0};
}

static void subscribed(struct gg_redis *redis)
{
    redis->subscribed = redis->missed = true;
    gg_info(&logger, "subscribed to %s", redis->channels[redis->n_channels - 1]);
    tell_ready(redis);
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
        return; /* a pong */
    struct gg_str kind = text_of(reply->element[0]), line = text_of(reply->element[2]);
    if (gg_str_is(kind, "message") && line.s != NULL)
        redis->events.line(redis->events.self, line);
    else if (gg_str_is(kind, "subscribe") && ++redis->n_confirmed == redis->n_channels)
        subscribed(redis);
}

static void in_lost(struct gg_redis_conn *conn, void *self)
{
    struct gg_redis *redis = self;
    bool was = redis->subscribed;
    redis->subscribed = false;
    if (was)
        redis->events.lost(redis->events.self);
}

static const struct gg_redis_conn_events in_events = {in_ready, in_reply, in_lost};

/* ---- both ---- */

struct gg_redis *gg_redis_new(const struct gg_redis_options *options, const char *const *channels, size_t n,
                              const struct gg_redis_events *events)
{
    GG_ASSERT(n > 0 && n <= GG_REDIS_CHANNELS);
    struct gg_redis *redis = calloc(1, sizeof(*redis));
    GG_ASSERT(redis != NULL);
    redis->events = *events;
    redis->n_channels = n;
    memcpy(redis->channels, channels, n * sizeof(*channels));
    gg_list_init(&redis->gets);
    gg_redis_conn_init(&redis->out, "redis publisher", options, &out_events, redis);
    redis->out.select = true;
    redis->out.retry_cap_ms = 1000;
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
    gg_redis_conn_stop(&redis->out);
    gg_redis_conn_stop(&redis->in);
}

void gg_redis_free(struct gg_redis *redis)
{
    if (redis == NULL)
        return;
    gg_redis_conn_done(&redis->in);
    gg_redis_conn_done(&redis->out);
    free(redis);
}

struct gg_redis_conn *gg_redis_connection(struct gg_redis *redis, bool subscriber)
{
    return subscriber ? &redis->in : &redis->out;
}

bool gg_redis_ready(const struct gg_redis *redis)
{
    return redis->subscribed && redis->out.up && !redis->out.broken;
}

bool gg_redis_publish(struct gg_redis *redis, const char *channel, struct gg_str line)
{
    const struct gg_str words[] = {GG_STR("PUBLISH"), gg_str(channel), line};
    return redis->out.up && gg_redis_command_words(&redis->out, words, GG_COUNT(words));
}

void gg_redis_set(struct gg_redis *redis, const char *key, struct gg_str value, int64_t ttl_ms)
{
    if (redis->out.up)
        (void)gg_redis_command(&redis->out, "SET %s %b PX %lld", key, value.s, value.n, (long long)ttl_ms);
}

bool gg_redis_get(struct gg_redis *redis, const char *key, struct gg_arena *arena, struct gg_str *out)
{
    if (!redis->out.up || redis->n_gets >= MAX_GETS || !gg_redis_command(&redis->out, "GET %s", key))
        return false;
    struct get get = {.arena = arena, .number = redis->out.sent};
    int64_t deadline = gg_deadline(GET_MS);
    int rc = 0;
    gg_cond_init(&get.done);
    gg_list_push(&redis->gets, &get.link);
    redis->n_gets++;
    while (rc == 0 && !get.came)
        rc = gg_cond_wait(&get.done, deadline);
    if (!get.came) {
        gg_list_remove(&get.link);
        redis->n_gets--;
        return false;
    }
    *out = get.value;
    return out->s != NULL && out->n > 0;
}
