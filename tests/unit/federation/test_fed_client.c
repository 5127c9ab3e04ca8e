/* Asking other servers: where they are found, whom is trusted, what is sent, how often, and what is left alone after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../persist/world.h"
#include "peer.h"

#include "federation/client_part.h"
#include "federation/last_seen.h"
#include "metrics/metrics.h"

#include <signal.h>

/* ---- what the peer does ---- */

static int failures_left; /* of "flaky" */

static void remember(struct gg_request *rq)
{
    peer.asked++;
    snprintf(peer.last_host, sizeof(peer.last_host), "%s", gg_request_header(rq, "Host"));
    snprintf(peer.last_target, sizeof(peer.last_target), "%s", gg_request_target(rq));
    const char *auth = gg_request_header(rq, "Authorization");
    snprintf(peer.last_auth, sizeof(peer.last_auth), "%s", auth != NULL ? auth : "");
    struct gg_str body = gg_request_body(rq);
    snprintf(peer.last_body, sizeof(peer.last_body), "%.*s", GG_FMT(body));
}

static int federation(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *what = gg_request_param(rq, "what");
    remember(rq);
    if (strcmp(what, "flaky") == 0 && failures_left-- > 0)
        return gg_refuse(err, 429, "M_LIMIT_EXCEEDED", "slowly");
    if (strcmp(what, "broken") == 0)
        return gg_reply_text(rq, 503, "application/json", GG_STR("{\"errcode\":\"M_UNKNOWN\",\"error\":\"down\"}"));
    if (strcmp(what, "absent") == 0)
        return gg_refuse(err, 404, "M_NOT_FOUND", "no such thing");
    if (strcmp(what, "denied") == 0)
        return gg_refuse(err, 401, "M_UNAUTHORIZED", "who are you");
    if (strcmp(what, "text") == 0)
        return gg_reply_text(rq, 200, "text/html", GG_STR("<html>"));
    if (strcmp(what, "halfjson") == 0)
        return gg_reply_text(rq, 200, "application/json", GG_STR("{\"a\":"));
    if (strcmp(what, "slow") == 0 && gg_sleep(5000))
        return gg_fail(err, GG_E_CANCELLED, "gone");
    if (strcmp(what, "noslash") == 0)
        return gg_refuse(err, 400, "M_UNRECOGNIZED", "old");
    return gg_reply_text(rq, 200, "application/json", GG_STR("{\"pdus\":{}}"));
}

static int slash(void *self, struct gg_request *rq, struct gg_error *err)
{
    remember(rq);
    return gg_reply_text(rq, 200, "application/json", GG_STR("{\"slash\":true}"));
}

static int well_knowns_asked;

static int well_known(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *host = gg_request_header(rq, "Host");
    well_knowns_asked++;
    if (strncmp(host, "plain.example", 13) == 0)
        return gg_reply_text(rq, 200, "text/plain", GG_STR("{\"m.server\":\"deleg.example\"}"));
    if (strncmp(host, "two.example", 11) == 0) {
        gg_reply_header(rq, "Cache-Control", "no-store");
        return gg_reply_text(rq, 200, "text/plain", GG_STR("{\"m.server\":\"deleg.example\"}"));
    }
    if (strncmp(host, "moved.example", 13) == 0) {
        char there[128];
        snprintf(there, sizeof(there), "https://plain.example:%u/.well-known/matrix/server", peer.port);
        gg_reply_header(rq, "Location", there);
        return gg_reply_text(rq, 302, "text/plain", GG_STR("there"));
    }
    return gg_refuse(err, 404, "M_NOT_FOUND", "none");
}

static const struct gg_route routes[] = {
    {"GET", "/_matrix/federation/v1/{what}", federation, "federation"},
    {"PUT", "/_matrix/federation/v1/{what}", federation, "federation"},
    {"GET", "/_matrix/federation/v1/noslash/", slash, "federation"},
    {"GET", "/.well-known/matrix/server", well_known, "federation"},
    {NULL},
};

