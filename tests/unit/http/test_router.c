/* The router: spellings, priorities, encoded slashes, conflicts, prefixes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "http/router.h"

#include <stdio.h>

static int handler(void *self, struct gg_request *rq, struct gg_error *err)
{
    return 0;
}

#define ROUTE(method_, path_, ...)                                                                                     \
    {                                                                                                                  \
        .method = method_, .path = path_, .handler = handler, .resource = "client", __VA_ARGS__                        \
    }

static const struct gg_route table[] = {
    ROUTE("GET", "/_matrix/client/(r0|v3|unstable|api/v1)/rooms/{room_id}/state/{type}/{key}"),
    ROUTE("PUT", "/_matrix/client/(r0|v3|unstable|api/v1)/rooms/{room_id}/state/{type}/{key}"),
    ROUTE("GET", "/_matrix/client/(r0|v3|unstable|api/v1)/rooms/{room_id}/state(|/{type})"),
    ROUTE("GET", "/_matrix/client/v3/profile/{user_id}/displayname"),
    ROUTE("PUT", "/_matrix/client/v3/profile/{user_id}/{field}"),
    ROUTE("GET", "/_matrix/client/v3/pushrules/"),
    ROUTE("GET", "/_matrix/static/", .flags = GG_ROUTE_PREFIX),
    ROUTE("GET", "/_matrix/static/client/", .flags = GG_ROUTE_PREFIX),
    {.method = "GET", .path = "/_matrix/media/v3/config", .handler = handler, .resource = "media|client"},
    {NULL},
};

static struct gg_router *build(void)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_router *router = gg_router_new();
    for (const struct gg_route *route = table; route->method != NULL; route++)
        assert_int_equal(gg_router_add(router, route, NULL, "test", &err), 0);
    return router;
}

static int find(struct gg_router *router, const char *method, const char *path, struct gg_router_match *match)
{
    return gg_router_find(router, method, gg_str(path), GG_RES_CLIENT, match);
}

static void test_spellings(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    char **list = gg_spellings("/a/(b|c/d)/e/(f|)", &err);
    assert_non_null(list);
    static const char *const expected[] = {"/a/b/e/f", "/a/c/d/e/f", "/a/b/e/", "/a/c/d/e/"};
    size_t n = 0;
    for (; list[n] != NULL; n++)
        assert_true(strcmp(list[n], expected[0]) == 0 || strcmp(list[n], expected[1]) == 0 ||
                    strcmp(list[n], expected[2]) == 0 || strcmp(list[n], expected[3]) == 0);
    assert_int_equal(n, 4);
    gg_spellings_free(list);
    assert_null(gg_spellings("/a/(b", &err));
    assert_null(gg_spellings("/a/(b(c|d))", &err));
}

static void test_find(void **state)
{
    struct gg_router *router = build();
    struct gg_router_match m;
    assert_int_equal(find(router, "GET", "/_matrix/client/api/v1/rooms/!r/state/m.room.name/a%2Fb", &m), 0);
    assert_string_equal(m.entry->spelling, "/_matrix/client/api/v1/rooms/{room_id}/state/{type}/{key}");
    assert_int_equal(m.n_values, 3);
    assert_true(gg_str_is(m.values[0], "!r"));
    assert_true(gg_str_is(m.values[2], "a%2Fb"));
    assert_string_equal(m.entry->names[2], "key");
    assert_int_equal(find(router, "GET", "/_matrix/client/v3/rooms/!r/state/m.room.name/", &m), 0);
    assert_int_equal(m.n_values, 3);
    assert_int_equal(m.values[2].n, 0);
    assert_int_equal(find(router, "GET", "/_matrix/client/v3/rooms/!r/state", &m), 0);
    assert_int_equal(m.n_values, 1);
    assert_int_equal(find(router, "HEAD", "/_matrix/client/v3/rooms/!r/state", &m), 0);
    assert_int_equal(find(router, "GET", "/_matrix/client/v3/rooms/!r/stat", &m), GG_E_NOT_FOUND);
    assert_int_equal(find(router, "GET", "/_matrix/client/v3/rooms%2F!r/state", &m), GG_E_NOT_FOUND);
    assert_int_equal(find(router, "POST", "/_matrix/client/v3/rooms/!r/state", &m), GG_E_INVALID);
    assert_int_equal(find(router, "GET", "/_matrix/client/v3/pushrules/", &m), 0);
    assert_int_equal(find(router, "GET", "/_matrix/client/v3/pushrules", &m), GG_E_NOT_FOUND);
    assert_int_equal(find(router, "GET", "", &m), GG_E_NOT_FOUND);
    assert_int_equal(find(router, "GET", "x", &m), GG_E_NOT_FOUND);
    gg_router_free(router);
}

/* A literal segment goes first, but not where only the parameter has the method. */
static void test_priority(void **state)
{
    struct gg_router *router = build();
    struct gg_router_match m;
    assert_int_equal(find(router, "GET", "/_matrix/client/v3/profile/@u:h/displayname", &m), 0);
    assert_string_equal(m.entry->route->path, "/_matrix/client/v3/profile/{user_id}/displayname");
    assert_int_equal(find(router, "PUT", "/_matrix/client/v3/profile/@u:h/displayname", &m), 0);
    assert_string_equal(m.entry->route->path, "/_matrix/client/v3/profile/{user_id}/{field}");
    assert_int_equal(m.n_values, 2);
    assert_true(gg_str_is(m.values[0], "@u:h"));
    assert_true(gg_str_is(m.values[1], "displayname"));
    char allowed[64];
    gg_router_allowed(router, GG_STR("/_matrix/client/v3/profile/@u:h/displayname"), GG_RES_CLIENT, allowed,
                      sizeof(allowed));
    assert_string_equal(allowed, "GET, PUT");
    gg_router_free(router);
}

