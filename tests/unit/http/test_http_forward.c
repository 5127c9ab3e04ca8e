/* Forwarding between two servers in one loop: who is asked, what travels, what never does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/client.h"
#include "client/internal.h"
#include "config/config.h"
#include "config/topology.h"
#include "http/forward.h"
#include "http/server.h"
#include "main/host.h"
#include "metrics/metrics.h"

#include <ganglion/fiber.h>
#include <stdio.h>

struct process {
    struct gg_host *host;
    struct gg_config *config;
    struct gg_server *server;
    uint16_t client_port, replication_port;
};

static struct {
    int cancelled, started;
} seen;

static int tell(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct process *process = self;
    json_t *answer = json_object();
    const char *token = gg_request_header(rq, "Authorization");
    json_object_set_new(answer, "by", json_string(process->host->instance));
    json_object_set_new(answer, "target", json_string(gg_request_target(rq)));
    json_object_set_new(answer, "address", json_string(gg_request_address(rq)));
    json_object_set_new(answer, "https", json_boolean(gg_request_https(rq)));
    json_object_set_new(answer, "token", token != NULL ? json_string(token) : json_null());
    json_object_set_new(answer, "id", json_string(gg_request_id(rq)));
    if (gg_request_param(rq, "room") != NULL)
        json_object_set_new(answer, "room", json_string(gg_request_param(rq, "room")));
    gg_reply_header(rq, "X-Own", "yes");
    return gg_reply_json(rq, 201, answer);
}

static int count(void *self, struct gg_request *rq, struct gg_error *err)
{
    char piece[8192], text[32];
    size_t n, total = 0;
    do {
        int rc = gg_request_read(rq, piece, sizeof(piece), &n, err);
        if (rc < 0)
            return rc;
        total += n;
    } while (n > 0);
    snprintf(text, sizeof(text), "%zu", total);
    return gg_reply_text(rq, 200, "text/plain", gg_str(text));
}

static int many(void *self, struct gg_request *rq, struct gg_error *err)
{
    char piece[10000];
    memset(piece, 'm', sizeof(piece));
    int rc = gg_reply_begin(rq, 200, gg_request_query(rq, "chunked") != NULL ? -1 : 2000000, err);
    for (int i = 0; rc == 0 && i < 200; i++)
        rc = gg_reply_write(rq, piece, sizeof(piece), err);
    return rc == 0 ? gg_reply_end(rq, err) : rc;
}

static int stay(void *self, struct gg_request *rq, struct gg_error *err)
{
    seen.started++;
    int rc = gg_sleep(20000);
    seen.cancelled += rc == GG_E_CANCELLED;
    return gg_fail(err, rc, "over");
}

static const struct gg_route on_main[] = {
    {"GET", "/_matrix/client/v3/only/{room}", tell, "client"},
    {"PUT", "/_matrix/client/v3/typing/{room}", tell, "client", .writer = "typing"},
    {"POST", "/_matrix/client/v3/count", count, "client", .flags = GG_ROUTE_STREAMED},
    {"GET", "/_matrix/client/v3/many", many, "client"},
    {"GET", "/_matrix/client/v3/stay", stay, "client", .flags = GG_ROUTE_CANCELLABLE},
    {"GET", "/_matrix/federation/v1/only", tell, "federation"},
    {"POST", "/_synapse/replication/secret_thing", tell, "replication"},
    {NULL},
};
static const struct gg_route on_worker[] = {
    {"GET", "/_matrix/client/v3/only/{room}", NULL, "client"},
    {"PUT", "/_matrix/client/v3/typing/{room}", tell, "client", .writer = "typing"},
    {"POST", "/_matrix/client/v3/count", NULL, "client"},
    {"GET", "/_matrix/client/v3/many", NULL, "client"},
    {"GET", "/_matrix/client/v3/stay", NULL, "client", .flags = GG_ROUTE_CANCELLABLE},
    {"GET", "/_matrix/federation/v1/only", NULL, "federation"},
    {"POST", "/_synapse/replication/secret_thing", NULL, "replication"},
    {"GET", "/_matrix/client/v3/here", tell, "client"},
    {NULL},
};

static void configure(struct process *p, const char *text)
{
    struct gg_error err = GG_ERROR_INIT;
    if (gg_config_load_text(text, NULL, &p->config, &err) < 0)
        fail_msg("config: %s", err.message);
    p->host->config = p->config;
}

static void up(struct process *p, const char *app, const char *name, const struct gg_route *routes)
{
    struct gg_error err = GG_ERROR_INIT;
    p->host = gg_host_new(NULL, app, name);
    p->server = gg_http_new(p->host, NULL);
    for (; routes->method != NULL; routes++)
        assert_int_equal(gg_router_add(gg_http_router(p->server), routes, p, name, &err), 0);
    struct gg_http_port port = {.address = "127.0.0.1", .resources = GG_RES_CLIENT, .tag = "c", .x_forwarded = true};
    assert_int_equal(gg_http_listen(p->server, &port, &p->client_port, &err), 0);
    port.resources = GG_RES_REPLICATION;
    assert_int_equal(gg_http_listen(p->server, &port, &p->replication_port, &err), 0);
}

static void down(struct process *p)
{
    gg_http_stop(p->server);
    gg_client_stop(p->host);
    gg_http_free(p->server);
    gg_host_free(p->host);
    gg_config_free(p->config);
}

static struct process mine, worker;

#define COMMON                                                                                                         \
    "server_name: example.org\nreport_stats: false\ndatabase: {name: psycopg2, args: {dbname: x}}\n"                   \
    "redis: {enabled: true}\nmacaroon_secret_key: x\nlisteners: []\nworker_replication_secret: sesame\n"

/* as_python: main's replication address is one that knows nothing of forwarding, and clients reach it elsewhere. */
static void up_both(bool as_python)
{
    char text[2000];
    memset(&mine, 0, sizeof(mine));
    memset(&worker, 0, sizeof(worker));
    memset(&seen, 0, sizeof(seen));
    up(&mine, NULL, NULL, on_main);
    up(&worker, "synapse.app.generic_worker", "w1", on_worker);
    snprintf(text, sizeof(text), COMMON "instance_map: {main: {host: 127.0.0.1, port: %u}}\n", mine.replication_port);
    configure(&mine, text);
    snprintf(text, sizeof(text),
             COMMON "instance_map: {main: {host: 127.0.0.1, port: %u}}\nworker_app: synapse.app.generic_worker\n"
                    "worker_name: w1\n%s http://127.0.0.1:%u\n",
             as_python ? mine.client_port : mine.replication_port, as_python ? "worker_main_http_uri:" : "#",
             mine.client_port);
    configure(&worker, text);
}

