/* Both clients against a server in the same loop, and against peers that misbehave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/client.h"
#include "client/internal.h"
#include "client/pool.h"
#include "config/config.h"
#include "config/topology.h"
#include "http/server.h"
#include "main/host.h"

#include <arpa/inet.h>
#include <ganglion/fiber.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    struct gg_host *host;
    struct gg_server *server;
    struct gg_config *config;
    uint16_t port;
    struct gg_peer peer, unix_peer;
    int cancelled;
    char path[64];
} t;

static int echo(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str body = gg_request_body(rq);
    gg_reply_header(rq, "X-Given", gg_request_header(rq, "X-Give") != NULL ? gg_request_header(rq, "X-Give") : "-");
    return gg_reply_text(rq, 202, "text/x-echo", body);
}

static int redirect(void *self, struct gg_request *rq, struct gg_error *err)
{
    gg_reply_header(rq, "Location", "/echo");
    return gg_reply_text(rq, 302, "text/plain", GG_STR("there"));
}

static int slow(void *self, struct gg_request *rq, struct gg_error *err)
{
    int rc = gg_sleep(10000);
    t.cancelled += rc == GG_E_CANCELLED;
    return gg_fail(err, rc, "over");
}

static int big(void *self, struct gg_request *rq, struct gg_error *err)
{
    char piece[10000] = {0};
    int rc = gg_reply_begin(rq, 200, -1, err);
    for (int i = 0; rc == 0 && i < 100; i++)
        rc = gg_reply_write(rq, piece, sizeof(piece), err);
    return rc == 0 ? gg_reply_end(rq, err) : rc;
}

static char nth(size_t i)
{
    return (char)(i * 2654435761u >> 13);
}

enum { LONG = 8000000 };

static int counted(void *self, struct gg_request *rq, struct gg_error *err)
{
    char piece[10000];
    int rc = gg_reply_begin(rq, 200, LONG, err);
    for (size_t at = 0; rc == 0 && at < LONG; at += sizeof(piece)) {
        for (size_t i = 0; i < sizeof(piece); i++)
            piece[i] = nth(at + i);
        rc = gg_reply_write(rq, piece, sizeof(piece), err);
    }
    return rc == 0 ? gg_reply_end(rq, err) : rc;
}

static const struct gg_route routes[] = {
    {"GET", "/echo", echo, "client"},         {"POST", "/echo", echo, "client", .max_body = 10000000},
    {"GET", "/redirect", redirect, "client"}, {"GET", "/slow", slow, "client", .flags = GG_ROUTE_CANCELLABLE},
    {"GET", "/big", big, "client"},           {"GET", "/counted", counted, "client"},
    {NULL},
};

static void up(void)
{
    struct gg_error err = GG_ERROR_INIT;
    memset(&t, 0, sizeof(t));
    assert_int_equal(gg_config_load_text("server_name: x\nreport_stats: false\nlisteners: []\n"
                                         "database: {name: psycopg2, args: {dbname: x}}\n",
                                         NULL, &t.config, &err),
                     0);
    t.host = gg_host_new(t.config, NULL, NULL);
    t.server = gg_http_new(t.host, NULL);
    for (const struct gg_route *r = routes; r->method != NULL; r++)
        assert_int_equal(gg_router_add(gg_http_router(t.server), r, NULL, "test", &err), 0);
    struct gg_http_port port = {.address = "127.0.0.1", .resources = GG_RES_CLIENT, .tag = "t"};
    assert_int_equal(gg_http_listen(t.server, &port, &t.port, &err), 0);
    t.peer = (struct gg_peer){.name = "p", .host = "localhost", .port = t.port};
    snprintf(t.path, sizeof(t.path), "/tmp/gg-client-%d.sock", (int)getpid());
    struct gg_http_port other = {.path = t.path, .resources = GG_RES_CLIENT, .tag = "unix"};
    assert_int_equal(gg_http_listen(t.server, &other, NULL, &err), 0);
    t.unix_peer = (struct gg_peer){.name = "u", .path = t.path};
}

static void in_loop(void *arg)
{
    void (*body)(struct gg_arena * arena) = *(void (**)(struct gg_arena *))arg;
    up();
    struct gg_arena *arena = gg_arena_new();
    body(arena);
    gg_arena_free(arena);
    gg_http_stop(t.server);
    gg_client_stop(t.host);
    gg_http_free(t.server);
    gg_host_free(t.host);
    gg_config_free(t.config);
}

#define LOOP_TEST(name_)                                                                                               \
    static void name_##_body(struct gg_arena *arena);                                                                  \
    static void name_(void **state)                                                                                    \
    {                                                                                                                  \
        void (*body)(struct gg_arena *) = name_##_body;                                                                \
        struct gg_loop_options options = {.threads = 2};                                                               \
        assert_int_equal(gg_loop_run(&options, in_loop, &body), 0);                                                    \
    }                                                                                                                  \
    static void name_##_body(struct gg_arena *arena)

static int inside(const struct gg_peer *peer, const char *method, const char *target, struct gg_str body,
                  int64_t timeout_ms, struct gg_arena *arena, struct gg_internal_answer *answer)
{
    struct gg_error err = GG_ERROR_INIT;
    const char *headers[] = {"X-Give: it", NULL};
    struct gg_internal_request request = {.peer = peer,
                                          .method = method,
                                          .target = target,
                                          .headers = headers,
                                          .body = body,
                                          .timeout_ms = timeout_ms,
                                          .max_answer = 500000};
    return gg_internal_fetch(t.host, &request, arena, answer, &err);
}

LOOP_TEST(test_internal)
{
    struct gg_internal_answer a;
    const struct gg_peer *peers[] = {&t.peer, &t.unix_peer};
    for (size_t i = 0; i < 2; i++) {
        for (int round = 0; round < 3; round++) {
            assert_int_equal(inside(peers[i], "POST", "/echo", GG_STR("hello"), 0, arena, &a), 0);
            assert_int_equal(a.status, 202);
            assert_true(gg_str_is(a.body, "hello"));
            assert_true(gg_str_is(a.content_type, "text/x-echo"));
        }
        assert_int_equal(gg_client_of(t.host)->idle, i + 1); /* one connection served all three */
    }
    char *data = gg_arena_zero(arena, 400000);
    assert_int_equal(inside(&t.peer, "POST", "/echo", gg_strn(data, 400000), 0, arena, &a), 0);
    assert_int_equal(a.body.n, 400000);
    assert_int_equal(inside(&t.peer, "GET", "/big", (struct gg_str){0}, 0, arena, &a), GG_E_LIMIT);
    assert_int_equal(inside(&t.peer, "GET", "/slow", (struct gg_str){0}, 50, arena, &a), GG_E_TIMEOUT);
    for (int i = 0; i < 100 && t.cancelled == 0; i++)
        gg_sleep(5);
    assert_int_equal(t.cancelled, 1); /* its connection was closed, not kept */
}

