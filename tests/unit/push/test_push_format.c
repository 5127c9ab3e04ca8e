/* Push rules as clients see them, and JSON as the tables hold it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "push/format.h"
#include "push/text.h"

static void check_text(void (*write)(struct gg_buf *, struct gg_str, struct gg_arena *), const char *from, const char *to)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_buf out = GG_BUF_INIT;
    write(&out, gg_str(from), arena);
    assert_string_equal(out.data, to);
    gg_buf_done(&out);
    gg_arena_free(arena);
}

static void test_text(void **state)
{
    check_text(mx_push_write_json, "[ 1, {\"b\" : null, \"a\":\"\xc3\xa9\xf0\x9f\x98\x80\"} ]",
               "[1,{\"b\":null,\"a\":\"\\u00e9\\ud83d\\ude00\"}]");
    check_text(mx_push_write_action, "\"notify\"", "\"notify\"");
    check_text(mx_push_write_action, "{\"z\":1,\"value\":true,\"a\":{},\"set_tweak\":\"x\"}",
               "{\"set_tweak\":\"x\",\"value\":true,\"a\":{},\"z\":1}");
    check_text(mx_push_write_action, "{\"set_tweak\":\"x\",\"value\":null}", "{\"set_tweak\":\"x\"}");
    check_text(mx_push_write_action, "{}", "{}");
}

/* Stored actions: the two frequent lists are written as nothing, and mean themselves again. */
static void test_stored_actions(void **state)
{
    static const struct {
        const char *json, *stored;
        bool notify, highlight;
    } cases[] = {
        {"[\"notify\",{\"set_tweak\":\"highlight\",\"value\":false}]", "", true, false},
        {"[\"notify\",{\"set_tweak\":\"sound\",\"value\":\"default\"},{\"set_tweak\":\"highlight\"}]", "", true, true},
        {"[\"notify\",{\"set_tweak\":\"highlight\"},{\"set_tweak\":\"sound\",\"value\":\"default\"}]",
         "[\"notify\",{\"set_tweak\":\"highlight\"},{\"set_tweak\":\"sound\",\"value\":\"default\"}]", true, true},
        {"[\"dont_notify\",\"coalesce\"]", "[]", false, false},
        {"[\"dont_notify\",\"notify\"]", "[\"notify\"]", true, false},
        {"[{\"set_tweak\":\"highlight\",\"value\":0},{\"set_tweak\":\"highlight\"}]",
         "[{\"set_tweak\":\"highlight\",\"value\":0},{\"set_tweak\":\"highlight\"}]", false, false},
        {"5", "[]", false, false},
    };
    struct gg_arena *arena = gg_arena_new();
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        struct mx_push_actions a = mx_push_actions_read(gg_str(cases[i].json), arena);
        assert_true(gg_str_is(a.stored, cases[i].stored));
        assert_int_equal(a.notify, cases[i].notify);
        assert_int_equal(a.highlight, cases[i].highlight);
        assert_true(gg_str_eq(mx_push_stored_actions(a.stored, a.highlight), a.run));
    }
    gg_arena_free(arena);
}

static const struct mx_push_rule_row own[] = {
    {GG_STR("global/override/mine"), GG_STR("[{\"kind\":\"event_match\",\"key\":\"type\",\"pattern_type\":\"user_id\"}]"),
     GG_STR("[\"dont_notify\"]"), MX_PUSH_OVERRIDE},
    {GG_STR("global/content/two"), GG_STR("[{\"pattern\":\"a\"},{\"pattern\":\"b\"}]"), GG_STR("[]"), MX_PUSH_CONTENT},
    {GG_STR("global/room/other"), GG_STR("[{\"kind\":\"event_match\",\"key\":\"room_id\",\"pattern\":\"!r:h\"}]"),
     GG_STR("[\"notify\"]"), MX_PUSH_ROOM},
    {GG_STR("global/underride/.m.rule.message"), GG_STR("[]"), GG_STR("[\"notify\"]"), MX_PUSH_CHANGED},
    {GG_STR("global/none/x"), GG_STR("[]"), GG_STR("[\"notify\"]"), 9},
};

