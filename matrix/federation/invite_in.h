/* matrix/federation/invite_in.h: another server invites one of our users (server-server API, "Inviting to a room"). */
#ifndef MX_FEDERATION_INVITE_IN_H
#define MX_FEDERATION_INVITE_IN_H

#include <ganglion/matrix/store.h>

struct mx_fed_invite {
    struct gg_str room_id, event_id;  /* of the path: the event must agree */
    struct gg_str room_version;       /* as the other server names it */
    struct gg_str event;              /* JSON object text */
    struct gg_str stripped;           /* JSON text of invite_room_state, or s NULL */
};
/* Checks the invite, signs it and stores it outside the room's history; the user is told, and notified. *out (the signed event)
 * is held by the arena.
 * 400 M_UNSUPPORTED_ROOM_VERSION, M_INVALID_PARAM, M_BAD_JSON, M_UNKNOWN; 403 M_FORBIDDEN; 429. */
GG_YIELDS GG_CHECKED int mx_fed_invite_in(struct mx_server *server, struct gg_str origin, const struct mx_fed_invite *invite,
                                          struct gg_arena *arena, const struct mx_event **out, struct gg_error *err);

#endif
