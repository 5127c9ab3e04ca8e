/* matrix/rooms/restricted.h: joins of those who are let in because they are in another room. */
#ifndef MX_ROOMS_RESTRICTED_H
#define MX_ROOMS_RESTRICTED_H

#include "rooms/chain.h"

/* Is the user joined to one of the rooms that the join rule's `allow` names? */
GG_YIELDS GG_CHECKED int mx_restricted_allows(struct mx_server *server, const struct mx_event *join_rules, struct gg_str user_id,
                                              struct gg_arena *arena, bool *allowed, struct gg_error *err);
/* Adds join_authorised_via_users_server to *more (JSON object text or s NULL) where the room's rule asks for it of a
 * target whose membership is `before`. 403 for who is in none of the rooms, 400 M_UNABLE_TO_GRANT_JOIN. */
GG_YIELDS GG_CHECKED int mx_restricted_join(struct mx_chain *chain, struct gg_str target, struct gg_str before,
                                            struct gg_str *more, struct gg_error *err);

#endif