static void check_rule(const struct mx_push_rules *rules, int8_t class, const char *id, const char *expected)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_buf out = GG_BUF_INIT;
    bool found = mx_push_write_rule(&out, rules, class, gg_str(id), GG_STR("@u.v:h"), arena);
    assert_int_equal(found, expected != NULL);
    assert_string_equal(out.data, expected ? expected : "");
    gg_buf_done(&out);
    gg_arena_free(arena);
}

static void test_rules(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_push_base *base = mx_push_base_new(arena);
    struct mx_push_rows rows = {own, &(struct mx_push_enable_row){GG_STR("global/room/other"), false}, GG_COUNT(own), 1};
    struct mx_push_rules *rules = mx_push_rules_make(base, 0, &rows, true, arena);
    /* what a user writes is shown as written; only the server's rules name the user */
    check_rule(rules, MX_PUSH_OVERRIDE, "mine",
               "{\"conditions\":[{\"kind\":\"event_match\",\"key\":\"type\",\"pattern_type\":\"user_id\"}],"
               "\"actions\":[\"dont_notify\"],\"rule_id\":\"mine\",\"default\":false,\"enabled\":true}");
    check_rule(rules, MX_PUSH_ROOM, "!r:h",
               "{\"actions\":[\"notify\"],\"rule_id\":\"!r:h\",\"default\":false,\"enabled\":false}");
    check_rule(rules, MX_PUSH_CONTENT, ".m.rule.contains_user_name",
               "{\"pattern\":\"u.v\",\"actions\":[\"notify\",{\"set_tweak\":\"highlight\"},{\"set_tweak\":\"sound\","
               "\"value\":\"default\"}],\"rule_id\":\".m.rule.contains_user_name\",\"default\":true,\"enabled\":true}");
    check_rule(rules, MX_PUSH_UNDERRIDE, ".m.rule.message",
               "{\"conditions\":[{\"kind\":\"event_match\",\"key\":\"type\",\"pattern\":\"m.room.message\"}],"
               "\"actions\":[\"notify\"],\"rule_id\":\".m.rule.message\",\"default\":true,\"enabled\":true}");
    check_rule(rules, MX_PUSH_CONTENT, "two", NULL); /* no form of the API has two patterns */
    check_rule(rules, MX_PUSH_ROOM, "other", NULL);
    struct gg_buf out = GG_BUF_INIT;
    struct gg_error err = GG_ERROR_INIT;
    mx_push_write_rules(&out, rules, GG_STR("@u.v:h"), arena);
    assert_int_equal(mx_json_check(gg_buf_view(&out), 100, &err), 0);
    assert_int_equal(mx_json_length(mx_json_path(gg_buf_view(&out), (const char *const[]){"global", "content", NULL})), 1);
    assert_null(strstr(out.data, "value_type"));
    gg_buf_done(&out);
    gg_arena_free(arena);
}

static void test_features(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_push_base *base = mx_push_base_new(arena);
    struct mx_push_rows none = {.n_rules = 0};
    size_t plain = mx_push_rules_make(base, 0, &none, false, arena)->n;
    assert_int_equal(plain, 19);
    assert_int_equal(mx_push_rules_make(base, MX_PUSH_F_POLLS, &none, false, arena)->n, plain + 5);
    assert_int_equal(mx_push_rules_make(base, MX_PUSH_F_MODERN_MENTIONS, &none, false, arena)->n, plain - 3);
    assert_int_equal(mx_push_rules_make(base, 127, &none, false, arena)->n, mx_push_n_base_rules - 3);
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_stored_actions),
                                       cmocka_unit_test(test_rules), cmocka_unit_test(test_features)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
