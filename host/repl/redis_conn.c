/* repl/redis_conn.c: one connection to Redis, run by a fiber that connects, reads and reconnects (facts replication 2.1). */
#include "repl/redis_conn.h"

#include <ganglion/log.h>
#include <math.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.redis"};

enum {
    PING_MS = 30000,          /* also how long an answer may take */
    FIRST_RETRY_MS = 1000,
    MAX_OUT = 64 << 20,       /* Redis that reads nothing must not fill our memory */
    READ_BYTES = 64 << 10,
};

void gg_redis_conn_init(struct gg_redis_conn *conn, const char *name, const struct gg_redis_options *options,
                        const struct gg_redis_conn_events *events, void *self)
{
    *conn = (struct gg_redis_conn){.name = name, .options = options, .events = events, .self = self, .fd = -1,
                                   .retry_cap_ms = 5000, .out = GG_BUF_INIT};
    gg_cond_init(&conn->writable);
}

void gg_redis_conn_done(struct gg_redis_conn *conn)
{
    gg_buf_done(&conn->out);
    if (conn->tls != NULL)
        SSL_CTX_free(conn->tls);
    conn->tls = NULL;
}

/* ---- writing ---- */

static void flush(struct gg_redis_conn *conn)
{
    while (conn->fd >= 0 && !conn->broken && conn->out_sent < conn->out.n) {
        ssize_t n = gg_redis_send_some(conn, conn->out.data + conn->out_sent, conn->out.n - conn->out_sent);
        if (n < 0)
            conn->broken = true; /* the reader sees the end too, and tidies up */
        if (n <= 0) {
            gg_cond_signal(&conn->writable);
            return;
        }
        conn->out_sent += (size_t)n;
    }
    if (conn->out_sent == conn->out.n) {
        gg_buf_clear(&conn->out);
        conn->out_sent = 0;
    }
}

static void flush_at_turn_end(void *arg)
{
    struct gg_redis_conn *conn = arg;
    conn->flush_due = false;
    flush(conn);
}

static void queue_bytes(struct gg_redis_conn *conn, const char *data, size_t n)
{
    if (conn->out.n - conn->out_sent > MAX_OUT) {
        gg_err(&logger, "%s: Redis takes nothing any more; connecting anew", conn->name);
        conn->broken = true;
        return;
    }
    gg_buf_add(&conn->out, data, n);
    if (!conn->flush_due) {
        conn->flush_due = true;
        gg_at_turn_end(flush_at_turn_end, conn);
    }
}

bool gg_redis_command(struct gg_redis_conn *conn, const char *format, ...)
{
    if (conn->fd < 0 || conn->broken)
        return false;
    char *text = NULL;
    va_list ap;
    va_start(ap, format);
    int n = redisvFormatCommand(&text, format, ap);
    va_end(ap);
    GG_ASSERT(n > 0);
    queue_bytes(conn, text, (size_t)n);
    redisFreeCommand(text);
    return !conn->broken;
}

/* Takes over what one write did not take. */
static void write_rest(void *arg)
{
    struct gg_redis_conn *conn = arg;
    while (!gg_cancelled()) {
        if (conn->fd < 0 || conn->broken || conn->out_sent == conn->out.n) {
            if (gg_cond_wait(&conn->writable, GG_FOREVER) != 0)
                return;
            continue;
        }
        if (gg_wait_fd(conn->fd, GG_WRITABLE, NULL, gg_deadline(PING_MS)) != 0)
            conn->broken = true;
        flush(conn);
    }
}

/* ---- reading ---- */

static bool handle_replies(struct gg_redis_conn *conn)
{
    void *reply;
    while (redisReaderGetReply(conn->reader, &reply) == REDIS_OK) {
        if (reply == NULL)
            return true;
        conn->events->reply(conn, reply, conn->self);
        freeReplyObject(reply);
    }
    gg_err(&logger, "%s: Redis broke its protocol: %s", conn->name, conn->reader->errstr);
    return false;
}

static bool read_some(struct gg_redis_conn *conn, char *space)
{
    for (;;) {
        ssize_t n = gg_redis_recv(conn, space, READ_BYTES);
        if (n < 0)
            return false;
        if (n == 0)
            return true;
        conn->last_heard = gg_now_ms();
        if (redisReaderFeed(conn->reader, space, (size_t)n) != REDIS_OK || !handle_replies(conn))
            return false;
    }
}

