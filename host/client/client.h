/* client/client.h: what this process keeps for requests that go out. For client/ and for the start and stop of the
 * host. */
#ifndef GG_CLIENT_CLIENT_H
#define GG_CLIENT_CLIENT_H

#include <ganglion/client.h>
#include <ganglion/list.h>

struct gg_host;
struct gg_names;

struct gg_client {
    struct gg_host *host;
    struct gg_list pools; /* pool.c: kept connections, by peer */
    struct gg_timer *sweep;
    size_t idle;             /* kept connections in all pools */
    void *tls;               /* SSL_CTX of internal calls; NULL until needed */
    struct gg_client_pool *pool; /* of requests that name none */
    struct gg_names *names;      /* names.c; NULL until needed */
    struct gg_list curl_pools;   /* all of them (curl.c) */
};

/* The host's client, made at its first use. */
struct gg_client *gg_client_of(struct gg_host *host);
/* Closes kept connections and releases curl; after all fibers have ended. NULL host->client is fine. */
void gg_client_stop(struct gg_host *host);

/* pool.c */
void gg_internal_drop_all(struct gg_client *client);
/* curl.c */
void gg_curl_free_all(struct gg_client *client);

#endif