static const struct peer_service services[] = {
    {"_matrix-fed._tcp.deleg.example", "a.host.example", 10, 5, 1},     /* nobody listens there */
    {"_matrix-fed._tcp.deleg.example", "b.host.example", 20, 5, 0},
    {"_matrix._tcp.deleg.example", "never.example", 0, 0, 1},           /* of old: not looked at */
    {"_matrix._tcp.old.example", "c.host.example", 0, 0, 0},
    {"_matrix-fed._tcp.gone.example", ".", 0, 0, 1},
    {NULL},
};
static const char *const unknown[] = {"nowhere.example", NULL};

/* ---- the frame ---- */

static void up(const char *more)
{
    char text[2048];
    memset(&peer, 0, sizeof(peer));
    failures_left = well_knowns_asked = 0;
    peer_services = services;
    peer_unknown = unknown;
    peer_certificates();
    peer_listen(routes);
    dns_start();
    snprintf(text, sizeof(text),
             "trusted_key_servers: []\nfederation_custom_ca_list: [%s]\nip_range_blacklist: [10.0.0.0/8]\n"
             "federation: {client_timeout: 2s, max_short_retries: 2, max_short_retry_delay: 20, max_long_retry_delay: 20}\n"
             "ganglion: {dns_servers: [\"127.0.0.1:%u\"]}\n%s",
             peer.ca, peer.dns_port, more != NULL ? more : "");
    world_start(text);
    world.server->fed_client->well_known_port = peer.port;
    world_do("DELETE FROM destinations");
}

static void down(void)
{
    world_stop();
    peer_stop();
}

static const char *at_port(struct gg_arena *arena, const char *host)
{
    return gg_arena_printf(arena, "%s:%u", host, peer.port);
}

static int ask(const char *destination, const char *path, struct gg_arena *arena, struct mx_fed_answer *out, struct gg_error *err)
{
    struct mx_fed_request request = {.destination = destination, .method = "GET", .path = path};
    *err = (struct gg_error)GG_ERROR_INIT;
    return mx_fed_fetch(world.server, &request, arena, out, err);
}

static void expect_ok(const char *destination, const char *path, const char *host, struct gg_arena *arena)
{
    struct mx_fed_answer answer;
    struct gg_error err;
    if (ask(destination, path, arena, &answer, &err) != 0)
        fail_msg("%s%s: %s", destination, path, err.message);
    assert_int_equal(answer.status, 200);
    assert_string_equal(peer.last_host, host);
    assert_string_equal(peer.last_target, path);
}

#define OK "/_matrix/federation/v1/ok?a=%2F&b=.."

/* ---- where servers are ---- */

WORLD_TEST(servers_are_found)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_fed_answer answer;
    struct gg_error err;
    up(NULL);
    expect_ok(at_port(arena, "127.0.0.1"), OK, at_port(arena, "127.0.0.1"), arena);
    expect_ok(at_port(arena, "port.example"), OK, at_port(arena, "port.example"), arena);
    assert_int_equal(well_knowns_asked, 0); /* a port says it all */
    expect_ok("plain.example", OK, "deleg.example", arena); /* .well-known, then SRV, whose first record is dead */
    expect_ok("plain.example", OK, "deleg.example", arena);
    assert_int_equal(well_knowns_asked, 1); /* it is kept */
    expect_ok("old.example", OK, "old.example", arena);
    expect_ok("old.example", OK, "old.example", arena);
    assert_int_equal(well_knowns_asked, 2); /* and so is that there is none */
    expect_ok("two.example", OK, "deleg.example", arena);
    expect_ok("two.example", OK, "deleg.example", arena);
    assert_int_equal(well_knowns_asked, 3); /* and for a while what is not to be kept */
    expect_ok("moved.example", OK, "deleg.example", arena);
    assert_int_equal(ask("gone.example", OK, arena, &answer, &err), GG_E_UNAVAILABLE);
    assert_int_equal(ask("nowhere.example:5", OK, arena, &answer, &err), GG_E_UNAVAILABLE);
    assert_int_equal(err.http_status, 502);
    int before = peer.dns_asked;
    expect_ok("plain.example", OK, "deleg.example", arena);
    assert_int_equal(peer.dns_asked, before); /* so are names */
    down();
    gg_arena_free(arena);
}

