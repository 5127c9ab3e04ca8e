/* The inside of the HTTP server: listening sockets, connections, requests. For http/ only. */
#ifndef GG_HTTP_CONN_H
#define GG_HTTP_CONN_H

#include "http/server.h"
#include "http/socket.h"
#include "http/text.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <ganglion/list.h>
#include <ganglion/log.h>
#include <ganglion/map.h>
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
    char *name; /* "tcp 127.0.0.1 8008": how a successor knows it */
    struct gg_logger access;          /* synapse.access.http.<tag> */
    bool x_forwarded, metrics, compress, bound; /* bound: the path is ours to unlink */
    uint32_t resources;
};

struct gg_server {
    struct gg_host *host;
    struct gg_http_limits limits;
    struct gg_router *router;
    struct gg_scope *scope;                      /* of the request fibers; made by the first listen */
    struct gg_list ports;                        /* struct gg_port */
    struct gg_list conns;                        /* struct gg_http_conn */
    struct gg_list live;                         /* struct gg_request that arrive or are answered */
    struct gg_list spare;                        /* struct gg_request, to be used again */
    struct gg_list inherited;                    /* handover.c's own */
    size_t n_conns, n_spare, n_requests, bodies; /* bodies: bytes */
    uint64_t next_id;
    struct gg_timer *sweep;
    struct gg_cond idle;   /* n_requests fell to 0 */
    struct gg_map *neighbours; /* struct gg_neighbour by address */
    int64_t told_ms;           /* when it was logged last that an address has too many connections */
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
    size_t in_at, lingered; /* lingered: bytes thrown away at the end */
    struct gg_buf raw; /* of a request that still arrives: as it came, for a successor (handover.c) */
    struct evbuffer *out;                             /* what the kernel did not take; NULL until needed */
    int64_t moved;                                    /* gg_now_ms() when bytes last moved */
    unsigned busy;                                    /* pins: freed when dead and 0 */
    bool dead, pumping, reading, writing, watching;   /* watching: for FIN and RST only */
    bool awaited;                                     /* a fiber wants to send once the kernel takes more */
    bool eof, last;                                   /* last: close after the current answer */
    bool lingering;                                   /* answered; input is thrown away until the peer ends */
    bool served;                                      /* at least one request was answered */
    bool raw_lost;                                    /* what has arrived of the request is more than raw may hold */
    struct {                                          /* strictness that the parser library lacks: scan.c */
        bool begun, after_cr, after_lf, ended, later; /* later: past the request line */
        uint32_t line;                                /* bytes of the current line so far */
        char tail[9];                                 /* the last of the request line */
        int chunk;                                    /* where in a chunked body */
        uint64_t left;                                /* of the chunk */
    } scan;
    struct gg_neighbour *neighbour; /* accept.c's own; NULL: not counted */
    int64_t stuck; /* gg_now_ms() when out was empty last */
    char address[GG_ADDRESS_SIZE];
};

struct gg_header {
    struct gg_span name, value;
};

struct gg_request {
    struct gg_list link; /* of the live ones, or of the spare ones */
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
    bool query_no_text; /* one of them holds a NUL or bad UTF-8 */

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
    bool passing; /* another process answers it (forward.c) */
    bool head_method, chunked, body_chunked, cors, has_type, has_cache, has_cors, replication;

    struct gg_buf reply_headers;
    int status;
    int64_t reply_length, reply_sent; /* declared by gg_reply_begin; body bytes so far */
};

/* ---- conn.c ---- */
struct gg_http_conn *gg_http_conn_accept(struct gg_port *port, int fd, const char *address);
/* Nothing of a request has been acted upon, so that another process can go on with it: true, and the descriptor and the bytes
 * of what has come (to be freed) are the caller's; the connection is gone from here. */
bool gg_http_conn_leave(struct gg_http_conn *conn, int *fd_out, struct gg_buf *unread_out);
/* Says that nothing more comes, and lets the peer end: to close with its bytes unread would be a reset. */
void gg_http_conn_end(struct gg_http_conn *conn);
/* Bytes that another process had read from it. */
void gg_http_conn_feed(struct gg_http_conn *conn, struct gg_str unread);
/* Closes now; the request that runs, if any, is told. */
void gg_http_conn_close(struct gg_http_conn *conn);
/* Parses what was read ahead, as far as requests can be taken. */
void gg_http_conn_pump(struct gg_http_conn *conn);
/* The request is answered and over: next one, or close. */
void gg_http_conn_done(struct gg_http_conn *conn);
/* Reads more or pauses, by what is buffered. */
void gg_http_conn_flow(struct gg_http_conn *conn);
/* A streamed body that the handler is slow to read. */
bool gg_http_conn_held(const struct gg_http_conn *conn);
/* Not freed in between. */
void gg_http_conn_pin(struct gg_http_conn *conn);
void gg_http_conn_unpin(struct gg_http_conn *conn);

/* ---- send.c ---- */
/* Sends head and body: straight to the kernel as far as it takes them. body is
 * freed with free(owned) when sent (owned NULL: copied if it must wait). */
