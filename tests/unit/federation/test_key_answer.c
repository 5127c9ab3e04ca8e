/* What servers say their keys are: shapes, own signatures, old keys, bounds; and who must have signed an event. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "federation/key_answer.h"
#include "federation/signers.h"

static struct mx_signing_key *make_key(struct gg_arena *arena, const char *version)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_signing_key *keys;
    size_t n;
    char seed[mx_base64_size(32)];
    uint8_t bytes[32];
    gg_random_bytes(bytes, sizeof bytes);
    mx_base64(bytes, sizeof bytes, false, seed);
    assert_int_equal(mx_signing_keys_parse(gg_str(gg_arena_printf(arena, "ed25519 %s %s\n", version, seed)), arena, &keys, &n, &err), 0);
    return keys;
}

static const char *public_text(struct gg_arena *arena, const struct mx_signing_key *key)
{
    char *text = gg_arena_alloc(arena, mx_base64_size(32));
    mx_base64(key->public_key, 32, false, text);
    return text;
}

static int read_text(const char *text, const struct mx_signing_key *signer, const char *server, struct gg_arena *arena,
                     struct mx_key_answer *out)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_json *object;
    assert_int_equal(mx_json_parse(gg_str(text), 50, arena, &object, &err), 0);
    if (signer)
        mx_json_sign(object, server, signer, arena);
    int rc = mx_key_answer_read(object, arena, out, &err);
    assert_true(!rc || (err.http_status >= 400 && err.http_status < 500));
    return rc;
}

static void test_good(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_signing_key *a = make_key(arena, "a"), *b = make_key(arena, "b");
    struct mx_key_answer answer;
    const char *text = gg_arena_printf(
        arena,
        "{\"server_name\":\"a.org\",\"valid_until_ts\":5000,\"verify_keys\":{\"ed25519:a\":{\"key\":\"%s\"},\"rsa:x\":{\"key\":\"?\"}},"
        "\"old_verify_keys\":{\"ed25519:b\":{\"key\":\"%s\",\"expired_ts\":77},\"ed25519:a\":{\"key\":\"%s\",\"expired_ts\":1}}}",
        public_text(arena, a), public_text(arena, b), public_text(arena, b));
    assert_int_equal(read_text(text, a, "a.org", arena, &answer), 0);
    assert_int_equal(answer.n, 2); /* an old key does not push a present one of that id aside */
    assert_true(gg_str_is(answer.keys[0].id, "ed25519:a"));
    assert_int_equal(answer.keys[0].valid_until_ms, 5000);
    assert_memory_equal(answer.keys[0].public_key, a->public_key, 32);
    assert_true(gg_str_is(answer.keys[1].id, "ed25519:b"));
    assert_int_equal(answer.keys[1].valid_until_ms, 77);
    assert_true(gg_str_starts(answer.text, GG_STR("{\"old_verify_keys\":")));
    gg_arena_free(arena);
}

static void test_signatures(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_signing_key *a = make_key(arena, "a"), *b = make_key(arena, "b"), *liar = make_key(arena, "a");
    struct mx_key_answer answer;
    const char *one = gg_arena_printf(
        arena, "{\"server_name\":\"a.org\",\"valid_until_ts\":1,\"verify_keys\":{\"ed25519:a\":{\"key\":\"%s\"}}}",
        public_text(arena, a));
    const char *old = gg_arena_printf(arena,
                                      "{\"server_name\":\"a.org\",\"valid_until_ts\":1,\"verify_keys\":{},\"old_verify_keys\":"
                                      "{\"ed25519:b\":{\"key\":\"%s\",\"expired_ts\":9}}}",
                                      public_text(arena, b));
    assert_int_equal(read_text(one, a, "a.org", arena, &answer), 0);
    assert_int_not_equal(read_text(one, NULL, NULL, arena, &answer), 0);     /* not at all */
    assert_int_not_equal(read_text(one, b, "a.org", arena, &answer), 0);     /* with a key that it does not list */
    assert_int_not_equal(read_text(one, liar, "a.org", arena, &answer), 0);  /* with another one of that name */
    assert_int_not_equal(read_text(one, a, "b.org", arena, &answer), 0);     /* by somebody else */
    assert_int_not_equal(read_text(old, b, "a.org", arena, &answer), 0);     /* with an old key alone */
    gg_arena_free(arena);
}

static void test_shapes(void **state)
{
    static const char *const bad[] = {
        "[]", "1", "{}", "{\"server_name\":1}", "{\"server_name\":\"a.org\"}",
        "{\"server_name\":\"not valid\",\"valid_until_ts\":1,\"verify_keys\":{}}",
        "{\"server_name\":\"a.org\",\"valid_until_ts\":\"1\",\"verify_keys\":{}}",
        "{\"server_name\":\"a.org\",\"valid_until_ts\":1.5,\"verify_keys\":{}}",
        "{\"server_name\":\"a.org\",\"valid_until_ts\":1,\"verify_keys\":[]}",
        "{\"server_name\":\"a.org\",\"valid_until_ts\":1,\"verify_keys\":{\"ed25519:a\":1}}",
        "{\"server_name\":\"a.org\",\"valid_until_ts\":1,\"verify_keys\":{\"ed25519:a\":{\"key\":\"AAAA\"}}}",
        "{\"server_name\":\"a.org\",\"valid_until_ts\":1,\"verify_keys\":{\"ed25519:a\":{\"key\":7}}}",
    };
    struct mx_key_answer answer;
    for (size_t i = 0; i < GG_COUNT(bad); i++) {
        struct gg_arena *arena = gg_arena_new();
        if (read_text(bad[i], NULL, NULL, arena, &answer) == 0)
            fail_msg("taken: %s", bad[i]);
        gg_arena_free(arena);
    }
}

