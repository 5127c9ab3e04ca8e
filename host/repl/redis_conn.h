/* repl/redis_conn.h: one connection to Redis, run by a fiber that connects, reads and reconnects.
 *
 * Every command has one reply, in order, but for those of a subscriber. `sent` and `answered` count both, so whoever
 * waits for a reply remembers the number of its command. */
#ifndef GANGLION_HOST_REPL_REDIS_CONN_H
#define GANGLION_HOST_REPL_REDIS_CONN_H

#include "config/topology.h"

#include <ganglion/buf.h>
#include <ganglion/error.h>
#include <ganglion/fiber.h>
#include <hiredis/hiredis.h>
#include <openssl/types.h>

struct gg_redis_conn;

/* Called by the connection's fiber; may not yield. */
struct gg_redis_conn_events {
    void (*ready)(struct gg_redis_conn *conn, void *self);                          /* connected and let in */
    void (*reply)(struct gg_redis_conn *conn, const redisReply *reply, void *self); /* of what was sent after ready */
    void (*lost)(struct gg_redis_conn *conn, void *self);                           /* after ready had been called */
};

struct gg_redis_conn {
    const char *name; /* for logs: "redis subscriber" */
    const struct gg_redis_options *options;
    const struct gg_redis_conn_events *events;
    void *self;
    bool select; /* SELECT dbid (the subscriber never does) */
    int64_t retry_cap_ms;
    int fd; /* -1: not connected */
    SSL *ssl;
    SSL_CTX *tls;
    redisReader *reader;
    struct gg_buf out;
    size_t out_sent;
    uint64_t sent, answered; /* on this connection */
    unsigned greetings;      /* replies to AUTH and SELECT that have not come */
    bool up;                 /* ready was called */
    bool broken;             /* to be closed by its fiber */
    bool flush_due, writing;
    struct gg_scope *scope, *open_scope; /* of all its life; of one connection */
};

void gg_redis_conn_init(struct gg_redis_conn *conn, const char *name, const struct gg_redis_options *options,
                        const struct gg_redis_conn_events *events, void *self);
void gg_redis_conn_start(struct gg_redis_conn *conn, struct gg_scope *parent);
/* What was queued still leaves, for at most a second. */
GG_YIELDS void gg_redis_conn_stop(struct gg_redis_conn *conn);
void gg_redis_conn_done(struct gg_redis_conn *conn);

/* Queues a command (hiredis' format: %s, %b) and sends it at the end of this turn. False while not connected. */
bool gg_redis_command(struct gg_redis_conn *conn, const char *format, ...);
/* The same from words, without the formatting: for what is sent often. */
bool gg_redis_command_words(struct gg_redis_conn *conn, const struct gg_str *words, size_t n);

/* Feeds bytes as they came from Redis: false when they are no RESP, or too much for one reply. */
bool gg_redis_conn_feed(struct gg_redis_conn *conn, const char *data, size_t n);

/* redis.c: one of its two, for the fuzzer. */
struct gg_redis;
struct gg_redis_conn *gg_redis_connection(struct gg_redis *redis, bool subscriber);

/* repl/redis_socket.c: opens the socket (TCP, unix or TLS); fills fd and ssl. */
GG_YIELDS GG_CHECKED int gg_redis_open(struct gg_redis_conn *conn, struct gg_error *err);
void gg_redis_close(struct gg_redis_conn *conn);
/* > 0 bytes; 0: would wait; < 0: gone. */
ssize_t gg_redis_recv(struct gg_redis_conn *conn, void *out, size_t n);
ssize_t gg_redis_send_some(struct gg_redis_conn *conn, const void *data, size_t n);

#endif
