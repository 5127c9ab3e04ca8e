/* matrix/sync/changes.c: the newest position at which something changed, in memory. */
#include "sync/changes.h"

#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/memory.h>
#include <stdlib.h>

struct mx_changes {
    struct gg_map *newest; /* key -> position, kept in the pointer: positions fit */
    size_t max;
    int64_t horizon;
};

_Static_assert(sizeof(void *) >= sizeof(int64_t), "positions are kept in pointers");

struct mx_changes *mx_changes_new(size_t max_entries)
{
    struct mx_changes *changes = gg_xcalloc(1, sizeof(*changes));
    changes->newest = gg_map_new(NULL);
    changes->max = max_entries;
    return changes;
}

void mx_changes_free(struct mx_changes *changes)
{
    if (changes == NULL)
        return;
    gg_map_free(changes->newest);
    free(changes);
}

void mx_changes_start(struct mx_changes *changes, int64_t position)
{
    gg_map_clear(changes->newest);
    changes->horizon = position;
}

static int by_position(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Drops what changed longest ago: the older half. Rare (once in max / 2 notes), so it may sort. */
static void forget_older_half(struct mx_changes *changes)
{
    size_t n = 0, i = 0;
    struct gg_str key;
    void *value;
    int64_t *positions = gg_xcalloc(gg_map_count(changes->newest) + 1, sizeof(*positions));
    while (gg_map_next(changes->newest, &i, &key, &value))
        positions[n++] = (int64_t)(intptr_t)value;
    qsort(positions, n, sizeof(*positions), by_position);
    int64_t cut = positions[n / 2];
    free(positions);
    for (i = 0; gg_map_next(changes->newest, &i, &key, &value);)
        if ((int64_t)(intptr_t)value <= cut)
            gg_map_delete(changes->newest, key);
    if (cut > changes->horizon)
        changes->horizon = cut;
}

void mx_changes_note(struct mx_changes *changes, struct gg_str key, int64_t position)
{
    void *known = gg_map_get(changes->newest, key);
    if (known != NULL && (int64_t)(intptr_t)known >= position)
        return;
    if (known == NULL && gg_map_count(changes->newest) >= changes->max)
        forget_older_half(changes);
    gg_map_put(changes->newest, key, (void *)(intptr_t)position);
}

int64_t mx_changes_position(const struct mx_changes *changes, struct gg_str key)
{
    return (int64_t)(intptr_t)gg_map_get(changes->newest, key);
}

bool mx_changes_after(const struct mx_changes *changes, struct gg_str key, int64_t position)
{
    if (position < changes->horizon)
        return true;
    return mx_changes_position(changes, key) > position;
}
