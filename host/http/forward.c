/* The sending side of forwarding: who must answer, and the passing on in both directions. */
#include "http/forward.h"

#include <ganglion/memory.h>
#include "client/internal.h"
#include "config/topology.h"
#include "http/conn.h"
#include "main/host.h"

#include <ganglion/map.h>
#include <ganglion/metrics.h>
#include <ganglion/repl.h>
#include <strings.h>

static struct gg_logger logger = {"ganglion.forward"};

enum { PROBE_MS = 5000, CONNECT_MS = 5000, REMEMBER_MS = 60000, MAX_PEERS = 64 };

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

/* "http://host:port" as a peer; NULL: unset or of another form. */
static const struct gg_peer *client_address(struct gg_request *rq)
{
    struct gg_arena *arena = gg_request_arena(rq);
    const char *uri = gg_config_text(rq->server->host->config, "worker_main_http_uri");
    bool tls = uri != NULL && strncmp(uri, "https://", 8) == 0;
    if (uri == NULL || (!tls && strncmp(uri, "http://", 7) != 0))
        return NULL;
    const char *at = uri + (tls ? 8 : 7);
    size_t n = *at == '[' ? strcspn(at, "]") + 1 : strcspn(at, ":/");
    struct gg_peer *peer = GG_NEW(arena, struct gg_peer);
    peer->name = peer->host = *at == '[' ? gg_arena_strndup(arena, at + 1, n - 2) : gg_arena_strndup(arena, at, n);
    peer->port = at[n] == ':' ? (uint16_t)atoi(at + n + 1) : tls ? 443 : 80;
    peer->tls = tls;
    return peer->port != 0 && peer->host[0] != '\0' ? peer : NULL;
}

/* ---- passing on ---- */

struct passage {
    struct gg_request *rq;
    const struct gg_peer *peer;
    bool plain;     /* as to any HTTP server: no forwarding path, no headers of ours */
    bool sent_body; /* bytes of the caller's body are gone: no second try */
    int64_t deadline;
};

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strcasecmp(name, *list) == 0)
            return true;
    return false;
}

/* Headers that belong to one connection, or that the next process gets from us. */
static const char *const not_passed[] = {
    "Connection", "Keep-Alive",        "Proxy-Connection",  "Proxy-Authorization", "TE",
    "Trailer",    "Transfer-Encoding", "Upgrade",           "HTTP2-Settings",      "Content-Length",
    "Expect",     "X-Forwarded-For",   "X-Forwarded-Proto", "X-Forwarded-Host",    NULL,
};
static const char *const not_passed_back[] = {
    "Connection",     "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
    "Content-Length", "Date",       "Server",           NULL,
};

static void add_header(struct gg_buf *out, const char *name, const char *value)
{
    gg_buf_text(out, name);
    gg_buf_lit(out, ": ");
    gg_buf_text(out, value);
    gg_buf_lit(out, "\r\n");
}

static void add_ours(const struct passage *p, struct gg_buf *out)
{
    struct gg_request *rq = p->rq;
    const char *instance = gg_host_instance(rq->server->host), *secret = bearer(rq);
    const char *scheme = gg_request_https(rq) ? "https" : "http";
    if (p->plain) {
        add_header(out, "X-Forwarded-For", gg_request_address(rq));
        add_header(out, "X-Forwarded-Proto", scheme);
        return;
    }
    if (secret != NULL) {
        gg_buf_text(out, secret);
        gg_buf_lit(out, "\r\n");
    }
    add_header(out, "X-Ganglion-Address", gg_request_address(rq));
    add_header(out, "X-Ganglion-Scheme", scheme);
    add_header(out, "X-Ganglion-Request-Id", rq->id);
    gg_buf_printf(out, "X-Ganglion-Hops: %u\r\n", rq->hops + 1);
    gg_buf_printf(out, "X-Ganglion-Via: %s%s%s\r\n", rq->via != NULL ? rq->via : "", rq->via != NULL ? "," : "",
                  instance);
}

static bool has_body(const struct gg_request *rq)
{
    return rq->declared != 0;
}

static void write_head(const struct passage *p, struct gg_buf *out)
{
    struct gg_request *rq = p->rq;
    gg_buf_printf(out, "%s %s%s HTTP/1.1\r\n", rq->method, p->plain ? "" : GG_FORWARD_PATH, gg_request_target(rq));
    for (size_t i = 0; i < rq->n_headers; i++) {
        const char *name = gg_request_text(rq, rq->headers[i].name);
        const char *value = gg_request_text(rq, rq->headers[i].value);
        if (rq->headers[i].name.n == 0 || strncasecmp(name, "X-Ganglion-", 11) == 0 || is_one_of(name, not_passed))
            continue;
        if (!p->plain && strcasecmp(name, "Authorization") == 0)
            gg_buf_lit(out, "X-Ganglion-");
        add_header(out, name, value);
    }
    add_ours(p, out);
    if (rq->declared > 0)
        gg_buf_printf(out, "Content-Length: %lld\r\n", (long long)rq->declared);
    else if (rq->declared < 0)
        gg_buf_lit(out, "Transfer-Encoding: chunked\r\n");
    gg_buf_lit(out, "\r\n");
}

