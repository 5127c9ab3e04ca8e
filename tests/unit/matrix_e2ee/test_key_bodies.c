/* What clients send about keys: what is taken, what is refused, and how; nothing here touches a database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "e2ee/backup.h"
#include "e2ee/cross_signing.h"
#include "e2ee/keys.h"
#include "e2ee/to_device.h"

#include <ganglion/matrix/crypto.h>
#include <stdio.h>
#include <string.h>

static struct gg_error err;

static struct gg_arena *begin(void)
{
    memset(&err, 0, sizeof(err));
    return gg_arena_new();
}

#define REFUSED(call_, status_, errcode_)                     \
    do {                                                      \
        memset(&err, 0, sizeof(err));                         \
        assert_int_not_equal((call_), 0);                     \
        assert_int_equal(err.http_status, (status_));         \
        assert_string_equal(err.errcode, (errcode_));         \
    } while (0)
#define IS(str_, text_) assert_true(gg_str_is((str_), (text_)))

static void test_identity_keys_are_kept_canonical(void **state)
{
    struct gg_arena *arena = begin();
    struct mx_key_upload u;
    struct gg_str body = GG_STR("{\"device_keys\":{\"user_id\":\"@a:b\",\"unsigned\":{\"x\":1},\"device_id\":\"D\", \"keys\":{\"b\":\"2\","
                                "\"a\":\"1\"},\"algorithms\":[],\"signatures\":{},\"extra\":[1, 2]}}");
    assert_int_equal(mx_keys_read_upload(body, GG_STR("@a:b"), GG_STR("D"), arena, &u, &err), 0);
    IS(u.device_keys, "{\"algorithms\":[],\"device_id\":\"D\",\"extra\":[1,2],\"keys\":{\"a\":\"1\",\"b\":\"2\"},\"signatures\":{},"
                      "\"user_id\":\"@a:b\"}");
    REFUSED(mx_keys_read_upload(body, GG_STR("@x:b"), GG_STR("D"), arena, &u, &err), 400, "M_BAD_JSON");
    REFUSED(mx_keys_read_upload(body, GG_STR("@a:b"), GG_STR("E"), arena, &u, &err), 400, "M_BAD_JSON");
    gg_arena_free(arena);
}

static void test_named_keys(void **state)
{
    struct gg_arena *arena = begin();
    struct mx_key_upload u;
    struct gg_str body = GG_STR("{\"one_time_keys\":{\"alg:id\":{\"signatures\":{},\"key\":\"k\"},\"p:\":\"plain\"},"
                                "\"fallback_keys\":{\"alg:f\":{\"key\":\"k\",\"fallback\":true,\"signatures\":{\"@a:b\":{\"x\":\"y\"}}}}}");
    assert_int_equal(mx_keys_read_upload(body, GG_STR("@a:b"), GG_STR("D"), arena, &u, &err), 0);
    assert_null(u.device_keys.s);
    assert_int_equal(u.n_one_time, 2);
    IS(u.one_time[0].algorithm, "alg");
    IS(u.one_time[0].key_id, "id");
    IS(u.one_time[0].json, "{\"key\":\"k\",\"signatures\":{}}"); /* canonical; a fallback key stays as it came */
    IS(u.one_time[1].json, "\"plain\"");
    assert_int_equal(u.one_time[1].key_id.n, 0);
    IS(u.fallback[0].json, "{\"key\":\"k\",\"fallback\":true,\"signatures\":{\"@a:b\":{\"x\":\"y\"}}}");
    static const char *const bad[] = {"[]", "\"x\"", "{\"nocolon\":\"x\"}", "{\"a:b:c\":\"x\"}", "{\"a:b\":5}", "{\"a:b\":{}}",
                                      "{\"a:b\":{\"key\":\"k\",\"signatures\":{\"u\":{\"k\":5}}}}"};
    for (size_t i = 0; i < GG_COUNT(bad); i++)
        for (int k = 0; k < 2; k++) {
            struct gg_str text = gg_str(gg_arena_printf(arena, "{\"%s\":%s}", k ? "fallback_keys" : "one_time_keys", bad[i]));
            REFUSED(mx_keys_read_upload(text, GG_STR("@a:b"), GG_STR("D"), arena, &u, &err), 400, "M_BAD_JSON");
        }
    gg_arena_free(arena);
}

