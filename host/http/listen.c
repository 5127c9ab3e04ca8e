/* The server's life, and the ports that it listens on. */
#include "http/conn.h"

#include "fiber/loop.h"
#include "http/forward.h"
#include "main/host.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SPARE_FILES = 128 };

const struct gg_http_limits gg_http_default_limits = {
    .max_connections = 16384,
    .max_per_address = 1024,
    .max_head = 65536,
    .max_headers = 100,
    .max_bodies = (size_t)512 << 20,
    .max_answers = (size_t)512 << 20,
    .max_pipelined = 65536,
    .max_stream = 262144,
    .max_unsent = 262144,
    .default_body = 65536,
    .default_deadline_ms = 60000,
    .head_ms = 30000,
    .body_ms = 600000,
    .stall_ms = 60000,
    .keepalive_ms = 120000,
};

/* ---- life ---- */

static void use_defaults(struct gg_http_limits *limits)
{
    const struct gg_http_limits *d = &gg_http_default_limits;
#define DEFAULT(member_) (limits->member_ = limits->member_ != 0 ? limits->member_ : d->member_)
    DEFAULT(max_connections);
    DEFAULT(max_per_address);
    DEFAULT(max_head);
    DEFAULT(max_headers);
    DEFAULT(max_bodies);
    DEFAULT(max_answers);
    DEFAULT(max_pipelined);
    DEFAULT(max_stream);
    DEFAULT(max_unsent);
    DEFAULT(default_body);
    DEFAULT(default_deadline_ms);
    DEFAULT(head_ms);
    DEFAULT(body_ms);
    DEFAULT(stall_ms);
    DEFAULT(keepalive_ms);
#undef DEFAULT
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY &&
        files.rlim_cur > (rlim_t)2 * SPARE_FILES && limits->max_connections > files.rlim_cur - SPARE_FILES)
        limits->max_connections = (size_t)files.rlim_cur - SPARE_FILES;
}

struct gg_server *gg_http_new(struct gg_host *host, const struct gg_http_limits *limits)
{
    struct gg_server *server = calloc(1, sizeof(*server));
    GG_ASSERT(server != NULL);
    server->host = host;
    if (limits != NULL)
        server->limits = *limits;
    use_defaults(&server->limits);
    server->router = gg_router_new();
    server->next_id = 1;
    server->date_second = -1;
    server->head = (struct gg_buf)GG_BUF_INIT;
    gg_list_init(&server->ports);
    gg_list_init(&server->conns);
    gg_list_init(&server->live);
    gg_list_init(&server->spare);
    gg_list_init(&server->inherited);
    gg_cond_init(&server->idle);
    server->neighbours = gg_map_new(free);
    return server;
}

struct gg_router *gg_http_router(struct gg_server *server)
{
    return server->router;
}

size_t gg_http_in_flight(const struct gg_server *server)
{
    return server->n_requests;
}

void gg_http_on_ready(struct gg_server *server, gg_http_ready_fn *fn, void *self)
{
    server->ready = fn;
    server->ready_self = self;
}

void gg_http_port_close(struct gg_port *port)
{
    if (port->event != NULL)
        event_free(port->event);
    port->event = NULL;
    if (port->fd >= 0)
        close(port->fd);
    port->fd = -1;
    if (port->bound)
        unlink(port->path);
    port->bound = false;
}

static void port_free(struct gg_port *port)
{
    gg_http_port_close(port);
    SSL_CTX_free(port->tls);
    free(port->certificate);
    free(port->key);
    free(port->path);
    free(port->request_id_header);
    free(port->tag);
    free(port->logger_name);
    free(port->name);
    free(port);
}

void gg_http_free(struct gg_server *server)
{
    if (server == NULL)
        return;
    GG_ASSERT(gg_list_empty(&server->conns) && server->n_requests == 0);
    gg_http_close_unclaimed(server);
    for (struct gg_list *link; (link = gg_list_pop(&server->ports)) != NULL;)
        port_free(GG_CONTAINER(link, struct gg_port, link));
    for (struct gg_list *link; (link = gg_list_pop(&server->spare)) != NULL;) {
        struct gg_request *rq = GG_CONTAINER(link, struct gg_request, link);
        gg_buf_done(&rq->head);
        gg_buf_done(&rq->reply_headers);
        free(rq);
    }
    gg_map_free(server->neighbours);
    gg_forward_free(server->forwarder);
    gg_router_free(server->router);
    gg_buf_done(&server->head);
    free(server);
}

/* ---- ports ---- */

static char *copy_text(const char *s)
{
    char *copy = s != NULL ? strdup(s) : NULL;
    GG_ASSERT(s == NULL || copy != NULL);
    return copy;
}

static struct gg_port *port_new(struct gg_server *server, const struct gg_http_port *want)
{
    struct gg_port *port = calloc(1, sizeof(*port));
    GG_ASSERT(port != NULL);
    port->server = server;
    port->fd = -1;
    port->certificate = copy_text(want->certificate);
    port->key = copy_text(want->key);
    port->path = copy_text(want->address == NULL ? want->path : NULL);
    port->request_id_header = copy_text(want->request_id_header);
    port->tag = copy_text(want->tag != NULL ? want->tag : "");
    GG_ASSERT(asprintf(&port->logger_name, "synapse.access.http.%s", port->tag) > 0);
    port->access.name = port->logger_name;
    if (want->address != NULL)
        GG_ASSERT(asprintf(&port->name, "tcp %s %u", want->address, want->port) > 0);
    else
        GG_ASSERT(asprintf(&port->name, "unix %s", want->path) > 0);
    port->x_forwarded = want->x_forwarded;
    port->metrics = want->metrics;
    port->compress = want->compress;
    port->resources = want->resources | GG_RES_HEALTH;
    return port;
}

int gg_http_listen(struct gg_server *server, const struct gg_http_port *want, uint16_t *port_out, struct gg_error *err)
{
    uint16_t bound = 0;
    struct gg_port *port = port_new(server, want);
    int rc = port->certificate != NULL ? gg_tls_server(port->certificate, port->key, &port->tls, err) : 0;
    if (rc == 0)
        port->fd = gg_http_claim_listener(server, port->name);
    if (rc == 0 && port->fd < 0)
        rc = want->address != NULL ? gg_http_bind_tcp(want, &port->fd, &bound, err) : gg_http_bind_unix(want, &port->fd, err);
    if (rc < 0) {
        port_free(port);
        return rc;
    }
    port->bound = want->address == NULL;
    if (server->scope == NULL)
        server->scope = gg_scope_new(server->host->scope, "http");
    port->event = event_new(gg_loop_base(), port->fd, EV_READ | EV_PERSIST, gg_http_on_connection, port);
    GG_ASSERT(port->event != NULL && event_add(port->event, NULL) == 0);
    gg_list_push(&server->ports, &port->link);
    gg_http_claim_connections(port);
    if (port_out != NULL)
        *port_out = bound;
    return 0;
}

int gg_http_reload(struct gg_server *server, struct gg_error *err)
{
    int result = 0;
    GG_LIST_EACH (link, &server->ports) {
        struct gg_port *port = GG_CONTAINER(link, struct gg_port, link);
        SSL_CTX *fresh = NULL;
        if (port->certificate == NULL)
            continue;
        int rc = gg_tls_server(port->certificate, port->key, &fresh, err);
        if (rc < 0) {
            result = rc;
            continue;
        }
        SSL_CTX_free(port->tls); /* connections hold their own reference */
        port->tls = fresh;
    }
    return result;
}
