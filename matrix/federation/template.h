/* matrix/federation/template.h: member events that another server will sign: make_join, make_leave, make_knock. */
#ifndef MX_FEDERATION_TEMPLATE_H
#define MX_FEDERATION_TEMPLATE_H

#include <ganglion/matrix/heads.h>

struct mx_fed_make {
    const char *membership;      /* "join", "leave", "knock" */
    struct gg_str room_id, user_id;
    const char *const *versions; /* room versions that the asking server knows */
    size_t n_versions;
    bool any_version;            /* it does not matter which */
};
/* The event (JSON text without hashes, signatures and unsigned, in the arena) as it would be allowed at the room's end now.
 * 400 M_INCOMPATIBLE_ROOM_VERSION, M_UNABLE_TO_GRANT_JOIN, M_UNABLE_TO_AUTHORISE_JOIN; 403 M_FORBIDDEN where the ACL or the
 * room's rules do not let it; 404 M_NOT_FOUND: we are not in that room; 429 for a room that too many join. */
GG_YIELDS GG_CHECKED int mx_fed_make_member(struct mx_server *server, struct gg_str origin, const struct mx_fed_make *make,
                                            struct gg_arena *arena, struct gg_str *event_out,
                                            const struct mx_room_version **version_out, struct gg_error *err);
/* The room's version is among those that a server knows: 0, or 400 M_INCOMPATIBLE_ROOM_VERSION. Here, too, for a room that
 * does not let anybody knock: 403. */
GG_CHECKED int mx_fed_check_version(const struct mx_fed_make *make, const struct mx_room_version *version, struct gg_error *err);

#endif