static void test_too_many_keys_in_one_request(void **state)
{
    struct gg_arena *arena = begin();
    struct mx_key_upload u;
    struct gg_buf body = GG_BUF_INIT;
    gg_buf_lit(&body, "{\"one_time_keys\":{");
    for (int i = 0; i <= MX_UPLOAD_KEYS_MAX; i++)
        gg_buf_printf(&body, "%s\"a:%d\":\"k\"", i ? "," : "", i);
    gg_buf_lit(&body, "}}");
    REFUSED(mx_keys_read_upload(gg_buf_view(&body), GG_STR("@a:b"), GG_STR("D"), arena, &u, &err), 400, "M_TOO_LARGE");
    gg_buf_done(&body);
    gg_arena_free(arena);
}

static void test_questions(void **state)
{
    struct gg_arena *arena = begin();
    struct gg_str *users;
    struct mx_key_query *queries;
    size_t n_users, n;
    struct gg_str body = GG_STR("{\"device_keys\":{\"@a:b\":[],\"no user\":[\"X\"],\"@c:d\":[\"D\",\"E\"],\"\\u0040a:b\":[\"F\"]}}");
    assert_int_equal(mx_keys_read_query(body, arena, &users, &n_users, &queries, &n, &err), 0);
    assert_int_equal(n_users, 2); /* one user has one place, however the name is written */
    assert_int_equal(n, 3);
    IS(users[1], "@c:d");
    assert_null(queries[0].device_id.s);
    IS(queries[2].device_id, "E");
    static const char *const bad[] = {"{}", "{\"device_keys\":[]}", "{\"device_keys\":{\"@a:b\":{}}}", "{\"device_keys\":{\"@a:b\":[5]}}"};
    for (size_t i = 0; i < GG_COUNT(bad); i++)
        REFUSED(mx_keys_read_query(gg_str(bad[i]), arena, &users, &n_users, &queries, &n, &err), 400, "M_BAD_JSON");
    gg_arena_free(arena);
}

