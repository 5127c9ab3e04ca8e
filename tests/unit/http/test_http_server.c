/* The HTTP server over real sockets: framing, limits, hang-ups, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/conn.h"
#include "http/server.h"
#include "main/host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ganglion/list.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zlib.h>

/* ---- a server with routes that show what the handler saw ---- */

static struct {
    struct gg_host *host;
    struct gg_server *server;
    uint16_t port;
    int started, cancelled, finished;
    struct gg_http_limits limits;
} t;

static int echo(void *self, struct gg_request *rq, struct gg_error *err)
{
    json_t *answer = json_object();
    json_object_set_new(answer, "method", json_string(gg_request_method(rq)));
    json_object_set_new(answer, "path", json_string(gg_request_path(rq)));
    json_object_set_new(answer, "address", json_string(gg_request_address(rq)));
    json_object_set_new(answer, "id", json_string(gg_request_id(rq)));
    json_object_set_new(answer, "https", json_boolean(gg_request_https(rq)));
    if (gg_request_param(rq, "name") != NULL)
        json_object_set_new(answer, "name", json_string(gg_request_param(rq, "name")));
    if (gg_request_query(rq, "q") != NULL)
        json_object_set_new(answer, "q", json_string(gg_request_query(rq, "q")));
    struct gg_str body = gg_request_body(rq);
    json_object_set_new(answer, "body", json_stringn(body.s, body.n));
    return gg_reply_json(rq, 200, answer);
}

static int json_in(void *self, struct gg_request *rq, struct gg_error *err)
{
    json_t *body = gg_request_json(rq, err);
    return body != NULL ? gg_reply_json(rq, 200, json_incref(body)) : err->code;
}

static int slow(void *self, struct gg_request *rq, struct gg_error *err)
{
    t.started++;
    int rc = gg_sleep(self != NULL ? 150 : 20000);
    if (rc == GG_E_CANCELLED) {
        t.cancelled++;
        return gg_fail(err, rc, "cancelled");
    }
    if (rc < 0)
        return gg_fail(err, rc, "no time left");
    t.finished++;
    return gg_reply_empty_object(rq);
}

static int numbers(void *self, struct gg_request *rq, struct gg_error *err)
{
    int64_t n;
    bool b;
    int rc = gg_request_query_i64(rq, "n", 7, &n, err);
    if (rc == 0)
        rc = gg_request_query_bool(rq, "b", true, &b, err);
    if (rc < 0)
        return rc;
    char text[64];
    snprintf(text, sizeof(text), "%lld %d", (long long)n, b);
    return gg_reply_text(rq, 200, "text/plain", gg_str(text));
}

static int upload(void *self, struct gg_request *rq, struct gg_error *err)
{
    char piece[4096];
    size_t n, total = 0;
    do {
        int rc = gg_request_read(rq, piece, sizeof(piece), &n, err);
        if (rc < 0)
            return rc;
        total += n;
    } while (n > 0);
    snprintf(piece, sizeof(piece), "%zu", total);
    return gg_reply_text(rq, 200, "text/plain", gg_str(piece));
}

static int download(void *self, struct gg_request *rq, struct gg_error *err)
{
    enum { PIECE = 10000, PIECES = 300 };
    char *piece = gg_arena_alloc(gg_request_arena(rq), PIECE);
    memset(piece, 'x', PIECE);
    gg_reply_header(rq, "Content-Type", "application/octet-stream");
    int rc = gg_reply_begin(rq, 200, gg_request_query(rq, "chunked") != NULL ? -1 : PIECE * PIECES, err);
    for (int i = 0; rc == 0 && i < PIECES; i++)
        rc = gg_reply_write(rq, piece, PIECE, err);
    return rc == 0 ? gg_reply_end(rq, err) : rc;
}

/* 3 MB of a file, from byte 5 on; ?short: the file ends before the answer does. */
static int from_file(void *self, struct gg_request *rq, struct gg_error *err)
{
    enum { SIZE = 3000000, FROM = 5 };
    char path[] = "/tmp/gg-file-XXXXXX", *data = gg_arena_alloc(gg_request_arena(rq), SIZE + FROM);
    int fd = mkstemp(path);
    unlink(path);
    for (size_t i = 0; i < SIZE + FROM; i++)
        data[i] = (char)('a' + i % 26);
    assert_int_equal(write(fd, data, SIZE + FROM), SIZE + FROM);
    int64_t more = gg_request_query(rq, "short") != NULL ? 100 : 0;
    int rc = gg_reply_begin(rq, 200, SIZE + more, err);
    if (rc == 0)
        rc = gg_reply_file(rq, fd, FROM, SIZE + more, err);
    close(fd);
    return rc == 0 ? gg_reply_end(rq, err) : rc;
}

