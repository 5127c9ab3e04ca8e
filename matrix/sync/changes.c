/* matrix/sync/changes.c: the newest position at which something changed, in memory. */
#include "sync/changes.h"

#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/memory.h>
#include <stdlib.h>

struct note {
    int64_t position;
    char *key; /* NULL: none yet */
    size_t n;
};

struct mx_changes {
    struct gg_map *newest; /* key -> position, kept in the pointer: positions fit */
    size_t max;
    int64_t horizon;
    struct note *log;        /* a ring; NULL: none is kept */
    size_t log_size;
    uint64_t seq;            /* of the note that comes next */
    int64_t newest_unlogged; /* highest position that has left the ring, or was there before it */
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
    for (size_t i = 0; i < changes->log_size; i++)
        free(changes->log[i].key);
    free(changes->log);
    free(changes);
}

void mx_changes_start(struct mx_changes *changes, int64_t position)
{
    gg_map_clear(changes->newest);
    changes->horizon = position;
    if (position > changes->newest_unlogged)
        changes->newest_unlogged = position;
}

void mx_changes_keep_log(struct mx_changes *changes, size_t n)
{
    changes->log = gg_xcalloc(n, sizeof(*changes->log));
    changes->log_size = n;
}

static void write_log(struct mx_changes *changes, struct gg_str key, int64_t position)
{
    struct note *note = &changes->log[changes->seq++ % changes->log_size];
    if (note->key != NULL && note->position > changes->newest_unlogged)
        changes->newest_unlogged = note->position;
    free(note->key);
    *note = (struct note){position, gg_xstrndup(key.s, key.n), key.n};
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
    if (changes->log != NULL)
        write_log(changes, key, position);
}

uint64_t mx_changes_seq(const struct mx_changes *changes)
{
    return changes->seq;
}

bool mx_changes_replay(const struct mx_changes *changes, uint64_t seq, mx_changes_fn *fn, void *arg)
{
    if (changes->log == NULL || changes->seq - seq > changes->log_size)
        return false;
    for (; seq < changes->seq; seq++) {
        const struct note *note = &changes->log[seq % changes->log_size];
        fn(arg, gg_strn(note->key, note->n));
    }
    return true;
}

bool mx_changes_each_after(const struct mx_changes *changes, int64_t position, mx_changes_fn *fn, void *arg)
{
    if (changes->log == NULL || position < changes->newest_unlogged || position < changes->horizon)
        return false;
    size_t kept = changes->seq < changes->log_size ? (size_t)changes->seq : changes->log_size;
    for (size_t i = 0; i < kept; i++) {
        const struct note *note = &changes->log[i];
        struct gg_str key = gg_strn(note->key, note->n);
        /* Of several notes of a key the newest tells. */
        if (note->position > position && (int64_t)(intptr_t)gg_map_get(changes->newest, key) == note->position)
            fn(arg, key);
    }
    return true;
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
