/* matrix/federation/handshake.h: the first half of joining, leaving and knocking where another server has the room: it
 * proposes a member event (make_*), we make it ours, and hand it back (send_*). */
#ifndef MX_FEDERATION_HANDSHAKE_H
#define MX_FEDERATION_HANDSHAKE_H

#include "federation/candidates.h"

#include <ganglion/matrix/event.h>

struct mx_handshake {
    const char *membership; /* "join", "leave", "knock" */
    struct gg_str room_id, user_id;
    struct gg_str content;     /* JSON object text: laid over what the other server proposes */
    struct mx_event_meta meta; /* of the event */
};
struct mx_made {
    const char *origin;     /* who proposed it */
    struct mx_event *event; /* one reference, held by the arena: built and signed by us */
};

/* Asks the candidates for a proposal, builds, hashes and signs the event. 400 M_UNSUPPORTED_ROOM_VERSION; 4xx of the
 * other server; 502 when none of them can. */
GG_YIELDS GG_CHECKED int mx_fed_make(struct mx_server *server, const struct mx_candidates *servers,
                                     const struct mx_handshake *h, struct gg_arena *arena, struct mx_made *out,
                                     struct gg_error *err);
/* Our event from an answer of make_*, as text: pure, for tests. GG_E_PROTOCOL when the answer makes no sense. */
GG_CHECKED int mx_fed_make_read(struct gg_str answer, const struct mx_handshake *h, const char *server,
                                const struct mx_signing_key *key, struct gg_arena *arena, struct mx_event **out,
                                struct gg_error *err);
/* The event with the signatures of `signer` that `signed_` (another server's copy of it, JSON text) holds, checked
 * against the signer's keys. One reference, held by the arena. GG_E_PROTOCOL: another event, or no good signature. */
GG_YIELDS GG_CHECKED int mx_fed_countersigned(struct mx_server *server, const struct mx_event *event,
                                              struct gg_str signed_, struct gg_str signer, struct gg_arena *arena,
                                              struct mx_event **out, struct gg_error *err);
/* The same event with other JSON outside of what its id covers (signatures, unsigned). One reference, held by the arena. */
GG_CHECKED int mx_fed_event_remade(const struct mx_event *event, const struct mx_json *json, struct gg_arena *arena,
                                   struct mx_event **out, struct gg_error *err);
/* The body of send_*: the event as servers exchange it; in the arena. */
struct gg_str mx_fed_pdu_text(const struct mx_event *event, struct gg_arena *arena);

#endif