static int big(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_buf buf = GG_BUF_INIT;
    gg_buf_reserve(&buf, 8 << 20);
    gg_buf_char(&buf, '"');
    for (int i = 0; i < (1 << 20); i++)
        gg_buf_lit(&buf, "abcdefgh");
    gg_buf_char(&buf, '"');
    return gg_reply_buf(rq, 200, &buf);
}

static int broken(void *self, struct gg_request *rq, struct gg_error *err)
{
    return self != NULL ? gg_refuse(err, 429, "M_LIMIT_EXCEEDED", "Too fast") : 0;
}

static const struct gg_route routes[] = {
    {"GET", "/echo/{name}", echo, "client", 0, 0, 0, 0, NULL, NULL, NULL, NULL, ""},
    {"PUT", "/echo/{name}", echo, "client", 0, 0, 100, 0, NULL, NULL, NULL, NULL, ""},
    {"POST", "/json", json_in, "client", 0, GG_ROUTE_JSON, 0, 0, NULL, NULL, NULL, NULL, ""},
    {"GET", "/slow/read", slow, "client", 0, GG_ROUTE_CANCELLABLE, 0, 0, NULL, NULL, NULL, NULL, ""},
    {"GET", "/deadline", slow, "client", 0, 0, 0, 50, NULL, NULL, NULL, NULL, ""},
    {"GET", "/numbers", numbers, "client", 0, 0, 0, 0, NULL, NULL, NULL, NULL, ""},
    {"POST", "/upload", upload, "media", 0, GG_ROUTE_STREAMED, 5000000, 0, NULL, NULL, NULL, NULL, ""},
    {"GET", "/download", download, "media", 0, 0, 0, 0, NULL, NULL, NULL, NULL, ""},
    {"GET", "/file", from_file, "media", 0, 0, 0, 0, NULL, NULL, NULL, NULL, ""},
    {"GET", "/big", big, "client", 0, 0, 0, 0, NULL, NULL, NULL, NULL, ""},
    {"GET", "/silent", broken, "client", 0, 0, 0, 0, NULL, NULL, NULL, NULL, ""},
    {"GET", "/secret", echo, "client", GG_AUTH_USER, 0, 0, 0, NULL, NULL, NULL, NULL, ""},
    {"POST", "/secret", echo, "client", GG_AUTH_USER, 0, 1000000, 0, NULL, NULL, NULL, NULL, ""},
    {"GET", "/fed", echo, "federation", 0, 0, 0, 0, NULL, NULL, NULL, NULL, ""},
    {"GET", "/matrix-federation://", echo, "replication", 0, GG_ROUTE_PREFIX, 0, 0, NULL, NULL, NULL, NULL, ""},
    {NULL},
};
static const struct gg_route with_self[] = {
    {"GET", "/slow/write", slow, "client", 0, 0, 0, 0, NULL, NULL, NULL, NULL, ""},
    {"GET", "/limited", broken, "client", 0, 0, 0, 0, NULL, NULL, NULL, NULL, ""},
    {NULL},
};

static int authenticate(void *self, struct gg_request *rq, uint32_t kind, struct gg_error *err)
{
    const char *token = gg_request_header(rq, "authorization");
    if (token == NULL)
        return gg_refuse(err, 401, "M_MISSING_TOKEN", "Missing access token");
    gg_request_set_principal(rq, rq, token + 7);
    return 0;
}

static void up(uint32_t resources)
{
    struct gg_error err = GG_ERROR_INIT;
    t.host = gg_host_new(NULL, NULL, NULL);
    gg_host_set_authenticator(t.host, GG_AUTH_USER, authenticate, NULL);
    t.server = gg_http_new(t.host, &t.limits);
    for (const struct gg_route *r = routes; r->method != NULL; r++)
        assert_int_equal(gg_router_add(gg_http_router(t.server), r, NULL, "test", &err), 0);
    for (const struct gg_route *r = with_self; r->method != NULL; r++)
        assert_int_equal(gg_router_add(gg_http_router(t.server), r, &t, "test", &err), 0);
    struct gg_http_port port = {.address = "127.0.0.1",
                                .resources = resources,
                                .tag = "test",
                                .x_forwarded = true,
                                .request_id_header = "X-Request-Id"};
    assert_int_equal(gg_http_listen(t.server, &port, &t.port, &err), 0);
}

static void down(void)
{
    gg_http_stop(t.server);
    gg_http_free(t.server);
    gg_host_free(t.host);
}

/* ---- a client of plain bytes ---- */

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(t.port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        assert_int_equal(gg_wait_fd(fd, GG_WRITABLE, NULL, gg_deadline(2000)), 0);
    return fd;
}

static void send_bytes(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return; /* the server has closed; the test looks at what it said */
        if (sent < 0)
            assert_int_equal(gg_wait_fd(fd, GG_WRITABLE, NULL, gg_deadline(5000)), 0);
        else
            data += sent, n -= (size_t)sent;
    }
}

