/* client/internal.h: HTTP/1.1 between processes of one deployment, over TCP, TLS or a unix socket.
 *
 * Kept apart from curl: these calls are on the hot path (send_events), their
 * peers are known, and connections stay open. Two levels: gg_internal_fetch for
 * whole requests, and the streaming calls that forwarding uses. */
#ifndef GG_CLIENT_INTERNAL_H
#define GG_CLIENT_INTERNAL_H

#include <ganglion/arena.h>
#include <ganglion/error.h>
#include <ganglion/fiber.h>

struct gg_host;
struct gg_peer; /* config/topology.h: where a replication listener is */

struct gg_internal_request {
    const struct gg_peer *peer;
    const char *method;         /* NULL: GET, or POST with a body */
    const char *target;         /* path and query, already encoded */
    const char *const *headers; /* "Name: value", NULL-ended; may be NULL */
    struct gg_str body;         /* s NULL: none */
    int64_t connect_timeout_ms; /* 0: 10 s */
    int64_t timeout_ms;         /* for the whole; 0: 60 s; the fiber's deadline bounds it too */
    size_t max_answer;          /* bytes; 0: 512 MiB */
    bool repeatable;            /* may be sent twice (a GET, or the peer knows its txn id): a kept connection that
                                   turns out to be dead is then replaced silently */
};

struct gg_internal_answer {
    int status;
    struct gg_str body;         /* in the arena */
    struct gg_str content_type; /* "" if none */
};

/* 0 whenever an answer came, whatever its status. GG_E_UNAVAILABLE: could not
 * connect (nothing was sent); GG_E_CLOSED: closed before or within the answer;
 * GG_E_TIMEOUT; GG_E_CANCELLED; GG_E_PROTOCOL; GG_E_LIMIT. */
GG_YIELDS GG_CHECKED int gg_internal_fetch(struct gg_host *host, const struct gg_internal_request *request,
                                           struct gg_arena *arena, struct gg_internal_answer *out,
                                           struct gg_error *err);

/* ---- streaming ---- */

struct gg_internal;

/* A connection, kept or new. fresh: not a kept one. */
GG_YIELDS GG_CHECKED int gg_internal_open(struct gg_host *host, const struct gg_peer *peer, bool fresh,
                                          int64_t deadline, struct gg_internal **out, struct gg_error *err);
bool gg_internal_kept(const struct gg_internal *conn); /* had carried a request before */
bool gg_internal_begun(const struct gg_internal *conn); /* a byte of its answer has come */
/* Head and pieces of the body, as they go over the wire. GG_E_CLOSED also when the
 * peer has begun to answer: then read the answer. */
GG_YIELDS GG_CHECKED int gg_internal_send(struct gg_internal *conn, struct gg_str head, struct gg_str body,
                                          int64_t deadline, struct gg_error *err);
/* Waits for the head of the answer. no_body: the request was a HEAD. */
GG_YIELDS GG_CHECKED int gg_internal_answer(struct gg_internal *conn, bool no_body, int64_t deadline, int *status_out,
                                            struct gg_error *err);
/* The i-th header of the answer: false: there are fewer. */
bool gg_internal_header(const struct gg_internal *conn, size_t i, const char **name_out, const char **value_out);
int64_t gg_internal_length(const struct gg_internal *conn); /* Content-Length; -1: not said */
/* The next piece of the answer's body, borrowed until the next call, also while the caller waits; n == 0: its end. */
GG_YIELDS GG_CHECKED int gg_internal_read(struct gg_internal *conn, int64_t deadline, struct gg_str *out,
                                          struct gg_error *err);
/* Also wakes those who wait at cond when something of the answer comes or the connection fails; NULL: no more. */
void gg_internal_wake_too(struct gg_internal *conn, struct gg_cond *cond);
bool gg_internal_stirs(const struct gg_internal *conn); /* that has happened */
/* The request was not sent to its end: the connection is of no use for another one. */
void gg_internal_unfinished(struct gg_internal *conn);
/* All of the answer has come: what of its body is unread, borrowed until the connection is done with. */
bool gg_internal_whole(const struct gg_internal *conn, struct gg_str *body_out);
/* Back into the pool if the answer was read to its end and the peer keeps the connection; else closed. */
void gg_internal_done(struct gg_internal *conn);

#endif
