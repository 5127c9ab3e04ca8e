/* What another server refused becomes our refusal: nothing in it ends the client's own session. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json/refusal.h"

#include <string.h>

static void test_relay(void **state)
{
    static const struct {
        int status;
        const char *body;
        int relayed;
        const char *errcode, *text;
    } cases[] = {
        {403, "{\"errcode\":\"M_FORBIDDEN\",\"error\":\"no\"}", 403, "M_FORBIDDEN", "no"},
        {401, "{\"errcode\":\"M_UNAUTHORIZED\",\"error\":\"who?\"}", 400, "M_UNAUTHORIZED", "who?"},
        {401, "{\"errcode\":\"M_UNKNOWN_TOKEN\",\"error\":\"out\"}", 400, "M_UNKNOWN", "out"},
        {403, "{\"errcode\":\"M_UNKNOWN_TOKEN\"}", 403, "M_UNKNOWN", "refused"},
        {404, "{\"errcode\":\"FOO\",\"error\":5}", 404, "M_UNKNOWN", "refused"},
        {404, "{\"errcode\":5}", 404, "M_UNKNOWN", "refused"},
        {404, "<html>", 404, "M_UNKNOWN", "refused"},
        {404, "[]", 404, "M_UNKNOWN", "refused"},
        {404, "", 404, "M_UNKNOWN", "refused"},
        {500, "{\"errcode\":\"M_LIMIT_EXCEEDED\",\"error\":\"later\"}", 502, "M_LIMIT_EXCEEDED", "later"},
        {302, "", 502, "M_UNKNOWN", "refused"},
        {400, "{\"errcode\":\"M_XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX\"}", 400, "M_UNKNOWN", "refused"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gg_error err = GG_ERROR_INIT;
        struct gg_arena *arena = gg_arena_new();
        assert_true(mx_refusal_relay(cases[i].status, gg_str(cases[i].body), "refused", arena, &err) < 0);
        if (err.http_status != cases[i].relayed || strcmp(err.errcode, cases[i].errcode) != 0 || strcmp(err.message, cases[i].text) != 0)
            fail_msg("case %zu: %d %s %s", i, err.http_status, err.errcode, err.message);
        gg_arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_relay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
