/* matrix/federation/remote_membership.h: memberships in rooms of other servers, asked for on any process and carried
 * out by the main one (facts replication 8.4: remote_join, remote_knock, remote_reject_invite, remote_rescind_knock).
 */
#ifndef MX_FEDERATION_REMOTE_MEMBERSHIP_H
#define MX_FEDERATION_REMOTE_MEMBERSHIP_H

#include "federation/join.h"

/* The join or knock (action "join", "knock") of the requester through one of the servers. 404 M_UNKNOWN when none is
 * named. The event is known to this process when it returns. */
GG_YIELDS GG_CHECKED int mx_remote_enter(struct mx_server *server, const struct mx_requester *requester,
                                         const char *action, const struct mx_join *join, const struct gg_str *servers,
                                         size_t n, struct gg_arena *arena, struct gg_str *event_id_out,
                                         struct gg_error *err);
/* Takes back what the event, an invite of another server's user or a knock, says of the requester (content: of the
 * leave); when nobody can be told, by an event that this server alone knows. */
GG_YIELDS GG_CHECKED int mx_remote_withdraw(struct mx_server *server, const struct mx_requester *requester,
                                            const struct mx_event *from, struct gg_str content, struct gg_arena *arena,
                                            struct gg_str *event_id_out, struct gg_error *err);

#endif