static int send_body(struct passage *p, struct gg_internal *conn, struct gg_error *err)
{
    char piece[16384], size[16];
    bool chunked = p->rq->declared < 0;
    for (;;) {
        size_t n;
        int rc = gg_request_read(p->rq, piece, sizeof(piece), &n, err);
        if (rc < 0)
            return rc;
        p->sent_body = p->sent_body || n > 0;
        snprintf(size, sizeof(size), "%zx\r\n", n);
        if (chunked)
            rc = gg_internal_send(conn, gg_str(size), gg_strn(piece, n), p->deadline, err);
        else if (n > 0)
            rc = gg_internal_send(conn, gg_strn(piece, n), GG_STR(""), p->deadline, err);
        if (rc == 0 && chunked)
            rc = gg_internal_send(conn, GG_STR("\r\n"), GG_STR(""), p->deadline, err);
        if (rc < 0 || n == 0)
            return rc;
    }
}

static int pass_back(struct passage *p, struct gg_internal *conn, int status, struct gg_error *err)
{
    struct gg_request *rq = p->rq;
    const char *name, *value;
    for (size_t i = 0; gg_internal_header(conn, i, &name, &value); i++)
        if (!is_one_of(name, not_passed_back))
            gg_reply_header(rq, name, value);
    int rc = gg_reply_begin(rq, status, gg_internal_length(conn), err);
    for (struct gg_str piece = {"", 1}; rc == 0 && piece.n > 0 && !rq->head_method;) {
        rc = gg_internal_read(conn, p->deadline, &piece, err);
        if (rc == 0 && piece.n > 0)
            rc = gg_reply_write(rq, piece.s, piece.n, err);
    }
    return rc == 0 ? gg_reply_end(rq, err) : rc;
}

static int exchange(struct passage *p, struct gg_internal *conn, struct gg_error *err)
{
    struct gg_buf head = GG_BUF_INIT;
    int status;
    write_head(p, &head);
    int rc = gg_internal_send(conn, gg_buf_view(&head), GG_STR(""), p->deadline, err);
    gg_buf_done(&head);
    if (rc == 0 && has_body(p->rq))
        rc = send_body(p, conn, err);
    if (rc < 0 && rc != GG_E_CLOSED)
        return rc;
    /* closed: perhaps it has answered before it read everything */
    rc = gg_internal_answer(conn, p->rq->head_method, p->deadline, &status, err);
    return rc == 0 ? pass_back(p, conn, status, err) : rc;
}

static int pass(struct passage *p, struct gg_error *err)
{
    int rc;
    for (bool fresh = false;; fresh = true) {
        struct gg_internal *conn;
        int64_t connect_by = gg_deadline(CONNECT_MS);
        rc = gg_internal_open(p->rq->server->host, p->peer, fresh, connect_by, &conn, err);
        if (rc < 0)
            return rc;
        rc = exchange(p, conn, err);
        bool again =
            rc == GG_E_CLOSED && gg_internal_kept(conn) && !p->sent_body && !gg_replied(p->rq) && p->rq->conn != NULL;
        gg_internal_done(conn);
        if (!again)
            return rc;
    }
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
static int prepare(struct passage *p, const char *name, struct gg_error *err)
{
    const struct gg_config *config = p->rq->server->host->config;
    p->peer = gg_topology_peer(config, name);
    p->plain = false;
    int rc = p->peer != NULL ? is_ganglion(p->rq, p->peer, err) : 0;
    if (rc != 0)
        return rc;
    bool client_facing = strcmp(name, GG_MASTER) == 0 && p->rq->via == NULL;
    p->peer = client_facing ? client_address(p->rq) : NULL;
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
    struct passage p = {.rq = rq, .deadline = GG_FOREVER}; /* the fiber's own deadline bounds every wait */
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
            rc = pass(&p, err);
        }
        if (rc != GG_E_UNAVAILABLE) /* only what never arrived may be tried elsewhere */
            break;
    }
    if (rc == GG_E_NOT_FOUND)
        return nobody(rq, err);
    if (rc == GG_E_UNAVAILABLE || rc == GG_E_CLOSED || rc == GG_E_PROTOCOL)
        err->http_status = 502;
    return rc;
}
