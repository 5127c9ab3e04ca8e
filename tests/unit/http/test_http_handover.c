/* Sockets that go from one server to the next: nobody is turned away, whatever a connection was at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/server.h"
#include "main/host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ganglion/fiber.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_GIVEN = 16, PATIENCE_MS = 5000 };

struct side {
    struct gg_host *host;
    struct gg_server *server;
    const char *name;
};

/* What one side gave, kept as a successor would get it. */
static struct {
    int fd;
    char key[64], address[64], unread[64];
} given[MAX_GIVEN];
static size_t n_given;

static bool keep(void *self, const struct gg_http_legacy *legacy)
{
    assert_true(n_given < MAX_GIVEN);
    given[n_given].fd = fcntl(legacy->fd, F_DUPFD_CLOEXEC, 0);
    snprintf(given[n_given].key, sizeof(given->key), "%s", legacy->key);
    snprintf(given[n_given].address, sizeof(given->address), "%s", legacy->address != NULL ? legacy->address : "");
    snprintf(given[n_given].unread, sizeof(given->unread), "%.*s", (int)legacy->unread.n, legacy->unread.s);
    n_given++;
    return true;
}

static bool refuse(void *self, const struct gg_http_legacy *legacy)
{
    return false;
}

static void pass_on(struct side *to)
{
    for (size_t i = 0; i < n_given; i++) {
        struct gg_http_legacy legacy = {.key = given[i].key,
                                        .fd = given[i].fd,
                                        .address = given[i].address[0] != '\0' ? given[i].address : NULL,
                                        .unread = gg_str(given[i].unread)};
        gg_http_inherit(to->server, &legacy);
    }
    n_given = 0;
}

/* ---- two servers ---- */

static int who(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct side *side = self;
    if (strcmp(gg_request_path(rq), "/slow") == 0 && gg_sleep(150) != GG_OK)
        return gg_fail(err, GG_E_CANCELLED, "cancelled");
    return gg_reply_json(rq, 200, json_pack("{s:s}", "who", side->name));
}

/* Half of the answer at once, the rest when the test says so; before that, `/patient` waits for it with the whole. */
static bool may_end;

static int in_halves(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct side *side = self;
    if (strcmp(gg_request_path(rq), "/patient") == 0) {
        while (!may_end)
            if (gg_sleep(5) != GG_OK)
                return gg_fail(err, GG_E_CANCELLED, "cancelled");
        return gg_reply_json(rq, 200, json_pack("{s:s}", "who", side->name));
    }
    int rc = gg_reply_begin(rq, 200, (int64_t)strlen(side->name) + 1, err);
    if (rc == 0)
        rc = gg_reply_write(rq, side->name, strlen(side->name), err);
    while (rc == 0 && !may_end)
        rc = gg_sleep(5);
    return rc == 0 ? gg_reply_write(rq, "}", 1, err) : rc;
}

static const struct gg_route routes[] = {{.method = "GET", .path = "/who", .handler = who, .resource = "client"},
                                         {.method = "GET", .path = "/slow", .handler = who, .resource = "client"},
                                         {.method = "GET", .path = "/halves", .handler = in_halves, .resource = "client"},
                                         {.method = "GET", .path = "/patient", .handler = in_halves, .resource = "client",
                                          .flags = GG_ROUTE_OVERLAP},
                                         {0}};

static void make(struct side *side, const char *name)
{
    struct gg_error err = GG_ERROR_INIT;
    side->name = name;
    side->host = gg_host_new(NULL, NULL, NULL);
    side->server = gg_http_new(side->host, NULL);
    for (const struct gg_route *r = routes; r->method != NULL; r++)
        assert_int_equal(gg_router_add(gg_http_router(side->server), r, side, "test", &err), 0);
}

/* Any port: both sides name it so, and the second one gets the first one's. */
static uint16_t listen_on(struct side *side)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_http_port port = {.address = "127.0.0.1", .resources = GG_RES_CLIENT, .tag = "test"};
    uint16_t number = 0;
    assert_int_equal(gg_http_listen(side->server, &port, &number, &err), 0);
    return number;
}

