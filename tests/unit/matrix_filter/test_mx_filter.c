/* Event filters: what patterns match, and that no filter makes an event costly. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "filter/filter.h"

static int parse(const char *json, struct gg_arena *arena, struct mx_filter *out)
{
    struct gg_error err = GG_ERROR_INIT;
    return mx_filter_parse(gg_str(json), arena, out, &err);
}

static bool type_passes(const char *pattern, const char *type)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_filter filter;
    char json[300];
    snprintf(json, sizeof(json), "{\"types\":[\"%s\"]}", pattern);
    assert_int_equal(parse(json, arena, &filter), 0);
    bool passes = mx_filter_type(&filter, gg_str(type));
    gg_arena_free(arena);
    return passes;
}

static void test_patterns(void **state)
{
    static const struct {
        const char *pattern, *type;
        bool passes;
    } cases[] = {
        {"m.room.message", "m.room.message", true}, {"m.room.message", "m.room.messages", false},
        {"m.room.*", "m.room.message", true},       {"m.room.*", "m.room.", true},
        {"m.room.*", "m.roo", false},               {"*", "", true},
        {"*", "anything", true},                    {"*.message", "m.room.message", true},
        {"*.message", "m.room.messages", false},    {"m.*.x", "m.x", false},
        {"m.*.x", "m..x", true},                    {"m.*.*.x", "m.a.b.x", true},
        {"m.*.*.x", "m.a.x", false},                {"**", "a", true},
        {"a*a", "a", false},                        {"a*a", "aa", true},
        {"", "", true},                             {"", "a", false},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++)
        if (type_passes(cases[i].pattern, cases[i].type) != cases[i].passes)
            fail_msg("%s on %s", cases[i].pattern, cases[i].type);
}

static void test_a_costly_filter_is_refused(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_filter filter;
    struct gg_buf json = GG_BUF_INIT;
    gg_buf_lit(&json, "{\"not_types\":[");
    for (int i = 0; i < 500; i++)
        gg_buf_printf(&json, "%s\"*a*a*a*a*a*a*a*b\"", i > 0 ? "," : "");
    gg_buf_lit(&json, "]}");
    assert_true(parse(gg_arena_strndup(arena, json.data, json.n), arena, &filter) < 0);
    gg_buf_clear(&json);
    gg_buf_lit(&json, "{\"types\":[");
    for (int i = 0; i < 2000; i++)
        gg_buf_printf(&json, "%s\"com.example.type%d.*\"", i > 0 ? "," : "", i);
    gg_buf_lit(&json, "]}");
    assert_int_equal(parse(gg_arena_strndup(arena, json.data, json.n), arena, &filter), 0);
    gg_buf_done(&json);
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_a_costly_filter_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
