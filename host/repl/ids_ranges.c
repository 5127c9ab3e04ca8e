/* host/repl/ids_ranges.c: a set of ids kept as ranges. */
#include "repl/ids_ranges.h"

#include <stdlib.h>

#include <ganglion/log.h>

void gg_ranges_done(struct gg_ranges *set)
{
    free(set->at);
    set->at = NULL;
    set->n = set->cap = 0;
}

/* Index of the first range whose end is >= id. */
static size_t find(const struct gg_ranges *set, int64_t id)
{
    size_t low = 0, high = set->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (set->at[middle].last < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Replaces ranges [i, j) by r. */
static void replace(struct gg_ranges *set, size_t i, size_t j, struct gg_range r)
{
    if (i == j) {
        if (set->limit && set->n >= set->limit)
            return;
        if (set->n == set->cap) {
            set->cap = set->cap ? set->cap * 2 : 8;
            set->at = realloc(set->at, set->cap * sizeof(struct gg_range));
            GG_ASSERT(set->at != NULL);
        }
        memmove(set->at + i + 1, set->at + i, (set->n - i) * sizeof(struct gg_range));
        set->n++;
    } else {
        memmove(set->at + i + 1, set->at + j, (set->n - j) * sizeof(struct gg_range));
        set->n -= j - i - 1;
    }
    set->at[i] = r;
}

void gg_ranges_add(struct gg_ranges *set, int64_t first, int64_t last)
{
    size_t i = find(set, first - 1), j = i;
    struct gg_range r = {first, last};
    while (j < set->n && set->at[j].first <= last + 1)
        j++;
    if (j > i) {
        r.first = set->at[i].first < first ? set->at[i].first : first;
        r.last = set->at[j - 1].last > last ? set->at[j - 1].last : last;
    }
    replace(set, i, j, r);
}

static void drop(struct gg_ranges *set, size_t i, size_t n)
{
    memmove(set->at + i, set->at + i + n, (set->n - i - n) * sizeof(struct gg_range));
    set->n -= n;
}

void gg_ranges_remove(struct gg_ranges *set, int64_t id)
{
    size_t i = find(set, id);
    if (i == set->n || set->at[i].first > id)
        return;
    struct gg_range r = set->at[i];
    if (r.first == r.last) {
        drop(set, i, 1);
    } else if (r.first == id) {
        set->at[i].first++;
    } else {
        set->at[i].last = id - 1;
        if (r.last > id)
            replace(set, i + 1, i + 1, (struct gg_range){id + 1, r.last});
    }
}

void gg_ranges_remove_to(struct gg_ranges *set, int64_t last)
{
    size_t i = find(set, last + 1);
    if (i)
        drop(set, 0, i);
    if (set->n && set->at[0].first <= last)
        set->at[0].first = last + 1;
}

bool gg_ranges_has(const struct gg_ranges *set, int64_t id)
{
    size_t i = find(set, id);
    return i < set->n && set->at[i].first <= id;
}

int64_t gg_ranges_min(const struct gg_ranges *set, int64_t if_empty)
{
    return set->n ? set->at[0].first : if_empty;
}

int64_t gg_ranges_below(const struct gg_ranges *set, int64_t below, int64_t if_none)
{
    size_t i = find(set, below);
    if (i < set->n && set->at[i].first < below)
        return below - 1;
    return i ? set->at[i - 1].last : if_none;
}
