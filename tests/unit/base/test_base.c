/* Strings, errors, buffers, arenas, randomness and clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ganglion/arena.h>
#include <ganglion/buf.h>
#include <ganglion/error.h>

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

static void strings_order_bytewise(void **state)
{
    assert_true(gg_str_cmp(GG_STR("a"), GG_STR("b")) < 0);
    assert_true(gg_str_cmp(GG_STR("a"), GG_STR("ab")) < 0);
    assert_true(gg_str_cmp(GG_STR("\xff"), GG_STR("a")) > 0);
    assert_int_equal(gg_str_cmp(GG_STR(""), (struct gg_str){NULL, 0}), 0);
    assert_true(gg_str_starts(GG_STR("abc"), GG_STR("ab")));
    assert_false(gg_str_is(GG_STR("abc"), "ab"));
}

static void errors_follow_their_code(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    assert_int_equal(gg_fail(&err, GG_E_NOT_FOUND, "no %s", "room"), GG_E_NOT_FOUND);
    assert_int_equal(err.http_status, 404);
    assert_string_equal(err.errcode, "M_NOT_FOUND");
    gg_error_prefix(&err, "joining %d", 7);
    gg_error_extra(&err, "retry_after_ms", "200");
    gg_error_extra(&err, "x\"y", "null");
    char out[2048];
    size_t n = gg_error_json(&err, out, sizeof(out));
    assert_string_equal(out, "{\"errcode\":\"M_NOT_FOUND\",\"error\":\"joining 7: no room\","
                             "\"retry_after_ms\":200,\"x\\\"y\":null}");
    assert_int_equal(n, strlen(out));
    assert_int_equal(gg_refuse(&err, 429, "M_LIMIT_EXCEEDED", "slow down"), GG_E_LIMIT);
    assert_string_equal(err.extra, "");
    assert_string_equal(gg_status_name(GG_E_IN_DOUBT), "IN_DOUBT");
    assert_string_equal(gg_status_name(-99), "?");
}

static void error_text_is_cut_at_a_character(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    char text[500];
    for (size_t i = 0; i + 1 < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text[498] = '\0';
    gg_fail(&err, GG_E_INVALID, "%s", text);
    assert_int_equal(strlen(err.message) % 2, 0);
    assert_true(strlen(err.message) >= 396);
    char out[2048];
    memset(err.message, '\1', sizeof(err.message) - 1);
    memset(err.extra, 'x', sizeof(err.extra) - 1);
    assert_true(gg_error_json(&err, out, sizeof(out)) > 800);
    memset(err.message, '"', sizeof(err.message) - 1);
    assert_true(gg_error_json(&err, out, sizeof(out)) > 1200);
}

static void clients_are_not_told_what_broke_inside(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    char out[2048];
    gg_fail(&err, GG_E_IO, "INSERT INTO secrets");
    gg_error_json(&err, out, sizeof(out));
    assert_string_equal(out, "{\"errcode\":\"M_UNKNOWN\",\"error\":\"Internal server error\"}");
    gg_fail(&err, GG_E_UNAVAILABLE, "PostgreSQL at 10.0.0.1");
    gg_error_json(&err, out, sizeof(out));
    assert_string_equal(out, "{\"errcode\":\"M_UNKNOWN\",\"error\":\"Service unavailable\"}");
    gg_refuse(&err, 502, "M_UNKNOWN", "Failed to talk to worker1");
    gg_error_json(&err, out, sizeof(out));
    assert_non_null(strstr(out, "worker1"));
}

/* Each byte at each place of a text of each length, against what is known of single bytes. */
static void json_strings_escape_what_they_must(void **state)
{
    struct gg_buf got = GG_BUF_INIT;
    char text[20];
    for (size_t n = 1; n < sizeof(text); n++)
        for (size_t at = 0; at < n; at++)
            for (int c = 0; c < 256; c++) {
                memset(text, 'x', n);
                text[at] = (char)c;
                bool plain = c >= 0x20 && c != '"' && c != '\\';
                gg_buf_clear(&got);
                gg_buf_json_string(&got, gg_strn(text, n));
                if (plain != (got.n == n + 2) || memcmp(got.data + 1, text, plain ? n : at) != 0 ||
                    (!plain && got.data[1 + at] != '\\'))
                    fail_msg("byte %02x at %zu of %zu: %s", (unsigned)c, at, n, got.data);
            }
    gg_buf_done(&got);
}

