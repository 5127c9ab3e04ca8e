/* test_mx_sign.c: base64, keys, signatures and the specification's cryptographic test vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ganglion/matrix/event.h>

static struct gg_arena *arena;
static struct mx_signing_key *key;

static int set_up(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    size_t n;
    arena = gg_arena_new();
    return mx_signing_keys_parse(GG_STR("ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\n"), arena, &key, &n,
                                 &err);
}

static int tear_down(void **state)
{
    gg_arena_free(arena);
    return 0;
}

static const char *canonical(const struct mx_json *v)
{
    struct gg_buf out = GG_BUF_INIT;
    mx_json_canonical(&out, v);
    const char *copy = gg_arena_strndup(arena, out.data, out.n);
    gg_buf_done(&out);
    return copy;
}

static void json_vectors(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_json *empty = mx_json_raw(arena, GG_STR("{}")),
                   *data = mx_json_raw(arena, GG_STR("{\"one\":1,\"two\":\"Two\"}"));
    mx_json_sign(empty, "domain", key, arena);
    assert_string_equal(
        canonical(empty),
        "{\"signatures\":{\"domain\":{\"ed25519:1\":\"K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb"
        "76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ\"}}}");
    mx_json_sign(data, "domain", key, arena);
    assert_string_equal(
        canonical(data),
        "{\"one\":1,\"signatures\":{\"domain\":{\"ed25519:1\":\"KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL5"
        "3+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw\"}},\"two\":\"Two\"}");
    mx_json_set(data, arena, "unsigned", mx_json_new_i64(arena, 1));
    assert_int_equal(mx_json_verify(data, "domain", "ed25519:1", key->public_key, &err), 0);
    assert_int_not_equal(mx_json_verify(data, "other", "ed25519:1", key->public_key, &err), 0);
    assert_int_equal(err.http_status, 401);
    mx_json_set(data, arena, "one", mx_json_new_i64(arena, 2));
    assert_int_not_equal(mx_json_verify(data, "domain", "ed25519:1", key->public_key, &err), 0);
}

static void sign_event(struct mx_json *event)
{
    uint8_t hash[32];
    char text[mx_base64_size(32)];
    struct mx_json *hashes = mx_json_object(arena);
    mx_content_hash(event, hash);
    mx_base64(hash, 32, false, text);
    mx_json_set(hashes, arena, "sha256", mx_json_new_string(arena, gg_str(text)));
    mx_json_set(event, arena, "hashes", hashes);
    mx_event_sign(event, mx_room_version_find(GG_STR("1")), "domain", key, arena);
}

static void event_vectors(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_json *least = mx_json_raw(
        arena,
        GG_STR("{\"room_id\":\"!x:domain\",\"sender\":\"@a:domain\",\"origin\":\"domain\",\"origin_server_ts\":1000000,"
               "\"signatures\":{},\"hashes\":{},\"type\":\"X\",\"content\":{},\"prev_events\":[],\"auth_events\":[],"
               "\"depth\":3,\"unsigned\":{\"age_ts\":1000000}}"));
    struct mx_json *message = mx_json_raw(
        arena,
        GG_STR(
            "{\"content\":{\"body\":\"Here is the message content\"},\"event_id\":\"$0:domain\",\"origin\":\"domain\","
            "\"origin_server_ts\":1000000,\"type\":\"m.room.message\",\"room_id\":\"!r:domain\",\"sender\":"
            "\"@u:domain\",\"signatures\":{},\"unsigned\":{\"age_ts\":1000000}}"));
    sign_event(least);
    assert_string_equal(
        canonical(least),
        "{\"auth_events\":[],\"content\":{},\"depth\":3,\"hashes\":{\"sha256\":\"5jM4wQpv6lnBo7CLIghJuHdW+s2CM"
        "BJPUOGOC89ncos\"},\"origin\":\"domain\",\"origin_server_ts\":1000000,\"prev_events\":[],\"room_id\":"
        "\"!x:domain\",\"sender\":\"@a:domain\",\"signatures\":{\"domain\":{\"ed25519:1\":\"KxwGjPSDEtvnFgU00f"
        "wFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg\"}},\"type\":\"X\",\"unsigned\":{"
        "\"age_ts\":1000000}}");
    sign_event(message);
    assert_string_equal(
        canonical(message),
        "{\"content\":{\"body\":\"Here is the message content\"},\"event_id\":\"$0:domain\",\"hashes\":{"
        "\"sha256\":\"onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g\"},\"origin\":\"domain\","
        "\"origin_server_ts\":1000000,\"room_id\":\"!r:domain\",\"sender\":\"@u:domain\",\"signatures\":{"
        "\"domain\":{\"ed25519:1\":\"Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMG"
        "CA5McEiVPdhzBA\"}},\"type\":\"m.room.message\",\"unsigned\":{\"age_ts\":1000000}}");
    assert_true(mx_content_hash_ok(message));
    assert_int_equal(
        mx_event_verify(message, mx_room_version_find(GG_STR("1")), "domain", "ed25519:1", key->public_key, &err), 0);
    /* the content is not signed itself: its hash is */
    mx_json_set(message, arena, "content", mx_json_object(arena));
    assert_false(mx_content_hash_ok(message));
    assert_int_equal(
        mx_event_verify(message, mx_room_version_find(GG_STR("1")), "domain", "ed25519:1", key->public_key, &err), 0);
    mx_json_set(message, arena, "origin_server_ts", mx_json_new_i64(arena, 5));
    assert_int_not_equal(
        mx_event_verify(message, mx_room_version_find(GG_STR("1")), "domain", "ed25519:1", key->public_key, &err), 0);
}