/* A peer that does to each connection what `says` tells, then closes. */
struct peer {
    int fd;
    struct gg_peer peer;
    const char *says;
    int accepted;
};

static void misbehave(void *arg)
{
    struct peer *p = arg;
    while (gg_wait_fd(p->fd, GG_READABLE, NULL, GG_FOREVER) == 0) {
        int fd = accept4(p->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        char in[2000];
        p->accepted++;
        gg_wait_fd(fd, GG_READABLE, NULL, gg_deadline(1000));
        while (recv(fd, in, sizeof(in), 0) > 0)
            ;
        if (p->says != NULL)
            send(fd, p->says, strlen(p->says), MSG_NOSIGNAL);
        gg_sleep(5);
        close(fd);
    }
}

static void start_peer(struct peer *p, struct gg_scope *scope)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(at);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->fd, (struct sockaddr *)&at, n) + listen(p->fd, 10), 0);
    getsockname(p->fd, (struct sockaddr *)&at, &n);
    p->peer = (struct gg_peer){.name = "bad", .host = "127.0.0.1", .port = ntohs(at.sin_port)};
    gg_spawn(scope, "peer", misbehave, p);
}

LOOP_TEST(test_internal_failures)
{
    struct gg_internal_answer a;
    struct peer bad = {0};
    struct gg_scope *scope = gg_scope_new(NULL, "peers");
    start_peer(&bad, scope);
    bad.says = NULL; /* closes without an answer: the caller must know that it may have arrived */
    assert_int_equal(inside(&bad.peer, "POST", "/x", GG_STR("b"), 0, arena, &a), GG_E_CLOSED);
    bad.says = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
    assert_int_equal(inside(&bad.peer, "GET", "/x", (struct gg_str){0}, 0, arena, &a), GG_E_CLOSED);
    bad.says = "nonsense\r\n\r\n";
    assert_int_equal(inside(&bad.peer, "GET", "/x", (struct gg_str){0}, 0, arena, &a), GG_E_PROTOCOL);
    bad.says =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_int_equal(inside(&bad.peer, "GET", "/x", (struct gg_str){0}, 0, arena, &a), 0);
    assert_int_equal(a.status, 201);
    assert_true(gg_str_is(a.body, "abc"));
    bad.says = "HTTP/1.0 200 OK\r\n\r\nuntil the end";
    assert_int_equal(inside(&bad.peer, "GET", "/x", (struct gg_str){0}, 0, arena, &a), 0);
    assert_true(gg_str_is(a.body, "until the end"));
    /* a kept connection that the peer closes meanwhile costs nothing */
    bad.says = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    bad.accepted = 0;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(inside(&bad.peer, "GET", "/x", (struct gg_str){0}, 0, arena, &a), 0);
        gg_sleep(i * 5);
    }
    assert_int_equal(bad.accepted, 4);
    gg_scope_end(scope);
    close(bad.fd);
    /* the last connection is kept, and what it is asked may come before its end */
    int rc = inside(&bad.peer, "POST", "/x", GG_STR("b"), 0, arena, &a);
    assert_true(rc == GG_E_UNAVAILABLE || rc == GG_E_CLOSED);
    assert_int_equal(inside(&bad.peer, "POST", "/x", GG_STR("b"), 0, arena, &a), GG_E_UNAVAILABLE);
    struct gg_peer nowhere = {.name = "n", .path = "/tmp/gg-no-such-socket"};
    assert_int_equal(inside(&nowhere, "GET", "/x", (struct gg_str){0}, 0, arena, &a), GG_E_UNAVAILABLE);
}

