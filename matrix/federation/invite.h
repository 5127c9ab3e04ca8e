/* matrix/federation/invite.h: asking a user's server to take an invite of ours. */
#ifndef MX_FEDERATION_INVITE_H
#define MX_FEDERATION_INVITE_H

#include <ganglion/matrix/store.h>

/* Sends the invite to its target's server (v2, or v1 where only that is known and the room's version allows it). state:
 * the events of the room that the invited user is shown, n of them. *out: the event with that server's signature too;
 * one reference, held by the arena. Errors: the other server's 4xx; 403 M_FORBIDDEN when it may not be asked; 502. */
GG_YIELDS GG_CHECKED int mx_fed_invite(struct mx_server *server, const struct mx_event *invite,
                                       const struct mx_event *const *state, size_t n, struct gg_arena *arena,
                                       struct mx_event **out, struct gg_error *err);

#endif
