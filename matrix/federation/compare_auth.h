/* matrix/federation/compare_auth.h: two servers lay the auth chains that they hold of an event side by side (the federation
 * API's first version, "query_auth"). */
#ifndef MX_FEDERATION_COMPARE_AUTH_H
#define MX_FEDERATION_COMPARE_AUTH_H

#include <ganglion/matrix/store.h>

struct mx_fed_auth_compared {
    const struct gg_str *auth;    /* our chain of the event */
    const struct gg_str *missing; /* of it, what the other side does not have */
    size_t n_auth, n_missing;
    struct gg_str rejects;        /* JSON object: of their chain what we do not accept: {id: {"reason", "proof"}} */
};
/* body: {"auth_chain": [PDUs], "missing": [ids], "rejects": {..}}, JSON text. What of their chain we lack is checked and
 * stored. 400 M_BAD_JSON for lists of a wrong type, or longer than a room's auth chain can sensibly be. */
GG_YIELDS GG_CHECKED int mx_fed_compare_auth(struct mx_server *server, const char *origin, const struct mx_event *event,
                                             struct gg_str body, struct gg_arena *arena, struct mx_fed_auth_compared *out,
                                             struct gg_error *err);

#endif
