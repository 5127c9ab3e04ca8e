/* usage/usage.h: who may use the server, by its configuration (client-server API, M_RESOURCE_LIMIT_EXCEEDED and
 * M_CONSENT_NOT_GIVEN). What the server does by itself (a requester without an access token) is never refused. */
#ifndef MX_USAGE_USAGE_H
#define MX_USAGE_USAGE_H

#include <ganglion/matrix/rooms.h>

/* Is there a place for the requester? 403 M_RESOURCE_LIMIT_EXCEEDED with limit_type and admin_contact. */
GG_YIELDS GG_CHECKED int mx_usage_check(struct mx_server *server, const struct mx_requester *requester, struct gg_error *err);
/* The same for a user who logs in. */
GG_YIELDS GG_CHECKED int mx_usage_check_login(struct mx_server *server, struct gg_str user_id, struct gg_error *err);
/* The same for somebody who registers, with an address that was proved or s NULL: reserved addresses always may. */
GG_YIELDS GG_CHECKED int mx_usage_check_new(struct mx_server *server, struct gg_str medium, struct gg_str address,
                                            struct gg_error *err);
/* Somebody registered with that address: who has a reserved one is counted at once. */
GG_YIELDS GG_CHECKED int mx_usage_registered(struct mx_server *server, struct gg_str user_id, struct gg_str medium,
                                             struct gg_str address, struct gg_error *err);

/* May the requester send events, make rooms? As mx_usage_check, and 403 M_CONSENT_NOT_GIVEN with consent_uri. */
GG_YIELDS GG_CHECKED int mx_usage_check_sender(struct mx_server *server, const struct mx_requester *requester,
                                               struct gg_error *err);
/* The same for a membership: without having agreed one may leave, and join the server's own room of notices. */
GG_YIELDS GG_CHECKED int mx_usage_check_change(struct mx_server *server, const struct mx_requester *requester,
                                               const struct mx_membership_change *change, struct gg_arena *arena,
                                               struct gg_error *err);

/* A user did something just now. Never waits. */
void mx_usage_seen(struct mx_server *server, struct gg_str user_id);
/* Jobs of the background process: who was not seen for a month goes; the numbers for Prometheus. */
GG_YIELDS GG_CHECKED int mx_usage_reap(struct mx_server *server, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_usage_measure(struct mx_server *server, struct gg_error *err);

#endif
