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
    size_t max_connections; /* those idle for longest make room for further ones, or these wait in the kernel's queue */
    size_t max_per_address; /* connections of one address (of IPv6: of one /64), where that says who it is; SIZE_MAX: no bound */
    size_t max_head;        /* bytes of request line and headers */
    size_t max_headers;
    size_t max_bodies;     /* bytes of request bodies in memory, all requests together */
    size_t max_answers;    /* bytes of answers in memory that clients are slow to read, all together */
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
    bool compress;                 /* answers in gzip to those who take it */
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
/* Is anything arriving, answered or being sent? */
bool gg_http_busy(const struct gg_server *server);
/* Cancels and joins all requests, closes everything. */
GG_YIELDS void gg_http_stop(struct gg_server *server);
size_t gg_http_in_flight(const struct gg_server *server);

/* ---- handover.c: a successor takes the sockets, so that nobody is turned away in between ---- */

/* One thing that a process leaves to its successor. Texts are borrowed for the call. */
struct gg_http_legacy {
    const char *key;      /* of the listener: "tcp 127.0.0.1 8008", "unix /run/x.sock" */
    int fd;
    const char *address;  /* of a connection that is between two requests: its peer; NULL: the listening socket */
    struct gg_str unread; /* of a connection: what came in and nobody has looked at; at most GG_HTTP_UNREAD bytes */
};
enum { GG_HTTP_UNREAD = 32768 };

/* Passes a copy of the descriptor on; false: it could not. */
typedef GG_YIELDS bool gg_http_give_fn(void *self, const struct gg_http_legacy *legacy);
/* Gives every listening socket. This process still accepts on them. */
GG_YIELDS bool gg_http_give_listeners(struct gg_server *server, gg_http_give_fn *give, void *self);
/* As gg_http_drain, but what has not begun is left to the successor: connections that wait in the kernel's queues, those
 * between two requests, and those whose request has not arrived as a whole. TLS cannot move: its connections end after the
 * answer to what they ask now, or within a moment. First clients, and when they are answered the other processes, which their
 * answers may need. What may go on beside the successor still does (gg_http_busy): answers that have begun, requests that
 * another process answers, and routes with GG_ROUTE_OVERLAP. */
GG_YIELDS void gg_http_hand_over(struct gg_server *server, gg_http_give_fn *give, void *self, int64_t deadline);
/* In the successor, before it listens: the descriptor is the server's. A listener of the same key is used in place of a
 * new one; connections are served as soon as theirs listens. */
void gg_http_inherit(struct gg_server *server, const struct gg_http_legacy *legacy);
/* All that listens listens: what nobody claimed is closed. */
void gg_http_close_unclaimed(struct gg_server *server);

/* ---- what others lend to the server ---- */

/* Writes the /ready document (a JSON object) and says whether the process is ready. */
typedef bool gg_http_ready_fn(void *self, struct gg_buf *out);
void gg_http_on_ready(struct gg_server *server, gg_http_ready_fn *fn, void *self);
#endif
