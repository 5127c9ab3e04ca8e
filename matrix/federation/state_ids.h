/* matrix/federation/state_ids.h: the state before an event with its auth chain, as ids: what /state, /state_ids and
 * /send_join are answers of.
 *
 * A room's auth chain is dear to work out, and many servers ask about the same place at once: after a fork, or when all
 * come to a new room. Neither changes once it is known, so the lists are kept within a bound of bytes. */
#ifndef MX_FEDERATION_STATE_IDS_H
#define MX_FEDERATION_STATE_IDS_H

#include <ganglion/matrix/store.h>

struct mx_fed_state_ids {
    const struct gg_str *state, *auth; /* each once; one of the state stands among auth only if another's chain has it */
    size_t n_state, n_auth;
};

/* Before an event of the room. 404 M_NOT_FOUND: it is not held, was rejected, or nothing is known of its place. Lives as long
 * as the arena. */
GG_YIELDS GG_CHECKED int mx_fed_state_ids_before(struct mx_server *server, struct gg_str room_id, struct gg_str event_id,
                                                 struct gg_arena *arena, const struct mx_fed_state_ids **out,
                                                 struct gg_error *err);
/* Of a state that stands under this name ("g" and a state group, ...): the name says all that the state depends on. */
GG_YIELDS GG_CHECKED int mx_fed_state_ids_of(struct mx_server *server, struct gg_str name, const struct mx_state *state,
                                             struct gg_arena *arena, const struct mx_fed_state_ids **out,
                                             struct gg_error *err);
/* For the cache (serve.c): drops a reference. */
void mx_fed_state_ids_drop(void *value);

#endif