static void test_prefix_and_resources(void **state)
{
    struct gg_router *router = build();
    struct gg_router_match m;
    assert_int_equal(find(router, "GET", "/_matrix/static/x/y.css", &m), 0);
    assert_string_equal(m.entry->spelling, "/_matrix/static/");
    assert_int_equal(find(router, "GET", "/_matrix/static/client/login/", &m), 0);
    assert_string_equal(m.entry->spelling, "/_matrix/static/client/");
    assert_int_equal(find(router, "GET", "/_matrix/static", &m), GG_E_NOT_FOUND);
    assert_int_equal(gg_router_find(router, "GET", GG_STR("/_matrix/media/v3/config"), GG_RES_MEDIA, &m), 0);
    assert_int_equal(gg_router_find(router, "GET", GG_STR("/_matrix/media/v3/config"), GG_RES_CLIENT, &m), 0);
    assert_int_equal(gg_router_find(router, "GET", GG_STR("/_matrix/media/v3/config"), GG_RES_FEDERATION, &m),
                     GG_E_NOT_FOUND);
    gg_router_free(router);
}

static void test_conflicts(void **state)
{
    struct gg_router *router = build();
    struct gg_error err = GG_ERROR_INIT;
    static const struct gg_route same = ROUTE("PUT", "/_matrix/client/v3/profile/{u}/{f}");
    static const struct gg_route known = {
        .method = "PUT", .path = "/_matrix/client/v3/profile/{u}/{f}", .resource = "client"};
    static const struct gg_route late = {.method = "GET", .path = "/late", .resource = "client"};
    static const struct gg_route served = ROUTE("GET", "/late");
    assert_int_equal(gg_router_add(router, &table[0], NULL, "other", &err), 0); /* the same object */
    assert_int_equal(gg_router_add(router, &known, NULL, "other", &err), 0);    /* no handler: no claim */
    assert_int_equal(gg_router_add(router, &same, NULL, "other", &err), GG_E_CONFLICT);
    assert_non_null(strstr(err.message, "test"));
    assert_non_null(strstr(err.message, "other"));
    struct gg_router_match m;
    assert_int_equal(gg_router_add(router, &late, NULL, "a", &err), 0);
    assert_int_equal(gg_router_add(router, &served, NULL, "b", &err), 0);
    assert_int_equal(find(router, "GET", "/late", &m), 0);
    assert_ptr_equal(m.entry->route, &served);
    static const struct gg_route bad[] = {
        ROUTE("GET", "no-slash"),
        ROUTE("GET", "/a/{b}c"),
        ROUTE("GET", "/(a"),
        {.method = "GET", .path = "/x", .handler = handler, .resource = "nowhere"},
    };
    for (size_t i = 0; i < GG_COUNT(bad); i++)
        assert_int_equal(gg_router_add(router, &bad[i], NULL, "bad", &err), GG_E_INVALID);
    gg_router_free(router);
}

static void test_list_and_speed(void **state)
{
    struct gg_router *router = build();
    size_t n = 0;
    while (gg_router_at(router, n) != NULL)
        n++;
    assert_int_equal(n, 4 + 4 + 8 + 6);
    struct gg_router_match m;
    int64_t from = gg_clock_us();
    enum { ROUNDS = 100000 };
    for (int i = 0; i < ROUNDS; i++)
        assert_true(gg_router_find(router, "GET",
                                   GG_STR("/_matrix/client/v3/rooms/!abc:example.org/state/m.room.name/"),
                                   GG_RES_CLIENT, &m) == 0);
    printf("one look-up: %.0f ns\n", (double)(gg_clock_us() - from) * 1000.0 / ROUNDS);
    gg_router_free(router);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings), cmocka_unit_test(test_find),
        cmocka_unit_test(test_priority),  cmocka_unit_test(test_prefix_and_resources),
        cmocka_unit_test(test_conflicts), cmocka_unit_test(test_list_and_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
