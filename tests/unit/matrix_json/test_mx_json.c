/* test_mx_json.c: slices, the checker, trees and both writers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ganglion/matrix/json.h>
#include <stdio.h>
#include <stdlib.h>

static struct gg_arena *arena;

static int set_up(void **state)
{
    arena = gg_arena_new();
    return 0;
}

static int tear_down(void **state)
{
    gg_arena_free(arena);
    return 0;
}

static struct mx_json *parse(struct gg_str text)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_json *v = NULL;
    if (mx_json_parse(text, 1000, arena, &v, &err) != 0)
        fail_msg("%.*s: %s", GG_FMT(text), err.message);
    return v;
}

static char *canonical(struct gg_str text)
{
    struct gg_buf out = GG_BUF_INIT;
    char *copy;
    mx_json_canonical(&out, parse(text));
    copy = gg_arena_strndup(arena, out.data, out.n);
    gg_buf_done(&out);
    return copy;
}

static char *rewritten(struct gg_str text)
{
    struct gg_buf out = GG_BUF_INIT;
    char *copy;
    mx_json_write(&out, parse(text));
    copy = gg_arena_strndup(arena, out.data, out.n);
    gg_buf_done(&out);
    return copy;
}

/* Specification, appendix "Canonical JSON", examples; and what canonicaljson 2.0.0 prints for the rest. The last
 * example of the specification (1e10) is about integers: canonicaljson leaves it a float. */
static void canonical_examples(void **state)
{
    static const char *const cases[][2] = {
        {"{}", "{}"},
        {"{\n    \"one\": 1,\n    \"two\": \"Two\"\n}", "{\"one\":1,\"two\":\"Two\"}"},
        {"{ \"b\": \"2\", \"a\": \"1\" }", "{\"a\":\"1\",\"b\":\"2\"}"},
        {"{\"auth\": {\"success\": true, \"mxid\": \"@john.doe:example.com\", \"profile\": {\"display_name\": \"John "
         "Doe\","
         " \"three_pids\": [{\"medium\": \"email\", \"address\": \"john.doe@example.org\"}, {\"medium\": \"msisdn\","
         " \"address\": \"123456789\"}]}}}",
         "{\"auth\":{\"mxid\":\"@john.doe:example.com\",\"profile\":{\"display_name\":\"John Doe\",\"three_pids\":[{"
         "\"address\":\"john.doe@example.org\",\"medium\":\"email\"},{\"address\":\"123456789\",\"medium\":\"msisdn\"}]"
         "},"
         "\"success\":true}}"},
        {"{\"a\": \"日本語\"}", "{\"a\":\"日本語\"}"},
        {"{\"本\": 2, \"日\": 1}", "{\"日\":1,\"本\":2}"},
        {"{\"a\": \"\\u65E5\"}", "{\"a\":\"日\"}"},
        {"{\"a\": null}", "{\"a\":null}"},
        {"{\"a\": -0, \"b\": 1e10}", "{\"a\":0,\"b\":10000000000.0}"},
        {"[1.0,1e5,-0.0,1e16,1e15,1e-5,0.0001,1e22,5e-324,9007199254740993.0]",
         "[1.0,100000.0,-0.0,1e+16,1000000000000000.0,1e-05,0.0001,1e+22,5e-324,9007199254740992.0]"},
        {"[5.684341886080802e-14,123456789012345680.0,0.1,1.5E300,2.2250738585072014e-308]",
         "[5.684341886080802e-14,1.2345678901234568e+17,0.1,1.5e+300,2.2250738585072014e-308]"},
        {"123456789012345678901234567890", "123456789012345678901234567890"},
        {"\"\\u0000\\u001f\\u007f\\u2028\\/\\b\\f\\n\\r\\t\\\"\\\\\"",
         "\"\\u0000\\u001f\x7f\u2028/\\b\\f\\n\\r\\t\\\"\\\\\""},
        {"\"\\ud83d\\ude00\"", "\"\U0001F600\""},
        {"{\"b\":1,\"a\":2,\"b\":3}", "{\"a\":2,\"b\":3}"},
        {"{\"\U0001F600\":1,\"\uffee\":2}", "{\"\uffee\":2,\"\U0001F600\":1}"},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++)
        assert_string_equal(canonical(gg_str(cases[i][0])), cases[i][1]);
}

