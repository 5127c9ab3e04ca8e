/* resolve.h: what the algorithms of state resolution share. */
#ifndef MX_STATE_RESOLVE_H
#define MX_STATE_RESOLVE_H

#include "graph.h"

struct conflict {
    struct gg_str type, state_key;
    struct gg_str *ids; /* distinct; one for each different value */
    size_t n_ids;
};

struct resolution {
    const struct mx_room_version *version;
    const struct mx_state *const *maps;
    size_t n_maps;
    const struct mx_resolve_io *io;
    struct gg_arena *arena;
    struct mx_state *unconflicted;
    struct conflict *conflicts;
    size_t n_conflicts;
    struct mx_state *resolved; /* what the algorithm has accepted so far */
};

/* Each adds to r->resolved its choice for every conflict; resolved entries of unconflicted keys are overlaid
 * afterwards. */
void resolve_v1(struct resolution *r);
void resolve_v2(struct resolution *r);

/* The authorisation of one event against the resolved state; use_own: where that state lacks an entry, the event's own
 * auth events are used. */
bool resolve_allows(struct resolution *r, const struct mx_event *event, bool use_own);

#endif
