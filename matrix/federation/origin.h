/* matrix/federation/origin.h: who signed the request that a handler answers. */
#ifndef MX_FEDERATION_ORIGIN_H
#define MX_FEDERATION_ORIGIN_H

#include <ganglion/matrix/server.h>

/* The principal under GG_AUTH_SERVER, in the request's arena. */
struct mx_origin {
    const char *name; /* server name */
};

static inline const char *mx_origin_of(const struct gg_request *rq)
{
    return ((const struct mx_origin *)gg_request_principal(rq))->name;
}

#endif
