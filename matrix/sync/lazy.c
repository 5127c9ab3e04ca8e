/* matrix/sync/lazy.c: which member events a device was sent of late. */
#include "sync/lazy.h"

#include <ganglion/log.h>
#include <ganglion/map.h>
#include <stdlib.h>

/* As many members of a device as Synapse remembers, and as long; all devices together take at most 16 MiB. */
enum { MAX_MEMBERS = 100, MAX_DEVICES = 10000, KEPT_MS = 30 * 60 * 1000 };

struct device {
    int64_t used;
    unsigned n, next;
    struct {
        uint64_t hash;          /* of the event id */
        int64_t since;
    } sent[MAX_MEMBERS];        /* the oldest at next when it is full */
};

struct mx_lazy {
    struct gg_map *devices;
};

struct mx_lazy *mx_lazy_new(void)
{
    struct mx_lazy *lazy = calloc(1, sizeof(*lazy));
    GG_ASSERT(lazy != NULL);
    lazy->devices = gg_map_new(free);
    return lazy;
}

void mx_lazy_free(struct mx_lazy *lazy)
{
    if (lazy == NULL)
        return;
    gg_map_free(lazy->devices);
    free(lazy);
}

void mx_lazy_forget(struct mx_lazy *lazy, struct gg_str device)
{
    gg_map_delete(lazy->devices, device);
}

/* Where it stands; n: nowhere. */
static unsigned find(const struct device *d, uint64_t hash)
{
    unsigned i = 0;
    while (i < d->n && d->sent[i].hash != hash)
        i++;
    return i;
}

bool mx_lazy_sent(const struct mx_lazy *lazy, struct gg_str device, struct gg_str event_id, int64_t since)
{
    const struct device *d = gg_map_get(lazy->devices, device);
    if (d == NULL || d->used + KEPT_MS < gg_now_ms())
        return false;
    unsigned i = find(d, gg_hash(event_id));
    return i < d->n && d->sent[i].since != since;
}

static void make_place(struct mx_lazy *lazy)
{
    size_t i = 0;
    struct gg_str key;
    void *value;
    if (gg_map_count(lazy->devices) < MAX_DEVICES)
        return;
    while (gg_map_next(lazy->devices, &i, &key, &value))
        if (((const struct device *)value)->used + KEPT_MS < gg_now_ms())
            gg_map_delete(lazy->devices, key);
    if (gg_map_count(lazy->devices) >= MAX_DEVICES)
        gg_map_clear(lazy->devices);
}

void mx_lazy_note(struct mx_lazy *lazy, struct gg_str device, struct gg_str event_id, int64_t since)
{
    struct device *d = gg_map_get(lazy->devices, device);
    if (d == NULL) {
        make_place(lazy);
        d = calloc(1, sizeof(*d));
        GG_ASSERT(d != NULL);
        gg_map_put(lazy->devices, device, d);
    }
    uint64_t hash = gg_hash(event_id);
    d->used = gg_now_ms();
    if (find(d, hash) < d->n)
        return;
    d->sent[d->next].hash = hash;
    d->sent[d->next].since = since;
    d->next = (d->next + 1) % MAX_MEMBERS;
    d->n += d->n < MAX_MEMBERS;
}
