/* matrix/federation/resolve.h: where a server is (server-server API, "Resolving server names"). */
#ifndef MX_FEDERATION_RESOLVE_H
#define MX_FEDERATION_RESOLVE_H

#include "federation/client_part.h"

enum { MX_FED_PLACES = 8, MX_FED_PORT = 8448 };

/* In the arena. Host header and certificate are those of `authority`; one place after the other is connected to. */
struct mx_fed_target {
    const char *authority; /* host and perhaps port, as in a server name */
    const char *host;      /* of it, without brackets and port */
    struct {
        const char *host;
        uint16_t port;
    } places[MX_FED_PLACES];
    size_t n_places;
};
/* GG_E_UNAVAILABLE: the name's service says that it is not there (an SRV record of "."). */
GG_YIELDS GG_CHECKED int mx_fed_resolve(struct mx_fed_client *client, const char *name, struct gg_arena *arena,
                                        struct mx_fed_target *out, struct gg_error *err);

#endif
