/* The room directory's pure parts: patterns of its rules, and paging tokens in Synapse's form. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "directory/page_token.h"
#include "directory/rules.h"
#include "ids/glob.h"

static void test_patterns(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"*", "", true},           {"*", "#a:b", true},           {"#a:b", "#A:B", true},      {"#a?:b", "#ax:b", true},
        {"#a?:b", "#a:b", false},  {"#*bot*:b", "#my_bot1:b", true}, {"#*bot:b", "#bots:b", false}, {"", "", true},
        {"", "x", false},          {"a*b*c", "axxbxxbxc", true},  {"a*b*c", "axxbxxbx", false}, {"**", "x", true},
        {"x?", "x", false},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++)
        if (mx_glob(gg_str(cases[i].pattern), gg_str(cases[i].text), MX_GLOB_ONE | MX_GLOB_FOLD) != cases[i].matches)
            fail_msg("%s against %s", cases[i].pattern, cases[i].text);
}

/* Made by Synapse 1.163.2. */
#define SYNAPSES "g6FtAaFy2SwhbGU0VEZvQUdpVWIyLWlCUmZERm1tVFlxeDB4OGJhU3BUcnh3dXBCcXI4NKFkww"

static void test_tokens_of_synapse(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct mx_list_token token;
    assert_int_equal(mx_list_token_parse(GG_STR(SYNAPSES), arena, &token, &err), 0);
    assert_int_equal(token.members, 1);
    assert_true(token.forwards);
    assert_true(gg_str_is(token.room_id, "!le4TFoAGiUb2-iBRfDFmmTYqx0x8baSpTrxwupBqr84"));
    assert_true(gg_str_is(mx_list_token_text(&token, arena), SYNAPSES));
    gg_arena_free(arena);
}

static void test_tokens_come_back(void **state)
{
    static const int64_t members[] = {0, 1, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, INT64_MAX};
    char id[300];
    memset(id, 'x', sizeof(id));
    for (size_t i = 0; i < GG_COUNT(members); i++)
        for (size_t n = 1; n < sizeof(id); n += 31) {
            struct gg_arena *arena = gg_arena_new();
            struct gg_error err = GG_ERROR_INIT;
            struct mx_list_token back, token = {members[i], gg_strn(id, n), n % 2 != 0};
            assert_int_equal(mx_list_token_parse(mx_list_token_text(&token, arena), arena, &back, &err), 0);
            assert_int_equal(back.members, token.members);
            assert_int_equal(back.forwards, token.forwards);
            assert_true(gg_str_eq(back.room_id, token.room_id));
            gg_arena_free(arena);
        }
}

static void test_forged_tokens(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct mx_list_token token;
    struct gg_str whole = GG_STR(SYNAPSES);
    for (size_t n = 0; n < whole.n; n++)
        assert_int_not_equal(mx_list_token_parse(gg_strn(whole.s, n), arena, &token, &err), 0);
    static const char *const bad[] = {"", "!", "g6FtAaFyAaFkww", "gKFtAaFyAaFkww", "g6FtAaFtAaFtAQ", SYNAPSES "AAAA"};
    for (size_t i = 0; i < GG_COUNT(bad); i++)
        assert_int_not_equal(mx_list_token_parse(gg_str(bad[i]), arena, &token, &err), 0);
    assert_int_equal(err.http_status, 400);
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_patterns), cmocka_unit_test(test_tokens_of_synapse),
                                       cmocka_unit_test(test_tokens_come_back), cmocka_unit_test(test_forged_tokens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