static void say(int fd, const char *text)
{
    send_bytes(fd, text, strlen(text));
}

/* Everything until the server closes, or until `until` was seen n times. */
static char *hear(int fd, const char *until, int times)
{
    static char in[16 << 20];
    size_t n = 0;
    in[0] = '\0';
    for (;;) {
        ssize_t got = recv(fd, in + n, sizeof(in) - n - 1, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            return in;
        if (got < 0) {
            if (gg_wait_fd(fd, GG_READABLE, NULL, gg_deadline(60000)) != 0)
                return in;
            continue;
        }
        n += (size_t)got;
        in[n] = '\0';
        int seen = 0;
        for (const char *p = in; until != NULL && (p = strstr(p, until)) != NULL; p++)
            seen++;
        if (until != NULL && seen >= times)
            return in;
    }
}

static char *ask(const char *request)
{
    int fd = dial();
    say(fd, request);
    char *answer = hear(fd, NULL, 0);
    close(fd);
    return answer;
}

#define GET(path_) "GET " path_ " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void assert_has(const char *answer, const char *what)
{
    if (strstr(answer, what) == NULL)
        fail_msg("no \"%s\" in: %.800s", what, answer);
}

static void assert_lacks(const char *answer, const char *what)
{
    if (strstr(answer, what) != NULL)
        fail_msg("\"%s\" in: %.800s", what, answer);
}

static void assert_status(const char *answer, int status)
{
    if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || atoi(answer + 9) != status)
        fail_msg("not %d: %.800s", status, answer);
}

/* ---- running a test body as the loop's main fiber ---- */

static void in_loop(void *arg)
{
    void (*body)(void) = *(void (**)(void))arg;
    up(GG_RES_CLIENT | GG_RES_MEDIA);
    body();
    down();
}

static void run(void (*body)(void))
{
    struct gg_loop_options options = {.threads = 2};
    t.started = t.cancelled = t.finished = 0;
    assert_int_equal(gg_loop_run(&options, in_loop, &body), 0);
}

