/* matrix/rooms/third_party.h: inviting somebody of whom only an address is known, and their taking it up (client-server
 * API, "Third-party Invites"). */
#ifndef MX_ROOMS_THIRD_PARTY_H
#define MX_ROOMS_THIRD_PARTY_H

#include "identity/identity.h"

#include <ganglion/matrix/rooms.h>

struct mx_third_party {
    struct mx_identity identity;
    struct gg_str medium, address;
};
/* Reads the members of an invite's body or of an entry of createRoom's invite_3pid; strings in the arena. 400
 * M_MISSING_PARAM, M_INVALID_PARAM. */
GG_CHECKED int mx_third_party_read(struct gg_str object, struct gg_arena *arena, struct mx_third_party *out, struct gg_error *err);
/* Whose address it is, is invited; else the identity server keeps the invite, and the room an m.room.third_party_invite. */
GG_YIELDS GG_CHECKED int mx_third_party_invite(struct mx_server *server, const struct mx_requester *requester,
                                               struct gg_str room_id, const struct mx_third_party *whom, struct gg_arena *arena,
                                               struct gg_error *err);
/* Turns such an invite into one of the user whom `signed` (JSON object text with mxid, token, signatures) names, in the
 * name of its sender, whose server need not be this one (server-server API, "Third-party invites"); who is not in the room
 * asks the sender's server to do it. 403 when the room knows no
 * such invite or its key does not hold any more. */
GG_YIELDS GG_CHECKED int mx_third_party_exchange(struct mx_server *server, struct gg_str room_id, struct gg_str sender,
                                                 struct gg_str proof, struct gg_arena *arena, struct gg_error *err);

#endif