/* The host of the name that it delegates to is called, and its certificate wanted: not what an SRV record leads to. */
WORLD_TEST(the_name_that_is_called_in_tls)
{
    struct gg_arena *arena = gg_arena_new();
    up(NULL);
    expect_ok(at_port(arena, "127.0.0.1"), OK, at_port(arena, "127.0.0.1"), arena);
    assert_int_equal(peer.n_called, 1);
    assert_true(peer_was_called("")); /* an address is no name to be called by (RFC 6066, 3) */
    expect_ok("old.example", OK, "old.example", arena); /* an SRV record alone */
    assert_true(peer_was_called("old.example") && !peer_was_called("c.host.example"));
    expect_ok("two.example", OK, "deleg.example", arena); /* .well-known, then SRV */
    assert_true(peer_was_called("two.example")); /* for its .well-known */
    assert_true(peer_was_called("deleg.example") && !peer_was_called("b.host.example"));
    assert_int_equal(peer.n_called, 4);
    down();
    gg_arena_free(arena);
}

/* ---- whom we trust ---- */

WORLD_TEST(certificates_are_checked)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_fed_answer answer;
    struct gg_error err;
    up(NULL);
    assert_int_equal(ask(at_port(arena, "stranger.example"), OK, arena, &answer, &err), GG_E_UNAVAILABLE);
    assert_int_equal(peer.asked, 0);
    down();
    up("federation_certificate_verification_whitelist: [\"*.Example\"]\n");
    expect_ok(at_port(arena, "stranger.example"), OK, at_port(arena, "stranger.example"), arena);
    assert_int_equal(ask(at_port(arena, "stranger.other"), OK, arena, &answer, &err), GG_E_UNAVAILABLE);
    down();
    up("federation_verify_certificates: false\n");
    expect_ok(at_port(arena, "stranger.other"), OK, at_port(arena, "stranger.other"), arena);
    down();
    gg_arena_free(arena);
}

WORLD_TEST(some_are_not_asked)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_fed_answer answer;
    struct gg_error err;
    up("federation_domain_whitelist: [\"plain.example\"]\nfederation_ip_range_blacklist: [127.0.0.0/8]\n");
    assert_int_equal(ask(at_port(arena, "port.example"), OK, arena, &answer, &err), GG_E_FORBIDDEN);
    assert_string_equal(err.errcode, "M_FORBIDDEN");
    assert_int_equal(world_number("SELECT count(*) FROM destinations"), 0);
    assert_int_equal(ask("plain.example", OK, arena, &answer, &err), GG_E_FORBIDDEN); /* its address */
    assert_int_equal(err.http_status, 403);
    assert_int_equal(ask("test.local", OK, arena, &answer, &err), GG_E_INVALID); /* ourselves */
    assert_int_equal(ask("a/b", OK, arena, &answer, &err), GG_E_FORBIDDEN);
    assert_int_equal(peer.asked, 0);
    down();
    gg_arena_free(arena);
}

/* ---- what is sent ---- */

WORLD_TEST(requests_are_signed)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_fed_answer answer;
    struct gg_error err = GG_ERROR_INIT;
    char sig[128] = "", key[72] = "", said[512];
    uint8_t signature[128];
    up(NULL);
    const char *name = at_port(arena, "port.example");
    struct mx_fed_request request = {.destination = name, .method = "PUT", .body = GG_STR(" {\"b\": 1.0 ,\"a\":\"\\u00e9\"}"),
                                     .path = mx_fed_path(arena, "/_matrix/federation/v1/%s?n=%lld&p=%%", "a/b", 7LL)};
    assert_string_equal(request.path, "/_matrix/federation/v1/a%2Fb?n=7&p=%");
    assert_int_equal(mx_fed_fetch(world.server, &request, arena, &answer, &err), 0);
    assert_string_equal(peer.last_body, "{\"a\":\"\xc3\xa9\",\"b\":1.0}");
    assert_string_equal(peer.last_target, request.path);
    char origin[64] = "", destination[64] = "";
    assert_int_equal(sscanf(peer.last_auth, "X-Matrix origin=\"%63[^\"]\",key=\"%71[^\"]\",sig=\"%127[^\"]\",destination=\"%63[^\"]\"", origin,
                            key, sig, destination),
                     4);
    assert_string_equal(origin, "test.local");
    assert_string_equal(destination, name);
    assert_string_equal(key, "ed25519:a_test");
    snprintf(said, sizeof(said), "{\"content\":%s,\"destination\":\"%s\",\"method\":\"PUT\",\"origin\":\"test.local\",\"uri\":\"%s\"}",
             peer.last_body, name, request.path);
    assert_int_equal(mx_unbase64(gg_str(sig), signature), 64);
    assert_true(mx_verify(world.server->keys[0].public_key, gg_str(said), signature));
    down();
    gg_arena_free(arena);
}

