/* Which hosts need no forward proxy, and what may stand for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/forward.h"

static void test_matches(void **state)
{
    static const struct {
        const char *entry, *host;
        bool matches;
    } cases[] = {
        {"a.org", "a.org", true},     {"A.org", "a.ORG", true},    {"a.org", "b.a.org", true},   {".a.org", "a.org", true},
        {" a.org\t", "x.a.org", true}, {"a.org", "ba.org", false},  {"a.org", "a.org.evil", false}, {"", "a.org", false},
        {"..", "a.org", false},       {"127.0.0.1", "127.0.0.1", true}, {"::1", "::1", true},    {"long.a.org", "a.org", false},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++)
        if (gg_forward_matches(gg_str(cases[i].entry), cases[i].host) != cases[i].matches)
            fail_msg("%s and %s", cases[i].entry, cases[i].host);
}

static void test_valid(void **state)
{
    static const char *const good[] = {"proxy", "proxy:3128", "http://proxy", "HTTPS://u:p@proxy:1", "[::1]:8080", "u:p@proxy"};
    static const char *const bad[] = {"", "socks5://proxy", "http://", "http://:80", "ftp://x", "http:///x", "http://u:p@", "://x"};
    for (size_t i = 0; i < GG_COUNT(good); i++)
        if (!gg_forward_valid(good[i]))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < GG_COUNT(bad); i++)
        if (gg_forward_valid(bad[i]))
            fail_msg("%s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matches), cmocka_unit_test(test_valid)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
