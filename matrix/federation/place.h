/* matrix/federation/place.h: what accept.c and outliers.c share: auth events in hand, and the state before an event. */
#ifndef MX_FEDERATION_PLACE_H
#define MX_FEDERATION_PLACE_H

#include <ganglion/matrix/store.h>

#define MX_FED_AUTH_ERROR "auth_error" /* what rejected events carry in the database */

/* A handful of state events as mx_auth_check asks for them. */
struct mx_fed_auth {
    const struct mx_event **events;
    size_t n;
    const struct mx_event *create; /* NULL: not among them */
};
/* mx_auth_lookup_fn over a struct mx_fed_auth. */
const struct mx_event *mx_fed_auth_lookup(void *auth, struct gg_str type, struct gg_str state_key);
/* The rules over these events: 0, or 403. events that the event cites must pass mx_auth_check_events as well. */
GG_CHECKED int mx_fed_auth_check(const struct mx_event *event, const struct mx_fed_auth *auth, struct gg_error *err);
/* Of a state map, the events by which this event is judged; those that the map names and nobody holds are left out. */
GG_YIELDS GG_CHECKED int mx_fed_auth_of_state(struct mx_server *server, const struct mx_event *event,
                                              const struct mx_state *state, struct gg_arena *arena,
                                              struct mx_fed_auth *out, struct gg_error *err);

/* The state before an event, as a map and as a stored group. */
struct mx_fed_before {
    const struct mx_state *state;
    int64_t group; /* 0: before the create event */
};
/* From prev_events: the groups of all of them, resolved when they differ. GG_E_NOT_FOUND: one has no state. */
GG_YIELDS GG_CHECKED int mx_fed_before_of_prevs(struct mx_server *server, const struct mx_event *event,
                                                struct gg_arena *arena, struct mx_fed_before *out, struct gg_error *err);
/* A map that was worked out elsewhere, as a group: a delta of the nearest group among those of the prev_events. */
GG_YIELDS GG_CHECKED int mx_fed_before_of_map(struct mx_server *server, const struct mx_event *event,
                                              const struct mx_state *state, struct gg_arena *arena,
                                              struct mx_fed_before *out, struct gg_error *err);

#endif