/* A request as a client sends it, by the internal client. */
static int ask(const char *method, const char *target, uint16_t port, const char *const *headers, struct gg_str body,
               struct gg_arena *arena, struct gg_internal_answer *answer)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_peer peer = {.name = "x", .host = "127.0.0.1", .port = port};
    struct gg_internal_request request = {
        .peer = &peer, .method = method, .target = target, .headers = headers, .body = body, .timeout_ms = 5000};
    return gg_internal_fetch(worker.host, &request, arena, answer, &err);
}

static const char *text_of(const struct gg_internal_answer *answer, struct gg_arena *arena)
{
    return gg_arena_strndup(arena, answer->body.s, answer->body.n);
}

static void assert_has(const char *text, const char *what)
{
    if (strstr(text, what) == NULL)
        fail_msg("no %s in %.600s", what, text);
}

static int count_metric(const char *route)
{
    struct gg_buf out = GG_BUF_INIT;
    char line[200];
    int value = 0;
    gg_metrics_write(&out);
    snprintf(line, sizeof(line), "ganglion_forwarded_requests_total{route=\"%s\"} ", route);
    const char *found = strstr(out.data, line);
    if (found != NULL)
        value = atoi(found + strlen(line));
    gg_buf_done(&out);
    return value;
}

static void body_of_test(void (*body)(struct gg_arena *arena), bool as_python)
{
    up_both(as_python);
    struct gg_arena *arena = gg_arena_new();
    body(arena);
    gg_arena_free(arena);
    down(&worker);
    down(&mine);
}

struct plan {
    void (*body)(struct gg_arena *arena);
    bool as_python;
};

static void in_loop(void *arg)
{
    struct plan *plan = arg;
    body_of_test(plan->body, plan->as_python);
}