static void test_bounds(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_signing_key *a = make_key(arena, "a");
    struct gg_buf text = GG_BUF_INIT;
    struct mx_key_answer answer;
    gg_buf_printf(&text, "{\"server_name\":\"a.org\",\"valid_until_ts\":1,\"verify_keys\":{\"ed25519:a\":{\"key\":\"%s\"}", public_text(arena, a));
    for (int i = 0; i < 2 * MX_KEY_ANSWER_KEYS_MAX; i++)
        gg_buf_printf(&text, ",\"ed25519:x%d\":{\"key\":\"%s\"}", i, public_text(arena, a));
    gg_buf_lit(&text, "}}");
    assert_int_not_equal(read_text(text.data, a, "a.org", arena, &answer), 0);
    gg_buf_done(&text);
    gg_arena_free(arena);
}

static void test_key_ids(void **state)
{
    assert_true(mx_key_id_usable(GG_STR("ed25519:a_Xy0")));
    assert_true(mx_key_id_usable(GG_STR("ed25519:1")));
    assert_false(mx_key_id_usable(GG_STR("ed25519:")));
    assert_false(mx_key_id_usable(GG_STR("curve25519:a")));
    assert_false(mx_key_id_usable(GG_STR("ed25519:a b")));
    assert_false(mx_key_id_usable(GG_STR("ed25519:a\0b")));
    assert_false(mx_key_id_usable(GG_STR("")));
}

/* ---- who signs an event ---- */

static struct mx_event *event_of(const char *version, const char *more)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct mx_event *event = NULL;
    const char *text = gg_arena_printf(arena,
                                       "{\"sender\":\"@u:sender.org\",\"room_id\":\"!r:x.org\",\"origin_server_ts\":1,\"depth\":1,"
                                       "\"prev_events\":[],\"auth_events\":[],\"hashes\":{},\"signatures\":{},%s}",
                                       more);
    if (mx_event_parse(gg_str(text), mx_room_version_find(gg_str(version)), (struct gg_str){0}, &event, &err))
        fail_msg("%s: %s", text, err.message);
    gg_arena_free(arena);
    return event;
}

static void expect_signers(const char *version, const char *more, const char *wanted)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct gg_buf found = GG_BUF_INIT;
    struct mx_signer signers[MX_SIGNERS_MAX];
    struct mx_event *event = event_of(version, more);
    size_t n;
    if (mx_signers_of(event, arena, signers, &n, &err))
        gg_buf_text(&found, "refused");
    for (size_t i = 0; i < n && !err.code; i++)
        gg_buf_printf(&found, "%s%.*s", i ? " " : "", GG_FMT(signers[i].server));
    assert_string_equal(found.data, wanted);
    gg_buf_done(&found);
    mx_event_unref(event);
    gg_arena_free(arena);
}

#define MEMBER "\"type\":\"m.room.member\",\"state_key\":\"@v:y.org\",\"content\":"

static void test_signers(void **state)
{
    expect_signers("10", "\"type\":\"m\",\"content\":{}", "sender.org");
    expect_signers("1", "\"event_id\":\"$e:other.org\",\"type\":\"m\",\"content\":{}", "sender.org other.org");
    expect_signers("2", "\"event_id\":\"$e:sender.org\",\"type\":\"m\",\"content\":{}", "sender.org");
    expect_signers("10", MEMBER "{\"membership\":\"invite\",\"third_party_invite\":{}}", "");
    expect_signers("1", "\"event_id\":\"$e:o.org\"," MEMBER "{\"membership\":\"invite\",\"third_party_invite\":{}}", "o.org");
    expect_signers("10", MEMBER "{\"membership\":\"join\",\"third_party_invite\":{}}", "sender.org");
    expect_signers("8", MEMBER "{\"membership\":\"join\",\"join_authorised_via_users_server\":\"@w:third.org\"}", "sender.org third.org");
    expect_signers("7", MEMBER "{\"membership\":\"join\",\"join_authorised_via_users_server\":\"@w:third.org\"}", "sender.org");
    expect_signers("8", MEMBER "{\"membership\":\"leave\",\"join_authorised_via_users_server\":\"@w:third.org\"}", "sender.org");
    expect_signers("8", MEMBER "{\"membership\":\"join\",\"join_authorised_via_users_server\":7}", "refused");
    expect_signers("8", MEMBER "{\"membership\":\"join\",\"join_authorised_via_users_server\":\"nobody\"}", "refused");
    expect_signers("8", MEMBER "{\"membership\":\"join\",\"join_authorised_via_users_server\":\"@w:not valid\"}", "refused");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good),   cmocka_unit_test(test_signatures),
                                       cmocka_unit_test(test_shapes), cmocka_unit_test(test_bounds),
                                       cmocka_unit_test(test_key_ids), cmocka_unit_test(test_signers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
