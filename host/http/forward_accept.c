/* The receiving side of forwarding: unpacks a request that another process passed on. */
#include "http/forward.h"

#include "config/topology.h"
#include "http/conn.h"
#include "main/host.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <strings.h>

static int refuse(struct gg_request *rq, int status, const char *errcode, const char *why)
{
    rq->cut = true;
    return gg_refuse(&rq->refusal, status, errcode, "%s", why);
}

/* The same rule as for replication calls: checked if a secret is configured; without one the listener itself is
 * private (the configuration sees to that). */
static bool trusted(const struct gg_request *rq)
{
    const struct gg_config *config = rq->server->host->config;
    const char *secret = config != NULL ? gg_topology_secret(config) : NULL;
    const char *given = gg_request_header(rq, "Authorization");
    if (secret == NULL)
        return true;
    if (given == NULL || strncasecmp(given, "Bearer ", 7) != 0 || strlen(given + 7) != strlen(secret))
        return false;
    return CRYPTO_memcmp(given + 7, secret, strlen(secret)) == 0;
}

/* The caller's own authorisation travels under another name; give it its name back. */
static void restore_authorization(struct gg_request *rq)
{
    static const char prefix[] = "X-Ganglion-", name[] = "Authorization";
    for (size_t i = 0; i < rq->n_headers; i++) {
        struct gg_span *header = &rq->headers[i].name;
        const char *text = gg_request_text(rq, *header);
        if (header->n == sizeof(name) - 1 && strcasecmp(text, name) == 0) {
            header->at += header->n; /* an empty name that nobody asks for */
            header->n = 0;
        } else if (header->n == sizeof(prefix) + sizeof(name) - 2 &&
                   strncasecmp(text, prefix, sizeof(prefix) - 1) == 0 &&
                   strcasecmp(text + sizeof(prefix) - 1, name) == 0) {
            header->at += sizeof(prefix) - 1;
            header->n = sizeof(name) - 1;
        }
    }
}

static void take_caller(struct gg_request *rq)
{
    const char *address = gg_request_header(rq, "X-Ganglion-Address");
    const char *scheme = gg_request_header(rq, "X-Ganglion-Scheme");
    const char *id = gg_request_header(rq, "X-Ganglion-Request-Id");
    rq->address = address != NULL ? address : rq->address;
    rq->https = scheme != NULL && strcmp(scheme, "https") == 0;
    if (id != NULL && id[0] != '\0')
        snprintf(rq->id, sizeof(rq->id), "%s", id);
}

int gg_forward_accept(struct gg_request *rq)
{
    size_t n = sizeof(GG_FORWARD_PATH) - 1;
    const char *target = gg_request_target(rq);
    if (strncmp(target, GG_FORWARD_PATH, n) != 0 || target[n] != '/')
        return 0;
    if (!trusted(rq))
        return refuse(rq, 403, "M_FORBIDDEN", "Forwarding needs the replication secret");
    const char *hops = gg_request_header(rq, "X-Ganglion-Hops");
    const char *via = gg_request_header(rq, "X-Ganglion-Via");
    long hop = hops != NULL ? strtol(hops, NULL, 10) : 0;
    if (hop < 1 || hop > GG_FORWARD_HOPS || via == NULL)
        return refuse(rq, 508, "M_UNKNOWN", "The request was forwarded too often");
    rq->hops = (uint32_t)hop;
    rq->via = via;
    rq->target.at += (uint32_t)n;
    rq->target.n -= (uint32_t)n;
    rq->n_path -= n;
    take_caller(rq);
    restore_authorization(rq);
    if (!gg_str_starts(gg_str(gg_request_target(rq)), GG_STR("//")))
        return 0;
    return refuse(rq, 400, "M_UNKNOWN", "The request target must be a path");
}