static void canonical_is_a_fixed_point(void **state)
{
    static const char *const texts[] = {"[1e5,-0,{\"b\":[],\"a\":{}},\"\\ud800x\"]", "{\"\":{\"\":[[[]]]}}", "3.0e-7"};
    for (size_t i = 0; i < GG_COUNT(texts); i++) {
        char *once = canonical(gg_str(texts[i]));
        assert_string_equal(canonical(gg_str(once)), once);
    }
}

static void writing_keeps_what_it_read(void **state)
{
    assert_string_equal(rewritten(gg_str(" { \"b\" : 1e5 , \"a\" : [ -0 , 1.0, 1E400 ] } ")),
                        "{\"b\":1e5,\"a\":[-0,1.0,1E400]}");
    assert_string_equal(rewritten(gg_str("{\"b\":1,\"a\":2,\"b\":3}")), "{\"b\":3,\"a\":2}");
    assert_string_equal(rewritten(gg_str("\"\\uD800\\uDBFF\\uDC00\"")), "\"\\ud800\U0010FC00\"");
}

static void many_members_stay_distinct(void **state)
{
    struct gg_buf text = GG_BUF_INIT;
    gg_buf_char(&text, '{');
    for (int i = 0; i < 300; i++)
        gg_buf_printf(&text, "%s\"k%d\":%d", i ? "," : "", i % 100, i);
    gg_buf_char(&text, '}');
    struct mx_json *v = parse(gg_buf_view(&text));
    assert_int_equal(v->n, 100);
    for (int i = 0; i < 100; i++) {
        char key[16], value[16];
        snprintf(key, sizeof(key), "k%d", i);
        snprintf(value, sizeof(value), "%d", 200 + i);
        assert_true(gg_str_is(v->members[i].key, key));
        assert_true(gg_str_is(v->members[i].value->text, value));
    }
    gg_buf_done(&text);
}

static void what_is_no_json(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "}",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "[1 2]",
        "01",
        "1.",
        ".5",
        "-",
        "1e",
        "+1",
        "nul",
        "tru",
        "NaN",
        "Infinity",
        "\"",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\n\"",
        "\"\x80\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "[]]",
        "{a:1}",
        "'a'",
        "[1]x",
        "\"\xe2\x82\"",
        "{\"a\":1 \"b\":2}",
        "[",
        "{\"a\":[}",
        "[{]}",
    };
    for (size_t i = 0; i < GG_COUNT(texts); i++) {
        struct gg_error err = GG_ERROR_INIT;
        if (mx_json_check(gg_str(texts[i]), 100, &err) == 0)
            fail_msg("taken for JSON: %s", texts[i]);
        assert_string_equal(err.errcode, "M_NOT_JSON");
        assert_int_equal(err.http_status, 400);
    }
}

static char *nested(size_t depth)
{
    char *text = gg_arena_alloc(arena, depth * 2 + 1);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    text[depth * 2] = '\0';
    return text;
}

static void depth_is_bounded(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_json *v;
    assert_int_equal(mx_json_parse(gg_str(nested(1000)), 1000, arena, &v, &err), 0);
    assert_string_equal(rewritten(gg_str(nested(1000))), nested(1000));
    assert_int_not_equal(mx_json_parse(gg_str(nested(1001)), 1000, arena, &v, &err), 0);
    assert_string_equal(err.errcode, "M_BAD_JSON");
    assert_int_not_equal(mx_json_check(gg_str(nested(100000)), UINT32_MAX, &err), 0);
}

static void slices(void **state)
{
    static const char *const path[] = {"c", "d", NULL};
    struct gg_str o =
        GG_STR(" { \"a\" : 1 , \"b\":\"x\\\"}\\u00e9\" ,\"c\":{\"d\":[1,{\"e\":\"]\"}],\"a\":5}, \"\\u0061b\":true,"
               "\"b\":\"last\" } ");
    int64_t n;
    assert_true(gg_str_is(mx_json_get(o, "a"), "1"));
    assert_true(gg_str_is(mx_json_get(o, "b"), "\"last\""));
    assert_true(gg_str_is(mx_json_get(o, "ab"), "true"));
    assert_null(mx_json_get(o, "d").s);
    assert_null(mx_json_get(GG_STR("[1]"), "a").s);
    assert_true(gg_str_is(mx_json_path(o, path), "[1,{\"e\":\"]\"}]"));
    assert_int_equal(mx_json_length(o), 5);
    assert_int_equal(mx_json_length(mx_json_path(o, path)), 2);
    assert_int_equal(mx_json_length(GG_STR("[ ]")), 0);
    assert_true(gg_str_is(mx_json_string(GG_STR("\"x\\\"}\\u00e9\""), arena), "x\"}\u00e9"));
    assert_true(gg_str_eq(mx_json_string(GG_STR("\"\\ud800\\u0000\""), arena), gg_strn("\xed\xa0\x80\0", 4)));
    assert_null(mx_json_string(GG_STR("12"), arena).s);
    assert_true(mx_json_i64(GG_STR("-9223372036854775808"), &n) && n == INT64_MIN);
    assert_true(mx_json_i64(GG_STR("9223372036854775807"), &n) && n == INT64_MAX);
    assert_false(mx_json_i64(GG_STR("9223372036854775808"), &n));
    assert_false(mx_json_i64(GG_STR("1.0"), &n) || mx_json_i64(GG_STR("1e3"), &n) || mx_json_i64(GG_STR("-"), &n) ||
                 mx_json_i64(GG_STR(""), &n));
}

