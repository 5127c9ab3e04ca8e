/* One process of a pool: for a key always the same, as long as it is there. */
#include "balance/table.h"
#include "base/hash.h"

static bool was_tried(const struct gg_backend *backend, struct gg_backend *const *tried, size_t n_tried)
{
    for (size_t i = 0; i < n_tried; i++)
        if (tried[i] == backend)
            return true;
    return false;
}

/* Rendezvous hashing: each member draws a lot for the key and the highest wins, so one that goes away leaves only its
 * own keys to others, and every router draws the same. */
static uint64_t lot(const struct gg_backend *backend, struct gg_str key)
{
    const uint64_t drum[2] = {backend->seed, ~backend->seed};
    return gg_siphash13(drum, key.s, key.n);
}

static bool is_better(const struct gg_backend *a, const struct gg_backend *b, struct gg_str key)
{
    if (b == NULL)
        return true;
    return key.n > 0 ? lot(a, key) > lot(b, key) : a->in_flight < b->in_flight;
}

struct gg_backend *gg_group_choose(struct gg_group *group, struct gg_str key, struct gg_backend *const *tried,
                                   size_t n_tried, bool down_too)
{
    struct gg_backend *best = NULL;
    size_t from = group->n > 0 ? group->turn++ % group->n : 0; /* equals take turns */
    for (int pass = 0; best == NULL && pass <= (down_too ? 1 : 0); pass++)
        for (size_t i = 0; i < group->n; i++) {
            struct gg_backend *each = group->members[(from + i) % group->n];
            if ((each->up || pass > 0) && !was_tried(each, tried, n_tried) && is_better(each, best, key))
                best = each;
        }
    return best;
}
