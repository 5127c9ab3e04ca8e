/* client/curl.h: one transfer of libcurl on the loop, whatever its protocol. For client/ only. */
#ifndef GG_CLIENT_CURL_H
#define GG_CLIENT_CURL_H

#include "client/client.h"
#include "client/deny.h"

#include <curl/curl.h>
#include <ganglion/fiber.h>

enum { GG_KEEP_HANDLES = 16 };

struct gg_curl { /* libcurl, made by the first request that needs it */
    struct gg_client_pool *pool;
    CURLM *multi;
    struct gg_timer *timer;
    CURL *spare[GG_KEEP_HANDLES];
    size_t n_spare;
};

struct gg_client_pool {
    struct gg_list link;
    struct gg_host *host;
    struct gg_client_pool_options options; /* texts are the config's */
    struct x509_store_st *trusted;         /* NULL: the system's */
    struct gg_deny deny;
    bool deny_read;
    struct gg_curl *curl[2];               /* [1]: for peers that are checked against the deny list */
};

struct gg_curl_call { /* on the stack of the fiber that waits */
    struct gg_curl *curl;
    CURL *easy;
    struct gg_cond done_cond;
    CURLcode result;
    bool done;
};

/* Takes a handle with the pool's options (NULL: the host's own pool); the caller sets the others. checked: connections
 * that all passed the deny list. */
void gg_curl_begin(struct gg_host *host, struct gg_client_pool *pool, bool checked, struct gg_curl_call *call);
/* Runs it until it is done (then 0, and result) or the fiber's wait ends. err is set where curl itself refuses. */
GG_YIELDS int gg_curl_wait(struct gg_curl_call *call, struct gg_error *err);
/* After all that the handle knows has been read. */
void gg_curl_end(struct gg_curl_call *call);

#endif
