/* The sending side of forwarding: who must answer, and the passing on in both directions. */
#include "http/forward.h"

#include <ganglion/memory.h>
#include "client/internal.h"
#include "config/topology.h"
#include "http/conn.h"
#include "http/pass.h"
#include "main/host.h"

#include <ganglion/map.h>
#include <ganglion/metrics.h>
#include <ganglion/repl.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.forward"};

enum { PROBE_MS = 5000, REMEMBER_MS = 60000 };

static struct gg_metric forwarded = {
    .name = "ganglion_forwarded_requests_total",
    .help = "Requests that this process passed on because another one serves their route",
    .type = GG_COUNTER,
    .label = {"route"},
};

struct gg_forward {
    struct gg_map *ganglions; /* instance -> struct verdict */
    struct gg_map *warned;    /* routes that nobody serves, and were said so once */
};

struct verdict {
    bool ganglion;
    int64_t until;
};

static struct gg_forward *forward_of(struct gg_server *server)
{
    if (server->forwarder == NULL) {
        server->forwarder = gg_xcalloc(1, sizeof(*server->forwarder));
        server->forwarder->ganglions = gg_map_new(free);
        server->forwarder->warned = gg_map_new(NULL);
    }
    return server->forwarder;
}

void gg_forward_free(struct gg_forward *forward)
{
    if (forward == NULL)
        return;
    gg_map_free(forward->ganglions);
    gg_map_free(forward->warned);
    free(forward);
}

/* ---- who ---- */

static bool listed(const char *via, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = via; at != NULL && *at != '\0'; at += strcspn(at, ","), at += *at == ',')
        if (strncmp(at, name, n) == 0 && (at[n] == ',' || at[n] == '\0'))
            return true;
    return false;
}

/* The instances that may serve the route, as the configuration tells. */
static const char *const *servers_of(const struct gg_config *config, const struct gg_router_entry *entry, size_t *n_out)
{
    static const char *const master[] = {GG_MASTER, NULL};
    if (entry->route->writer != NULL)
        return gg_topology_writers(config, entry->route->writer, n_out);
    if ((entry->resources & GG_RES_MEDIA) != 0) {
        const char *const *media = gg_topology_duty(config, "media_repository", n_out);
        if (*n_out > 0)
            return media;
    }
    *n_out = 1;
    return master;
}

/* ---- is it Ganglion? ---- */

static const char *bearer(struct gg_request *rq)
{
    const char *secret = gg_topology_secret(rq->server->host->config);
    return secret != NULL ? gg_arena_printf(gg_request_arena(rq), "Authorization: Bearer %s", secret) : NULL;
}

/* Asks once in a while. 1: yes; 0: it is another server; negative: it cannot be reached. */
static int is_ganglion(struct gg_request *rq, const struct gg_peer *peer, struct gg_error *err)
{
    struct gg_forward *forward = forward_of(rq->server);
    struct verdict *known = gg_map_get(forward->ganglions, gg_str(peer->name));
    if (known != NULL && known->until > gg_now_ms())
        return known->ganglion;
    const char *headers[] = {bearer(rq), NULL};
    struct gg_internal_request probe = {.peer = peer,
                                        .target = GG_FORWARD_PATH,
                                        .headers = headers,
                                        .connect_timeout_ms = PROBE_MS,
                                        .timeout_ms = PROBE_MS,
                                        .max_answer = 65536};
    struct gg_internal_answer answer;
    int rc = gg_internal_fetch(rq->server->host, &probe, gg_request_arena(rq), &answer, err);
    if (rc < 0)
        return rc;
    struct verdict *verdict = gg_xcalloc(1, sizeof(*verdict));
    verdict->ganglion = answer.status == 200;
    verdict->until = gg_deadline(REMEMBER_MS);
    gg_map_put(forward->ganglions, gg_str(peer->name), verdict);
    return verdict->ganglion;
}

