/* http/server.h: the HTTP server as the rest of the host uses it.
 *
 * The process makes one (gg_http_new), the loader adds routes to its router, and
 * once services run it listens. All on the loop thread. */
#ifndef GG_HTTP_SERVER_H
#define GG_HTTP_SERVER_H

#include "http/router.h"

#include <ganglion/buf.h>
#include <ganglion/config.h>
#include <ganglion/host.h>

struct gg_server;
struct gg_listener; /* config/topology.h */

/* Bounds of the whole server; 0 in a member means the default (gg_http_default_limits). */
struct gg_http_limits {
    size_t max_connections; /* further ones wait in the kernel's queue */
    size_t max_head;        /* bytes of request line and headers */
    size_t max_headers;
    size_t max_bodies;     /* bytes of request bodies in memory, all requests together */
    size_t max_pipelined;  /* bytes read ahead of a connection's running request */
    size_t max_stream;     /* bytes of a streamed body read ahead of the handler */
    size_t max_unsent;     /* bytes of a streamed answer before gg_reply_write waits */
    uint32_t default_body; /* routes that name no bound */
    uint32_t default_deadline_ms;
    int64_t head_ms;      /* from the first byte to the end of the headers */
    int64_t body_ms;      /* from the first byte to the end of the body */
    int64_t stall_ms;     /* without one byte moving, in a body or in an unread answer */
    int64_t keepalive_ms; /* between requests */
};
extern const struct gg_http_limits gg_http_default_limits;

/* limits NULL: the defaults. Needs no loop yet. host->server is not set. */
struct gg_server *gg_http_new(struct gg_host *host, const struct gg_http_limits *limits);
void gg_http_free(struct gg_server *server); /* stopped, or never listened; NULL is fine */
struct gg_router *gg_http_router(struct gg_server *server);

/* One socket to listen on. */
struct gg_http_port {
    const char *address;           /* "127.0.0.1", "::"; NULL: path */
    uint16_t port;                 /* 0: any, see gg_http_listen */
    const char *path;              /* unix socket */
    uint32_t mode;                 /* its permissions */
    const char *certificate, *key; /* PEM files: TLS; NULL: plain */
    bool x_forwarded;
    bool metrics;                  /* answers every path with the metrics */
    const char *request_id_header; /* or NULL */
    const char *tag;               /* in the log and in metrics */
    uint32_t resources;            /* enum gg_resource bits */
};
/* Binds and accepts at once. *port_out (may be NULL): the port that the kernel chose. Texts are copied. */
GG_CHECKED int gg_http_listen(struct gg_server *server, const struct gg_http_port *port, uint16_t *port_out,
                              struct gg_error *err);
/* All listeners of the process as its files say; refuses what must not be exposed. */
GG_CHECKED int gg_http_listen_all(struct gg_server *server, struct gg_error *err);
/* New connections read certificates anew; keeps the old ones when that fails. */
GG_CHECKED int gg_http_reload(struct gg_server *server, struct gg_error *err);

/* Accepts no more, closes idle connections, answers what runs with Connection:
 * close, and returns when all is answered or at the deadline: then what still
 * runs is cancelled. */
GG_YIELDS void gg_http_drain(struct gg_server *server, int64_t deadline);
/* Cancels and joins all requests, closes everything. */
GG_YIELDS void gg_http_stop(struct gg_server *server);
size_t gg_http_in_flight(const struct gg_server *server);

/* ---- what others lend to the server ---- */

/* Writes the /ready document (a JSON object) and says whether the process is ready. */
typedef bool gg_http_ready_fn(void *self, struct gg_buf *out);
void gg_http_on_ready(struct gg_server *server, gg_http_ready_fn *fn, void *self);
#endif
