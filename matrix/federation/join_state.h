/* matrix/federation/join_state.h: the state of a room as another server gave it with our join: checked, then stored. */
#ifndef MX_FEDERATION_JOIN_STATE_H
#define MX_FEDERATION_JOIN_STATE_H

#include "federation/join_answer.h"

#include <ganglion/map.h>
#include <ganglion/matrix/store.h>

struct mx_joined_state {
    const struct mx_event **events; /* all that passed the checks, each once; held by the arena */
    size_t n;
    struct mx_state *state; /* the room's, before our join: one reference */
    struct gg_map *by_id;   /* event id -> const struct mx_event */
    const struct mx_event *create;
};

/* Checks formats, hashes and signatures of all events (those that fail are left out), that they are of this room, and
 * that there is the one create event of this version. GG_E_PROTOCOL otherwise. Call done also after a failure. */
GG_YIELDS GG_CHECKED int mx_joined_state_check(struct mx_server *server, const struct mx_join_answer *answer,
                                               const struct mx_event *join, struct gg_arena *arena,
                                               struct mx_joined_state *out, struct gg_error *err);
/* Stores them as outliers; takes those out of the state that their own auth events reject. */
GG_YIELDS GG_CHECKED int mx_joined_state_store(struct mx_server *server, const char *origin, struct gg_str room_id,
                                               const struct mx_room_version *version, struct mx_joined_state *s,
                                               struct gg_arena *arena, struct gg_error *err);
/* Is the join allowed by its auth events and by the state? 403 M_FORBIDDEN when not. */
GG_YIELDS GG_CHECKED int mx_joined_state_allows(struct mx_server *server, const struct mx_joined_state *s,
                                                const struct mx_event *join, struct gg_arena *arena,
                                                struct gg_error *err);
void mx_joined_state_done(struct mx_joined_state *s);

#endif
