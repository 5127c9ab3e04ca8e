/* client/pool.h: connections to other processes, and which of them are kept. For client/ only. */
#ifndef GG_CLIENT_POOL_H
#define GG_CLIENT_POOL_H

#include "client/client.h"
#include "client/internal.h"
#include "http/socket.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <ganglion/buf.h>
#include <ganglion/fiber.h>
#include <http_parser.h>

enum { GG_INTERNAL_HEADERS = 64 };

struct gg_internal_pool { /* of one peer */
    struct gg_list link;
    struct gg_client *client;
    struct gg_list idle; /* struct gg_internal, latest used first */
    size_t n;
    char key[];
};

struct gg_internal {
    struct gg_list link; /* in the pool while idle */
    struct gg_internal_pool *pool;
    struct gg_socket socket;
    struct event read, write;
    struct gg_cond wake;
    struct gg_cond *wake_too; /* somebody else's; NULL: none */
    http_parser parser;
    struct gg_buf head, body; /* of the answer; body: what is unread */
    struct gg_buf lent;       /* the piece that was read last: what comes meanwhile must not move it */
    struct {
        uint32_t name, value; /* offsets into head */
    } headers[GG_INTERNAL_HEADERS];
    size_t n_headers, max_body;
    int64_t idle_since, length;
    int failure; /* gg_status: the connection is of no more use */
    bool busy, served, reading, writing, whole, in_value;
    bool head_done, complete, keep, no_body, begun; /* begun: a byte of the answer came */
    bool unfinished; /* the request was not sent to its end */
};

/* internal.c: a connection that carries nothing yet, events set. */
void gg_internal_begin(struct gg_internal *conn);
void gg_internal_feed(struct gg_internal *conn, const char *data, size_t n); /* bytes of the answer; n 0: its end */
void gg_internal_free(struct gg_internal *conn);
/* internal.c's event callbacks */
void gg_internal_on_readable(evutil_socket_t fd, short what, void *arg);
void gg_internal_on_writable(evutil_socket_t fd, short what, void *arg);

#endif
