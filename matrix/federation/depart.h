/* matrix/federation/depart.h: a user of ours turns down an invite to, knocks at, or withdraws from a room of other
 * servers: events that this server keeps outside the room's history (outliers, facts database 4.19). */
#ifndef MX_FEDERATION_DEPART_H
#define MX_FEDERATION_DEPART_H

#include "federation/candidates.h"
#include "federation/join.h"

/* make_leave and send_leave through one of the servers; the leave is kept as an out-of-band membership. */
GG_YIELDS GG_CHECKED int mx_fed_leave(struct mx_server *server, struct mx_candidates *servers,
                                      const struct mx_join *leave, struct gg_arena *arena, struct mx_joined *out,
                                      struct gg_error *err);
/* make_knock and send_knock, likewise; what the other side shows of the room is kept with the knock. */
GG_YIELDS GG_CHECKED int mx_fed_knock(struct mx_server *server, struct mx_candidates *servers,
                                      const struct mx_join *knock, struct gg_arena *arena, struct mx_joined *out,
                                      struct gg_error *err);

#endif
