/* repl/redis_conn.c: one connection to Redis, run by a fiber that connects, reads and reconnects (facts
 * replication 2.1). */
#include "repl/redis_conn.h"

#include <ganglion/log.h>
#include <math.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.redis"};

enum {
    QUIET_MS = 15000, /* silence after which a PING is sent, and after it, how long its answer may take */
    FIRST_RETRY_MS = 100,
    LINGER_MS = 1000,   /* what is queued when the connection is to end */
    MAX_OUT = 64 << 20, /* Redis that reads nothing must not fill our memory */
    MAX_IN = 64 << 20,  /* nor one that never ends a reply */
    READ_BYTES = 16 << 10,
    READS_A_TURN = 16, /* then others run */
};

void gg_redis_conn_init(struct gg_redis_conn *conn, const char *name, const struct gg_redis_options *options,
                        const struct gg_redis_conn_events *events, void *self)
{
    *conn = (struct gg_redis_conn){.name = name,
                                   .options = options,
                                   .events = events,
                                   .self = self,
                                   .fd = -1,
                                   .retry_cap_ms = 1000, /* a try costs little, and each second without lines is late news */
                                   .out = GG_BUF_INIT};
}

void gg_redis_conn_done(struct gg_redis_conn *conn)
{
    gg_buf_done(&conn->out);
    if (conn->tls != NULL)
        SSL_CTX_free(conn->tls);
    conn->tls = NULL;
}

/* ---- writing ---- */

static size_t unsent(const struct gg_redis_conn *conn)
{
    return conn->out.n - conn->out_sent;
}

static void write_rest(void *arg);

static void flush(struct gg_redis_conn *conn)
{
    while (conn->fd >= 0 && !conn->broken && unsent(conn) > 0) {
        ssize_t n = gg_redis_send_some(conn, conn->out.data + conn->out_sent, unsent(conn));
        if (n < 0)
            conn->broken = true; /* the reader sees the end too, and tidies up */
        if (n <= 0)
            break;
        conn->out_sent += (size_t)n;
    }
    if (unsent(conn) == 0) {
        gg_buf_clear(&conn->out);
        conn->out_sent = 0;
    } else if (!conn->writing && !conn->broken && conn->open_scope != NULL) {
        conn->writing = gg_spawn(conn->open_scope, "redis writer", write_rest, conn) != NULL;
    }
}

/* Takes over what one write did not take. Ends with the connection's scope, before the socket is closed. */
static void write_rest(void *arg)
{
    struct gg_redis_conn *conn = arg;
    while (!conn->broken && unsent(conn) > 0) {
        int rc = gg_wait_fd(conn->fd, GG_WRITABLE, NULL, gg_deadline(2 * QUIET_MS));
        if (rc == GG_E_CANCELLED)
            break;
        if (rc != 0)
            conn->broken = true;
        flush(conn);
    }
    conn->writing = false;
}

static void flush_at_turn_end(void *arg)
{
    struct gg_redis_conn *conn = arg;
    conn->flush_due = false;
    if (!conn->writing)
        flush(conn);
}

/* Room for a command; false when nothing may be queued. */
static bool may_queue(struct gg_redis_conn *conn)
{
    if (conn->fd < 0 || conn->broken)
        return false;
    if (unsent(conn) <= MAX_OUT)
        return true;
    gg_err(&logger, "%s: Redis takes nothing any more; connecting anew", conn->name);
    conn->broken = true;
    return false;
}

static void queued(struct gg_redis_conn *conn)
{
    conn->sent++;
    if (conn->flush_due)
        return;
    conn->flush_due = true;
    gg_at_turn_end(flush_at_turn_end, conn);
}

bool gg_redis_command(struct gg_redis_conn *conn, const char *format, ...)
{
    if (!may_queue(conn))
        return false;
    char *text = NULL;
    va_list ap;
    va_start(ap, format);
    int n = redisvFormatCommand(&text, format, ap);
    va_end(ap);
    GG_ASSERT(n > 0);
    gg_buf_add(&conn->out, text, (size_t)n);
    redisFreeCommand(text);
    queued(conn);
    return true;
}

bool gg_redis_command_words(struct gg_redis_conn *conn, const struct gg_str *words, size_t n)
{
    if (!may_queue(conn))
        return false;
    gg_buf_char(&conn->out, '*');
    gg_buf_i64(&conn->out, (int64_t)n);
    for (size_t i = 0; i < n; i++) {
        gg_buf_lit(&conn->out, "\r\n$");
        gg_buf_i64(&conn->out, (int64_t)words[i].n);
        gg_buf_lit(&conn->out, "\r\n");
        gg_buf_str(&conn->out, words[i]);
    }
    gg_buf_lit(&conn->out, "\r\n");
    queued(conn);
    return true;
}

/* ---- reading ---- */

