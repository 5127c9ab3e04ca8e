/* Requests that only certain processes of the deployment may send: handed to one of them, with the whole URL as the target
 * (facts replication 9.5). */
#include "client/through.h"

#include "client/internal.h"
#include "config/topology.h"
#include "main/host.h"

#include <strings.h>

enum { MAX_HEADERS = 24 };

/* Host is its business: it finds out where the URL leads. */
static void headers_for(const struct gg_host *host, const struct gg_client_request *request, struct gg_arena *arena,
                        const char **out)
{
    const char *secret = gg_topology_secret(host->config);
    size_t n = 0;
    if (secret != NULL)
        out[n++] = gg_arena_printf(arena, "Proxy-Authorization: Bearer %s", secret);
    for (const char *const *each = request->headers; each != NULL && *each != NULL && n < MAX_HEADERS - 1; each++)
        if (strncasecmp(*each, "Host:", 5) != 0)
            out[n++] = *each;
    out[n] = NULL;
}

static bool may_be_sent_twice(const char *method)
{
    return method == NULL || strcmp(method, "GET") == 0 || strcmp(method, "PUT") == 0;
}

int gg_client_fetch_through(struct gg_host *host, const struct gg_client_request *request, struct gg_arena *arena,
                            struct gg_client_answer *out, struct gg_error *err)
{
    const char *headers[MAX_HEADERS];
    const struct gg_peer *peer = gg_topology_peer(host->config, request->through);
    struct gg_internal_answer answer;
    int64_t left = gg_get_deadline() == GG_FOREVER ? 0 : gg_get_deadline() - gg_now_ms();
    memset(out, 0, sizeof(*out));
    if (peer == NULL)
        return gg_fail(err, GG_E_UNAVAILABLE, "%s is not in instance_map", request->through);
    headers_for(host, request, arena, headers);
    struct gg_internal_request inner = {.peer = peer, .method = request->method, .target = request->url, .headers = headers,
                                        .body = request->body, .connect_timeout_ms = request->connect_timeout_ms,
                                        .timeout_ms = left > 0 ? left : 0, .max_answer = request->max_answer,
                                        .repeatable = may_be_sent_twice(request->method)};
    int rc = gg_internal_fetch(host, &inner, arena, &answer, err);
    out->connected = rc != GG_E_UNAVAILABLE;
    if (rc != 0)
        return rc;
    out->status = answer.status;
    out->body = answer.body;
    out->content_type = answer.content_type;
    return 0;
}
