/* matrix/federation/gap.h: what lies between us and an event that was sent to us (server-server API, "Retrieving events",
 * "Retrieving state"). */
#ifndef MX_FEDERATION_GAP_H
#define MX_FEDERATION_GAP_H

#include <ganglion/matrix/store.h>

/* Could an honest server have made it? Too many references make an event too expensive. why: text. */
bool mx_fed_sane(const struct mx_event *event, const char **why);
/* Do we hold this event for good, in full or as rejected? */
GG_YIELDS GG_CHECKED int mx_fed_is_settled(struct mx_server *server, const struct mx_event *event, bool *out,
                                           struct gg_error *err);
/* Prev_events without a state here; missing holds event->n_prev. */
GG_YIELDS GG_CHECKED int mx_fed_missing_prevs(struct mx_server *server, const struct mx_event *event,
                                              struct gg_str *missing, size_t *n_out, struct gg_error *err);
/* Asks origin for the events before this one and places what it tells, with the state that it names where a gap stays.
 * Bounded. That origin does not tell is no error. */
GG_YIELDS GG_CHECKED int mx_fed_fill_gap(struct mx_server *server, const char *origin, const struct mx_event *event,
                                         struct gg_arena *arena, struct gg_error *err);

/* remote_state.c: the state after an event that we do not hold, as origin tells it: ids, then what of them we lack. The
 * events become outliers. In the arena. GG_E_NOT_FOUND: origin does not tell, or nothing that makes sense. */
GG_YIELDS GG_CHECKED int mx_fed_remote_state_after(struct mx_server *server, const char *origin, struct gg_str room_id,
                                                   const struct mx_room_version *version, struct gg_str event_id,
                                                   struct gg_arena *arena, const struct mx_state **out,
                                                   struct gg_error *err);

/* That an event could not be had, for who decides when to ask for it again (event_failed_pull_attempts). */
GG_YIELDS void mx_fed_pull_failed(struct mx_server *server, struct gg_str room_id, struct gg_str event_id,
                                  const char *cause);

#endif
