/* Calls between two processes: answers, errors, duplicates, the secret, waiting for positions, lost connections. */
#include "two_hosts.h"

#include "client/internal.h"

#include <time.h>

/* ---- methods ---- */

static struct {
    int runs, slow_runs;
    struct gg_cond go;
    bool may_go;
    char raw[200], arg[200];
    bool had_body;
} m;

static int echo(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err)
{
    m.runs++;
    assert_null(json_object_get(call->body, "_INT_STREAM_POS"));
    *answer = json_pack("{s:s,s:O}", "arg", call->args[0], "body", call->body);
    return 0;
}

static int refuse(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err)
{
    m.runs++;
    int rc = gg_refuse(err, 403, "M_FORBIDDEN", "Not you");
    gg_error_extra(err, "limit", "7");
    return rc;
}

static int break_down(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err)
{
    m.runs++;
    return gg_fail(err, GG_E_INTERNAL, "broken");
}

static int slow(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err)
{
    m.slow_runs++;
    while (!m.may_go)
        if (gg_cond_wait(&m.go, GG_FOREVER) != 0)
            return gg_fail(err, GG_E_CANCELLED, "stopped");
    *answer = json_pack("{s:i}", "run", m.slow_runs);
    return 0;
}

static int nothing(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err)
{
    m.runs++;
    return 0;
}

static int raw(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err)
{
    m.had_body = call->body != NULL;
    snprintf(m.raw, sizeof(m.raw), "%.*s", GG_FMT(call->raw));
    return 0;
}

static int write_thing(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err)
{
    struct proc *p = self;
    *answer = json_pack("{s:I}", "id", (json_int_t)write_row(p, p->things, "\"called\"", true));
    return 0;
}

static const struct gg_method methods[] = {
    {.name = "echo", .n_args = 1, .flags = GG_METHOD_TXN, .fn = echo},
    {.name = "refuse", .flags = GG_METHOD_TXN, .fn = refuse},
    {.name = "fail", .flags = GG_METHOD_TXN, .fn = break_down},
    {.name = "slow", .flags = GG_METHOD_TXN, .fn = slow},
    {.name = "nothing", .fn = nothing},
    {.name = "raw", .flags = GG_METHOD_RAW | GG_METHOD_TXN, .fn = raw},
    {.name = "write_thing", .fn = write_thing},
    {.name = "only_main", .flags = GG_METHOD_MAIN_ONLY, .fn = nothing},
    {0},
};

static void start_calls(void)
{
    memset(&m, 0, sizeof(m));
    gg_cond_init(&m.go);
    make_tables();
    make(&main_proc);
    make(&w1_proc);
    gg_repl_serve(main_proc.host, methods, &main_proc);
    gg_repl_serve(w1_proc.host, methods, &w1_proc);
    start(&main_proc);
    start(&w1_proc);
}

static const char *const one_arg[] = {"!a/b:x%y \xc3\xa9", NULL};

FIBER_TEST(answers)
{
    struct gg_error err = GG_ERROR_INIT;
    json_t *answer = NULL, *body = json_pack("{s:s}", "x", "\xc3\xa9");
    start_calls();
    assert_ok(gg_repl_call(main_proc.host, "w1", "echo", one_arg, body, &answer, &err), err);
    assert_string_equal(json_string_value(json_object_get(answer, "arg")), one_arg[0]);
    assert_true(json_equal(json_object_get(answer, "body"), body));
    assert_null(json_object_get(answer, "_INT_STREAM_POS"));
    json_decref(answer);
    answer = NULL; /* ourselves: no HTTP, the same answer */
    assert_ok(gg_repl_call(w1_proc.host, "w1", "echo", one_arg, body, &answer, &err), err);
    assert_true(json_equal(json_object_get(answer, "body"), body));
    json_decref(answer);
    assert_ok(gg_repl_call(main_proc.host, "w1", "nothing", NULL, NULL, &answer, &err), err); /* a slash at its end */
    assert_int_equal(json_object_size(answer), 0);
    json_decref(answer);
    assert_ok(gg_repl_call(main_proc.host, "w1", "nothing", NULL, NULL, NULL, &err), err);
    json_decref(body);
    stop_both();
}

