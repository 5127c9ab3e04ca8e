/* matrix/federation/complexity.h: rooms of other servers that are too large for this one (limit_remote_rooms). */
#ifndef MX_FEDERATION_COMPLEXITY_H
#define MX_FEDERATION_COMPLEXITY_H

#include "federation/join.h"

/* mx_fed_join within the limit: a room that its servers call too complex is not entered; one of which none could tell
 * is left again when it turns out to be. 400 M_RESOURCE_LIMIT_EXCEEDED with the configured words. */
GG_YIELDS GG_CHECKED int mx_complexity_join(struct mx_server *server, const struct mx_requester *requester,
                                            struct mx_candidates *servers, const struct mx_join *join,
                                            struct gg_arena *arena, struct mx_joined *out, struct gg_error *err);

#endif
