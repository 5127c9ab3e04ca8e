/* matrix/rooms/standing.h: what users may do in rooms whose account is suspended (client-server API, "Account Suspension")
 * or shadow-banned (they are told that all went well, and nobody else hears of it). */
#ifndef MX_ROOMS_STANDING_H
#define MX_ROOMS_STANDING_H

#include <ganglion/matrix/rooms.h>

/* A suspended user sends nothing but redactions of their own events: 403 M_USER_SUSPENDED. */
GG_YIELDS GG_CHECKED int mx_standing_send(struct mx_server *server, const struct mx_requester *requester,
                                          const struct mx_new_event *event, struct gg_arena *arena, struct gg_error *err);
/* A suspended user joins, knocks, invites, kicks and bans nobody, but may leave: 403 M_USER_SUSPENDED. */
GG_CHECKED int mx_standing_change(const struct mx_requester *requester, const struct mx_membership_change *change,
                                  struct gg_error *err);
/* Does not make or upgrade rooms either: 403 M_USER_SUSPENDED. */
GG_CHECKED int mx_standing_create(const struct mx_requester *requester, struct gg_error *err);
/* For the shadow-banned: the time that it seems to take, and the id of an event that there is not, in the arena. */
GG_YIELDS GG_CHECKED int mx_standing_pretend(struct gg_arena *arena, struct gg_str *event_id_out, struct gg_error *err);

#endif