FIBER_TEST(errors_pass_through)
{
    struct gg_error err = GG_ERROR_INIT;
    json_t *answer = NULL;
    start_calls();
    assert_int_not_equal(gg_repl_call(main_proc.host, "w1", "refuse", NULL, NULL, &answer, &err), 0);
    assert_int_equal(err.http_status, 403);
    assert_string_equal(err.errcode, "M_FORBIDDEN");
    assert_string_equal(err.message, "Not you");
    assert_string_equal(err.extra, "\"limit\":7");
    assert_int_not_equal(gg_repl_call(main_proc.host, "w1", "fail", NULL, NULL, &answer, &err), 0);
    assert_int_equal(err.http_status, 500);
    assert_int_equal(m.runs, 2);
    assert_int_not_equal(gg_repl_call(main_proc.host, "w1", "only_main", NULL, NULL, &answer, &err), 0);
    assert_int_equal(err.http_status, 404);
    assert_ok(gg_repl_call(w1_proc.host, "master", "only_main", NULL, NULL, NULL, &err), err);
    assert_int_equal(gg_repl_call(main_proc.host, "unheard", "nothing", NULL, NULL, NULL, &err), GG_E_INTERNAL);
    assert_int_equal(gg_repl_call(main_proc.host, "w1", "no_such", NULL, NULL, NULL, &err), GG_E_INTERNAL);
    stop_both();
}

/* ---- by hand ---- */

static int request(struct proc *from, const char *method, const char *target, const char *secret, const char *body,
                   char *out, size_t size)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_internal_answer answer = {0};
    struct gg_error err = GG_ERROR_INIT;
    const char *headers[] = {secret != NULL ? gg_arena_printf(arena, "Authorization: Bearer %s", secret) : NULL, NULL};
    const struct gg_internal_request rq = {.peer = gg_topology_peer(from->host->config, "w1"),
                                           .method = method,
                                           .target = target,
                                           .headers = headers,
                                           .body = body != NULL ? gg_str(body) : (struct gg_str){0}};
    assert_ok(gg_internal_fetch(from->host, &rq, arena, &answer, &err), err);
    snprintf(out, size, "%.*s", GG_FMT(answer.body));
    gg_arena_free(arena);
    return answer.status;
}

FIBER_TEST(secret_paths_bodies)
{
    char text[1000];
    start_calls();
    assert_int_equal(request(&main_proc, "POST", "/_synapse/replication/nothing/", SECRET, "{}", text, sizeof(text)),
                     200);
    assert_non_null(strstr(text, "{\"_INT_STREAM_POS\":{\"things\":"));
    assert_non_null(strstr(text, "\"shared\":"));
    assert_null(strstr(text, "com.example")); /* Synapse would not know it */
    static const char *const wrong[] = {NULL, "", "made-up-secreT", "made-up-secret2"};
    for (size_t i = 0; i < GG_COUNT(wrong); i++) {
        assert_int_equal(
            request(&main_proc, "POST", "/_synapse/replication/nothing/", wrong[i], "{}", text, sizeof(text)), 500);
        assert_string_equal(text, "{\"errcode\":\"M_UNKNOWN\",\"error\":\"Internal server error\"}");
    }
    assert_int_equal(m.runs, 1);
    assert_int_equal(request(&main_proc, "POST", "/_synapse/replication/nothing", SECRET, "{}", text, sizeof(text)),
                     404);
    assert_int_equal(request(&main_proc, "GET", "/_synapse/replication/nothing/", SECRET, NULL, text, sizeof(text)),
                     405);
    assert_int_equal(request(&main_proc, "POST", "/_synapse/replication/nothing/", SECRET, "{", text, sizeof(text)),
                     400);
    assert_non_null(strstr(text, "M_NOT_JSON"));
    assert_int_equal(request(&main_proc, "POST", "/_synapse/replication/nothing/", SECRET, "[]", text, sizeof(text)),
                     400);
    /* A lone surrogate is more than jansson can hold; the positions beside it are read all the same. */
    const char *odd = "{\"e\":\"_INT_STREAM_POS\",\"_INT_STREAM_POS\":{\"streams\":{\"things\":1},\"instance_name\":"
                      "\"master\"},\"x\":\"\\ud800\"}";
    assert_int_equal(
        request(&main_proc, "POST", "/_synapse/replication/raw/abcdefghij", SECRET, odd, text, sizeof(text)), 200);
    assert_string_equal(m.raw, odd);
    assert_false(m.had_body);
    stop_both();
}