/* ":8008" and nothing else but a slash: the number; "": fallback; 0: of another form. */
static uint16_t port_of(const char *text, uint16_t fallback)
{
    char *end = (char *)(uintptr_t)text;
    long port = text[0] == ':' && text[1] >= '0' && text[1] <= '9' ? strtol(text + 1, &end, 10) : fallback;
    bool over = strcmp(end, "") == 0 || strcmp(end, "/") == 0;
    return over && port > 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* "http://host:port" as a peer; NULL: none, or of another form. */
static const struct gg_peer *peer_of(const char *uri, struct gg_arena *arena)
{
    bool tls = uri != NULL && strncmp(uri, "https://", 8) == 0;
    if (uri == NULL || (!tls && strncmp(uri, "http://", 7) != 0))
        return NULL;
    const char *at = uri + (tls ? 8 : 7);
    bool v6 = *at == '[';
    size_t n = v6 ? strcspn(at, "]") : strcspn(at, ":/");
    if (v6 && at[n] == '\0')
        return NULL;
    struct gg_peer *peer = GG_NEW(arena, struct gg_peer);
    peer->name = peer->host = gg_arena_strndup(arena, at + v6, n - v6);
    peer->port = port_of(at + n + v6, tls ? 443 : 80);
    peer->tls = tls;
    return peer->port != 0 && peer->host[0] != '\0' ? peer : NULL;
}

/* ---- the whole ---- */

static int nobody(struct gg_request *rq, struct gg_error *err)
{
    struct gg_forward *forward = forward_of(rq->server);
    const char *path = rq->match.entry->route->path; /* of a table: few */
    if (!gg_map_has(forward->warned, gg_str(path))) {
        gg_map_put(forward->warned, gg_str(path), NULL);
        gg_warn(&logger, "%s %s belongs to another process, and none that is known can be asked: 404", rq->method,
                path);
    }
    return gg_refuse(err, 404, "M_UNRECOGNIZED", "Unrecognized request");
}

/* Sets the passage towards one instance. 1: go; 0: it cannot take forwarded requests; negative: unreachable. */
static int prepare(struct gg_passage *p, const char *name, struct gg_error *err)
{
    const struct gg_config *config = p->rq->server->host->config;
    p->peer = gg_topology_peer(config, name);
    p->plain = false;
    int rc = p->peer != NULL ? is_ganglion(p->rq, p->peer, err) : 0;
    if (rc != 0)
        return rc;
    bool client_facing = strcmp(name, GG_MASTER) == 0 && p->rq->via == NULL;
    const char *uri = gg_config_text(config, "worker_main_http_uri");
    p->peer = client_facing ? peer_of(uri, gg_request_arena(p->rq)) : NULL;
    p->plain = true;
    return p->peer != NULL;
}

int gg_forward(struct gg_request *rq, struct gg_error *err)
{
    struct gg_host *host = rq->server->host;
    const struct gg_router_entry *entry = rq->match.entry;
    if (host->config == NULL || (entry->resources & GG_RES_REPLICATION) != 0 || rq->hops >= GG_FORWARD_HOPS)
        return nobody(rq, err);
    size_t n;
    const char *const *names = servers_of(host->config, entry, &n);
    struct gg_passage p = {.rq = rq};
    int rc = GG_E_NOT_FOUND;
    for (size_t i = 0, from = n > 0 ? rq->server->next_id % n : 0; i < n && rc < 0 && !gg_replied(rq); i++) {
        const char *name = names[(from + i) % n];
        if (strcmp(name, gg_host_instance(host)) == 0 || listed(rq->via, name))
            continue;
        int go = prepare(&p, name, err);
        if (go == 0)
            continue;
        rc = go < 0 ? go : 0;
        if (rc == 0) {
            gg_metric_add(&forwarded, 1, GG_LABELS(entry->route->path));
            rc = gg_pass(&p, err);
        }
        if (rc != GG_E_UNAVAILABLE) /* only what never arrived may be tried elsewhere */
            break;
    }
    if (rc == GG_E_NOT_FOUND)
        return nobody(rq, err);
    gg_forward_blame(rq, rc, err);
    return rc;
}

void gg_forward_blame(const struct gg_request *rq, int rc, struct gg_error *err)
{
    if (rc >= 0 || rq->replied || rq->refusal.code != 0)
        return;
    if (rc == GG_E_TIMEOUT)
        err->http_status = 504;
    else if (rc == GG_E_UNAVAILABLE || rc == GG_E_CLOSED || rc == GG_E_PROTOCOL)
        err->http_status = 502;
}

int gg_request_pass_on(struct gg_request *rq, const char *uri, int64_t stall_ms, struct gg_error *err)
{
    struct gg_passage p = {
        .rq = rq, .peer = peer_of(uri, gg_request_arena(rq)), .plain = true, .stall_ms = stall_ms};
    if (p.peer == NULL)
        return gg_fail(err, GG_E_INVALID, "%s is no address of a server", uri != NULL ? uri : "nothing");
    int rc = gg_pass(&p, err);
    gg_forward_blame(rq, rc, err);
    return rc;
}

bool gg_http_uri_valid(const char *uri)
{
    struct gg_arena *arena = gg_arena_new();
    bool valid = peer_of(uri, arena) != NULL;
    gg_arena_free(arena);
    return valid;
}
