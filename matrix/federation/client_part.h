/* matrix/federation/client_part.h: what a process keeps for asking other servers. Private to the client's files. */
#ifndef MX_FEDERATION_CLIENT_PART_H
#define MX_FEDERATION_CLIENT_PART_H

#include "federation/backoff.h"
#include "federation/client.h"

#include <ganglion/client.h>
#include <ganglion/map.h>
#include <ganglion/matrix/cache.h>

struct mx_well_knowns;

struct mx_fed_client {
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_client_pool *pool;
    const char *user_agent;          /* a header */
    int64_t timeout_ms, short_delay_ms, long_delay_ms;
    int64_t short_retries, long_retries;
    bool verify;
    const char *const *unverified;   /* globs of hosts whose certificate is not checked */
    size_t n_unverified;
    const char *const *through;      /* the instances that send for us (outbound_federation_restricted_to) */
    size_t n_through;                /* 0: we send ourselves */
    struct gg_map *whitelist;        /* server names; NULL: all */
    /* backoff.c */
    struct mx_fed_backoff_rules rules;
    struct mx_cache *timings;
    struct gg_list followers, sleepers;
    struct gg_map *waking;           /* names whose backoff is being looked up */
    struct gg_scope *scope;          /* of the fibers that do */
    struct mx_well_knowns *well_knowns;
    uint16_t well_known_port;        /* 0: that of https; tests listen elsewhere */
};

void mx_fed_backoff_make(struct mx_fed_client *client);
void mx_fed_backoff_free(struct mx_fed_client *client);

/* One request, sent once: name resolution, connection, answer. headers: NULL-ended, without Host. 0 whenever HTTP
 * answered; connection failures are GG_E_UNAVAILABLE. (exchange.c) */
struct mx_fed_exchange {
    const char *destination, *method, *path;
    const char *const *headers;
    struct gg_str body;
    size_t max_answer;
    const struct gg_client_sink *sink; /* or NULL */
};
GG_YIELDS GG_CHECKED int mx_fed_exchange(struct mx_fed_client *client, const struct mx_fed_exchange *exchange,
                                         struct gg_arena *arena, struct gg_client_answer *out, struct gg_error *err);
/* Is the certificate of that host (no port) checked? */
bool mx_fed_verifies(const struct mx_fed_client *client, struct gg_str host);

#endif
