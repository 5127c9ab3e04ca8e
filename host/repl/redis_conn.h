/* repl/redis_conn.h: one connection to Redis, run by a fiber that connects, reads and reconnects. */
#ifndef GANGLION_HOST_REPL_REDIS_CONN_H
#define GANGLION_HOST_REPL_REDIS_CONN_H

#include "config/topology.h"

#include <ganglion/buf.h>
#include <ganglion/error.h>
#include <ganglion/fiber.h>
#include <hiredis/hiredis.h>
#include <openssl/types.h>

struct gg_redis_conn;

struct gg_redis_conn_events {
    void (*greet)(struct gg_redis_conn *conn, void *self);              /* connected and authenticated: send what comes first */
    void (*reply)(struct gg_redis_conn *conn, const redisReply *reply, void *self);
    void (*lost)(struct gg_redis_conn *conn, void *self);               /* after greet had been called */
};

struct gg_redis_conn {
    const char *name;                    /* for logs: "subscriber" */
    const struct gg_redis_options *options;
    const struct gg_redis_conn_events *events;
    void *self;
    bool select;                         /* SELECT dbid (the subscriber never does) */
    int64_t retry_cap_ms;
    int fd;                              /* -1: not connected */
    SSL *ssl;
    SSL_CTX *tls;
    redisReader *reader;
    struct gg_buf out;
    size_t out_sent;
    bool flush_due, up, broken;
    struct gg_cond writable;             /* wakes the writer when a flush did not take everything */
    struct gg_scope *scope;
    int64_t last_heard;
};

void gg_redis_conn_init(struct gg_redis_conn *conn, const char *name, const struct gg_redis_options *options,
                        const struct gg_redis_conn_events *events, void *self);
void gg_redis_conn_start(struct gg_redis_conn *conn, struct gg_scope *parent);
GG_YIELDS void gg_redis_conn_stop(struct gg_redis_conn *conn);
void gg_redis_conn_done(struct gg_redis_conn *conn);

/* Queues a command (hiredis' format: %s, %b) and sends it at the end of this turn. False while not connected. */
bool gg_redis_command(struct gg_redis_conn *conn, const char *format, ...);

/* repl/redis_socket.c: opens the socket (TCP, unix or TLS); fills fd and ssl. */
GG_YIELDS GG_CHECKED int gg_redis_open(struct gg_redis_conn *conn, struct gg_error *err);
void gg_redis_close(struct gg_redis_conn *conn);
/* > 0 bytes; 0: would wait; < 0: gone. */
ssize_t gg_redis_recv(struct gg_redis_conn *conn, void *out, size_t n);
ssize_t gg_redis_send_some(struct gg_redis_conn *conn, const void *data, size_t n);

#endif