static void drop(struct side *side)
{
    gg_http_stop(side->server);
    gg_http_free(side->server);
    gg_host_free(side->host);
}

/* ---- a client ---- */

static int dial(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        assert_int_equal(gg_wait_fd(fd, GG_WRITABLE, NULL, gg_deadline(PATIENCE_MS)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* One answer, to the end of its body; "" when the connection ended before. */
static const char *hear(int fd)
{
    static char in[65536];
    size_t n = 0;
    in[0] = '\0';
    while (strchr(in, '}') == NULL) {
        ssize_t got = recv(fd, in + n, sizeof(in) - n - 1, 0);
        if (got < 0 && errno == EAGAIN && gg_wait_fd(fd, GG_READABLE, NULL, gg_deadline(PATIENCE_MS)) == 0)
            continue;
        if (got <= 0)
            return in;
        in[n += (size_t)got] = '\0';
    }
    return in;
}

static void assert_answered(int fd, const char *by, bool last)
{
    char wanted[32];
    snprintf(wanted, sizeof(wanted), "{\"who\": \"%s\"}", by);
    const char *answer = hear(fd);
    if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0 || (strstr(answer, by) == NULL))
        fail_msg("not answered by %s: %.400s", by, answer);
    assert_int_equal(strstr(answer, "Connection: close") != NULL, last);
}

#define WHO "GET /who HTTP/1.1\r\nHost: x\r\n\r\n"

static void in_loop(void *arg)
{
    void (*body)(void) = *(void (**)(void))arg;
    body();
}

static void run(void (*body)(void))
{
    struct gg_loop_options options = {0};
    assert_int_equal(gg_loop_run(&options, in_loop, &body), 0);
}

/* ---- tests ---- */

static void nobody_is_turned_away(void)
{
    struct side a, b;
    make(&a, "first");
    uint16_t port = listen_on(&a);
    int kept = dial(port), new = dial(port), half = dial(port), busy = dial(port);
    say(kept, WHO);
    assert_answered(kept, "first", false);
    say(busy, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    say(half, "GET /who HTTP/1.1\r\nHo");
    (void)gg_sleep(30); /* all of that is there */
    assert_true(gg_http_give_listeners(a.server, keep, NULL));
    assert_int_equal(n_given, 1);
    say(half, "st: x\r\n\r\n"); /* on its way while the first one leaves */
    gg_http_hand_over(a.server, keep, NULL, gg_deadline(PATIENCE_MS));
    assert_int_equal(n_given, 4); /* the listener, the kept, the new one and that with half a request */
    assert_answered(busy, "first", true);
    int late = dial(port);
    say(late, WHO); /* nobody accepts now */
    say(kept, WHO);
    gg_http_stop(a.server);
    make(&b, "second");
    pass_on(&b);
    assert_int_equal(listen_on(&b), 0); /* inherited, not chosen */
    assert_answered(late, "second", false);
    assert_answered(kept, "second", false);
    say(new, WHO);
    assert_answered(new, "second", false);
    assert_answered(half, "second", false);
    const int all[] = {kept, new, half, busy, late};
    for (size_t i = 0; i < GG_COUNT(all); i++)
        close(all[i]);
    drop(&a);
    drop(&b);
}

static void what_was_read_is_not_lost(void)
{
    struct side b;
    int ends[2];
    make(&b, "second");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    gg_http_inherit(b.server, &(struct gg_http_legacy){.key = "tcp 127.0.0.1 0",
                                                       .fd = ends[1],
                                                       .address = "192.0.2.1",
                                                       .unread = GG_STR("GET /who HTTP/1.1\r\nHo")});
    say(ends[0], "st: x\r\n\r\n");
    assert_int_not_equal(listen_on(&b), 0);
    assert_answered(ends[0], "second", false);
    close(ends[0]);
    drop(&b);
}

static void what_nobody_claims_is_closed(void)
{
    struct side b;
    int ends[2];
    char byte;
    make(&b, "second");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    gg_http_inherit(b.server, &(struct gg_http_legacy){.key = "tcp 192.0.2.1 1", .fd = ends[1], .address = "192.0.2.1"});
    (void)listen_on(&b);
    gg_http_close_unclaimed(b.server);
    assert_int_equal(recv(ends[0], &byte, 1, 0), 0);
    close(ends[0]);
    drop(&b);
}

/* Answers that have begun, and routes that say so, do not keep the successor waiting. */
static void what_is_slow_goes_on_beside_the_successor(void)
{
    struct side a, b;
    may_end = false;
    make(&a, "first");
    uint16_t port = listen_on(&a);
    int halves = dial(port), patient = dial(port);
    say(halves, "GET /halves HTTP/1.1\r\nHost: x\r\n\r\n");
    say(patient, "GET /patient HTTP/1.1\r\nHost: x\r\n\r\n");
    while (gg_http_in_flight(a.server) < 2)
        (void)gg_sleep(1);
    (void)gg_sleep(10);
    assert_true(gg_http_give_listeners(a.server, keep, NULL));
    int64_t began = gg_now_ms();
    gg_http_hand_over(a.server, keep, NULL, gg_deadline(PATIENCE_MS));
    assert_true(gg_now_ms() - began < PATIENCE_MS / 2);
    make(&b, "second");
    pass_on(&b);
    assert_int_equal(listen_on(&b), 0);
    int late = dial(port);
    say(late, WHO);
    assert_answered(late, "second", false);
    assert_true(gg_http_busy(a.server));
    may_end = true;
    assert_non_null(strstr(hear(halves), "first}"));
    assert_answered(patient, "first", true);
    close(halves);
    close(patient);
    close(late);
    for (int64_t deadline = gg_deadline(PATIENCE_MS); gg_http_busy(a.server) && gg_now_ms() < deadline;)
        (void)gg_sleep(5);
    assert_false(gg_http_busy(a.server));
    drop(&a);
    drop(&b);
}

/* What holds the successor back is called off in the end. */
static void nobody_holds_back_for_ever(void)
{
    struct side a;
    make(&a, "first");
    int slow = dial(listen_on(&a));
    say(slow, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    while (gg_http_in_flight(a.server) < 1)
        (void)gg_sleep(1);
    (void)gg_sleep(10);
    gg_http_hand_over(a.server, refuse, NULL, gg_now_ms() + 20);
    assert_int_equal(gg_http_in_flight(a.server), 0);
    assert_non_null(strstr(hear(slow), "HTTP/1.1 503"));
    close(slow);
    drop(&a);
}

/* The successor died: clients see their connections end, as at a stop, and nothing is left open. */
static void nobody_takes_it(void)
{
    struct side a;
    char byte;
    make(&a, "first");
    uint16_t port = listen_on(&a);
    int kept = dial(port);
    say(kept, WHO);
    assert_answered(kept, "first", false);
    assert_false(gg_http_give_listeners(a.server, refuse, NULL));
    gg_http_hand_over(a.server, refuse, NULL, gg_deadline(PATIENCE_MS));
    assert_int_equal(gg_wait_fd(kept, GG_READABLE, NULL, gg_deadline(PATIENCE_MS)), 0);
    assert_int_equal(recv(kept, &byte, 1, 0), 0);
    close(kept);
    drop(&a);
}

#define TEST(name_)                     \
    static void test_##name_(void **state) \
    {                                   \
        run(name_);                     \
    }
TEST(nobody_is_turned_away)
TEST(what_was_read_is_not_lost)
TEST(what_nobody_claims_is_closed)
TEST(nobody_takes_it)
TEST(what_is_slow_goes_on_beside_the_successor)
TEST(nobody_holds_back_for_ever)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_is_turned_away), cmocka_unit_test(test_what_was_read_is_not_lost),
        cmocka_unit_test(test_what_nobody_claims_is_closed), cmocka_unit_test(test_nobody_takes_it),
 cmocka_unit_test(test_what_is_slow_goes_on_beside_the_successor),
 cmocka_unit_test(test_nobody_holds_back_for_ever)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