/* What is not JSON is read within its bounds. Each cut piece stands alone in memory, so a sanitizer sees a step out. */
static void slices_stay_inside(void **state)
{
    static const char text[] = "{\"a\":[1,\"\\u00e9\\\\\",{\"b\":null}],\"c\":\"\\ud83d\\ude00\",\"d\":-1.5e3}";
    for (size_t n = 0; n < sizeof(text); n++) {
        char *copy = malloc(n ? n : 1);
        memcpy(copy, text, n);
        struct gg_str cut = gg_strn(copy, n);
        mx_json_get(cut, "d");
        for (struct mx_json_iter it = mx_json_iter(cut); mx_json_next(&it);)
            mx_json_string(it.value, arena);
        free(copy);
    }
}

static void strictness(void **state)
{
    static const char *const refused[] = {"1.0",           "1e5",         "9007199254740992", "-9007199254740992",
                                          "[{\"a\":0.5}]", "\"\\ud800\"", "{\"\\ud800\":1}",  "99999999999999999999"};
    static const char *const taken[] = {"9007199254740991", "-9007199254740991", "-0",
                                        "{\"a\":[\"\\ud83d\\ude00\",null]}"};
    static const char *const unwritable[] = {"1E400", "[-1e309]", "[\"a\",\"\\udc00\"]"};
    struct gg_error err = GG_ERROR_INIT;
    char *digits = gg_arena_alloc(arena, 4302);
    for (size_t i = 0; i < GG_COUNT(refused); i++)
        assert_int_not_equal(mx_json_strict(parse(gg_str(refused[i])), &err), 0);
    assert_string_equal(err.errcode, "M_BAD_JSON");
    for (size_t i = 0; i < GG_COUNT(taken); i++)
        assert_int_equal(mx_json_strict(parse(gg_str(taken[i])), &err), 0);
    for (size_t i = 0; i < GG_COUNT(unwritable); i++)
        assert_int_not_equal(mx_json_canonical_check(parse(gg_str(unwritable[i])), &err), 0);
    assert_int_equal(mx_json_canonical_check(parse(GG_STR("[1e308,1.0]")), &err), 0);
    memset(digits, '1', 4301);
    assert_int_equal(mx_json_canonical_check(parse(gg_strn(digits, 4300)), &err), 0);
    assert_int_not_equal(mx_json_canonical_check(parse(gg_strn(digits, 4301)), &err), 0);
}

static void changing_trees(void **state)
{
    struct mx_json *o = parse(GG_STR("{\"a\":1,\"b\":[1]}")), *copy = mx_json_copy_level(o, arena);
    mx_json_set(copy, arena, "a", mx_json_new_bool(arena, true));
    mx_json_set(copy, arena, "c", mx_json_new_i64(arena, -5));
    mx_json_set(copy, arena, "d", mx_json_new_string(arena, GG_STR("é\n")));
    assert_true(mx_json_remove(copy, "b"));
    assert_false(mx_json_remove(copy, "b"));
    mx_json_push(mx_json_member(o, "b"), arena, mx_json_raw(arena, GG_STR("{\"x\":[]}")));
    struct gg_buf out = GG_BUF_INIT;
    mx_json_write(&out, copy);
    mx_json_write(&out, o);
    assert_string_equal(out.data, "{\"a\":true,\"c\":-5,\"d\":\"é\\n\"}{\"a\":1,\"b\":[1,{\"x\":[]}]}");
    gg_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(canonical_examples, set_up, tear_down),
        cmocka_unit_test_setup_teardown(canonical_is_a_fixed_point, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writing_keeps_what_it_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_members_stay_distinct, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(depth_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slices, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slices_stay_inside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strictness, set_up, tear_down),
        cmocka_unit_test_setup_teardown(changing_trees, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