/* Who reads slowly: a piece stays what it is while more comes, and what has not been asked for does not pile up. */
LOOP_TEST(test_internal_pieces)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_internal *conn;
    struct gg_str piece = {.n = 1};
    int status;
    size_t at = 0, most = 0;
    assert_int_equal(gg_internal_open(t.host, &t.peer, true, gg_deadline(5000), &conn, &err), 0);
    assert_int_equal(gg_internal_send(conn, GG_STR("GET /counted HTTP/1.1\r\nHost: x\r\n\r\n"), GG_STR(""), GG_FOREVER, &err), 0);
    assert_int_equal(gg_internal_answer(conn, false, GG_FOREVER, &status, &err), 0);
    assert_int_equal(gg_internal_length(conn), LONG);
    while (piece.n > 0) {
        assert_int_equal(gg_internal_read(conn, GG_FOREVER, &piece, &err), 0);
        gg_sleep(2);
        for (size_t i = 0; i < piece.n; i++)
            if (piece.s[i] != nth(at + i))
                fail_msg("byte %zu of a piece of %zu at %zu", i, piece.n, at);
        at += piece.n;
        most = conn->body.cap + conn->lent.cap > most ? conn->body.cap + conn->lent.cap : most;
    }
    assert_int_equal(at, LONG);
    assert_true(most <= 2 << 20);
    gg_internal_done(conn);
    assert_int_equal(gg_client_of(t.host)->idle, 1);
}

static int outside(const char *path, struct gg_client_request request, struct gg_arena *arena,
                   struct gg_client_answer *answer)
{
    struct gg_error err = GG_ERROR_INIT;
    char text[200];
    if (path[0] == '/')
        snprintf(text, sizeof(text), "http://127.0.0.1:%d%s", t.port, path);
    else
        snprintf(text, sizeof(text), "%s", path);
    request.url = text;
    return gg_client_fetch(t.host, &request, arena, answer, &err);
}

LOOP_TEST(test_curl)
{
    struct gg_client_answer a;
    const char *headers[] = {"X-Give: that", "Content-Type: x/y", NULL};
    assert_null(t.host->client);
    assert_int_equal(outside("/echo",
                             (struct gg_client_request){.method = "POST", .headers = headers, .body = GG_STR("body")},
                             arena, &a),
                     0);
    assert_int_equal(a.status, 202);
    assert_true(a.connected);
    assert_true(gg_str_is(a.body, "body"));
    assert_true(gg_str_is(a.content_type, "text/x-echo"));
    assert_string_equal(gg_client_header(&a, arena, "x-given"), "that");
    assert_null(gg_client_header(&a, arena, "x-none"));
    assert_int_equal(outside("http://x/echo", (struct gg_client_request){.unix_socket = t.path}, arena, &a), 0);
    assert_int_equal(a.status, 202);
    assert_int_equal(outside("/redirect", (struct gg_client_request){0}, arena, &a), 0);
    assert_int_equal(a.status, 302);
    assert_int_equal(outside("/redirect", (struct gg_client_request){.max_redirects = 3}, arena, &a), 0);
    assert_int_equal(a.status, 202);
    assert_int_equal(outside("/big", (struct gg_client_request){.max_answer = 1000}, arena, &a), GG_E_LIMIT);
    assert_int_equal(outside("http://127.0.0.1:1/", (struct gg_client_request){0}, arena, &a), GG_E_UNAVAILABLE);
    assert_false(a.connected);
    assert_int_equal(outside("ftp://127.0.0.1/", (struct gg_client_request){0}, arena, &a), GG_E_INVALID);
    /* the deny list counts for who asks for it, also where an unchecked connection is kept */
    assert_int_equal(outside("/echo", (struct gg_client_request){.public_only = true}, arena, &a), GG_E_FORBIDDEN);
    assert_int_equal(outside("http://localhost/echo", (struct gg_client_request){.public_only = true}, arena, &a),
                     GG_E_FORBIDDEN);
}