void gg_http_conn_send(struct gg_http_conn *conn, struct gg_str head, struct gg_str body, void *owned);
size_t gg_http_conn_unsent(const struct gg_http_conn *conn);
/* Wakes the request that runs (rq->wake) once the kernel takes bytes again. */
void gg_http_conn_await(struct gg_http_conn *conn);
/* Sends what waits; false: broken. */
bool gg_http_conn_flush(struct gg_http_conn *conn);
/* Watches for when the kernel takes more, or no longer. */
void gg_http_conn_want_write(struct gg_http_conn *conn, bool want);

/* ---- sweep.c ---- */
/* Looks after connections from now on, as long as there are any. */
void gg_http_sweep(struct gg_server *server);

/* ---- bind.c ---- */
GG_CHECKED int gg_http_bind_tcp(const struct gg_http_port *want, int *fd_out, uint16_t *port_out, struct gg_error *err);
GG_CHECKED int gg_http_bind_unix(const struct gg_http_port *want, int *fd_out, struct gg_error *err);

/* ---- accept.c ---- */
void gg_http_on_connection(evutil_socket_t listening, short what, void *port);
/* What waits in the kernel's queues. */
void gg_http_accept_waiting(struct gg_server *server);
void gg_http_resume_accept(struct gg_server *server);
/* Now and then while full: whoever waits may find some that have become idle. */
void gg_http_retry_accept(struct gg_server *server);
/* Has the address as many connections as it may have? Counts and says so. */
bool gg_http_has_enough(const struct gg_port *port, const char *address);
void gg_http_count_neighbour(struct gg_http_conn *conn);
void gg_http_forget_neighbour(struct gg_http_conn *conn);

/* ---- listen.c ---- */
/* Accepts no more; the rest of the port stays for the requests that came through it. */
void gg_http_port_close(struct gg_port *port);

/* ---- drain.c ---- */
/* No new work: whoever waits for another server is told. */
void gg_http_begin_draining(struct gg_server *server);
/* Whoever has just connected has a request on its way: to close on it would lose that. */
bool gg_http_conn_is_new(const struct gg_http_conn *conn);
bool gg_http_conn_is_idle(const struct gg_http_conn *conn);
/* For how long a new one, and one that has had an answer, is waited for: whoever sends at once still gets an answer, and
 * with it the word that it was the last. */
enum { GG_HTTP_NEW_MS = 500, GG_HTTP_KEPT_MS = 100 };

/* ---- handover.c ---- */
/* The inherited socket of that name, or -1. */
int gg_http_claim_listener(struct gg_server *server, const char *name);
/* Takes up the inherited connections of a port that listens. */
void gg_http_claim_connections(struct gg_port *port);

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

/* ---- reply.c ---- */
/* An answer that another server has made: with the headers that were added and nothing of ours, body copied. length: as that
 * server said; a HEAD's answer has one and no body. */
void gg_reply_made(struct gg_request *rq, int status, int64_t length, struct gg_str body);

/* ---- request.c ---- */
struct gg_request *gg_request_make(struct gg_http_conn *conn);
void gg_request_drop(struct gg_request *rq); /* over; back to the spare list */
const char *gg_request_text(const struct gg_request *rq, struct gg_span span);
/* Decodes the route's values; sets rq->refusal when one cannot be text. */
int gg_request_decode_params(struct gg_request *rq, struct gg_error *err);
/* 400 M_INVALID_PARAM when a key or a value of the query cannot be text. */
int gg_request_check_query(struct gg_request *rq, struct gg_error *err);
int gg_request_check_json(struct gg_request *rq, struct gg_error *err);
void gg_request_release_body(struct gg_request *rq);

/* ---- text.c ---- */
bool gg_utf8_valid(const char *s, size_t n);
/* Length of the sequence of more than one byte at s (at most n bytes), 0 if it is not well-formed (RFC 3629). */
size_t gg_utf8_sequence(const unsigned char *s, size_t n);

/* ---- json.c ---- */
enum { GG_JSON_MAX_DEPTH = 128 };
enum gg_json_found { GG_JSON_OBJECT, GG_JSON_OTHER, GG_JSON_NONE, GG_JSON_TOO_DEEP };
/* What a text is; the first two are what jansson takes (JSON_DECODE_ANY). */
enum gg_json_found gg_json_check(const char *s, size_t n);

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

/* ---- gzip.c ---- */
/* The body in gzip, to be freed, and the headers that say so; NULL: as it is. May wait for a thread. */
char *gg_gzip_answer(struct gg_request *rq, struct gg_str body, size_t *n_out);
/* Does a client with this Accept-Encoding (NULL: none) take gzip? */
bool gg_gzip_accepted(const char *header);

/* ---- reply.c ---- */
/* One wait for more of the body: 0, the refusal that was found meanwhile, or that the client hung up. */
GG_YIELDS int gg_request_wait_more(struct gg_request *rq, struct gg_error *err);
/* 100 Continue, if the client waits for it. */
void gg_reply_continue(struct gg_request *rq);

#endif
