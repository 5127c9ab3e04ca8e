/* matrix/federation/request_auth.h: how a request to another server says that it is ours (server-server API, "Request
 * Authentication"). */
#ifndef MX_FEDERATION_REQUEST_AUTH_H
#define MX_FEDERATION_REQUEST_AUTH_H

#include <ganglion/matrix/crypto.h>

/* "Authorization: X-Matrix ..." of one key. destination_key: "destination", or "destination_is" towards identity servers.
 * body: canonical JSON; s NULL: none. Pure; in the arena. */
const char *mx_fed_authorization(const char *origin, const struct mx_signing_key *key, const char *destination_key,
                                 const char *destination, const char *method, const char *uri, struct gg_str body,
                                 struct gg_arena *arena);

#endif
