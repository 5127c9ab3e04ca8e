/* matrix/storage/chains/difference.h: where the auth chains of state maps differ (room versions 2 and later, "Auth
 * difference"), by the chain cover index. Private to matrix/. */
#ifndef MATRIX_STORAGE_CHAINS_DIFFERENCE_H
#define MATRIX_STORAGE_CHAINS_DIFFERENCE_H

#include "walk.h"

#include <ganglion/matrix/state.h>

struct mx_auth_difference {
    struct gg_str *conflicted; /* events that the maps do not agree on, each once */
    size_t n_conflicted;
    /* What is in the auth chain of one map and not in all (each event being in its own chain), but for the conflicted
     * events: */
    struct mx_chain_stretch *stretches; /* those with places ... */
    size_t n_stretches;
    struct gg_str *loose;               /* ... and those without */
    size_t n_loose;
    /* The auth chains of all conflicted events. */
    struct mx_chain_stretch *below;
    size_t n_below;
};

/* Reads what it needs of the index, of the events nothing but those without a place. Everything is in walk's arena.
 * GG_E_LIMIT: the index does not help. */
GG_YIELDS GG_CHECKED int mx_auth_difference_find(struct mx_chain_walk *walk, const struct mx_state *const *maps, size_t n,
                                                 struct mx_auth_difference *out, struct gg_error *err);

#endif
