/* The inside of the HTTP server: listening sockets, connections, requests. For http/ only. */
#ifndef GG_HTTP_CONN_H
#define GG_HTTP_CONN_H

#include "http/server.h"
#include "http/socket.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <ganglion/list.h>
#include <ganglion/log.h>
#include <http_parser.h>
#include <stdio.h>

enum { GG_MAX_HEADERS = 128, GG_ADDRESS_SIZE = 64, GG_ID_SIZE = 48 };

struct gg_span { /* a piece of the request's head, NUL-terminated there */
    uint32_t at, n;
};

struct gg_port { /* one listening socket */
    struct gg_list link;
    struct gg_server *server;
    int fd;
    struct event *event;
    SSL_CTX *tls;
    char *certificate, *key, *path, *request_id_header, *tag, *logger_name;
    struct gg_logger access;          /* synapse.access.http.<tag> */
    bool x_forwarded, metrics, bound; /* bound: the path is ours to unlink */
    uint32_t resources;
};

struct gg_server {
    struct gg_host *host;
    struct gg_http_limits limits;
    struct gg_router *router;
    struct gg_scope *scope;                      /* of the request fibers; made by the first listen */
    struct gg_list ports;                        /* struct gg_port */
    struct gg_list conns;                        /* struct gg_http_conn */
    struct gg_list spare;                        /* struct gg_request, to be used again */
    size_t n_conns, n_spare, n_requests, bodies; /* bodies: bytes */
    uint64_t next_id;
    struct gg_timer *sweep;
    struct gg_cond idle;   /* n_requests fell to 0 */
    bool draining, paused; /* paused: not accepting, full */
    struct gg_buf head;    /* scratch for the head of an answer */
    int64_t date_second;
    char date[40];
    gg_http_ready_fn *ready;
    void *ready_self;
    struct gg_forward *forwarder; /* forward.c's own */
};

struct gg_http_conn {
    struct gg_list link;
    struct gg_server *server;
    struct gg_port *port;
    struct gg_socket socket;
    struct event read, write, gone;
    http_parser parser;
    struct gg_request *rq; /* being read or answered; NULL between requests */
    struct gg_buf in;      /* read ahead; from in_at on not yet parsed */
    size_t in_at;
    struct evbuffer *out;                             /* what the kernel did not take; NULL until needed */
    int64_t moved;                                    /* gg_now_ms() when bytes last moved */
    unsigned busy;                                    /* pins: freed when dead and 0 */
    bool dead, pumping, reading, writing, watching;   /* watching: for FIN and RST only */
    bool eof, last;                                   /* last: close after the current answer */
    bool lingering;                                   /* answered; input is thrown away until the peer ends */
    bool served;                                      /* at least one request was answered */
    struct {                                          /* strictness that the parser library lacks: scan.c */
        bool begun, after_cr, after_lf, ended, later; /* later: past the request line */
        uint32_t line;                                /* bytes of the current line so far */
        char tail[9];                                 /* the last of the request line */
        int chunk;                                    /* where in a chunked body */
        uint64_t left;                                /* of the chunk */
    } scan;
    char address[GG_ADDRESS_SIZE];
};

struct gg_header {
    struct gg_span name, value;
};

struct gg_request {
    struct gg_list link; /* spare list */
    struct gg_server *server;
    struct gg_http_conn *conn; /* NULL: the client is gone */
    struct gg_port *port;      /* NULL never while the request lives: ports outlive requests */
    struct gg_fiber *fiber;
    struct gg_arena *arena;
    struct gg_cond wake; /* body bytes came, the answer drained, or the client went */

    struct gg_router_match match;
    const char *params[GG_ROUTER_MAX_PARAMS]; /* decoded */
    struct gg_buf head;                       /* target and headers, each NUL-terminated */
    struct gg_header headers[GG_MAX_HEADERS];
    size_t n_headers, head_bytes;
    struct gg_span target;
    size_t n_path; /* of target, without the query */
    const char *method;
    struct gg_buf body;
    size_t body_at;                  /* streamed: consumed by the handler */
    size_t body_total, body_counted; /* received; counted in server->bodies */
    int64_t declared;                /* Content-Length; -1: none or chunked */
    uint64_t max_body;
    json_t *json;
    struct query_item {
        const char *key, *value;
    } * query;
    size_t n_query;