static void test_claims(void **state)
{
    struct gg_arena *arena = begin();
    struct mx_key_claim *claims;
    size_t n;
    assert_int_equal(mx_keys_read_claim(GG_STR("{}"), arena, &claims, &n, &err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(mx_keys_read_claim(GG_STR("{\"one_time_keys\":{\"@a:b\":{\"D\":\"x\",\"E\":\"y\"}}}"), arena, &claims, &n, &err), 0);
    assert_int_equal(n, 2);
    IS(claims[1].device_id, "E");
    IS(claims[1].algorithm, "y");
    REFUSED(mx_keys_read_claim(GG_STR("{\"one_time_keys\":5}"), arena, &claims, &n, &err), 400, "M_BAD_JSON");
    REFUSED(mx_keys_read_claim(GG_STR("{\"one_time_keys\":{\"@a:b\":[]}}"), arena, &claims, &n, &err), 400, "M_BAD_JSON");
    REFUSED(mx_keys_read_claim(GG_STR("{\"one_time_keys\":{\"x\":{}}}"), arena, &claims, &n, &err), 400, "M_INVALID_PARAM");
    gg_arena_free(arena);
}

static void test_messages(void **state)
{
    struct gg_arena *arena = begin();
    struct mx_to_device_message *messages;
    size_t n;
    struct gg_str text = GG_STR("{\"@a:b\":{\"*\":{\"x\":1}},\"@c:d\":{\"*\":{},\"D\":{}},\"none\":{\"D\":{}}}");
    assert_int_equal(mx_to_device_read(text, arena, &messages, &n, &err), 0);
    assert_int_equal(n, 3);
    assert_true(messages[0].every);
    assert_false(messages[1].every); /* beside another it is a name like any */
    IS(messages[0].content, "{\"x\":1}");
    REFUSED(mx_to_device_read(GG_STR("[]"), arena, &messages, &n, &err), 400, "M_BAD_JSON");
    REFUSED(mx_to_device_read(GG_STR("{\"@a:b\":5}"), arena, &messages, &n, &err), 400, "M_BAD_JSON");
    REFUSED(mx_to_device_read(GG_STR("{\"@a:b\":{\"D\":5}}"), arena, &messages, &n, &err), 400, "M_BAD_JSON");
    struct gg_str large = gg_str(gg_arena_printf(arena, "{\"@a:b\":{\"D\":{\"x\":\"%0*d\"}}}", MX_TO_DEVICE_MAX_BYTES, 0));
    REFUSED(mx_to_device_read(large, arena, &messages, &n, &err), 413, "M_TOO_LARGE");
    gg_arena_free(arena);
}

static void test_cross_signing_keys(void **state)
{
    struct gg_arena *arena = begin();
    struct mx_cross_key key;
    struct gg_str good = GG_STR("{\"keys\":{\"ed25519:XqBsVLpDoJaNvDqBsVLpDoJaNvDqBsVLpDoJaNvDqBs\":\"XqBsVLpDoJaNvDqBsVLpDoJaNvDqBsVLpDoJaNvDqBs\"}}");
    assert_true(mx_cross_key_read(good, arena, &key));
    assert_true(key.usable);
    IS(key.public_id, "XqBsVLpDoJaNvDqBsVLpDoJaNvDqBsVLpDoJaNvDqBs");
    static const char *const bad[] = {
        "{}", "{\"keys\":5}", "{\"keys\":{}}", "{\"keys\":{\"ed25519:abc\":\"abc\"}}", "{\"keys\":{\"ed25519:a\":\"a\",\"ed25519:b\":\"b\"}}",
        "{\"keys\":{\"ed25519:XqBsVLpDoJaNvDqBsVLpDoJaNvDqBsVLpDoJaNvDqBs\":\"YqBsVLpDoJaNvDqBsVLpDoJaNvDqBsVLpDoJaNvDqBs\"}}",
        "{\"keys\":{\"rsa:XqBsVLpDoJaNvDqBsVLpDoJaNvDqBsVLpDoJaNvDqBs\":\"XqBsVLpDoJaNvDqBsVLpDoJaNvDqBsVLpDoJaNvDqBs\"}}",
        "{\"keys\":{\"ed25519:\":\"\"}}", "{\"keys\":{\"ed25519:x\":5}}"};
    for (size_t i = 0; i < GG_COUNT(bad); i++) {
        assert_false(mx_cross_key_read(gg_str(bad[i]), arena, &key));
        assert_false(key.usable);
    }
    gg_arena_free(arena);
}

static void test_only_another_key_differs(void **state)
{
    struct gg_arena *arena = begin();
    struct mx_cross_upload upload;
    struct mx_cross_keys stored = {0};
    stored.of[MX_CROSS_MASTER].json = GG_STR("{\"a\":1,\"b\":2}");
    assert_int_equal(mx_cross_read_upload(GG_STR("{\"master_key\":{\"b\":2, \"a\":1},\"self_signing_key\":null}"), arena, &upload, &err), 0);
    assert_false(mx_cross_differs(&upload, &stored, arena));
    assert_int_equal(mx_cross_read_upload(GG_STR("{\"master_key\":{\"a\":1,\"b\":3}}"), arena, &upload, &err), 0);
    assert_true(mx_cross_differs(&upload, &stored, arena));
    assert_int_equal(mx_cross_read_upload(GG_STR("{\"user_signing_key\":{}}"), arena, &upload, &err), 0);
    assert_true(mx_cross_differs(&upload, &stored, arena));
    REFUSED(mx_cross_read_upload(GG_STR("{\"master_key\":[]}"), arena, &upload, &err), 400, "M_BAD_JSON");
    gg_arena_free(arena);
}

static void test_signatures(void **state)
{
    struct gg_arena *arena = begin();
    struct mx_signing_key *keys;
    size_t n;
    struct gg_str file = mx_signing_key_generate(arena);
    assert_int_equal(mx_signing_keys_parse(file, arena, &keys, &n, &err), 0);
    struct mx_json *object;
    assert_int_equal(mx_json_parse(GG_STR("{\"b\":1,\"a\":\"x\",\"unsigned\":{}}"), 10, arena, &object, &err), 0);
    mx_json_sign(object, "@a:b", &keys[0], arena);
    assert_true(mx_signature_good(object, GG_STR("@a:b"), gg_str(keys[0].id), keys[0].public_key));
    assert_false(mx_signature_good(object, GG_STR("@x:b"), gg_str(keys[0].id), keys[0].public_key));
    assert_false(mx_signature_good(object, GG_STR("@a:b"), GG_STR("ed25519:other"), keys[0].public_key));
    mx_json_set(object, arena, "a", mx_json_new_i64(arena, 1));
    assert_false(mx_signature_good(object, GG_STR("@a:b"), gg_str(keys[0].id), keys[0].public_key));
    gg_arena_free(arena);
}

static void test_backup_bodies(void **state)
{
    struct gg_arena *arena = begin();
    struct mx_backup_key *keys;
    size_t n;
    const char *session = "{\"first_message_index\":1,\"forwarded_count\":2,\"is_verified\":true,\"session_data\":{\"a\" : 1.5}}";
    struct gg_str none = {0}, room = GG_STR("!r:x"), id = GG_STR("s");
    assert_int_equal(mx_backup_read(gg_str(session), room, id, arena, &keys, &n, &err), 0);
    assert_int_equal(n, 1);
    IS(keys[0].session_data, "{\"a\":1.5}");
    assert_true(keys[0].verified && keys[0].first_message_index == 1 && keys[0].forwarded_count == 2);
    struct gg_str of_room = gg_str(gg_arena_printf(arena, "{\"sessions\":{\"s1\":%s,\"s2\":%s}}", session, session));
    assert_int_equal(mx_backup_read(of_room, room, none, arena, &keys, &n, &err), 0);
    assert_int_equal(n, 2);
    IS(keys[1].session_id, "s2");
    struct gg_str all = gg_str(gg_arena_printf(arena, "{\"rooms\":{\"!q:x\":%s,\"!z:x\":{\"sessions\":{}}}}", of_room.s));
    assert_int_equal(mx_backup_read(all, none, none, arena, &keys, &n, &err), 0);
    assert_int_equal(n, 2);
    IS(keys[0].room_id, "!q:x");
    REFUSED(mx_backup_read(of_room, room, id, arena, &keys, &n, &err), 400, "M_BAD_JSON");
    REFUSED(mx_backup_read(all, room, none, arena, &keys, &n, &err), 400, "M_BAD_JSON");
    REFUSED(mx_backup_read(gg_str(session), none, none, arena, &keys, &n, &err), 400, "M_BAD_JSON");
    gg_arena_free(arena);
}

static void test_backup_versions(void **state)
{
    assert_int_equal(mx_backup_version_read("12"), 12);
    static const char *const bad[] = {NULL, "", "x", "-1", "1x", " 1", "0", "9999999999999999999"};
    for (size_t i = 0; i < GG_COUNT(bad); i++)
        assert_int_equal(mx_backup_version_read(bad[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity_keys_are_kept_canonical), cmocka_unit_test(test_named_keys),
        cmocka_unit_test(test_too_many_keys_in_one_request), cmocka_unit_test(test_questions), cmocka_unit_test(test_claims),
        cmocka_unit_test(test_messages), cmocka_unit_test(test_cross_signing_keys), cmocka_unit_test(test_only_another_key_differs),
        cmocka_unit_test(test_signatures), cmocka_unit_test(test_backup_bodies), cmocka_unit_test(test_backup_versions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
