/* matrix/federation/partial_join.h: the state that a joining server needs at once, when it asks for no members (server-server
 * API, "send_join" with omit_members). */
#ifndef MX_FEDERATION_PARTIAL_JOIN_H
#define MX_FEDERATION_PARTIAL_JOIN_H

#include "federation/member_in.h"

/* A map without members but for the joining user's own former one and those by whom a room without a name is called. One
 * reference, held by the arena. */
GG_YIELDS GG_CHECKED int mx_fed_partial_state(struct mx_server *server, const struct mx_fed_member *join, struct gg_arena *arena,
                                              const struct mx_state **out, struct gg_error *err);

#endif