/* Until the connection is lost. Silence is answered with a PING, and silence after that is the end. */
static void read_all(struct gg_redis_conn *conn, char *space)
{
    int64_t pinged = 0;
    while (!conn->broken && !gg_cancelled()) {
        int rc = gg_wait_fd(conn->fd, GG_READABLE, NULL, gg_deadline(PING_MS));
        if (rc == GG_E_CANCELLED)
            return;
        if (rc == GG_E_TIMEOUT && pinged > conn->last_heard) {
            gg_warn(&logger, "%s: no answer from Redis within %d s", conn->name, PING_MS / 1000);
            return;
        }
        if (rc == GG_E_TIMEOUT) {
            pinged = gg_now_ms();
            (void)gg_redis_command(conn, "PING");
            continue;
        }
        if (rc != 0 || !read_some(conn, space))
            return;
    }
}

/* ---- connecting ---- */

static void sign_in(struct gg_redis_conn *conn)
{
    const struct gg_redis_options *o = conn->options;
    if (o->password != NULL && o->username != NULL)
        (void)gg_redis_command(conn, "AUTH %s %s", o->username, o->password);
    else if (o->password != NULL)
        (void)gg_redis_command(conn, "AUTH %s", o->password);
    if (conn->select && o->dbid >= 0)
        (void)gg_redis_command(conn, "SELECT %d", o->dbid);
}

static void one_connection(struct gg_redis_conn *conn, char *space)
{
    conn->reader = redisReaderCreate();
    GG_ASSERT(conn->reader != NULL);
    gg_buf_clear(&conn->out);
    conn->out_sent = 0;
    conn->broken = false;
    conn->last_heard = gg_now_ms();
    sign_in(conn);
    conn->up = true;
    conn->events->greet(conn, conn->self);
    read_all(conn, space);
    conn->up = false;
    gg_redis_close(conn);
    redisReaderFree(conn->reader);
    conn->reader = NULL;
    conn->events->lost(conn, conn->self);
}

/* e-fold growth with 12 % of jitter, so that many processes do not come back at the same moment. */
static int64_t next_delay(int64_t delay, int64_t cap)
{
    uint32_t r;
    gg_random_bytes(&r, sizeof(r));
    double jitter = 1.0 + 0.12 * (2.0 * (double)r / (double)UINT32_MAX - 1.0), grown = (double)delay * M_E * jitter;
    return grown > (double)cap ? cap : (int64_t)grown;
}

static void run(void *arg)
{
    struct gg_redis_conn *conn = arg;
    char *space = malloc(READ_BYTES);
    int64_t delay = FIRST_RETRY_MS;
    bool told = false;
    GG_ASSERT(space != NULL);
    while (!gg_cancelled()) {
        struct gg_error err = GG_ERROR_INIT;
        if (gg_redis_open(conn, &err) == 0) {
            int64_t since = gg_now_ms();
            told = false;
            one_connection(conn, space);
            if (gg_now_ms() - since > 5000)
                delay = FIRST_RETRY_MS;
            if (!gg_cancelled())
                gg_warn(&logger, "%s: the connection to Redis is lost", conn->name);
        } else if (!told && !gg_cancelled()) {
            gg_warn(&logger, "%s: %s; trying on", conn->name, err.message);
            told = true; /* once for each outage: it may be long */
        }
        if (gg_sleep(delay) != 0)
            break;
        delay = next_delay(delay, conn->retry_cap_ms);
    }
    free(space);
}

void gg_redis_conn_start(struct gg_redis_conn *conn, struct gg_scope *parent)
{
    conn->scope = gg_scope_new(parent, conn->name);
    (void)gg_spawn(conn->scope, conn->name, run, conn);
    (void)gg_spawn(conn->scope, "redis writer", write_rest, conn);
}

void gg_redis_conn_stop(struct gg_redis_conn *conn)
{
    if (conn->scope == NULL)
        return;
    flush(conn);
    gg_scope_end(conn->scope);
    conn->scope = NULL;
}
