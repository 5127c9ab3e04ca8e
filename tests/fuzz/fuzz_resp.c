/* Bytes from Redis: through the reader to what a subscriber and a publisher make of its replies, and on to the parser
 * of lines. The first byte says into how large pieces the rest is cut, the second which connection gets it and how many
 * answers to AUTH and SELECT are still to come. Run it with -close_fd_mask=2: nonsense is logged. */
#include "repl/lines_parse.h"
#include "repl/redis.h"
#include "repl/redis_conn.h"

#include <ganglion/log.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static size_t understood;

static void on_line(void *self, struct gg_str text)
{
    struct gg_line line;
    understood += gg_line_parse(text, &line);
}

static void on_ready(void *self, bool resubscribed)
{
    understood++;
}

static void on_lost(void *self)
{
}

static void feed(struct gg_redis_conn *conn, const char *data, size_t n, size_t piece)
{
    while (n > 0) {
        size_t now = piece < n ? piece : n;
        if (!gg_redis_conn_feed(conn, data, now))
            return;
        data += now;
        n -= now;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct gg_redis_options options = {.enabled = true, .dbid = -1};
    static const char *const channels[] = {"example.com/USER_IP", "example.com"};
    const struct gg_redis_events events = {on_line, on_ready, on_lost, NULL};
    if (n < 2)
        return 0;
    struct gg_redis *redis = gg_redis_new(&options, channels, GG_COUNT(channels), &events);
    struct gg_redis_conn *conn = gg_redis_connection(redis, data[1] & 1);
    conn->greetings = data[1] / 2 % 3;
    conn->reader = redisReaderCreate();
    GG_ASSERT(conn->reader != NULL);
    feed(conn, (const char *)data + 2, n - 2, (size_t)data[0] + 1);
    redisReaderFree(conn->reader);
    gg_redis_free(redis);
    return 0;
}
