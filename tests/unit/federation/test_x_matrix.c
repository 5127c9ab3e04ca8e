/* The header that signs a request: as peers write it, and as those do who mean harm. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "federation/x_matrix.h"

#define SIG "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"

static void check(struct gg_str found, const char *wanted)
{
    if (!wanted)
        assert_null(found.s);
    else if (!gg_str_is(found, wanted))
        fail_msg("%.*s is not %s", GG_FMT(found), wanted);
}

static void test_good(void **state)
{
    static const struct {
        const char *header, *origin, *key, *destination;
    } cases[] = {
        {"X-Matrix origin=\"origin.hs.example.com\",destination=\"destination.hs.example.com\",key=\"ed25519:key1\",sig=\"" SIG "\"",
         "origin.hs.example.com", "ed25519:key1", "destination.hs.example.com"},
        {"X-Matrix origin=a.org,key=\"ed25519:1\",sig=\"" SIG "\"", "a.org", "ed25519:1", NULL},
        {"X-Matrix origin=a.org,key=ed25519:1,sig=" SIG, "a.org", "ed25519:1", NULL},
        {"x-matrix  SIG=" SIG " ,\tKey=\"ed25519:1\" ,  Origin=\"[::1]:8448\",later=\"a,b\\\"c\",x=y", "[::1]:8448", "ed25519:1", NULL},
        {"X-Matrix\torigin = \"a.org\" , key= \"ed25\\519:1\",sig=\"" SIG "\",destination=\"\"", "a.org", "ed25519:1", ""},
        {"X-Matrix origin=b.org,origin=a.org,key=\"ed25519:1\",sig=\"" SIG "\"", "a.org", "ed25519:1", NULL},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        struct gg_arena *arena = gg_arena_new();
        struct mx_x_matrix found;
        if (!mx_x_matrix_parse(gg_str(cases[i].header), arena, &found))
            fail_msg("refused: %s", cases[i].header);
        check(found.origin, cases[i].origin);
        check(found.key_id, cases[i].key);
        check(found.signature, SIG);
        check(found.destination, cases[i].destination);
        gg_arena_free(arena);
    }
}

static void test_bad(void **state)
{
    static const char *const cases[] = {
        "",
        "X-Matrix",
        "X-Matrix ",
        "Bearer abc",
        "X-MatrixOrigin origin=a.org,key=\"ed25519:1\",sig=\"x\"",
        "X-Matrix origin=a.org",
        "X-Matrix origin=a.org,key=\"ed25519:1\"",
        "X-Matrix key=\"ed25519:1\",sig=\"x\"",
        "X-Matrix origin=\"a.org,key=\"ed25519:1\",sig=\"x\"",
        "X-Matrix origin=\"a.org\"x,key=\"ed25519:1\",sig=\"x\"",
        "X-Matrix origin=\"a.org\",key=\"ed25519:1\",sig=\"x",
        "X-Matrix origin=\"a.org\",key=\"ed25519:1\",sig=\"x\",",
        "X-Matrix origin=\"a.org\",,key=\"ed25519:1\",sig=\"x\"",
        "X-Matrix origin,key=\"ed25519:1\",sig=\"x\"",
        "X-Matrix origin=\"\",key=\"ed25519:1\",sig=\"x\"",
        "X-Matrix origin=\"no server\",key=\"ed25519:1\",sig=\"x\"",
        "X-Matrix origin=\"a.org\",key=\"\",sig=\"x\"",
        "X-Matrix origin=\"a.org\" key=\"ed25519:1\",sig=\"x\"",
        "X-Matrix =a.org,origin=a.org,key=\"ed25519:1\",sig=\"x\"",
        "X-Matrix origin=\"a.org\\",
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        struct gg_arena *arena = gg_arena_new();
        struct mx_x_matrix found;
        if (mx_x_matrix_parse(gg_str(cases[i]), arena, &found))
            fail_msg("taken: %s", cases[i]);
        gg_arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
