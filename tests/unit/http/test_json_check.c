/* What is taken for JSON without making a tree is what jansson makes a tree of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/conn.h"

static void compare(const char *text, size_t n)
{
    enum gg_json_found found = gg_json_check(text, n);
    json_t *tree = json_loadb(text, n, JSON_DECODE_ANY, NULL);
    enum gg_json_found wanted = tree == NULL ? GG_JSON_NONE : json_is_object(tree) ? GG_JSON_OBJECT : GG_JSON_OTHER;
    json_decref(tree);
    if (found != wanted) {
        print_error("%d, not %d: %.*s\n", (int)found, (int)wanted, (int)n, text);
        fail();
    }
}

static const char *const texts[] = {
    "", " ", "{}", "[]", " {} ", "{}x", "{} {}", "null", "nul", "nullx", "true", "false", "tru", "1", "-1", "-", "01", "-0", "0.0",
    "1.", ".5", "1.5e", "1e5", "1E+5", "1e-5", "1e", "1e+", "1e308", "1e309", "-1e309", "1e-400", "1e99999", "9223372036854775807",
    "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "123456789012345678", "1234567890123456789",
    "100000000000000000000000000000000000000000000000000000000000000000000000000000000.0", "+1", "1a", "0x1", "NaN", "Infinity",
    "\"a\"", "\"", "\"a", "\"\\\"", "\"\\\"\"", "\"\\x\"", "\"\\u00\"", "\"\\u0041\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00\"",
    "\"\\ud83d\\ude00\"", "\"\\ud83d\\u0041\"", "\"\\ud83dx\"", "\"\\uD83D\\uDE00\"", "\"\\u00gg\"", "\"a\nb\"", "\"a\tb\"", "\"\x7f\"",
    "\"\xc3\xa4\"", "\"\xc3\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf0\x9f\x98\x80\"", "\"\xf5\x80\x80\x80\"", "\xef\xbb\xbf{}", "\xc3\xa4",
    "{\"a\":1}", "{\"a\" : 1 , \"b\" : [ 1 , 2 ] }", "{\"a\":1,}", "{,}", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1 \"b\":2}", "{1:2}",
    "{\"a\":1,\"a\":2}", "{\"\":1}", "{\"\\u0000\":1}", "[1,]", "[,1]", "[1 2]", "[1,2", "[", "{", "]", "}", "[}", "{]", "[[]]", "[{}]", "[{},[]]",
    "[[],{\"a\":[{}]}]", "{\"a\":{\"b\":{}}}", "{\"a\":{}]", "[{\"a\":1]]", "/**/{}", "'a'", "{\"a\":tru}", "[truefalse]", "[true,false,null]",
};

static void test_cases(void **state)
{
    for (size_t i = 0; i < GG_COUNT(texts); i++)
        compare(texts[i], strlen(texts[i]));
    compare("{}\0", 3);
    assert_int_equal(gg_json_check("[1\0]", 4), GG_JSON_NONE); /* which jansson would take */
    compare("\"a\0b\"", 5);
}

static uint32_t draw(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

/* Good texts with a byte put in, changed or taken out, and pieces of them one after the other. */
static void test_changed(void **state)
{
    static const char bytes[] = "{}[]\",:\\ue0+-.19tfn \xc3\xa4\n";
    uint64_t seed = 20;
    for (int round = 0; round < 200000; round++) {
        char text[512];
        size_t n = 0;
        for (uint32_t pieces = draw(&seed) % 3 + 1; pieces > 0; pieces--) {
            const char *piece = texts[draw(&seed) % GG_COUNT(texts)];
            size_t take = draw(&seed) % 4 ? strlen(piece) : draw(&seed) % (strlen(piece) + 1);
            memcpy(text + n, piece, take);
            n += take;
        }
        for (uint32_t changes = draw(&seed) % 3; changes > 0 && n > 0; changes--)
            text[draw(&seed) % n] = bytes[draw(&seed) % (sizeof(bytes) - 1)];
        compare(text, n);
    }
}

static void test_depth(void **state)
{
    char text[2 * (GG_JSON_MAX_DEPTH + 1)];
    for (size_t depth = GG_JSON_MAX_DEPTH - 1; depth <= GG_JSON_MAX_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(gg_json_check(text, 2 * depth), depth > GG_JSON_MAX_DEPTH ? GG_JSON_TOO_DEEP : GG_JSON_OTHER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_changed), cmocka_unit_test(test_depth)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