FIBER_TEST(stream_fetch)
{
    char text[1000];
    start_calls();
    feel(&w1_proc, "\"a\"");
    feel(&w1_proc, "[\"b\",null]");
    const char *path = "/_synapse/replication/get_repl_stream_updates/moods/txnaaaaaaa?from_token=0&upto_token=2";
    assert_int_equal(request(&main_proc, "GET", path, SECRET, NULL, text, sizeof(text)), 200);
    assert_string_equal(text, "{\"updates\":[[1,\"a\"],[2,[\"b\",null]]],\"upto_token\":2,\"limited\":false}");
    path = "/_synapse/replication/get_repl_stream_updates/moods/txnaaaaaaa?from_token=1&upto_token=2"; /* the id alone
                                                                                                          counts */
    assert_int_equal(request(&main_proc, "GET", path, SECRET, NULL, text, sizeof(text)), 200);
    assert_non_null(strstr(text, "[[1,\"a\"],"));
    path = "/_synapse/replication/get_repl_stream_updates/nobody/txnaaaaaab?from_token=1&upto_token=2";
    assert_int_equal(request(&main_proc, "GET", path, SECRET, NULL, text, sizeof(text)), 400);
    int64_t id = write_row(&w1_proc, w1_proc.things, "\"t\"", true); /* any stream of any process */
    char things[200];
    snprintf(things, sizeof(things),
             "/_synapse/replication/get_repl_stream_updates/things/txnaaaaaac?from_token=0&upto_token=%lld",
             (long long)id);
    assert_int_equal(request(&main_proc, "GET", things, SECRET, NULL, text, sizeof(text)), 200);
    assert_non_null(strstr(text, ",\"t\"]]"));
    stop_both();
}

/* ---- duplicates ---- */

struct asker {
    int status;
    char text[300];
    bool done;
};

static void ask_slowly(void *arg)
{
    struct asker *a = arg;
    a->status =
        request(&main_proc, "POST", "/_synapse/replication/slow/samesamesa", SECRET, "{}", a->text, sizeof(a->text));
    a->done = true;
}

FIBER_TEST(duplicates_run_once)
{
    struct asker first = {0}, second = {0}, third = {0};
    struct gg_scope *scope = gg_scope_new(NULL, "askers");
    start_calls();
    gg_spawn(scope, "first", ask_slowly, &first);
    gg_spawn(scope, "second", ask_slowly, &second);
    wait_until(m.slow_runs == 1);
    gg_sleep(50);
    assert_false(first.done || second.done);
    m.may_go = true;
    gg_cond_broadcast(&m.go);
    wait_until(first.done && second.done);
    ask_slowly(&third); /* long after it ended */
    assert_int_equal(m.slow_runs, 1);
    assert_true(first.status == 200 && second.status == 200 && third.status == 200);
    assert_string_equal(first.text, second.text);
    assert_string_equal(first.text, third.text);
    /* What failed by our fault is tried again. */
    char text[300];
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            request(&main_proc, "POST", "/_synapse/replication/fail/otherother", SECRET, "{}", text, sizeof(text)),
            500);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            request(&main_proc, "POST", "/_synapse/replication/refuse/otherother", SECRET, "{}", text, sizeof(text)),
            403);
    assert_int_equal(m.runs, 3);
    gg_scope_end(scope);
    stop_both();
}

/* ---- read your writes ---- */

FIBER_TEST(positions_are_waited_for)
{
    struct gg_error err = GG_ERROR_INIT;
    json_t *answer = NULL;
    start_calls();
    assert_ok(gg_repl_call(main_proc.host, "w1", "write_thing", NULL, NULL, &answer, &err), err);
    int64_t id = json_integer_value(json_object_get(answer, "id"));
    json_decref(answer);
    assert_true(gg_stream_position(main_proc.things, "w1") >= id); /* has come over Redis by now */
    char line[100];
    snprintf(line, sizeof(line), "w1 %lld \"called\"", (long long)id);
    assert_true(heard_line(&main_proc.things_heard, line));
    /* The other way round, of a position that never comes: five seconds, then it goes on. */
    char text[500];
    int64_t before = gg_now_ms();
    const char *body = "{\"_INT_STREAM_POS\":{\"streams\":{\"things\":999,\"shared\":999,\"unknown\":5},\"instance_"
                       "name\":\"master\"}}";
    assert_int_equal(request(&main_proc, "POST", "/_synapse/replication/nothing/", SECRET, body, text, sizeof(text)),
                     200);
    assert_in_range(gg_now_ms() - before, 4900, 7000);
    stop_both();
}