#define FORWARD_TEST(name_, as_python_)                                                                                \
    static void name_##_body(struct gg_arena *arena);                                                                  \
    static void name_(void **state)                                                                                    \
    {                                                                                                                  \
        struct plan plan = {name_##_body, as_python_};                                                                 \
        struct gg_loop_options options = {.threads = 2};                                                               \
        assert_int_equal(gg_loop_run(&options, in_loop, &plan), 0);                                                    \
        gg_metrics_reset();                                                                                            \
    }                                                                                                                  \
    static void name_##_body(struct gg_arena *arena)

FORWARD_TEST(test_passes_on, false)
{
    struct gg_internal_answer answer;
    const char *headers[] = {"Authorization: Bearer tok",
                             "X-Forwarded-For: 192.0.2.9",
                             "X-Forwarded-Proto: https",
                             "X-Ganglion-Address: 1.2.3.4",
                             "Connection: x",
                             NULL};
    assert_int_equal(ask("GET", "/_matrix/client/v3/only/a%2Fb?c=d%20e", worker.client_port, headers,
                         (struct gg_str){0}, arena, &answer),
                     0);
    assert_int_equal(answer.status, 201);
    const char *text = text_of(&answer, arena);
    assert_has(text, "\"by\":\"master\"");
    assert_has(text, "\"target\":\"/_matrix/client/v3/only/a%2Fb?c=d%20e\"");
    assert_has(text, "\"room\":\"a/b\"");
    assert_has(text, "\"address\":\"192.0.2.9\"");
    assert_has(text, "\"https\":true");
    assert_has(text, "\"token\":\"Bearer tok\"");
    assert_has(text, "\"id\":\"GET-1\"");
    assert_int_equal(count_metric("/_matrix/client/v3/only/{room}"), 1);
    /* the writer is main: this process has the handler, but must not use it */
    assert_int_equal(ask("PUT", "/_matrix/client/v3/typing/r", worker.client_port, NULL, GG_STR("{}"), arena, &answer),
                     0);
    assert_has(text_of(&answer, arena), "\"by\":\"master\"");
    assert_has(text_of(&answer, arena), "\"token\":null");
    assert_int_equal(
        ask("GET", "/_matrix/client/v3/here", worker.client_port, NULL, (struct gg_str){0}, arena, &answer), 0);
    assert_has(text_of(&answer, arena), "\"by\":\"w1\"");
    assert_int_equal(count_metric("/_matrix/client/v3/here"), 0);
    assert_int_equal(
        ask("HEAD", "/_matrix/client/v3/only/x", worker.client_port, NULL, (struct gg_str){0}, arena, &answer), 0);
    assert_int_equal(answer.status, 201);
    assert_int_equal(answer.body.n, 0);
}

FORWARD_TEST(test_streams, false)
{
    struct gg_internal_answer answer;
    enum { SIZE = 3000000 };
    char *data = gg_arena_alloc(arena, SIZE);
    memset(data, 'd', SIZE);
    assert_int_equal(
        ask("POST", "/_matrix/client/v3/count", worker.client_port, NULL, gg_strn(data, SIZE), arena, &answer), 0);
    assert_string_equal(text_of(&answer, arena), "3000000");
    assert_int_equal(
        ask("GET", "/_matrix/client/v3/many", worker.client_port, NULL, (struct gg_str){0}, arena, &answer), 0);
    assert_int_equal(answer.body.n, 2000000);
    assert_int_equal(
        ask("GET", "/_matrix/client/v3/many?chunked", worker.client_port, NULL, (struct gg_str){0}, arena, &answer), 0);
    assert_int_equal(answer.body.n, 2000000);
}

FORWARD_TEST(test_never, false)
{
    struct gg_internal_answer answer;
    /* replication paths; resources that the listener does not have */
    assert_int_equal(
        ask("POST", "/_synapse/replication/secret_thing", worker.client_port, NULL, GG_STR("{}"), arena, &answer), 0);
    assert_int_equal(answer.status, 404);
    assert_int_equal(
        ask("POST", "/_synapse/replication/secret_thing", worker.replication_port, NULL, GG_STR("{}"), arena, &answer),
        0);
    assert_int_equal(answer.status, 404);
    assert_int_equal(
        ask("GET", "/_matrix/federation/v1/only", worker.client_port, NULL, (struct gg_str){0}, arena, &answer), 0);
    assert_int_equal(answer.status, 404);
    /* a client cannot use the endpoint; the replication listener only with the secret */
    const char *secret[] = {"Authorization: Bearer sesame", "X-Ganglion-Hops: 1", "X-Ganglion-Via: w1", NULL};
    const char *wrong[] = {"Authorization: Bearer sesamf", "X-Ganglion-Hops: 1", "X-Ganglion-Via: w1", NULL};
    const char *far[] = {"Authorization: Bearer sesame", "X-Ganglion-Hops: 4", "X-Ganglion-Via: a,b,c,d", NULL};
    static const char path[] = "/_ganglion/forward/_matrix/client/v3/only/x";
    assert_int_equal(ask("GET", path, mine.client_port, secret, (struct gg_str){0}, arena, &answer), 0);
    assert_int_equal(answer.status, 404);
    assert_int_equal(ask("GET", path, mine.replication_port, wrong, (struct gg_str){0}, arena, &answer), 0);
    assert_int_equal(answer.status, 403);
    assert_int_equal(ask("GET", path, mine.replication_port, secret, (struct gg_str){0}, arena, &answer), 0);
    assert_int_equal(answer.status, 201);
    assert_has(text_of(&answer, arena), "\"token\":null");
    assert_int_equal(ask("GET", path, mine.replication_port, far, (struct gg_str){0}, arena, &answer), 0);
    assert_int_equal(answer.status, 508);
    assert_int_equal(ask("POST", "/_ganglion/forward/_synapse/replication/secret_thing", mine.replication_port, secret,
                         GG_STR("{}"), arena, &answer),
                     0);
    assert_int_equal(answer.status, 404);
    /* a loop: main is said to have had it already, so the worker gives up */
    const char *loop[] = {"Authorization: Bearer sesame", "X-Ganglion-Hops: 1", "X-Ganglion-Via: master", NULL};
    assert_int_equal(ask("GET", path, worker.replication_port, loop, (struct gg_str){0}, arena, &answer), 0);
    assert_int_equal(answer.status, 404);
}

static void ask_stay(void *arg)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_internal_answer answer;
    ask("GET", "/_matrix/client/v3/stay", worker.client_port, NULL, (struct gg_str){0}, arena, &answer);
    gg_arena_free(arena);
}

