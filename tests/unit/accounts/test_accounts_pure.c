/* The parts of accounts that need nothing but their arguments: token form, names, buckets, preparing passwords. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "accounts/access_token.h"
#include "accounts/bucket.h"
#include "accounts/password.h"
#include "accounts/username.h"

/* Tokens that a live Synapse 1.163.2 issued. */
static void live_tokens_check(void **state)
{
    assert_true(mx_token_check(GG_STR("syt_YWxpY2U_rhTIwplLFimDYnvISKyY_0iwMED")));
    assert_true(mx_token_check(GG_STR("syt_Ym9iMg_VBzGeBPEWXLmeWkTKSfT_1fMBZf")));
    assert_true(mx_token_check(GG_STR("syt_YWRtYm9iMQ_MClcUDGDlRWMovFrMgLv_0cINzI")));
    assert_false(mx_token_check(GG_STR("syt_YWxpY2U_rhTIwplLFimDYnvISKyY_0iwMEd")));
    assert_false(mx_token_check(GG_STR("syt_YWxpY2V_rhTIwplLFimDYnvISKyY_0iwMED")));
    assert_false(mx_token_check(GG_STR("_0iwME")));
    assert_false(mx_token_check(GG_STR("")));
}

static void new_tokens(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    const char *a = mx_access_token_new(arena, GG_STR("alice")), *b = mx_access_token_new(arena, GG_STR("alice"));
    assert_int_equal(strncmp(a, "syt_YWxpY2U_", 12), 0);
    assert_int_equal(strlen(a), 12 + 20 + 1 + 6);
    assert_true(mx_token_check(gg_str(a)));
    assert_true(mx_token_check(gg_str(b)));
    assert_string_not_equal(a, b);
    gg_arena_free(arena);
}

static void device_ids(void **state)
{
    char id[11];
    mx_device_id_new(id);
    assert_int_equal(strlen(id), 10);
    assert_int_equal(strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"), 10);
}

static void check_name(const char *name, bool underscore, bool numeric, const char *errcode)
{
    struct gg_error err = GG_ERROR_INIT;
    int status = mx_username_check(gg_str(name), GG_STR("example.org"), underscore, numeric, &err);
    assert_int_equal(status == 0, errcode == NULL);
    if (errcode) {
        assert_string_equal(err.errcode, errcode);
        assert_int_equal(err.http_status, 400);
    }
}

static void names(void **state)
{
    char longest[260];
    memset(longest, 'a', sizeof longest);
    longest[255 - 13] = 0; /* with @, : and example.org: 255 */
    check_name("alice", false, false, NULL);
    check_name("a.b_c=d-e/f+g1", false, false, NULL);
    check_name("Alice", false, false, "M_INVALID_USERNAME");
    check_name("al ice", false, false, "M_INVALID_USERNAME");
    check_name("ali:ce", false, false, "M_INVALID_USERNAME");
    check_name("al\303\257ce", false, false, "M_INVALID_USERNAME");
    check_name("", false, false, "M_INVALID_USERNAME");
    check_name("_alice", false, false, "M_INVALID_USERNAME");
    check_name("_alice", true, false, NULL);
    check_name("12345", false, false, "M_INVALID_USERNAME");
    check_name("12345", false, true, NULL);
    check_name("12345a", false, false, NULL);
    check_name(longest, false, false, NULL);
    longest[255 - 13] = 'a';
    longest[256 - 13] = 0;
    check_name(longest, false, false, "M_INVALID_USERNAME");
}

static void bucket_fills_and_leaks(void **state)
{
    struct mx_buckets *b = mx_buckets_new(100);
    struct mx_rate rate = {0.5, 3}; /* one more every two seconds */
    struct gg_str key = GG_STR("login\x1f@a:b");
    int64_t retry;
    for (int i = 0; i < 3; i++)
        assert_true(mx_bucket_take(b, key, rate, true, 1000, &retry));
    assert_false(mx_bucket_take(b, key, rate, true, 1000, &retry));
    assert_int_equal(retry, 2000);
    assert_false(mx_bucket_take(b, key, rate, true, 2999, &retry));
    assert_int_equal(retry, 1);
    assert_true(mx_bucket_take(b, key, rate, true, 3000, &retry));
    assert_int_equal(retry, 0);
    assert_false(mx_bucket_take(b, key, rate, true, 3000, &retry));
    assert_true(mx_bucket_take(b, GG_STR("login\x1f@other:b"), rate, true, 3000, &retry));
    mx_buckets_free(b);
}

static void looking_costs_nothing(void **state)
{
    struct mx_buckets *b = mx_buckets_new(100);
    struct mx_rate rate = {1, 1};
    int64_t retry;
    for (int i = 0; i < 5; i++)
        assert_true(mx_bucket_take(b, GG_STR("k"), rate, false, 0, &retry));
    assert_int_equal(mx_buckets_count(b), 0);
    assert_true(mx_bucket_take(b, GG_STR("k"), rate, true, 0, &retry));
    assert_false(mx_bucket_take(b, GG_STR("k"), rate, false, 0, &retry));
    mx_buckets_free(b);
}

static void buckets_are_bounded(void **state)
{
    struct mx_buckets *b = mx_buckets_new(3);
    struct mx_rate rate = {0, 1};
    int64_t retry;
    const char *keys[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++)
        assert_true(mx_bucket_take(b, gg_str(keys[i]), rate, true, 0, &retry));
    assert_int_equal(mx_buckets_count(b), 3);
    assert_false(mx_bucket_take(b, GG_STR("d"), rate, true, 0, &retry)); /* remembered, and never again */
    assert_int_equal(retry, INT32_MAX);
    assert_true(mx_bucket_take(b, GG_STR("a"), rate, true, 0, &retry)); /* the oldest was forgotten */
    mx_buckets_free(b);
}

static void prepared(const char *password, const char *pepper, const char *want)
{
    char out[MX_PASSWORD_BYTES + 1];
    assert_true(mx_password_prepare(gg_str(password), pepper, out));
    assert_string_equal(out, want);
}

static void passwords_are_prepared(void **state)
{
    char out[MX_PASSWORD_BYTES + 1], longest[101];
    prepared("secret", NULL, "secret");
    prepared("secret", "pepper", "secretpepper");
    prepared("\xef\xbc\xa1"
             "bc",
             NULL, "Abc");                   /* full-width A */
    prepared("e\xcc\x81", NULL, "\xc3\xa9"); /* e and a combining accent */
    memset(longest, 'x', 100);
    longest[100] = 0;
    assert_true(mx_password_prepare(gg_str(longest), "pepper", out));
    assert_int_equal(strlen(out), 72);
    assert_int_equal(strspn(out, "x"), 72);
    longest[70] = 0;
    assert_true(mx_password_prepare(gg_str(longest), "pepper", out));
    assert_string_equal(out + 68, "xxpe");
    assert_false(mx_password_prepare(gg_strn("a\0b", 3), NULL, out));
    assert_false(mx_password_prepare(GG_STR("\xff\xfe"), NULL, out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_tokens_check),
        cmocka_unit_test(new_tokens),
        cmocka_unit_test(device_ids),
        cmocka_unit_test(names),
        cmocka_unit_test(bucket_fills_and_leaks),
        cmocka_unit_test(looking_costs_nothing),
        cmocka_unit_test(buckets_are_bounded),
        cmocka_unit_test(passwords_are_prepared),
    };
    return cmocka_run_group_tests_name("accounts_pure", tests, NULL, NULL);
}