/* ---- a peer that is not there, or hangs up ---- */

struct listener {
    int fd, accepted, port;
    char first[300], last[300];
};

/* Closes two connections after it read the request, answers the third. */
static void hang_up(void *arg)
{
    struct listener *l = arg;
    for (; l->accepted < 3; l->accepted++) {
        if (gg_wait_fd(l->fd, GG_READABLE, NULL, gg_deadline(10000)) != 0)
            return;
        int fd = accept(l->fd, NULL, NULL);
        char text[2000];
        if (gg_wait_fd(fd, GG_READABLE, NULL, gg_deadline(10000)) != 0)
            return;
        ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
        text[n > 0 ? n : 0] = '\0';
        snprintf(l->accepted == 0 ? l->first : l->last, sizeof(l->first), "%.*s", (int)strcspn(text, "\r"), text);
        static const char answer[] =
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            "9\r\n{\"ok\":12}\r\n0\r\n\r\n";
        if (l->accepted == 2)
            assert_int_equal(send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL), sizeof(answer) - 1);
        close(fd);
    }
}

FIBER_TEST(lost_connections)
{
    struct listener l = {0};
    struct gg_error err = GG_ERROR_INIT;
    json_t *answer = NULL;
    struct gg_scope *scope = gg_scope_new(NULL, "listener");
    make_tables();
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)w1_proc.port)};
    l.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(bind(l.fd, (struct sockaddr *)&in, sizeof(in)) == 0 && listen(l.fd, 8) == 0);
    make(&main_proc);
    gg_repl_serve(main_proc.host, methods, &main_proc);
    start(&main_proc);
    gg_spawn(scope, "listener", hang_up, &l);
    assert_ok(gg_repl_call(main_proc.host, "w1", "echo", one_arg, NULL, &answer, &err), err);
    assert_int_equal(json_integer_value(json_object_get(answer, "ok")), 12);
    assert_int_equal(l.accepted, 3);
    assert_string_equal(l.first, l.last); /* the same transaction id */
    assert_non_null(strstr(l.first, "POST /_synapse/replication/echo/%21a%2Fb%3Ax%25y%20%C3%A9/"));
    json_decref(answer);
    close(l.fd);
    /* Nobody there: a few tries, as far as the deadline of the caller allows. */
    int64_t before = gg_now_ms();
    int64_t old = gg_set_deadline(gg_deadline(2500));
    assert_int_not_equal(gg_repl_call(main_proc.host, "gone", "nothing", NULL, NULL, &answer, &err), 0);
    gg_set_deadline(old);
    assert_int_equal(err.http_status, 502);
    assert_string_equal(err.message, "Failed to talk to gone process");
    assert_in_range(gg_now_ms() - before, 900, 2600);
    gg_scope_end(scope);
    stop(&main_proc);
    gg_db_free(side_db);
}

FIBER_TEST(cost)
{
    enum { CALLS = 2000 };
    struct gg_error err = GG_ERROR_INIT;
    struct timespec from, to;
    start_calls();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    for (int i = 0; i < CALLS; i++)
        assert_ok(gg_repl_call(main_proc.host, "w1", "nothing", NULL, NULL, NULL, &err), err);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    double us = ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / CALLS / 1e3;
    print_message("a call, both sides: %.1f us\n", us);
    assert_true(us < 2000); /* wide, for slow and instrumented machines */
    stop_both();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_errors_pass_through),
        cmocka_unit_test(test_secret_paths_bodies),
        cmocka_unit_test(test_stream_fetch),
        cmocka_unit_test(test_duplicates_run_once),
        cmocka_unit_test(test_positions_are_waited_for),
        cmocka_unit_test(test_lost_connections),
        cmocka_unit_test(test_cost),
    };
    return have_redis() ? cmocka_run_group_tests(tests, database_up, database_down) : 0;
}