/* ---- answers, retries and backoff ---- */

WORLD_TEST(answers_are_looked_at)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_fed_answer answer;
    struct gg_error err = GG_ERROR_INIT;
    struct gg_str body;
    up(NULL);
    const char *name = at_port(arena, "port.example");
    assert_int_equal(ask(name, "/_matrix/federation/v1/text", arena, &answer, &err), GG_E_PROTOCOL);
    assert_int_equal(ask(name, "/_matrix/federation/v1/halfjson", arena, &answer, &err), GG_E_PROTOCOL);
    assert_int_equal(err.http_status, 502);
    expect_ok(name, OK, name, arena);
    assert_int_equal(ask(name, "/_matrix/federation/v1/noslash?x=1", arena, &answer, &err), 0);
    assert_true(gg_str_is(answer.body, "{\"slash\":true}"));
    assert_string_equal(peer.last_target, "/_matrix/federation/v1/noslash/?x=1");
    struct mx_fed_request request = {.destination = name, .method = "GET", .path = "/_matrix/federation/v1/absent"};
    err = (struct gg_error)GG_ERROR_INIT;
    assert_true(mx_fed_call(world.server, &request, arena, &body, &err) != 0);
    assert_int_equal(err.http_status, 404);
    assert_string_equal(err.errcode, "M_NOT_FOUND");
    assert_string_equal(err.message, "no such thing");
    request.path = OK;
    request.max_answer = 5;
    err = (struct gg_error)GG_ERROR_INIT;
    assert_int_equal(mx_fed_call(world.server, &request, arena, &body, &err), GG_E_LIMIT);
    assert_int_equal(world_number("SELECT count(*) FROM destinations"), 0); /* it is there, whatever it says */
    down();
    gg_arena_free(arena);
}

static int ups;

static void on_up(void *self, struct gg_str name)
{
    ups++;
}