static void base64(void **state)
{
    char text[16];
    uint8_t bytes[16];
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const coded[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"}; /* RFC 4648 10 */
    for (size_t i = 0; i < GG_COUNT(plain); i++) {
        assert_int_equal(mx_base64(plain[i], strlen(plain[i]), false, text), strlen(coded[i]));
        assert_string_equal(text, coded[i]);
        assert_int_equal(mx_unbase64(gg_str(coded[i]), bytes), strlen(plain[i]));
        assert_memory_equal(bytes, plain[i], strlen(plain[i]));
    }
    mx_base64("\xfb\xff", 2, true, text);
    assert_string_equal(text, "-_8");
    assert_int_equal(mx_unbase64(GG_STR("-_8="), bytes), 2);
    assert_int_equal(mx_unbase64(GG_STR("+/8"), bytes), 2);
    assert_int_equal(mx_unbase64(GG_STR("Zg=="), bytes), 1);
    assert_int_equal(mx_unbase64(GG_STR("Z"), bytes), -1);
    assert_int_equal(mx_unbase64(GG_STR("Zg="), bytes), -1);
    assert_int_equal(mx_unbase64(GG_STR("Z!8="), bytes), -1);
}

static void key_files(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_signing_key *keys;
    size_t n;
    struct gg_str made = mx_signing_key_generate(arena);
    uint8_t signature[64];
    assert_int_equal(mx_signing_keys_parse(made, arena, &keys, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_memory_equal(keys[0].id, "ed25519:a_", 10);
    assert_int_equal(strlen(keys[0].id), 14);
    mx_sign(&keys[0], GG_STR("text"), signature);
    assert_true(mx_verify(keys[0].public_key, GG_STR("text"), signature));
    assert_false(mx_verify(keys[0].public_key, GG_STR("texT"), signature));
    signature[3] ^= 1;
    assert_false(mx_verify(keys[0].public_key, GG_STR("text"), signature));
    made = gg_str(gg_arena_printf(arena, "%.*s\n\r\n%.*s", GG_FMT(made), GG_FMT(made)));
    assert_int_equal(mx_signing_keys_parse(made, arena, &keys, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_int_not_equal(mx_signing_keys_parse(GG_STR("\n"), arena, &keys, &n, &err), 0);
    assert_int_not_equal(mx_signing_keys_parse(GG_STR("ed25519 a"), arena, &keys, &n, &err), 0);
    assert_int_not_equal(mx_signing_keys_parse(GG_STR("ed25519 a Zm9v"), arena, &keys, &n, &err), 0);
    assert_int_not_equal(mx_signing_keys_parse(GG_STR("rsa a Zm9v"), arena, &keys, &n, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(json_vectors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(event_vectors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(base64, set_up, tear_down),
        cmocka_unit_test_setup_teardown(key_files, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
