/* repl/ids_ranges.h: a set of ids kept as ranges.
 *
 * Ids are handed out in runs, so a set of them is a few ranges. */
#ifndef GANGLION_HOST_REPL_IDS_RANGES_H
#define GANGLION_HOST_REPL_IDS_RANGES_H

#include <ganglion/base.h>

struct gg_range {
    int64_t first, last; /* both in it */
};

struct gg_ranges {
    struct gg_range *at; /* ascending, neither overlapping nor touching */
    size_t n, cap;
    size_t limit; /* of ranges; what would need more is not added. 0: none */
};

void gg_ranges_done(struct gg_ranges *set);
void gg_ranges_add(struct gg_ranges *set, int64_t first, int64_t last);
void gg_ranges_remove(struct gg_ranges *set, int64_t id);
void gg_ranges_remove_to(struct gg_ranges *set, int64_t last); /* all <= last */
bool gg_ranges_has(const struct gg_ranges *set, int64_t id);
int64_t gg_ranges_min(const struct gg_ranges *set, int64_t if_empty);
/* The largest one below `below`, or if_none. */
int64_t gg_ranges_below(const struct gg_ranges *set, int64_t below, int64_t if_none);

static inline bool gg_ranges_empty(const struct gg_ranges *set)
{
    return set->n == 0;
}

#endif
