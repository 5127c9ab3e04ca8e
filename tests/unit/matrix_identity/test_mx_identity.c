/* Identity servers: the hash of an address, and which names are asked. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "identity/identity.h"

/* Identity service API, "Hash details": the examples there. */
static void test_hashes(void **state)
{
    static const struct {
        const char *medium, *address, *hash;
    } cases[] = {{"email", "alice@example.com", "4kenr7N9drpCJ4AfalmlGQVsOn3o2RHjkADUpXJWZUc"},
                 {"email", "bob@example.com", "LJwSazmv46n0hlMlsb_iYxI0_HXEqy_yj6Jm636cdT8"},
                 {"msisdn", "18005552067", "nlo35_T5fzSGZzJApqu8lgIudJvmOQtDaHtr-I4rU7I"}};
    struct gg_arena *arena = gg_arena_new();
    for (size_t i = 0; i < GG_COUNT(cases); i++)
        assert_true(gg_str_is(mx_identity_hash(gg_str(cases[i].medium), gg_str(cases[i].address), GG_STR("matrixrocks"), arena),
                              cases[i].hash));
    gg_arena_free(arena);
}

static void test_names(void **state)
{
    static const struct {
        const char *name;
        bool valid;
    } cases[] = {{"vector.im", true},     {"localhost:8090", true}, {"[::1]:80", true},     {"http://vector.im", false},
                 {"vector.im/", false},   {"", false},              {"a b", false},         {"vector.im?x", false},
                 {"user@vector.im", false}, {"vector.im#", false},  {"vector.im\n", false}, {"a:80:90", false}};
    for (size_t i = 0; i < GG_COUNT(cases); i++)
        if (mx_identity_name_valid(gg_str(cases[i].name)) != cases[i].valid)
            fail_msg("%s", cases[i].name);
    assert_false(mx_identity_name_valid((struct gg_str){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hashes), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