static void become_ready(struct gg_redis_conn *conn)
{
    conn->up = true;
    conn->events->ready(conn, conn->self);
}

/* +OK of AUTH and SELECT come first. */
static void greeted(struct gg_redis_conn *conn, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        gg_err(&logger, "%s: Redis does not let us in: %s", conn->name, reply->str);
        conn->broken = true;
    } else if (--conn->greetings == 0) {
        become_ready(conn);
    }
}

static void take_reply(struct gg_redis_conn *conn, const redisReply *reply)
{
    conn->answered++;
    if (conn->greetings > 0)
        greeted(conn, reply);
    else
        conn->events->reply(conn, reply, conn->self);
}

bool gg_redis_conn_feed(struct gg_redis_conn *conn, const char *data, size_t n)
{
    void *reply = NULL;
    if (redisReaderFeed(conn->reader, data, n) != REDIS_OK || conn->reader->len - conn->reader->pos > MAX_IN) {
        gg_err(&logger, "%s: Redis sends a reply that is too large", conn->name);
        return false;
    }
    while (redisReaderGetReply(conn->reader, &reply) == REDIS_OK) {
        if (reply == NULL)
            return true;
        take_reply(conn, reply);
        freeReplyObject(reply);
        if (conn->broken)
            return false;
    }
    gg_err(&logger, "%s: Redis broke its protocol: %s", conn->name, conn->reader->errstr);
    return false;
}

/* All that is there: TLS may hold bytes that the socket no longer announces; a plain socket is announced again. */
static bool read_some(struct gg_redis_conn *conn, char *space)
{
    for (int i = 1;; i++) {
        ssize_t n = gg_redis_recv(conn, space, READ_BYTES);
        if (n <= 0)
            return n == 0;
        if (!gg_redis_conn_feed(conn, space, (size_t)n))
            return false;
        if (n < READ_BYTES && conn->ssl == NULL)
            return true;
        if (i % READS_A_TURN == 0 && gg_yield() != 0)
            return false;
    }
}

/* Until the connection is lost. Silence is answered with a PING, and silence after that is the end. */
static void read_all(struct gg_redis_conn *conn, char *space)
{
    int64_t pinged_after = -1; /* the count of answers when a PING was sent */
    while (!conn->broken) {
        int rc = gg_wait_fd(conn->fd, GG_READABLE, NULL, gg_deadline(QUIET_MS));
        if (rc == GG_E_TIMEOUT && pinged_after == (int64_t)conn->answered) {
            gg_warn(&logger, "%s: Redis has not answered for %d s", conn->name, QUIET_MS / 1000);
            return;
        }
        if (rc == GG_E_TIMEOUT) {
            pinged_after = (int64_t)conn->answered;
            (void)gg_redis_command(conn, "PING");
        } else if (rc != 0 || !read_some(conn, space)) {
            return;
        }
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
    conn->greetings = (unsigned)conn->sent;
    if (conn->greetings == 0)
        become_ready(conn);
}

/* True: Redis had answered something. */
static bool one_connection(struct gg_redis_conn *conn, char *space)
{
    conn->reader = redisReaderCreate();
    GG_ASSERT(conn->reader != NULL);
    conn->open_scope = gg_scope_new(conn->scope, conn->name);
    conn->sent = conn->answered = 0;
    conn->broken = false;
    sign_in(conn);
    read_all(conn, space);
    bool was_up = conn->up, worked = conn->up && conn->answered > 0;
    conn->up = false;
    conn->broken = true;
    gg_scope_end(conn->open_scope);
    conn->open_scope = NULL;
    gg_redis_close(conn);
    gg_buf_done(&conn->out);
    conn->out_sent = 0;
    redisReaderFree(conn->reader);
    conn->reader = NULL;
    if (was_up)
        conn->events->lost(conn, conn->self);
    return worked;
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
        if (gg_redis_open(conn, &err) != 0) {
            if (!told && !gg_cancelled())
                gg_warn(&logger, "%s: %s; trying on", conn->name, err.message);
            told = true; /* once for each outage: it may be long */
        } else if (one_connection(conn, space)) {
            delay = FIRST_RETRY_MS;
            told = true;
            if (!gg_cancelled())
                gg_warn(&logger, "%s: the connection is lost; connecting anew", conn->name);
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
}

void gg_redis_conn_stop(struct gg_redis_conn *conn)
{
    int64_t deadline = gg_deadline(LINGER_MS);
    if (conn->scope == NULL)
        return;
    gg_shield_begin();
    while (conn->up && !conn->broken && unsent(conn) > 0 && gg_now_ms() < deadline)
        (void)gg_sleep(1);
    gg_scope_end(conn->scope);
    while (conn->flush_due) /* it holds a pointer to us */
        (void)gg_yield();
    gg_shield_end();
    conn->scope = NULL;
}
