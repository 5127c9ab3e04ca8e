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
void mx_stripped_open(struct gg_buf *out, const struct mx_event *event); /* without its last brace */
/* The events of which an invited or knocking user is shown something (room_prejoin_state), held by the chain's arena or by
 * the chain. */
GG_YIELDS GG_CHECKED int mx_stripped_events(struct mx_chain *chain, const struct mx_event ***out, size_t *n_out,
                                            struct gg_error *err);
/* JSON array of the stripped state that an invited or knocking user is shown (room_prejoin_state). */
GG_YIELDS GG_CHECKED int mx_stripped_state(struct mx_chain *chain, struct gg_str *out, struct gg_error *err);
/* The same events whole, as another server is shown them whose user knocks (server-server API, knock_room_state). */
GG_YIELDS GG_CHECKED int mx_stripped_pdus(struct mx_chain *chain, struct gg_str *out, struct gg_error *err);

#endif
