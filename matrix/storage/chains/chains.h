/* matrix/storage/chains/chains.h: the chain cover index of auth chains (facts database 5.3). Private to matrix/. */
#ifndef MATRIX_STORAGE_CHAINS_CHAINS_H
#define MATRIX_STORAGE_CHAINS_CHAINS_H

#include <ganglion/matrix/event.h>
#include <ganglion/matrix/server.h>

struct mx_chain_place {
    int64_t chain, sequence; /* chain 0: none */
};
struct mx_chain_link {
    struct mx_chain_place from, to;
};
/* What is to be written for a batch of new state events of one room. */
struct mx_chain_plan {
    const struct gg_str *placed; /* events that get a place; these may include older ones that waited for it */
    struct mx_chain_place *places;
    size_t n_placed;
    struct mx_chain_link *links;
    size_t n_links;
    const struct mx_event **postponed; /* auth events are not held: for event_auth_chain_to_calculate */
    size_t n_postponed;
    struct gg_str *caught_up; /* rows of that table that are done */
    size_t n_caught_up;
};

enum { MX_CHAIN_IDS = 64 };
struct mx_chain_ids { /* drawn ahead from the sequence: gaps do no harm */
    int64_t ids[MX_CHAIN_IDS];
    size_t n;
};

/* Reads what the auth events of events (state events, none of them placed yet, in order) have, and works out the
 * places. Chain ids come from the sequence; they are lost when the plan is not written, which does no harm. */
GG_YIELDS int mx_chains_prepare(struct mx_server *server, struct gg_str room_id, const struct mx_event *const *events,
                                size_t n, struct gg_arena *arena, struct mx_chain_plan *out, struct gg_error *err);

#endif
