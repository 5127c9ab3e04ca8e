/* matrix/cache/cache.c: least-recently-used caches, bounded by the bytes that they hold. */
#include <ganglion/config.h>
#include <ganglion/metrics.h>
#include <ganglion/memory.h>
#include <stdlib.h>

#include "cache.h"

struct entry {
    struct gg_list lru;
    void *value;
    size_t bytes;
    size_t key_n;
    char key[];
};

struct mx_cache {
    struct gg_list in_all;
    struct mx_server *server;
    const char *name;
    void (*destroy)(void *value);
    size_t max_bytes, bytes;
    uint64_t tick;
    struct gg_map *entries;
    struct gg_list lru;             /* newest at the end */
    uint64_t hits, misses, evicted; /* counted here, shown every so often: a metric call for each look-up costs more */
    uint64_t shown_hits, shown_total, shown_evicted;
};

static struct gg_metric metric_hits = {
    "synapse_util_caches_cache_hits", "Look-ups that a cache answered", GG_COUNTER, {"name"}};
static struct gg_metric metric_total = {"synapse_util_caches_cache", "Look-ups in a cache", GG_COUNTER, {"name"}};
static struct gg_metric metric_evicted = {
    "synapse_util_caches_cache_evicted_size", "Entries dropped for space", GG_COUNTER, {"name", "reason"}};
static struct gg_metric metric_size = {"synapse_util_caches_cache_size", "Entries in a cache", GG_GAUGE, {"name"}};
static struct gg_metric metric_bytes = {
    "synapse_util_caches_cache_size_bytes", "Estimated bytes of a cache", GG_GAUGE, {"name"}};
static struct gg_metric metric_max = {
    "synapse_util_caches_cache_max_size", "Bound of a cache in bytes", GG_GAUGE, {"name"}};

enum { SHOW_EVERY = 256 };

/* Prometheus sees figures that are at most SHOW_EVERY look-ups old. */
static void show(struct mx_cache *cache)
{
    const char *const *labels = GG_LABELS(cache->name);
    uint64_t total = cache->hits + cache->misses;
    gg_metric_add(&metric_hits, (double)(cache->hits - cache->shown_hits), labels);
    gg_metric_add(&metric_total, (double)(total - cache->shown_total), labels);
    gg_metric_add(&metric_evicted, (double)(cache->evicted - cache->shown_evicted), GG_LABELS(cache->name, "size"));
    gg_metric_set(&metric_size, (double)gg_map_count(cache->entries), labels);
    gg_metric_set(&metric_bytes, (double)cache->bytes, labels);
    gg_metric_set(&metric_max, (double)cache->max_bytes, labels);
    cache->shown_hits = cache->hits;
    cache->shown_total = total;
    cache->shown_evicted = cache->evicted;
}

static void count(struct mx_cache *cache, bool hit)
{
    if (hit)
        cache->hits++;
    else
        cache->misses++;
    if (cache->hits + cache->misses - cache->shown_total >= SHOW_EVERY)
        show(cache);
}

static void forget_by_row(void *self, const struct gg_str *keys, size_t n)
{
    struct mx_cache *cache = self;
    if (!keys || n == 0) {
        mx_cache_clear(cache);
        return;
    }
    struct gg_buf key = GG_BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        if (i)
            gg_buf_char(&key, MX_KEY_SEP);
        gg_buf_str(&key, keys[i]);
    }
    mx_cache_drop(cache, gg_buf_view(&key));
    mx_cache_drop_prefix(cache, gg_buf_view(&key));
    gg_buf_done(&key);
}

struct mx_cache *mx_cache_new(struct mx_server *server, const struct mx_cache_def *def)
{
    struct mx_cache *cache = gg_xcalloc(1, sizeof(*cache));
    double factor = server->config ? gg_config_cache_factor(server->config, def->name) : 1.0;
    cache->server = server;
    cache->name = def->name;
    cache->destroy = def->destroy ? def->destroy : free;
    cache->max_bytes = (size_t)((double)def->max_bytes * factor);
    cache->entries = gg_map_new(NULL);
    gg_list_init(&cache->lru);
    gg_list_push(&server->caches->all, &cache->in_all);
    mx_caches_on(server, def->name, forget_by_row, cache);
    return cache;
}

