/* matrix/rooms/membership.h: the pieces of membership events that createRoom shares. */
#ifndef MX_ROOMS_MEMBERSHIP_H
#define MX_ROOMS_MEMBERSHIP_H

#include "rooms/chain.h"

#include <ganglion/buf.h>

/* Content of a member event in the arena: membership, the target's profile if it is a local user who joins or is
 * invited, reason, and `more` (JSON object text or s NULL) below them. is_direct is added when set. */
GG_YIELDS GG_CHECKED int mx_member_content(struct mx_server *server, struct gg_str target, struct gg_str membership,
                                           struct gg_str reason, struct gg_str more, bool is_direct,
                                           struct gg_arena *arena, struct gg_str *out, struct gg_error *err);
enum { MX_STRIPPED_MAX = 100 }; /* entries of one type that are shown */
/* One event with what strangers are shown of it. */
void mx_stripped_write(struct gg_buf *out, const struct mx_event *event);
/* JSON array of the stripped state that an invited or knocking user is shown (room_prejoin_state). */
GG_YIELDS GG_CHECKED int mx_stripped_state(struct mx_chain *chain, struct gg_str *out, struct gg_error *err);

#endif