WORLD_TEST(failures_are_tried_again_and_then_left_alone)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_fed_answer answer;
    struct gg_error err;
    up(NULL);
    ups = 0;
    mx_fed_on_server_up(world.server, on_up, NULL);
    const char *name = at_port(arena, "port.example");
    failures_left = 2;
    expect_ok(name, "/_matrix/federation/v1/flaky", name, arena);
    assert_int_equal(peer.asked, 3);
    assert_int_equal(world_number("SELECT count(*) FROM destinations"), 0);
    assert_int_equal(ask(name, "/_matrix/federation/v1/broken", arena, &answer, &err), 0);
    assert_int_equal(answer.status, 503);
    assert_int_equal(peer.asked, 6);
    assert_int_equal(world_number("SELECT retry_interval FROM destinations WHERE failure_ts = retry_last_ts"), 600000);
    assert_true(mx_fed_in_backoff(world.server, name));
    assert_int_equal(ask(name, OK, arena, &answer, &err), GG_E_UNAVAILABLE);
    assert_int_equal(peer.asked, 6);
    /* Asked all the same: a failure makes nothing worse, a success ends it. */
    struct mx_fed_request request = {.destination = name, .method = "GET", .path = "/_matrix/federation/v1/broken", .ignore_backoff = true};
    assert_int_equal(mx_fed_fetch(world.server, &request, arena, &answer, &err), 0);
    assert_int_equal(world_number("SELECT retry_interval FROM destinations"), 600000);
    request.path = OK;
    assert_int_equal(mx_fed_fetch(world.server, &request, arena, &answer, &err), 0);
    assert_int_equal(world_number("SELECT retry_interval + retry_last_ts FROM destinations WHERE failure_ts IS NULL"), 0);
    assert_int_equal(ups, 1);
    assert_false(mx_fed_in_backoff(world.server, name));
    assert_int_equal(ask(name, "/_matrix/federation/v1/denied", arena, &answer, &err), 0);
    assert_int_equal(answer.status, 401);
    assert_true(mx_fed_in_backoff(world.server, name));
    /* It speaks to us. */
    mx_fed_server_up(world.server, name);
    for (int i = 0; i < 200 && mx_fed_in_backoff(world.server, name); i++)
        gg_sleep(5);
    assert_int_equal(ups, 2);
    assert_false(mx_fed_in_backoff(world.server, name));
    mx_fed_server_up(world.server, name);
    assert_int_equal(ups, 2);
    /* Nobody there; one attempt when the caller says how long. */
    request = (struct mx_fed_request){.destination = name, .method = "GET", .path = "/_matrix/federation/v1/slow", .timeout_ms = 50};
    int64_t began = gg_now_ms();
    assert_int_equal(mx_fed_fetch(world.server, &request, arena, &answer, &err), GG_E_UNAVAILABLE);
    assert_true(gg_now_ms() - began < 1500);
    const char *names[] = {"well.example", name};
    bool skip[2];
    assert_int_equal(mx_fed_in_backoff_many(world.server, names, 2, 0, skip, &err), 0);
    assert_false(skip[0]);
    assert_true(skip[1]);
    down();
    gg_arena_free(arena);
}

/* The caller's own time is over: that says nothing of the other server. */
WORLD_TEST(own_deadlines_are_no_failures)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_fed_answer answer;
    struct gg_error err;
    up(NULL);
    int64_t before = gg_set_deadline(gg_deadline(100));
    int status = ask(at_port(arena, "port.example"), "/_matrix/federation/v1/slow", arena, &answer, &err);
    gg_set_deadline(before);
    assert_int_equal(status, GG_E_TIMEOUT);
    assert_int_equal(world_number("SELECT count(*) FROM destinations"), 0);
    down();
    gg_arena_free(arena);
}

/* federation_metrics_domains: those and no others. */
WORLD_TEST(watched_servers_are_counted)
{
    struct gg_buf text = GG_BUF_INIT;
    const struct gg_str transaction = GG_STR("{\"pdus\":[{\"origin_server_ts\":5000},{\"origin_server_ts\":7000},{\"origin_server_ts\":\"x\"}]}");
    up("federation_metrics_domains: [watched.example]\n");
    mx_fed_sent(world.server, "watched.example", transaction);
    mx_fed_sent(world.server, "other.example", transaction);
    mx_fed_received(world.server, "watched.example", GG_STR("{\"pdus\":[{\"origin_server_ts\":3000}]}"));
    mx_fed_received(world.server, "watched.example", GG_STR("{\"pdus\":[]}"));
    gg_metrics_write(&text);
    assert_non_null(strstr(text.data, "synapse_federation_last_sent_pdu_time{destination_server_name=\"watched.example\"} 7\n"));
    assert_non_null(strstr(text.data, "synapse_federation_last_received_pdu_time{origin_server_name=\"watched.example\"} 3\n"));
    assert_null(strstr(text.data, "other.example"));
    gg_buf_done(&text);
    down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers_are_found),
        cmocka_unit_test(test_the_name_that_is_called_in_tls),
        cmocka_unit_test(test_certificates_are_checked),
        cmocka_unit_test(test_some_are_not_asked),
        cmocka_unit_test(test_requests_are_signed),
        cmocka_unit_test(test_answers_are_looked_at),
        cmocka_unit_test(test_failures_are_tried_again_and_then_left_alone),
        cmocka_unit_test(test_own_deadlines_are_no_failures),
        cmocka_unit_test(test_watched_servers_are_counted),
    };
    signal(SIGPIPE, SIG_IGN); /* as the host does */
    return cmocka_run_group_tests(tests, world_up, world_down);
}