static size_t cost(const struct entry *e)
{
    return e->bytes + e->key_n + sizeof(*e) + 48; /* 48: the slot in the map */
}

static void entry_free(struct mx_cache *cache, struct entry *e)
{
    gg_list_remove(&e->lru);
    cache->bytes -= cost(e);
    cache->destroy(e->value);
    free(e);
}

void *mx_cache_get(struct mx_cache *cache, struct gg_str key)
{
    struct entry *e = gg_map_get(cache->entries, key);
    count(cache, e != NULL);
    if (!e)
        return NULL;
    gg_list_remove(&e->lru);
    gg_list_push(&cache->lru, &e->lru);
    return e->value;
}

uint64_t mx_cache_tick(const struct mx_cache *cache)
{
    return cache->tick;
}

static void remove_entry(struct mx_cache *cache, struct entry *e)
{
    gg_map_take(cache->entries, gg_strn(e->key, e->key_n));
    entry_free(cache, e);
}

static void shrink(struct mx_cache *cache)
{
    while (cache->bytes > cache->max_bytes && !gg_list_empty(&cache->lru)) {
        remove_entry(cache, GG_CONTAINER(cache->lru.next, struct entry, lru));
        cache->evicted++;
    }
}

bool mx_cache_put(struct mx_cache *cache, struct gg_str key, void *value, size_t bytes, uint64_t tick)
{
    if (tick != cache->tick) {
        cache->destroy(value);
        return false;
    }
    struct entry *old = gg_map_take(cache->entries, key); /* also when the new one has no place: it is out of date */
    if (old)
        entry_free(cache, old);
    if (bytes > cache->max_bytes / 2) {
        cache->destroy(value);
        return false;
    }
    struct entry *e = gg_xmalloc(sizeof(*e) + key.n);
    e->value = value;
    e->bytes = bytes;
    e->key_n = key.n;
    if (key.n)
        memcpy(e->key, key.s, key.n);
    gg_list_push(&cache->lru, &e->lru);
    gg_map_put(cache->entries, gg_strn(e->key, e->key_n), e);
    cache->bytes += cost(e);
    shrink(cache);
    return true;
}

void mx_cache_drop(struct mx_cache *cache, struct gg_str key)
{
    cache->tick++;
    struct entry *e = gg_map_take(cache->entries, key);
    if (e)
        entry_free(cache, e);
}

void mx_cache_drop_prefix(struct mx_cache *cache, struct gg_str prefix)
{
    cache->tick++;
    GG_LIST_EACH (l, &cache->lru) {
        struct entry *e = GG_CONTAINER(l, struct entry, lru);
        if (e->key_n > prefix.n && e->key[prefix.n] == MX_KEY_SEP && memcmp(e->key, prefix.s, prefix.n) == 0)
            remove_entry(cache, e);
    }
}

void mx_cache_clear(struct mx_cache *cache)
{
    cache->tick++;
    while (!gg_list_empty(&cache->lru))
        remove_entry(cache, GG_CONTAINER(cache->lru.next, struct entry, lru));
}

size_t mx_cache_bytes(const struct mx_cache *cache)
{
    return cache->bytes;
}

size_t mx_cache_count(const struct mx_cache *cache)
{
    return gg_map_count(cache->entries);
}

static void cache_free(struct mx_cache *cache)
{
    mx_cache_clear(cache);
    gg_map_free(cache->entries);
    free(cache);
}

void mx_caches_free_all(struct mx_caches *caches)
{
    while (!gg_list_empty(&caches->all)) {
        struct mx_cache *cache = GG_CONTAINER(gg_list_pop(&caches->all), struct mx_cache, in_all);
        cache_free(cache);
    }
}
