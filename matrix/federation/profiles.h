/* matrix/federation/profiles.h: profiles of other servers' users (server-server API, "Querying for information"). */
#ifndef MX_FEDERATION_PROFILES_H
#define MX_FEDERATION_PROFILES_H

#include <ganglion/matrix/server.h>

/* Asks the user's server each time: nobody tells us when a profile changes. field NULL: all of it. *out is the answer, the
 * text of a JSON object in the arena. 403 and 404 as that server says; 502 M_UNKNOWN where it cannot be asked or says
 * anything else. */
GG_YIELDS GG_CHECKED int mx_fed_profile(struct mx_server *server, struct gg_str user_id, const char *field,
                                        struct gg_arena *arena, struct gg_str *out, struct gg_error *err);

#endif
