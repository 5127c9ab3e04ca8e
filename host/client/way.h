/* client/way.h: which way a request to the world goes: directly, or through a forward proxy; and the addresses that libcurl
 * needs for it, which would look names up on threads. For client/ only. */
#ifndef GG_CLIENT_WAY_H
#define GG_CLIENT_WAY_H

#include "client/client.h"
#include "client/deny.h"

#include <curl/curl.h>

struct gg_way {
    const char *proxy;             /* a URL, in the request's arena; NULL: none */
    struct curl_slist *addresses;  /* NULL: none are needed */
};

/* GG_E_UNAVAILABLE: there is no such host; GG_E_FORBIDDEN: `public_only`, and a proxy would be asked for an address that is
 * denied. *out must be done with either way. */
GG_YIELDS GG_CHECKED int gg_way_find(struct gg_host *host, const struct gg_client_request *request, const struct gg_deny *deny,
                                     struct gg_arena *arena, struct gg_way *out, struct gg_error *err);
void gg_way_set(const struct gg_way *way, CURL *easy);
void gg_way_done(struct gg_way *way);

#endif