/* A caller that hangs up ends the work of the process behind, too. */
FORWARD_TEST(test_hang_up, false)
{
    struct gg_fiber *fiber = gg_spawn_joinable(NULL, "caller", ask_stay, NULL);
    for (int i = 0; i < 200 && seen.started == 0; i++)
        gg_sleep(5);
    assert_int_equal(seen.started, 1);
    gg_cancel(fiber);
    assert_int_equal(gg_join(fiber, GG_FOREVER), 0);
    for (int i = 0; i < 200 && seen.cancelled == 0; i++)
        gg_sleep(5);
    assert_int_equal(seen.cancelled, 1);
}

FORWARD_TEST(test_unreachable, false)
{
    struct gg_internal_answer answer;
    gg_http_stop(mine.server);
    assert_int_equal(
        ask("GET", "/_matrix/client/v3/only/x", worker.client_port, NULL, (struct gg_str){0}, arena, &answer), 0);
    assert_int_equal(answer.status, 502);
    assert_has(text_of(&answer, arena), "M_UNKNOWN");
}

/* Towards another server: as a client would, with the caller's own token. */
FORWARD_TEST(test_towards_python, true)
{
    struct gg_internal_answer answer;
    const char *headers[] = {"Authorization: Bearer tok", "X-Forwarded-For: 192.0.2.9", "X-Forwarded-Proto: https",
                             NULL};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            ask("PUT", "/_matrix/client/v3/typing/r", worker.client_port, headers, GG_STR("{}"), arena, &answer), 0);
        assert_int_equal(answer.status, 201);
        assert_has(text_of(&answer, arena), "\"by\":\"master\"");
        assert_has(text_of(&answer, arena), "\"address\":\"192.0.2.9\"");
        assert_has(text_of(&answer, arena), "\"https\":true");
        assert_has(text_of(&answer, arena), "\"token\":\"Bearer tok\"");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes_on), cmocka_unit_test(test_streams),     cmocka_unit_test(test_never),
        cmocka_unit_test(test_hang_up),   cmocka_unit_test(test_unreachable), cmocka_unit_test(test_towards_python),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
