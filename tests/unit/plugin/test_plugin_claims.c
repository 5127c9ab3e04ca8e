/* Descriptors: judged, copied by their compiled size; claims compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugin/claims.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int handler_a(void *self, struct gg_request *rq, struct gg_error *err)
{
    return 1;
}

static int handler_b(void *self, struct gg_request *rq, struct gg_error *err)
{
    return 2;
}

static const struct gg_plugin sound = {.magic = GG_MAGIC,
                                       .abi_major = GG_ABI_MAJOR,
                                       .abi_minor = GG_ABI_MINOR,
                                       .size = sizeof(struct gg_plugin),
                                       .route_size = sizeof(struct gg_route),
                                       .key_size = sizeof(struct gg_config_key),
                                       .method_size = sizeof(struct gg_method),
                                       .migration_size = sizeof(struct gg_migration),
                                       .include_size = sizeof(struct gg_include),
                                       .name = "one"};

static int adopt(struct gg_arena *arena, const struct gg_plugin *plugin, struct gg_role **role, struct gg_error *err)
{
    memset(err, 0, sizeof(*err));
    return gg_role_adopt(arena, plugin, "/x/one.so", "one", role, err);
}

static void refused(const struct gg_plugin *plugin, const char *why)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_role *role;
    struct gg_error err;
    assert_int_equal(adopt(arena, plugin, &role, &err), GG_E_INVALID);
    assert_non_null(strstr(err.message, "/x/one.so"));
    assert_non_null(strstr(err.message, why));
    gg_arena_free(arena);
}

static void refused_for_abi(const struct gg_plugin *plugin)
{
    char why[80];
    snprintf(why, sizeof(why), "plugin ABI %u.%u, this host has %u.%u", (unsigned)plugin->abi_major,
             (unsigned)plugin->abi_minor, (unsigned)GG_ABI_MAJOR, (unsigned)GG_ABI_MINOR);
    refused(plugin, why);
}

static void test_judging(void **state)
{
    struct gg_plugin p = sound;
    refused(NULL, "no Ganglion plugin");
    p.magic++;
    refused(&p, "no Ganglion plugin");
    p = sound;
    p.abi_major = GG_ABI_MAJOR + 1;
    refused_for_abi(&p);
    p = sound;
    p.abi_minor = GG_ABI_MINOR + 1;
    refused_for_abi(&p);
    p = sound;
    p.name = "two";
    refused(&p, "must be called two.so");
    p = sound;
    p.route_size = 8;
    refused(&p, "damaged");
    p = sound;
    p.size = 64;
    refused(&p, "damaged");
}

/* A plugin of a later minor: its structs are larger than ours. */
struct larger_route {
    struct gg_route route;
    const char *more;
};

static void test_tables_of_another_size(void **state)
{
    static const struct larger_route own[] = {
        {{.method = "GET", .path = "/a", .handler = handler_a, .resource = "client"}, "x"},
        {{.method = "PUT", .path = "/b", .handler = handler_b, .resource = "client"}, "y"},
        {{0}, NULL}};
    static const struct gg_route group[] = {{.method = "POST", .path = "/c", .handler = handler_a}, {0}};
    static const struct gg_route *const groups[] = {group, NULL};
    struct gg_plugin p = sound;
    p.routes = &own[0].route;
    p.route_size = sizeof(own[0]);
    p.route_groups = groups;
    struct gg_arena *arena = gg_arena_new();
    struct gg_role *role;
    struct gg_error err;
    assert_int_equal(adopt(arena, &p, &role, &err), 0);
    assert_int_equal(role->n_routes, 3);
    assert_string_equal(role->routes[1].method, "PUT");
    assert_ptr_equal(role->routes[1].handler, handler_b);
    assert_string_equal(role->routes[2].path, "/c");
    assert_null(role->routes[3].method);
    assert_null(role->includes[0].role);
    assert_null(role->desc.worker_apps[0]);
    gg_arena_free(arena);
}

static void test_migrations_end_with_zero(void **state)
{
    static const struct gg_migration own[] = {{1, "A"}, {2, "B"}, {0, NULL}};
    struct gg_plugin p = sound;
    p.migrations = own;
    struct gg_arena *arena = gg_arena_new();
    struct gg_role *role;
    struct gg_error err;
    assert_int_equal(adopt(arena, &p, &role, &err), 0);
    assert_int_equal(role->migrations[1].version, 2);
    assert_string_equal(role->migrations[1].sql, "B");
    assert_int_equal(role->migrations[2].version, 0);
    gg_arena_free(arena);
}