#define LOOP_TEST(name_)                                                                                               \
    static void name_##_body(void);                                                                                    \
    static void name_(void **state)                                                                                    \
    {                                                                                                                  \
        memset(&t, 0, sizeof(t));                                                                                      \
        run(name_##_body);                                                                                             \
    }                                                                                                                  \
    static void name_##_body(void)

#define LIMIT_TEST(name_, ...)                                                                                         \
    static void name_##_body(void);                                                                                    \
    static void name_(void **state)                                                                                    \
    {                                                                                                                  \
        memset(&t, 0, sizeof(t));                                                                                      \
        t.limits = (struct gg_http_limits){__VA_ARGS__};                                                               \
        run(name_##_body);                                                                                             \
    }                                                                                                                  \
    static void name_##_body(void)

/* ---- the tests ---- */

LOOP_TEST(test_plain)
{
    char *a = ask(GET("/echo/%40a%2Fb%20c?q=x+y%26z"));
    assert_status(a, 200);
    assert_has(a, "\"name\":\"@a/b c\"");
    assert_has(a, "\"q\":\"x y&z\"");
    assert_has(a, "\"path\":\"/echo/%40a%2Fb%20c\"");
    assert_has(a, "\"address\":\"127.0.0.1\"");
    assert_has(a, "\"id\":\"GET-1\"");
    assert_has(a, "Access-Control-Allow-Origin: *\r\n");
    assert_has(a, "Access-Control-Allow-Methods: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n");
    assert_has(a, "Content-Type: application/json\r\n");
    assert_has(a, "Cache-Control: no-cache, no-store, must-revalidate\r\n");
    assert_has(a, "Connection: close\r\n");
    assert_has(a, "\r\nDate: ");
}

LOOP_TEST(test_errors)
{
    char *a = ask(GET("/nothing"));
    assert_status(a, 404);
    assert_has(a, "\"errcode\":\"M_UNRECOGNIZED\"");
    assert_has(a, "Access-Control-Allow-Origin: *");
    a = ask("DELETE /echo/x HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_status(a, 405);
    assert_has(a, "\"errcode\":\"M_UNRECOGNIZED\"");
    assert_has(a, "Allow: ");
    assert_status(ask(GET("/fed")), 404); /* not a resource of this listener */
    a = ask(GET("/echo/a%00b"));
    assert_status(a, 400);
    assert_has(a, "M_INVALID_PARAM");
    assert_status(ask(GET("/echo/a%ffb")), 400);
    a = ask(GET("/silent"));
    assert_status(a, 500);
    assert_has(a, "M_UNKNOWN");
    assert_status(ask(GET("/limited")), 429);
    a = ask(GET("/deadline"));
    assert_status(a, 503);
    a = ask(GET("/numbers?n=x"));
    assert_status(a, 400);
    assert_has(a, "M_INVALID_PARAM");
    assert_status(ask(GET("/numbers?b=1")), 400);
    assert_has(ask(GET("/numbers?n=-12&b=false")), "-12 0");
    assert_has(ask(GET("/numbers")), "7 1");
}

/* Whatever lets two servers understand one stream differently. */
LOOP_TEST(test_strict)
{
    static const char *const bad[] = {
        "GET //x/y HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET http://x/echo/a HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET matrix-federation://x/echo/a HTTP/1.1\r\nConnection: close\r\n\r\n",
        "POST /json HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        "POST /json HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "POST /json HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        "GET /echo/a HTTP/1.1\r\nA b: c\r\n\r\n",
        "GET /echo/a HTTP/1.1\r\nA : c\r\n\r\n",
        "GET /echo/a HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        "GET /echo/a HTTP/1.1\nA: b\n\n",
        "GET /echo/\xc3\xa4 HTTP/1.1\r\n\r\n",
        "GET /echo/a#b HTTP/1.1\r\n\r\n",
        "GET /echo/\ta HTTP/1.1\r\n\r\n",
        "CONNECT x:1 HTTP/1.1\r\n\r\n",
        "GET /echo/a HTTX/1.1\r\n\r\n",
        "GET /echo/a HTTP/1.1\r\nA: b\r\n\rX",
        "PUT /echo/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXY0\r\n\r\n",
        "PUT /echo/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\rXabc\r\n0\r\n\r\n",
        "PUT /echo/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\n\r\n",
        "PUT /echo/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "hello\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    };
    for (size_t i = 0; i < GG_COUNT(bad); i++) {
        char *a = ask(bad[i]);
        assert_status(a, 400);
        assert_has(a, "\"errcode\":\"M_UNKNOWN\"");
        assert_has(a, "Connection: close");
    }
    assert_status(ask("GET /echo/a HTTP/2.0\r\n\r\n"), 505);
}

LOOP_TEST(test_keepalive_and_pipelining)
{
    int fd = dial();
    say(fd, "GET /echo/1 HTTP/1.1\r\n\r\n");
    assert_has(hear(fd, "\"1\"", 1), "HTTP/1.1 200 OK");
    /* three in one piece, the first of them slow: answered in order */
    say(fd, "GET /slow/write HTTP/1.1\r\n\r\nPUT /echo/2 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /nothing "
            "HTTP/1.1\r\n\r\n"
            "GET /echo/3 HTTP/1.1\r\n");
    say(fd, "X: y\r\n\r\n");
    char *a = hear(fd, "\"name\":\"3\"", 1);
    char *empty = strstr(a, "\r\n\r\n{}"), *two = strstr(a, "\"name\":\"2\""), *none = strstr(a, "M_UNRECOGNIZED");
    assert_true(empty != NULL && two > empty && none > two && strstr(a, "\"name\":\"3\"") > none);
    assert_has(a, "\"body\":\"abc\"");
    close(fd);
    a = ask("GET /echo/1 HTTP/1.0\r\n\r\n");
    assert_has(a, "Connection: close");
}

/* A batch may be half-closed; every request of it is answered. */
LOOP_TEST(test_half_close)
{
    int fd = dial();
    say(fd, "GET /slow/write HTTP/1.1\r\n\r\nGET /echo/z HTTP/1.1\r\n\r\n");
    shutdown(fd, SHUT_WR);
    assert_has(hear(fd, NULL, 0), "\"name\":\"z\"");
    close(fd);
}

static void wait_until(const int *value, int wanted)
{
    for (int i = 0; i < 200 && *value < wanted; i++)
        gg_sleep(5);
    assert_int_equal(*value, wanted);
}

LOOP_TEST(test_hang_up)
{
    int fd = dial(); /* a read: cancelled */
    say(fd, "GET /slow/read HTTP/1.1\r\n\r\n");
    wait_until(&t.started, 1);
    close(fd);
    wait_until(&t.cancelled, 1);
    fd = dial(); /* a write: goes on */
    say(fd, "GET /slow/write HTTP/1.1\r\n\r\n");
    wait_until(&t.started, 2);
    struct linger hard = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fd);
    wait_until(&t.finished, 1);
    assert_int_equal(t.cancelled, 1);
    gg_sleep(20);
    assert_int_equal(gg_http_in_flight(t.server), 0);
}

/* The hang-up is seen although the connection is full of pipelined bytes. */
LIMIT_TEST(test_hang_up_behind_pipeline, .max_pipelined = 1000)
{
    int fd = dial();
    say(fd, "GET /slow/read HTTP/1.1\r\n\r\n");
    wait_until(&t.started, 1);
    for (int i = 0; i < 100; i++)
        say(fd, "GET /echo/filler HTTP/1.1\r\nX: 0123456789012345678901234567890123456789\r\n\r\n");
    gg_sleep(20);
    assert_int_equal(t.cancelled, 0);
    close(fd);
    wait_until(&t.cancelled, 1);
}

LOOP_TEST(test_bodies)
{
    char *a = ask("PUT /echo/x HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3;ext=1\r\nabc\r\n4\r\ndefg\r\n0\r\nTrailer: x\r\n\r\n");
    assert_status(a, 200);
    assert_has(a, "\"body\":\"abcdefg\"");
    a = ask("PUT /echo/x HTTP/1.1\r\nConnection: close\r\nContent-Length: 101\r\n\r\n");
    assert_status(a, 413);
    assert_has(a, "M_TOO_LARGE");
    /* a name that only begins like the one which says how the body comes */
    a = ask(
        "PUT /echo/x HTTP/1.1\r\nConnection: close\r\nContent-Length: 5\r\nTransfer-Encodings: chunked\r\n\r\nhello");
    assert_status(a, 200);
    assert_has(a, "\"body\":\"hello\"");
    char many[600] = "PUT /echo/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n80\r\n";
    size_t n = strlen(many);
    memset(many + n, 'a', 0x80);
    memcpy(many + n + 0x80, "\r\n0\r\n\r\n", 8);
    assert_status(ask(many), 413);
    /* one byte at a time */
    int fd = dial();
    for (const char *s = "PUT /echo/y HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"; *s != '\0'; s++) {
        send_bytes(fd, s, 1);
        gg_yield();
    }
    assert_has(hear(fd, "hello", 1), "\"name\":\"y\"");
    /* a refused body is swallowed and the connection goes on */
    say(fd, "PUT /nothing HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET /echo/after HTTP/1.1\r\n\r\n");
    a = hear(fd, "after", 1);
    assert_has(a, "404 Not Found");
    assert_has(a, "\"name\":\"after\"");
    close(fd);
}

LOOP_TEST(test_expect)
{
    int fd = dial();
    say(fd, "PUT /echo/x HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert_has(hear(fd, "\r\n\r\n", 1), "HTTP/1.1 100 Continue");
    say(fd, "abc");
    assert_has(hear(fd, "abc", 1), "HTTP/1.1 200 OK");
    close(fd);
    char *a = ask("PUT /echo/x HTTP/1.1\r\nContent-Length: 300\r\nExpect: 100-continue\r\n\r\n");
    assert_status(a, 413);
    assert_lacks(a, "100 Continue");
    /* a large body is not asked for before its sender is known */
    a = ask("POST /secret HTTP/1.1\r\nContent-Length: 900000\r\nExpect: 100-continue\r\n\r\n");
    assert_status(a, 401);
    assert_lacks(a, "100 Continue");
}

LOOP_TEST(test_json)
{
#define POST(body_, n_) "POST /json HTTP/1.1\r\nConnection: close\r\nContent-Length: " #n_ "\r\n\r\n" body_
    assert_has(ask(POST("{\"a\":1}", 7)), "\r\n\r\n{\"a\":1}");
    assert_has(ask(POST("", 0)), "\r\n\r\n{}");
    assert_has(ask(POST("{\"a\":", 5)), "M_NOT_JSON");
    assert_has(ask(POST("[1,2]", 5)), "M_BAD_JSON");
    assert_has(ask(POST("{\"a\":\"\xff\"}", 9)), "M_NOT_JSON");
    char deep[900] = "POST /json HTTP/1.1\r\nConnection: close\r\nContent-Length: 605\r\n\r\n{\"a\":";
    memset(deep + strlen(deep), '[', 300);
    memset(deep + strlen(deep), ']', 300);
    assert_has(ask(deep), "M_BAD_JSON");
}

LOOP_TEST(test_head_options_health)
{
    char *a = ask("HEAD /echo/x HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_status(a, 200);
    assert_has(a, "Content-Length: ");
    assert_lacks(a, "{");
    a = ask("OPTIONS /any/thing HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_status(a, 204);
    assert_has(a, "Access-Control-Allow-Headers: X-Requested-With, Content-Type, Authorization, Date");
    assert_status(ask("OPTIONS * HTTP/1.1\r\nConnection: close\r\n\r\n"), 204);
    a = ask(GET("/health"));
    assert_status(a, 200);
    assert_has(a, "\r\n\r\nOK");
    assert_has(ask(GET("/ready")), "{\"ready\":true}");
    assert_status(ask(GET("/_synapse/metrics")), 404);
}

LOOP_TEST(test_authentication)
{
    char *a = ask(GET("/secret"));
    assert_status(a, 401);
    assert_has(a, "M_MISSING_TOKEN");
    assert_status(ask("GET /secret HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer abc\r\n\r\n"), 200);
}

LOOP_TEST(test_proxy_headers)
{
    char *a = ask("GET /echo/x HTTP/1.1\r\nConnection: close\r\nX-Forwarded-For: 198.51.100.7, 10.0.0.1\r\n"
                  "X-Forwarded-Proto: https\r\nX-Request-Id: abc-1\r\n\r\n");
    assert_has(a, "\"address\":\"198.51.100.7\"");
    assert_has(a, "\"https\":true");
    assert_has(a, "\"id\":\"abc-1\"");
}

LIMIT_TEST(test_head_limits, .max_head = 2000, .max_headers = 10)
{
    char request[4000] = "GET /echo/x HTTP/1.1\r\nA: ";
    memset(request + strlen(request), 'a', 2500);
    strcat(request, "\r\n\r\n");
    assert_status(ask(request), 431);
    snprintf(request, sizeof(request), "GET /echo/x HTTP/1.1\r\n");
    for (int i = 0; i < 11; i++)
        strcat(request, "A: b\r\n");
    strcat(request, "\r\n");
    assert_status(ask(request), 431);
}

LIMIT_TEST(test_slowloris, .head_ms = 500, .body_ms = 1200, .keepalive_ms = 300)
{
    int fd = dial();
    int64_t from = gg_now_ms();
    for (int i = 0; i < 60 && gg_now_ms() - from < 2000; i++) {
        send_bytes(fd, i == 0 ? "GET /" : "a", i == 0 ? 5 : 1);
        gg_sleep(100);
    }
    assert_has(hear(fd, NULL, 0), "HTTP/1.1 408");
    close(fd);
    fd = dial();
    say(fd, "PUT /echo/x HTTP/1.1\r\nContent-Length: 50\r\n\r\nab");
    assert_has(hear(fd, NULL, 0), "HTTP/1.1 408");
    close(fd);
    fd = dial(); /* idle between requests: closed without a word */
    say(fd, "GET /echo/x HTTP/1.1\r\n\r\n");
    hear(fd, "\"x\"", 1);
    assert_string_equal(hear(fd, NULL, 0), "");
    close(fd);
}

LIMIT_TEST(test_bodies_in_flight, .max_bodies = 150)
{
    int first = dial(), second = dial();
    say(first, "PUT /echo/x HTTP/1.1\r\nContent-Length: 100\r\n\r\n");
    char half[100];
    memset(half, 'h', sizeof(half));
    send_bytes(first, half, 90);
    gg_sleep(20);
    say(second, "PUT /echo/y HTTP/1.1\r\nContent-Length: 100\r\n\r\n");
    send_bytes(second, half, 100);
    assert_status(hear(second, "}", 1), 503);
    send_bytes(first, half, 10);
    assert_status(hear(first, "}", 1), 200);
    close(first);
    close(second);
}

LIMIT_TEST(test_connection_limit, .max_connections = 2)
{
    int a = dial(), b = dial();
    say(a, "GET /ec"); /* busy, both of them: they do not make room */
    say(b, "GET /ec");
    gg_sleep(20);
    int c = dial();
    say(c, GET("/echo/c"));
    gg_sleep(50);
    char byte;
    assert_true(recv(c, &byte, 1, 0) < 0 && errno == EAGAIN);
    close(a);
    assert_status(hear(c, NULL, 0), 200);
    close(b);
    close(c);
}

/* Connections that are only held do not shut others out. */
LIMIT_TEST(test_idle_ones_make_room, .max_connections = 2)
{
    int a = dial(), b = dial();
    say(b, "GET /ec");
    gg_sleep(1100);
    assert_status(ask(GET("/echo/c")), 200);
    assert_string_equal(hear(a, NULL, 0), "");
    say(b, "ho/b HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_status(hear(b, NULL, 0), 200);
    close(a);
    close(b);
}

/* As if a process before this one had accepted them. */
static int from_address(const char *key, const char *address)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    gg_http_inherit(t.server, &(struct gg_http_legacy){.key = key, .fd = ends[1], .address = address});
    return ends[0];
}

LIMIT_TEST(test_one_address, .max_per_address = 2)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_http_port want = {.address = "127.0.0.1", .resources = GG_RES_CLIENT, .tag = "edge"};
    static const char key[] = "tcp 127.0.0.1 0";
    int fds[] = {from_address(key, "192.0.2.1"),       from_address(key, "192.0.2.1"),
                 from_address(key, "2001:db8:0:1::1"), from_address(key, "2001:db8:0:1::2"),
                 from_address(key, "127.0.0.1"),       from_address(key, "127.0.0.1")};
    assert_int_equal(gg_http_listen(t.server, &want, NULL, &err), 0);
    struct gg_port *port = GG_CONTAINER(t.server->ports.prev, struct gg_port, link);
    assert_true(gg_http_has_enough(port, "192.0.2.1"));
    assert_false(gg_http_has_enough(port, "192.0.2.2"));
    assert_true(gg_http_has_enough(port, "2001:db8:0:1:ffff::9")); /* the same 64 bits */
    assert_false(gg_http_has_enough(port, "2001:db8:0:2::1"));
    assert_false(gg_http_has_enough(port, "127.0.0.1")); /* a proxy, or a tunnel, and so many people */
    close(fds[0]);
    for (int i = 0; i < 500 && gg_http_has_enough(port, "192.0.2.1"); i++)
        gg_sleep(5);
    assert_false(gg_http_has_enough(port, "192.0.2.1"));
    port->x_forwarded = true;
    assert_false(gg_http_has_enough(port, "2001:db8:0:1::1"));
    for (size_t i = 1; i < GG_COUNT(fds); i++)
        close(fds[i]);
}

/* Nobody reads: what waits for them is bounded for all together, and who has been slow for longest goes first. */
LOOP_TEST(test_answers_in_memory)
{
    int first = dial();
    say(first, GET("/big"));
    gg_sleep(30);
    int second = dial();
    say(second, GET("/big"));
    for (int i = 0; i < 2000 && (i < 20 || t.server->n_conns != 1); i++) {
        gg_sleep(5);
        if (t.server->n_conns != 2)
            continue;
        /* How much the kernel takes is its affair: the bound is such that one of the two is too much. */
        size_t one = gg_http_conn_unsent(GG_CONTAINER(t.server->conns.next, struct gg_http_conn, link));
        size_t other = gg_http_conn_unsent(GG_CONTAINER(t.server->conns.prev, struct gg_http_conn, link));
        if (one > 0 && other > 0)
            t.server->limits.max_answers = other + one / 2;
    }
    assert_int_equal(t.server->n_conns, 1);
    assert_true(strlen(hear(second, NULL, 0)) > 8 << 20);
    assert_true(strlen(hear(first, NULL, 0)) < 8 << 20);
    close(first);
    close(second);
}

LOOP_TEST(test_streams)
{
    enum { SIZE = 3000000 };
    char *data = malloc(SIZE);
    memset(data, 'd', SIZE);
    int fd = dial();
    say(fd, "POST /upload HTTP/1.1\r\nConnection: close\r\nContent-Length: 3000000\r\n\r\n");
    send_bytes(fd, data, SIZE);
    assert_has(hear(fd, NULL, 0), "\r\n\r\n3000000");
    close(fd);
    free(data);
    char *a = ask(GET("/download"));
    assert_status(a, 200);
    assert_has(a, "Content-Length: 3000000\r\n");
    assert_int_equal(strlen(strstr(a, "\r\n\r\n")), 3000004);
    a = ask(GET("/download?chunked=1"));
    assert_has(a, "Transfer-Encoding: chunked");
    assert_has(a, "\r\n2710\r\nxxx");
    assert_string_equal(a + strlen(a) - 7, "\r\n0\r\n\r\n");
    a = ask(GET("/big"));
    assert_int_equal(strlen(strstr(a, "\r\n\r\n")), (8 << 20) + 6);
    fd = dial(); /* the client goes away in the middle */
    say(fd, "GET /download HTTP/1.1\r\n\r\n");
    gg_sleep(20);
    close(fd);
    gg_sleep(50);
    assert_int_equal(gg_http_in_flight(t.server), 0);
}

LOOP_TEST(test_files)
{
    char *a = ask(GET("/file"));
    assert_status(a, 200);
    assert_has(a, "Content-Length: 3000000\r\n");
    const char *body = strstr(a, "\r\n\r\n") + 4;
    assert_int_equal(strlen(body), 3000000);
    for (size_t i = 0; i < 3000000; i++)
        if (body[i] != (char)('a' + (i + 5) % 26))
            fail_msg("byte %zu is %c", i, body[i]);
    a = ask("HEAD /file HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_has(a, "Content-Length: 3000000\r\n");
    assert_string_equal(strstr(a, "\r\n\r\n"), "\r\n\r\n");
    a = ask(GET("/file?short=1")); /* cut, so that the client sees that something is missing */
    assert_int_equal(strlen(strstr(a, "\r\n\r\n")), 3000004);
    int fd = dial(); /* a client that reads late gets all of it */
    say(fd, GET("/file"));
    gg_sleep(50);
    assert_int_equal(strlen(strstr(hear(fd, NULL, 0), "\r\n\r\n")), 3000004);
    close(fd);
    fd = dial(); /* and one that goes away gets nothing more */
    say(fd, GET("/file"));
    gg_sleep(20);
    close(fd);
    gg_sleep(50);
    assert_int_equal(gg_http_in_flight(t.server), 0);
}

static void ask_slow(void *arg)
{
    char **answer = arg;
    int fd = dial();
    say(fd, "GET /slow/write HTTP/1.1\r\n\r\n");
    *answer = strdup(hear(fd, NULL, 0));
    close(fd);
}

LOOP_TEST(test_drain)
{
    char *answer = NULL;
    int idle = dial();
    struct gg_fiber *fiber = gg_spawn_joinable(NULL, "asker", ask_slow, &answer);
    wait_until(&t.started, 1);
    gg_http_drain(t.server, gg_deadline(5000));
    assert_int_equal(t.finished, 1);
    assert_int_equal(gg_join(fiber, GG_FOREVER), 0);
    assert_status(answer, 200);
    assert_has(answer, "Connection: close");
    free(answer);
    assert_string_equal(hear(idle, NULL, 0), "");
    close(idle);
}

LOOP_TEST(test_drain_cancels)
{
    int fd = dial();
    say(fd, "GET /slow/read HTTP/1.1\r\n\r\n");
    wait_until(&t.started, 1);
    gg_http_drain(t.server, gg_deadline(50));
    wait_until(&t.cancelled, 1);
    close(fd);
}

LOOP_TEST(test_unix_and_replication)
{
    struct gg_error err = GG_ERROR_INIT;
    char path[64];
    snprintf(path, sizeof(path), "/tmp/gg-http-%d.sock", (int)getpid());
    struct gg_http_port port = {.path = path, .mode = 0600, .resources = GG_RES_REPLICATION, .tag = "unix"};
    assert_int_equal(gg_http_listen(t.server, &port, NULL, &err), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    say(fd, "GET matrix-federation://peer.example/_matrix/x?y=1 HTTP/1.1\r\n\r\n");
    char *a = hear(fd, "}", 1);
    assert_status(a, 200);
    assert_has(a, "/matrix-federation://peer.example/_matrix/x");
    assert_lacks(a, "Access-Control");
    say(fd, "GET /echo/x HTTP/1.1\r\n\r\n"); /* not a resource of this listener */
    assert_status(hear(fd, "}", 1), 404);
    close(fd);
    assert_int_equal(gg_http_listen(t.server, &port, NULL, &err), GG_E_CONFLICT); /* taken by ourselves */
    struct gg_http_port taken = {.address = "127.0.0.1", .port = t.port, .tag = "x"};
    assert_int_equal(gg_http_listen(t.server, &taken, NULL, &err), GG_E_CONFLICT);
}

LOOP_TEST(test_metrics_listener)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_http_port port = {.address = "127.0.0.1", .resources = GG_RES_METRICS, .metrics = true, .tag = "m"};
    assert_int_equal(gg_http_listen(t.server, &port, &t.port, &err), 0);
    assert_has(ask(GET("/metrics")), "synapse_http_server_response_count_total{");
    assert_has(ask(GET("/whatever")), "process_open_fds");
}

#define GET_AS(path_, encoding_)                                                                                       \
    "GET " path_ " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: " encoding_ "\r\n\r\n"

/* The length of what the answer's body unpacks to; all of it is read. */
static size_t unpacked(const char *answer)
{
    const char *length = strstr(answer, "Content-Length: "), *body = strstr(answer, "\r\n\r\n") + 4;
    static char piece[65536];
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)body, .avail_in = (uInt)atoi(length + 16)};
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    int rc = Z_OK;
    while (rc == Z_OK) {
        stream.next_out = (Bytef *)piece;
        stream.avail_out = sizeof(piece);
        rc = inflate(&stream, Z_NO_FLUSH);
    }
    assert_int_equal(rc, Z_STREAM_END);
    inflateEnd(&stream);
    return stream.total_out;
}

LOOP_TEST(test_gzip)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_http_port port = {.address = "127.0.0.1", .resources = GG_RES_CLIENT, .compress = true, .tag = "z"};
    assert_int_equal(gg_http_listen(t.server, &port, &t.port, &err), 0);
    char *a = ask(GET_AS("/big", "br, gzip;q=0.5"));
    assert_has(a, "Content-Encoding: gzip\r\nVary: Accept-Encoding");
    assert_int_equal(unpacked(a), (8 << 20) + 2);
    assert_lacks(ask(GET("/big")), "Content-Encoding");
    assert_lacks(ask(GET_AS("/big", "br, gzip;q=0")), "Content-Encoding");
    assert_lacks(ask(GET_AS("/echo/x", "gzip")), "Content-Encoding"); /* too little to gain */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_keepalive_and_pipelining),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_hang_up),
        cmocka_unit_test(test_hang_up_behind_pipeline),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_head_options_health),
        cmocka_unit_test(test_authentication),
        cmocka_unit_test(test_proxy_headers),
        cmocka_unit_test(test_head_limits),
        cmocka_unit_test(test_slowloris),
        cmocka_unit_test(test_bodies_in_flight),
        cmocka_unit_test(test_connection_limit),
        cmocka_unit_test(test_idle_ones_make_room),
        cmocka_unit_test(test_one_address),
        cmocka_unit_test(test_answers_in_memory),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_cancels),
        cmocka_unit_test(test_unix_and_replication),
        cmocka_unit_test(test_metrics_listener),
        cmocka_unit_test(test_gzip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
