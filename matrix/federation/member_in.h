/* matrix/federation/member_in.h: member events that another server's users make through us: send_join, send_leave, send_knock. */
#ifndef MX_FEDERATION_MEMBER_IN_H
#define MX_FEDERATION_MEMBER_IN_H

#include "federation/place.h"

#include <ganglion/matrix/heads.h>

struct mx_fed_member {
    const struct mx_event *event; /* as it was stored: with our signature where we let the user in */
    struct mx_fed_before before;  /* the state that it stands on */
    const struct mx_head *head;   /* of the room before it */
};
/* Checks the event (JSON text of the request's body), signs it where the room's rule wants our word, and writes it; the other
 * servers hear of it from us. All in the arena. An event that we hold already is a success, too.
 * 400 M_BAD_JSON (what it is not), M_UNABLE_TO_AUTHORISE_JOIN; 403 M_FORBIDDEN (signatures, the ACL, the room's rules); 404
 * M_NOT_FOUND: we are not in that room; 429. */
GG_YIELDS GG_CHECKED int mx_fed_member_in(struct mx_server *server, struct gg_str origin, struct gg_str room_id,
                                          const char *membership, struct gg_str body, struct gg_arena *arena,
                                          struct mx_fed_member *out, struct gg_error *err);

#endif