static struct gg_plugins *two(const struct gg_plugin *a, const struct gg_plugin *b)
{
    struct gg_plugins *plugins = gg_plugins_new(NULL);
    struct gg_error err = GG_ERROR_INIT;
    assert_int_equal(gg_role_adopt(plugins->arena, a, "/x/a.so", a->name, &plugins->roles[0], &err), 0);
    assert_int_equal(gg_role_adopt(plugins->arena, b, "/x/b.so", b->name, &plugins->roles[1], &err), 0);
    plugins->n = 2;
    return plugins;
}

static void claims_are(const struct gg_plugin *a, const struct gg_plugin *b, int expected, const char *why)
{
    struct gg_plugins *plugins = two(a, b);
    struct gg_error err = GG_ERROR_INIT;
    assert_int_equal(gg_claims_check(plugins, &err), expected);
    if (why != NULL)
        assert_non_null(strstr(err.message, why));
    gg_plugins_free(plugins);
}

static void test_one_worker_app_twice(void **state)
{
    static const char *const apps[] = {"synapse.app.x", NULL};
    struct gg_plugin a = sound, b = sound;
    b.name = "two";
    a.worker_apps = apps;
    claims_are(&a, &b, 0, NULL);
    b.worker_apps = apps;
    claims_are(&a, &b, GG_E_CONFLICT, "worker_app synapse.app.x is claimed by two plugins, /x/a.so and /x/b.so");
}

static void test_one_route_twice(void **state)
{
    static const struct gg_route ra[] = {{.method = "GET", .path = "/(r0|v3)/{room}", .handler = handler_a}, {0}};
    static const struct gg_route rb[] = {{.method = "GET", .path = "/v3/{other}", .handler = handler_b}, {0}};
    static const struct gg_route put[] = {{.method = "PUT", .path = "/v3/{other}", .handler = handler_b}, {0}};
    static const struct gg_route same[] = {{.method = "GET", .path = "/v3/{other}", .handler = handler_a}, {0}};
    static const struct gg_route known[] = {{.method = "GET", .path = "/v3/{other}"}, {0}};
    static const struct gg_include includes[] = {{.role = "two"}, {0}};
    struct gg_plugin a = sound, b = sound;
    b.name = "two";
    a.routes = ra;
    b.routes = rb;
    claims_are(&a, &b, GG_E_CONFLICT, "the route GET /v3/{other} is claimed by two plugins");
    b.routes = put;
    claims_are(&a, &b, 0, NULL);
    b.routes = same; /* a table that both list */
    claims_are(&a, &b, 0, NULL);
    b.routes = known; /* only forwarded */
    claims_are(&a, &b, 0, NULL);
    b.routes = rb;
    a.includes = includes;
    claims_are(&a, &b, 0, NULL);
}

static int count_route(void *arg, const struct gg_role *role, const struct gg_route *route, struct gg_error *err)
{
    int *n = arg;
    assert_ptr_equal(route->handler, handler_a);
    (*n)++;
    return 0;
}

static void test_the_includer_wins(void **state)
{
    static const struct gg_route ra[] = {{.method = "GET", .path = "/x", .handler = handler_a}, {0}};
    static const struct gg_route rb[] = {{.method = "GET", .path = "/x", .handler = handler_b}, {0}};
    static const struct gg_include includes[] = {{.role = "two"}, {0}};
    struct gg_plugin a = sound, b = sound;
    b.name = "two";
    a.routes = ra;
    a.includes = includes;
    b.routes = rb;
    struct gg_plugins *plugins = two(&a, &b);
    struct gg_error err = GG_ERROR_INIT;
    int n = 0;
    assert_int_equal(gg_claims_each(plugins, count_route, &n, &err), 0);
    assert_int_equal(n, 1);
    gg_plugins_free(plugins);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judging),
        cmocka_unit_test(test_tables_of_another_size),
        cmocka_unit_test(test_migrations_end_with_zero),
        cmocka_unit_test(test_one_worker_app_twice),
        cmocka_unit_test(test_one_route_twice),
        cmocka_unit_test(test_the_includer_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
