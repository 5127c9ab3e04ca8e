/* Server names, what /.well-known/matrix/server says and for how long, the order of services, and the steps of backoff. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/names.h"
#include "federation/backoff.h"
#include "federation/server_name.h"
#include "federation/well_known.h"

static void test_server_names(void **state)
{
    static const struct {
        const char *name, *host;
        uint16_t port;
        bool literal, v6;
    } cases[] = {
        {"matrix.org", "matrix.org", 0, false, false}, {"matrix.org:8888", "matrix.org", 8888, false, false},
        {"1.2.3.4", "1.2.3.4", 0, true, false},        {"1.2.3.4:1234", "1.2.3.4", 1234, true, false},
        {"[::1]", "::1", 0, true, true},               {"[2001:DB8::1]:5678", "2001:DB8::1", 5678, true, true},
        {"1.2.3", "1.2.3", 0, false, false},           {"matrix.org:0", NULL, 0, false, false},
        {"matrix.org:65536", NULL, 0, false, false},   {"[1.2.3.4]", NULL, 0, false, false},
        {"[::1", NULL, 0, false, false},               {"a b", NULL, 0, false, false},
        {"", NULL, 0, false, false},                   {"a/b", NULL, 0, false, false},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        struct mx_server_name parts;
        bool good = mx_server_name_split(gg_str(cases[i].name), &parts);
        if (good != (cases[i].host != NULL) ||
            (good && (!gg_str_is(parts.host, cases[i].host) || parts.port != cases[i].port ||
                      parts.literal != cases[i].literal || parts.v6 != cases[i].v6)))
            fail_msg("%s", cases[i].name);
    }
}

static void test_well_known_bodies(void **state)
{
    static const struct {
        const char *body, *server;
    } cases[] = {
        {"{\"m.server\": \"delegated.example:1234\"}", "delegated.example:1234"},
        {"{\"m.server\":\"[::1]\",\"x\":[]}", "[::1]"},
        {"{\"m.server\": \"https://example.org\"}", NULL},
        {"{\"m.server\": \"\"}", NULL},
        {"{\"m.server\": 7}", NULL},
        {"{\"m.server\": null}", NULL},
        {"[\"m.server\"]", NULL},
        {"m.server", NULL},
        {"", NULL},
    };
    struct gg_arena *arena = gg_arena_new();
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        const char *server = mx_well_known_parse(gg_str(cases[i].body), arena);
        if (!server != !cases[i].server || (server && strcmp(server, cases[i].server) != 0))
            fail_msg("%s gives %s", cases[i].body, server ? server : "none");
    }
    gg_arena_free(arena);
}

static void test_well_known_periods(void **state)
{
    static const int64_t now = INT64_C(784111000000); /* Sun, 06 Nov 1994 08:36:40 GMT */
    enum { LEAST = 5 * 60 * 1000, MOST = 48 * 60 * 60 * 1000 };
    static const struct {
        const char *control, *expires;
        int64_t ms;
    } cases[] = {
        {NULL, NULL, -1},
        {"max-age=300", NULL, 300000},
        {"public, Max-Age = 500 ,x", "Sun, 06 Nov 1994 08:49:37 GMT", 500000},
        {"max-age=500, no-store", NULL, LEAST}, /* asked again soon, not before each request */
        {"max-age=299", NULL, LEAST},
        {"max-age=172800", NULL, MOST},
        {"max-age=172801", NULL, MOST},
        {"max-age=x", NULL, -1},
        {"max-age=", NULL, -1},
        {"max-age=0", NULL, LEAST},
        {"no-cache", "Sun, 06 Nov 1994 08:49:37 GMT", 777000},
        {NULL, "Sunday, 06-Nov-94 08:49:37 GMT", 777000},
        {NULL, "Sun Nov  6 08:49:37 1994", 777000},
        {NULL, "Sun, 06 Nov 1994 08:00:00 GMT", LEAST},
        {NULL, "0", LEAST},
        {NULL, "tomorrow", LEAST},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++)
        if (mx_well_known_period(cases[i].control, cases[i].expires, now) != cases[i].ms)
            fail_msg("case %zu: %lld", i, (long long)mx_well_known_period(cases[i].control, cases[i].expires, now));
    assert_int_equal(mx_well_known_period("max-age=99999999999999999999", NULL, now), MOST);
    assert_int_equal(mx_well_known_period(NULL, "Sun, 06 Nov 2094 08:49:37 GMT", now), MOST);
}

static uint32_t draw_last(void *arg, uint32_t n)
{
    return *(uint32_t *)arg < n ? *(uint32_t *)arg : n - 1;
}

static void test_order_of_services(void **state)
{
    const struct gg_name_service all[] = {{"c", 1, 20, 0}, {"a", 1, 10, 1}, {"b", 1, 10, 3}, {"z", 1, 10, 0}};
    struct gg_name_service s[4];
    uint32_t draw = 0;
    memcpy(s, all, sizeof(s));
    gg_names_order(s, 4, draw_last, &draw);
    assert_string_equal(s[0].host, "z"); /* without weight: only the smallest draw */
    assert_string_equal(s[3].host, "c"); /* the priority that comes last */
    draw = 1;
    memcpy(s, all, sizeof(s));
    gg_names_order(s, 4, draw_last, &draw);
    assert_string_equal(s[0].host, "a");
    draw = 4;
    memcpy(s, all, sizeof(s));
    gg_names_order(s, 4, draw_last, &draw);
    assert_string_equal(s[0].host, "b");
    assert_string_equal(s[3].host, "c");
    gg_names_order(s, 0, draw_last, &draw);
}

static void test_time_to_live(void **state)
{
    static const unsigned char message[] = {0, 1, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0, 1, 'a', 0, 0, 33, 0, 1, /* question */
                                            0xc0, 12, 0, 33, 0, 1, 0, 0, 1, 0, 0, 1, 9, 0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 50, 0, 0};
    assert_int_equal(gg_names_ttl(message, sizeof(message), 7), 50);
    for (size_t n = 0; n < sizeof(message); n++)
        assert_int_equal(gg_names_ttl(message, n, 7), 7);
}

static void test_backoff_steps(void **state)
{
    const struct mx_fed_backoff_rules rules = {600000, 604800000, 2};
    assert_int_equal(mx_fed_next_interval(&rules, 0, 0.5), 600000);
    assert_int_equal(mx_fed_next_interval(&rules, 600000, 0), 960000);
    assert_int_equal(mx_fed_next_interval(&rules, 600000, 1), 1680000);
    assert_int_equal(mx_fed_next_interval(&rules, 604800000, 0), 604800000);
    assert_int_equal(mx_fed_next_interval(&(struct mx_fed_backoff_rules){1, INT64_MAX, 1e300}, INT64_MAX / 2, 1), INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_names),      cmocka_unit_test(test_well_known_bodies),
        cmocka_unit_test(test_well_known_periods), cmocka_unit_test(test_order_of_services),
        cmocka_unit_test(test_time_to_live),      cmocka_unit_test(test_backoff_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
