/* bucket.c: leaky buckets: each act adds one, time takes per_second away, above burst nothing more goes in. */
#include "accounts/bucket.h"

#include <ganglion/list.h>
#include <ganglion/map.h>
#include <math.h>
#include <ganglion/memory.h>
#include <stdlib.h>

struct bucket {
    struct gg_list link; /* in order of use */
    double level;        /* acts in it at `at` */
    int64_t at;
    size_t n;
    char key[];
};

struct mx_buckets {
    struct gg_map *map;
    struct gg_list used;
    size_t max;
};

struct mx_buckets *mx_buckets_new(size_t max)
{
    struct mx_buckets *b = gg_xcalloc(1, sizeof(*b));
    b->map = gg_map_new(free);
    b->max = max;
    gg_list_init(&b->used);
    return b;
}

void mx_buckets_free(struct mx_buckets *b)
{
    if (!b)
        return;
    gg_map_free(b->map);
    free(b);
}

size_t mx_buckets_count(const struct mx_buckets *b)
{
    return gg_map_count(b->map);
}

static void drop(struct mx_buckets *b, struct bucket *bucket)
{
    gg_list_remove(&bucket->link);
    gg_map_delete(b->map, gg_strn(bucket->key, bucket->n));
}

static struct bucket *add(struct mx_buckets *b, struct gg_str key, int64_t now_ms)
{
    while (gg_map_count(b->map) >= b->max && !gg_list_empty(&b->used))
        drop(b, GG_CONTAINER(b->used.next, struct bucket, link));
    struct bucket *bucket = gg_xcalloc(1, sizeof(*bucket) + key.n + 1);
    memcpy(bucket->key, key.s, key.n);
    bucket->n = key.n;
    bucket->at = now_ms;
    gg_list_init(&bucket->link);
    gg_map_put(b->map, key, bucket);
    return bucket;
}

static double level_now(const struct bucket *bucket, struct mx_rate rate, int64_t now_ms)
{
    double level = bucket->level - (double)(now_ms - bucket->at) / 1000.0 * rate.per_second;
    return level > 0 ? level : 0;
}

static int64_t wait_ms(double too_much, double per_second)
{
    if (per_second <= 0)
        return INT32_MAX; /* never: as late as a client can understand */
    double ms = ceil(too_much / per_second * 1000.0);
    return ms < INT32_MAX ? (int64_t)ms : INT32_MAX;
}

bool mx_bucket_take_many(struct mx_buckets *b, struct gg_str key, struct mx_rate rate, double n, bool update,
                         int64_t now_ms, int64_t *retry_ms_out)
{
    struct bucket *bucket = gg_map_get(b->map, key);
    double level = bucket ? level_now(bucket, rate, now_ms) : 0;
    bool allowed = level <= rate.burst - n;
    *retry_ms_out = allowed ? 0 : wait_ms(level - rate.burst + n, rate.per_second);
    if (!allowed || !update)
        return allowed;
    if (!bucket)
        bucket = add(b, key, now_ms);
    bucket->level = level + n;
    bucket->at = now_ms;
    gg_list_remove(&bucket->link);
    gg_list_push(&b->used, &bucket->link);
    return true;
}

bool mx_bucket_take(struct mx_buckets *b, struct gg_str key, struct mx_rate rate, bool update, int64_t now_ms,
                    int64_t *retry_ms_out)
{
    return mx_bucket_take_many(b, key, rate, 1, update, now_ms, retry_ms_out);
}