static void buffers_build_text(void **state)
{
    struct gg_buf b = GG_BUF_INIT;
    assert_string_equal(b.data, "");
    gg_buf_i64(&b, INT64_MIN);
    gg_buf_i64(&b, 0);
    assert_string_equal(b.data, "-92233720368547758080");
    gg_buf_clear(&b);
    gg_buf_json_string(&b, gg_strn("a\"\\\n\x01\0\xc3\xa9\x7f", 9));
    assert_string_equal(b.data, "\"a\\\"\\\\\\n\\u0001\\u0000\xc3\xa9\x7f\"");
    gg_buf_clear(&b);
    gg_buf_urlencode(&b, GG_STR("a-._~/ \xff"));
    assert_string_equal(b.data, "a-._~%2F%20%FF");
    gg_buf_clear(&b);
    for (int i = 0; i < 1000; i++)
        gg_buf_printf(&b, "%d,", i);
    assert_int_equal(b.n, 3890);
    size_t n;
    char *text = gg_buf_steal(&b, &n);
    assert_int_equal(strlen(text), n);
    free(text);
    text = gg_buf_steal(&b, NULL);
    assert_string_equal(text, "");
    free(text);
    gg_buf_done(&b);
}

static void note(void *arg)
{
    char **at = arg;
    *(*at)++ = 'x';
}

static void arenas_hand_out_and_clean_up(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    for (size_t n = 0; n < 3000; n += 7) {
        char *p = gg_arena_alloc(arena, n);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        memset(p, 0x5a, n);
    }
    char *big = gg_arena_zero(arena, 1 << 20);
    assert_int_equal(big[(1 << 20) - 1], 0);
    assert_string_equal(gg_arena_printf(arena, "%d-%s", 5, "x"), "5-x");
    assert_null(gg_arena_strdup(arena, NULL));
    assert_string_equal(gg_arena_str(arena, gg_strn("abcdef", 3)).s, "abc");
    char marks[4] = "", *at = marks;
    gg_arena_defer(arena, note, &at);
    gg_arena_defer(arena, note, &at);
    assert_true(gg_arena_used(arena) > 1 << 20);
    gg_arena_reset(arena);
    assert_string_equal(marks, "xx");
    assert_int_equal(gg_arena_used(arena), 0);
    gg_arena_defer(arena, note, &at);
    gg_arena_free(arena);
    assert_string_equal(marks, "xxx");
    gg_arena_free(NULL);
}

static void randomness_uses_the_alphabet(void **state)
{
    char text[257];
    gg_random_text(text, 256, "abc");
    assert_int_equal(strspn(text, "abc"), 256);
    assert_non_null(strchr(text, 'a'));
    assert_non_null(strchr(text, 'c'));
    unsigned char a[16] = {0}, b[16] = {0};
    gg_random_bytes(a, sizeof(a));
    gg_random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

static void clocks_move_and_cache(void **state)
{
    assert_true(gg_wall_ms() / 1000 - time(NULL) >= -2 && gg_wall_ms() / 1000 - time(NULL) <= 2);
    int64_t at = gg_clock_refresh();
    struct timespec ts = {0, 5000000};
    nanosleep(&ts, NULL);
    assert_int_equal(gg_now_ms(), at);
    gg_clock_uncache();
    assert_true(gg_now_ms() >= at + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_order_bytewise),     cmocka_unit_test(errors_follow_their_code),
        cmocka_unit_test(error_text_is_cut_at_a_character),
        cmocka_unit_test(clients_are_not_told_what_broke_inside), cmocka_unit_test(json_strings_escape_what_they_must),
        cmocka_unit_test(buffers_build_text),
        cmocka_unit_test(arenas_hand_out_and_clean_up), cmocka_unit_test(randomness_uses_the_alphabet),
        cmocka_unit_test(clocks_move_and_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
