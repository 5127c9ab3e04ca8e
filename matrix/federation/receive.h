/* matrix/federation/receive.h: events of other servers find their place in our graph (server-server API, "PDUs", "Checks
 * performed on receipt of a PDU").
 *
 * Events come here with their format, signatures and hashes checked (keyring.h). What follows is authorisation: by the
 * events that they cite, by the state before them, by the state of the room now; then the room's writer. */
#ifndef MX_FEDERATION_RECEIVE_H
#define MX_FEDERATION_RECEIVE_H

#include <ganglion/matrix/persist.h>
#include <ganglion/matrix/store.h>

/* Stores events without a place in the graph, of one room, in any order: those not held, auth events first. Auth events
 * that are neither given nor held are asked of origin (NULL: of nobody); what cannot be had, and what runs in a circle,
 * is left out with all that rests on it. What its auth events do not allow is stored as rejected. The room must have its
 * row. 0, or an error of the database; that events were left out is no error. */
GG_YIELDS GG_CHECKED int mx_fed_store_outliers(struct mx_server *server, const char *origin, struct gg_str room_id,
                                               const struct mx_room_version *version,
                                               const struct mx_event *const *events, size_t n, struct gg_arena *arena,
                                               struct gg_error *err);

/* Where an event stands. */
struct mx_fed_place {
    const struct mx_state *before; /* NULL: worked out from its prev_events, which must all be held with their state */
    bool fresh;                    /* the caller has just seen that we do not hold it */
    bool backfilled;               /* history: it notifies nobody and is not held against the present state */
    struct gg_str send_on_behalf_of; /* another server's event that we send on; s NULL: none */
    bool not_proactively_send;       /* the others get it from somebody else */
};
struct mx_fed_verdict {
    bool known;       /* it was held already, in full or as rejected: nothing was written */
    bool rejected;    /* its auth events, or the state before it, do not allow it */
    bool soft_failed; /* the state of the room now does not allow it */
    int64_t stream_ordering;
};
/* One checked event at its place, then the writer. An event that we hold as an outlier becomes a full one. Auth events
 * that are not held are asked of origin (NULL: of nobody). GG_E_NOT_FOUND: a prev_event or an auth event of it is not to
 * be had; nothing was written. A verdict of rejected or soft-failed is a success. */
GG_YIELDS GG_CHECKED int mx_fed_accept(struct mx_server *server, const char *origin, const struct mx_event *event,
                                       const struct mx_fed_place *place, struct gg_arena *arena,
                                       struct mx_fed_verdict *out, struct gg_error *err);

#endif