static struct {
    int verdict, begun, status;
    int64_t length;
    size_t n, most;
} sunk;

static int sink_begin(void *self, int status, const char *content_type, int64_t length)
{
    sunk.begun++;
    sunk.status = status;
    sunk.length = length;
    sunk.n = 0;
    return sunk.verdict;
}

static bool sink_piece(void *self, const void *data, size_t n)
{
    sunk.n += n;
    return sunk.n <= sunk.most;
}

LOOP_TEST(test_sink)
{
    struct gg_client_answer a;
    const struct gg_client_sink sink = {.begin = sink_begin, .piece = sink_piece};
    sunk.verdict = GG_SINK_TAKE;
    sunk.most = SIZE_MAX;
    assert_int_equal(outside("/big", (struct gg_client_request){.sink = &sink}, arena, &a), 0);
    assert_int_equal(sunk.begun, 1);
    assert_int_equal(sunk.status, 200);
    assert_int_equal(sunk.length, -1); /* that answer comes in chunks */
    assert_int_equal(sunk.n, 1000000);
    assert_int_equal(a.body.n, 0);
    assert_int_equal(outside("/big", (struct gg_client_request){.sink = &sink, .max_answer = 5000}, arena, &a), GG_E_LIMIT);
    sunk.most = 5000; /* the sink has had enough */
    assert_int_equal(outside("/big", (struct gg_client_request){.sink = &sink}, arena, &a), GG_E_LIMIT);
    sunk.verdict = GG_SINK_KEEP;
    assert_int_equal(outside("/big", (struct gg_client_request){.sink = &sink}, arena, &a), 0);
    assert_int_equal(a.body.n, 1000000);
    assert_int_equal(sunk.n, 0);
    sunk.verdict = GG_SINK_REFUSE;
    assert_int_equal(outside("/big", (struct gg_client_request){.sink = &sink}, arena, &a), GG_E_LIMIT);
    sunk.begun = 0; /* an answer without a body is begun, too */
    assert_int_equal(outside("/echo", (struct gg_client_request){.method = "POST", .body = GG_STR(""), .sink = &sink}, arena, &a), GG_E_LIMIT);
    assert_int_equal(sunk.begun, 1);
}

static void wait_long(void *arg)
{
    struct gg_client_answer a;
    struct gg_arena *arena = gg_arena_new();
    gg_set_deadline(gg_deadline(arg != NULL ? 100 : 10000));
    int rc = outside("/slow", (struct gg_client_request){0}, arena, &a);
    assert_int_equal(rc, arg != NULL ? GG_E_TIMEOUT : GG_E_CANCELLED);
    gg_arena_free(arena);
}

LOOP_TEST(test_curl_deadline_and_cancel)
{
    struct gg_fiber *late = gg_spawn_joinable(NULL, "late", wait_long, &t);
    struct gg_fiber *cancelled = gg_spawn_joinable(NULL, "cancelled", wait_long, NULL);
    gg_sleep(50);
    gg_cancel(cancelled);
    assert_int_equal(gg_join(cancelled, GG_FOREVER), 0);
    assert_int_equal(gg_join(late, GG_FOREVER), 0);
    for (int i = 0; i < 100 && t.cancelled < 2; i++)
        gg_sleep(5);
    assert_int_equal(t.cancelled, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_internal),
        cmocka_unit_test(test_internal_failures),
        cmocka_unit_test(test_internal_pieces),
        cmocka_unit_test(test_curl),
        cmocka_unit_test(test_sink),
        cmocka_unit_test(test_curl_deadline_and_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
