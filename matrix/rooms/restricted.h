/* matrix/rooms/restricted.h: joins of those who are let in because they are in another room. */
#ifndef MX_ROOMS_RESTRICTED_H
#define MX_ROOMS_RESTRICTED_H

#include "rooms/chain.h"

/* Is the user joined to one of the rooms that the join rule's `allow` names? */
GG_YIELDS GG_CHECKED int mx_restricted_allows(struct mx_server *server, const struct mx_event *join_rules, struct gg_str user_id,
                                              struct gg_arena *arena, bool *allowed, struct gg_error *err);
/* May the user, whose membership is `before`, join by the join rule of this event (NULL: none)? 0 where it does not depend on
 * other rooms. 403 M_FORBIDDEN for who is in none of them; 400 M_UNABLE_TO_AUTHORISE_JOIN where that cannot be said of another
 * server's user, because we are not in all of them. *asked: the rule had to be asked. */
GG_YIELDS GG_CHECKED int mx_restricted_check(struct mx_server *server, const struct mx_room_version *version,
                                             const struct mx_event *join_rules, struct gg_str user_id, struct gg_str before,
                                             struct gg_arena *arena, bool *asked, struct gg_error *err);
/* Servers in the room whose users may let others in; in the chain's arena. */
struct mx_restricted_servers {
    const struct gg_str *names;
    size_t n;
};
/* Adds join_authorised_via_users_server to *more (JSON object text or s NULL) where the room's rule asks for it of a
 * target whose membership is `before`. Fails as mx_restricted_check. When nobody of this server can let the target
 * in, elsewhere names the servers that can (n 0: this one can, or nobody is needed); 400 M_UNABLE_TO_GRANT_JOIN when no
 * server can; elsewhere NULL: when this one cannot. */
GG_YIELDS GG_CHECKED int mx_restricted_join(struct mx_chain *chain, struct gg_str target, struct gg_str before,
                                            struct gg_str *more, struct mx_restricted_servers *elsewhere, struct gg_error *err);

#endif
