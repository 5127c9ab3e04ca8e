/* worker_app -> file, package and schema; folders; spellings of patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugin/name.h"
#include "plugin/path.h"
#include "plugin/spelling.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void role_is(const char *app, const char *base, bool historical)
{
    struct gg_role_name name;
    struct gg_error err = GG_ERROR_INIT;
    assert_int_equal(gg_role_of_app(app, &name, &err), 0);
    assert_string_equal(name.base, base);
    assert_int_equal(name.historical, historical);
}

static void test_names_of_synapse(void **state)
{
    role_is(NULL, "homeserver", false);
    role_is("synapse.app.homeserver", "homeserver", false);
    role_is("synapse.app.pusher", "pusher", false);
    role_is("synapse.app.frontend_proxy", "frontend_proxy", false);
    role_is("com.example.app.room_note", "com.example.app.room_note", false);
}

static void test_historical_names(void **state)
{
    role_is("synapse.app.synchrotron", "generic_worker", true);
    role_is("synapse.app.client_reader", "generic_worker", true);
    role_is("synapse.app.federation_reader", "generic_worker", true);
    role_is("synapse.app.event_creator", "generic_worker", true);
    role_is("synapse.app.event_creators", "event_creators", false); /* no prefix match */
}

static void test_names_that_are_no_app(void **state)
{
    static const char *const bad[] = {"",         "pusher",        "../evil.so", "synapse.app.", "synapse.app.a.b",
                                      "a/b.c",    ".hidden.app",   "-c.example", "a b.c",        "synapse.app.../x",
                                      "a.b\n.so", "synapse.app.-x"};
    for (size_t i = 0; i < GG_COUNT(bad); i++) {
        struct gg_role_name name;
        struct gg_error err = GG_ERROR_INIT;
        assert_int_equal(gg_role_of_app(bad[i], &name, &err), GG_E_INVALID);
        assert_non_null(strstr(err.message, "worker_app"));
    }
    char longest[400];
    struct gg_role_name name;
    struct gg_error err = GG_ERROR_INIT;
    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "a.b", 3);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(gg_role_of_app(longest, &name, &err), GG_E_INVALID);
}

static void test_package_and_schema(void **state)
{
    char text[GG_ROLE_MAX + 32];
    gg_role_package("generic_worker", text, sizeof(text));
    assert_string_equal(text, "ganglion-plugin-generic-worker");
    gg_role_schema("com.example.app.Room-note", text, sizeof(text));
    assert_string_equal(text, "ganglion_room_note");
    gg_role_schema("pusher", text, sizeof(text));
    assert_string_equal(text, "ganglion_pusher");
}

static void touch(const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
}

static void test_folders(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    char one[] = "/tmp/gg_path_XXXXXX", two[] = "/tmp/gg_path_XXXXXX", environment[128];
    assert_non_null(mkdtemp(one));
    assert_non_null(mkdtemp(two));
    snprintf(environment, sizeof(environment), "%s::%s", one, two);
    const char *const options[] = {two, NULL};
    touch(one, "a.role.so");
    touch(one, "b.so");
    touch(one, "no_plugin.txt");
    touch(one, ".so");
    touch(two, "b.so");
    const char *const *folders = gg_plugin_folders(arena, options, environment);
    assert_string_equal(folders[0], two); /* the option stands first, and each is there once */
    assert_string_equal(folders[1], one);
    for (size_t i = 2; folders[i] != NULL; i++)
        assert_string_not_equal(folders[i], two);
    const char *path = gg_plugin_find(arena, folders, "b");
    assert_true(strncmp(path, two, strlen(two)) == 0);
    assert_null(gg_plugin_find(arena, folders, "no_plugin"));
    size_t n;
    const char *const only_these[] = {one, two, NULL};
    const char *const *names = gg_plugin_installed(arena, only_these, &n);
    assert_int_equal(n, 2);
    assert_string_equal(names[0], "a.role");
    assert_string_equal(names[1], "b");
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s %s", one, two);
    assert_int_equal(system(command), 0);
    gg_arena_free(arena);
}

static void test_spellings(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    const char **list;
    size_t n;
    assert_int_equal(gg_path_spellings(arena, "/x/(r0|v3|api/v1)/{a}/(b|c)", &list, &n, &err), 0);
    assert_int_equal(n, 6);
    bool first = false, last = false;
    for (size_t i = 0; i < n; i++) {
        first = first || strcmp(list[i], "/x/r0/{a}/b") == 0;
        last = last || strcmp(list[i], "/x/api/v1/{a}/c") == 0;
    }
    assert_true(first && last);
    assert_int_equal(gg_path_spellings(arena, "/open(a|b", &list, &n, &err), GG_E_INVALID);
    assert_string_equal(gg_path_shape(arena, "/a/{room_id}/{x}b"), "/a/{}/{}b");
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_synapse),
        cmocka_unit_test(test_historical_names),
        cmocka_unit_test(test_names_that_are_no_app),
        cmocka_unit_test(test_package_and_schema),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_spellings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
