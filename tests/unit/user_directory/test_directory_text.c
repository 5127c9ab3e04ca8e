/* Names and searches of the user directory, as the index and PostgreSQL's text search want them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "user_directory/text.h"

static void assert_text(struct gg_str got, const char *want)
{
    if (got.n != strlen(want) || memcmp(got.s, want, got.n) != 0)
        fail_msg("%.*s instead of %s", (int)got.n, got.s, want);
}

static void test_fold(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    assert_text(mx_directory_fold(GG_STR("Alice BOB"), arena), "alice bob");
    assert_text(mx_directory_fold(GG_STR("\xc3\x84rger"), arena), "\xc3\xa4rger");       /* capital a umlaut */
    assert_text(mx_directory_fold(GG_STR("e\xcc\x81"), arena), "\xc3\xa9");              /* e + combining acute */
    assert_text(mx_directory_fold(GG_STR("\xe2\x91\xa0"), arena), "1");                   /* circled one */
    assert_text(mx_directory_fold(GG_STR("\xff\xfe"), arena), "\xff\xfe");                /* no UTF-8 */
    assert_text(mx_directory_fold(GG_STR(""), arena), "");
    gg_arena_free(arena);
}

static void exact(const char *term, const char *want)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_directory_terms terms;
    mx_directory_terms(gg_str(term), arena, &terms);
    assert_text(terms.exact, want);
    gg_arena_free(arena);
}

static void test_words(void **state)
{
    exact("alice", "'alice'");
    exact("  Alice\tSmith ", "'alice' & 'smith'");
    exact("@alice:example.org", "'alice' & 'example.org'");
    exact("user-71 a_b", "'user-71' & 'a_b'");
    exact("o'brien \\x", "'o''brien' & '\\\\' & 'x'");
    exact("小龙 李小龙fan", "'小龙' & '李小龙fan'"); /* no dictionary cut the names either */
    exact("", "");
    exact(" @ : ", "");
    exact("1 2 3 4 5 6 7 8 9 10 11 12", "'1' & '2' & '3' & '4' & '5' & '6' & '7' & '8' & '9' & '10'");
}

static void test_forms(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_directory_terms terms;
    mx_directory_terms(GG_STR("ann lee"), arena, &terms);
    assert_text(terms.any, "('ann':* | 'ann') & ('lee':* | 'lee')");
    assert_text(terms.prefix, "'ann':* & 'lee':*");
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fold), cmocka_unit_test(test_words), cmocka_unit_test(test_forms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