    int64_t began_ms, began_us; /* first byte; dispatch */
    char id[GG_ID_SIZE];
    char peer[GG_ADDRESS_SIZE]; /* a copy: the request may outlive its connection */
    const char *address, *user;
    void *principal;
    struct gg_error refusal; /* code != 0: to be answered in place of the handler */
    uint32_t hops;           /* forwarded to us: how often */
    const char *via;         /* and by whom; NULL: not forwarded */
    bool https, in_head, head_done, complete, started, early, expects, streamed, streaming, swallowing, settled,
        replied, ended, cut, keep_alive, closing;
    bool head_method, chunked, body_chunked, cors, has_type, has_cache, has_cors, replication;

    struct gg_buf reply_headers;
    int status;
    int64_t reply_length, reply_sent; /* declared by gg_reply_begin; body bytes so far */
};

/* ---- conn.c ---- */
void gg_http_conn_accept(struct gg_port *port, int fd, const char *address);
/* Closes now; the request that runs, if any, is told. */
void gg_http_conn_close(struct gg_http_conn *conn);
/* Sends head and body: straight to the kernel as far as it takes them. body is
 * freed with free(owned) when sent (owned NULL: copied if it must wait). */
void gg_http_conn_send(struct gg_http_conn *conn, struct gg_str head, struct gg_str body, void *owned);
size_t gg_http_conn_unsent(const struct gg_http_conn *conn);
/* Parses what was read ahead, as far as requests can be taken. */
void gg_http_conn_pump(struct gg_http_conn *conn);
/* The request is answered and over: next one, or close. */
void gg_http_conn_done(struct gg_http_conn *conn);
/* Reads more or pauses, by what is buffered. */
void gg_http_conn_flow(struct gg_http_conn *conn);
void gg_http_conn_sweep(struct gg_server *server);

/* ---- listen.c ---- */
void gg_http_resume_accept(struct gg_server *server);

/* ---- parse.c ---- */
void gg_parse_init(struct gg_http_conn *conn);
/* Feeds bytes; returns how many were consumed. On a bad request rq->refusal is set and the connection is to be closed.
 */
size_t gg_parse(struct gg_http_conn *conn, const char *data, size_t n, bool *bad_out);

/* ---- scan.c ---- */
/* Looks over bytes of a head: how many of them belong to it; negative: a line is malformed. */
ssize_t gg_scan_head(struct gg_http_conn *conn, const char *data, size_t n);
/* Looks over bytes of a chunked body (what follows its end is not looked at): false: malformed. */
bool gg_scan_chunks(struct gg_http_conn *conn, const char *data, size_t n);

/* ---- request.c ---- */
struct gg_request *gg_request_make(struct gg_http_conn *conn);
void gg_request_drop(struct gg_request *rq); /* over; back to the spare list */
const char *gg_request_text(const struct gg_request *rq, struct gg_span span);
/* Decodes the route's values; sets rq->refusal when one cannot be text. */
int gg_request_decode_params(struct gg_request *rq, struct gg_error *err);
int gg_request_check_json(struct gg_request *rq, struct gg_error *err);
void gg_request_release_body(struct gg_request *rq);

/* ---- text.c ---- */
/* Decodes %XX (and '+' as a space if plus) in place of a copy in the arena; invalid escapes stay as they are. */
char *gg_percent_decode(struct gg_arena *arena, struct gg_str s, bool plus, size_t *n_out);
bool gg_utf8_valid(const char *s, size_t n);
/* Nesting of brackets outside strings; cheap, no recursion. */
size_t gg_json_depth(const char *s, size_t n);

/* ---- dispatch.c ---- */
/* The headers are there: chooses the route and the bounds; only fills rq. */
void gg_dispatch_head(struct gg_request *rq);
/* After parsing: answers, starts the fiber, asks for the body. */
void gg_dispatch(struct gg_request *rq);
/* Ends a request that has no fiber (or from its fiber's end). */
void gg_request_finish(struct gg_request *rq);

/* ---- builtin.c ---- */
/* Is that path one of /health, /ready and the metrics on a listener with these resources? */
bool gg_builtin_path(struct gg_str path, uint32_t resources);
/* Answers them and OPTIONS; false: rq has a route. */
bool gg_builtin(struct gg_request *rq);

/* ---- access.c ---- */
void gg_access_note(struct gg_request *rq);

/* ---- reply.c ---- */
/* One wait for more of the body: 0, the refusal that was found meanwhile, or that the client hung up. */
GG_YIELDS int gg_request_wait_more(struct gg_request *rq, struct gg_error *err);
/* 100 Continue, if the client waits for it. */
void gg_reply_continue(struct gg_request *rq);

#endif
