/* matrix/sync/changes.c: the newest position at which something changed, in memory. */
#include "sync/changes.h"

#include <ganglion/list.h>
#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/memory.h>
#include <stdlib.h>

enum { MAX_REPLAY = 4096 }; /* further back whoever asks looks at all that they have instead */

struct change {
    struct gg_list order; /* in changes.order */
    int64_t position;
    int64_t rank;         /* the highest position that had been noted when this one was; never less than position */
    uint64_t seq;         /* how many had been noted before it */
    size_t n;
    char key[];
};

struct mx_changes {
    struct gg_map *newest; /* key -> struct change */
    struct gg_list order;  /* by rank, in which they were noted: writers of one stream overtake each other */
    size_t max;
    int64_t horizon, highest;
    uint64_t seq;          /* notes so far */
    uint64_t seq_horizon;  /* of notes before it some are forgotten */
};

struct mx_changes *mx_changes_new(size_t max_entries)
{
    struct mx_changes *changes = gg_xcalloc(1, sizeof(*changes));
    changes->newest = gg_map_new(free);
    gg_list_init(&changes->order);
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
    gg_list_init(&changes->order);
    changes->horizon = changes->highest = position;
    changes->seq_horizon = changes->seq;
}

static struct change *change_of(struct gg_list *link)
{
    return GG_CONTAINER(link, struct change, order);
}

static void forget_oldest(struct mx_changes *changes)
{
    struct change *oldest = change_of(gg_list_pop(&changes->order));
    if (oldest->position > changes->horizon)
        changes->horizon = oldest->position;
    changes->seq_horizon = oldest->seq + 1;
    gg_map_delete(changes->newest, gg_strn(oldest->key, oldest->n));
}

void mx_changes_note(struct mx_changes *changes, struct gg_str key, int64_t position)
{
    struct change *known = gg_map_get(changes->newest, key);
    if (known != NULL && known->position >= position)
        return;
    if (known == NULL) {
        if (gg_map_count(changes->newest) >= changes->max)
            forget_oldest(changes);
        known = gg_xcalloc(1, sizeof(*known) + key.n + 1);
        memcpy(known->key, key.s, key.n);
        known->n = key.n;
        gg_list_init(&known->order);
        gg_map_put(changes->newest, key, known);
    }
    changes->highest = position > changes->highest ? position : changes->highest;
    known->position = position;
    known->rank = changes->highest;
    known->seq = changes->seq++;
    gg_list_remove(&known->order);
    gg_list_push(&changes->order, &known->order);
}

int64_t mx_changes_position(const struct mx_changes *changes, struct gg_str key)
{
    const struct change *known = gg_map_get(changes->newest, key);
    return known != NULL ? known->position : 0;
}

bool mx_changes_after(const struct mx_changes *changes, struct gg_str key, int64_t position)
{
    if (position < changes->horizon)
        return true;
    return mx_changes_position(changes, key) > position;
}

uint64_t mx_changes_seq(const struct mx_changes *changes)
{
    return changes->seq;
}

bool mx_changes_replay(const struct mx_changes *changes, uint64_t seq, mx_changes_fn *fn, void *arg)
{
    if (seq < changes->seq_horizon || changes->seq - seq > MAX_REPLAY)
        return false;
    for (struct gg_list *link = changes->order.prev; link != &changes->order && change_of(link)->seq >= seq; link = link->prev)
        fn(arg, gg_strn(change_of(link)->key, change_of(link)->n));
    return true;
}

bool mx_changes_each_after(const struct mx_changes *changes, int64_t position, mx_changes_fn *fn, void *arg)
{
    if (position < changes->horizon)
        return false;
    for (struct gg_list *link = changes->order.prev; link != &changes->order && change_of(link)->rank > position; link = link->prev)
        if (change_of(link)->position > position)
            fn(arg, gg_strn(change_of(link)->key, change_of(link)->n));
    return true;
}

/* How many changed after position, counted up to `most`. */
static size_t count_after(const struct mx_changes *changes, int64_t position, size_t most)
{
    size_t n = 0;
    for (struct gg_list *link = changes->order.prev; n < most && link != &changes->order && change_of(link)->rank > position;
         link = link->prev)
        n++;
    return n;
}

static void mark(bool *marks, size_t i, uint32_t *at, size_t *n)
{
    if (marks[i])
        return;
    marks[i] = true;
    at[(*n)++] = (uint32_t)i;
}

/* A look-up by id in the user's list costs about as much as a dozen steps. */
enum { FIND_COST = 4 };

void mx_changes_mark(const struct mx_changes *changes, const struct mx_user_rooms *rooms, int64_t position, bool *marks,
                     uint32_t *at, size_t *n)
{
    size_t few = rooms->n / FIND_COST + 1;
    if (position < changes->horizon || count_after(changes, position, few) == few) {
        for (size_t i = 0; i < rooms->n; i++)
            if (mx_changes_after(changes, rooms->v[i].room_id, position))
                mark(marks, i, at, n);
        return;
    }
    for (struct gg_list *link = changes->order.prev; link != &changes->order && change_of(link)->rank > position; link = link->prev) {
        const struct change *c = change_of(link);
        const struct mx_user_room *room = c->position > position ? mx_user_rooms_find(rooms, gg_strn(c->key, c->n)) : NULL;
        if (room != NULL)
            mark(marks, (size_t)(room - rooms->v), at, n);
    }
}
