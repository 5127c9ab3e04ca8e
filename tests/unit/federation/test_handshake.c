/* What another server proposes becomes our event, or nothing; what comes back from send_join is cut into events. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "federation/handshake.h"
#include "federation/join_answer.h"

#define HEAD "\"type\":\"m.room.member\",\"sender\":\"@u:b.example\",\"state_key\":\"@u:b.example\",\"room_id\":\"!r:a.example\""
#define ID "$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static int make(struct gg_arena *arena, const char *membership, const char *answer, struct mx_event **out, struct gg_error *err)
{
    struct mx_signing_key *keys;
    size_t n;
    const struct mx_handshake h = {.membership = membership, .room_id = GG_STR("!r:a.example"), .user_id = GG_STR("@u:b.example"),
                                   .content = GG_STR("{\"displayname\":\"U\",\"membership\":\"join\"}"),
                                   .meta = {.not_proactively_send = true}};
    *err = (struct gg_error)GG_ERROR_INIT;
    assert_int_equal(mx_signing_keys_parse(GG_STR("ed25519 a AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"), arena, &keys, &n, err), 0);
    return mx_fed_make_read(gg_str(answer), &h, "b.example", &keys[0], arena, out, err);
}

static void test_made(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err;
    struct mx_event *e;
    const char *answer = "{\"room_version\":\"10\",\"event\":{" HEAD ",\"origin\":\"a.example\",\"content\":{\"membership\":\"join\","
                         "\"join_authorised_via_users_server\":\"@o:a.example\"},\"depth\":7,\"prev_events\":[\"" ID "\"],\"auth_events\":[]}}";
    assert_int_equal(make(arena, "join", answer, &e, &err), 0);
    assert_string_equal(e->version->id, "10");
    assert_int_equal(e->depth, 7);
    assert_int_equal(e->n_prev, 1);
    assert_true(e->meta.not_proactively_send);
    assert_true(gg_str_is(mx_json_get(e->content, "displayname"), "\"U\""));
    assert_true(gg_str_is(mx_json_get(e->content, "join_authorised_via_users_server"), "\"@o:a.example\""));
    assert_null(mx_json_get(e->json, "origin").s);
    assert_true(mx_json_get(mx_json_get(e->json, "signatures"), "b.example").n > 0);
    gg_arena_free(arena);
}

static void test_first_format(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err;
    struct mx_event *e;
    const char *answer = "{\"event\":{" HEAD ",\"content\":{\"membership\":\"join\"},\"depth\":7,\"prev_events\":[[\"$a:a.example\",{}]],"
                         "\"auth_events\":[[\"$b:a.example\",{\"sha256\":\"x\"}]]}}";
    assert_int_equal(make(arena, "join", answer, &e, &err), 0);
    assert_string_equal(e->version->id, "1");
    assert_true(gg_str_is(e->prev_events[0], "$a:a.example"));
    gg_arena_free(arena);
}

static void test_refused(void **state)
{
    static const struct {
        const char *membership, *answer, *errcode;
        int code;
    } cases[] = {
        {"join", "", "M_UNKNOWN", GG_E_PROTOCOL},
        {"join", "[]", "M_UNKNOWN", GG_E_PROTOCOL},
        {"join", "{\"room_version\":\"10\"}", "M_UNKNOWN", GG_E_PROTOCOL},
        {"join", "{\"room_version\":\"10\",\"event\":[]}", "M_UNKNOWN", GG_E_PROTOCOL},
        {"join", "{\"room_version\":\"x\",\"event\":{}}", "M_UNSUPPORTED_ROOM_VERSION", GG_E_INVALID},
        {"join", "{\"room_version\":10,\"event\":{}}", "M_UNSUPPORTED_ROOM_VERSION", GG_E_INVALID},
        {"knock", "{\"room_version\":\"6\",\"event\":{}}", "M_FORBIDDEN", GG_E_INVALID},
        {"leave", "{\"room_version\":\"10\",\"event\":{" HEAD ",\"content\":{\"membership\":\"join\"},\"depth\":7,\"prev_events\":[],\"auth_events\":[]}}",
         "M_UNKNOWN", GG_E_PROTOCOL},
        {"join", "{\"room_version\":\"10\",\"event\":{" HEAD ",\"content\":{\"membership\":\"join\"},\"depth\":7,\"auth_events\":[]}}", "M_UNKNOWN", GG_E_PROTOCOL},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        struct gg_arena *arena = gg_arena_new();
        struct gg_error err;
        struct mx_event *e;
        assert_int_equal(make(arena, cases[i].membership, cases[i].answer, &e, &err), cases[i].code);
        assert_string_equal(err.errcode, cases[i].errcode);
        gg_arena_free(arena);
    }
}

static void test_answers(void **state)
{
    struct mx_join_answer a;
    assert_null(mx_join_answer_read(GG_STR("{\"auth_chain\":[{\"c\":3}],\"state\":[{\"a\":1},{\"b\":2}],\"event\":{\"e\":5}}"), false, &a));
    assert_int_equal(a.n, 3);
    assert_int_equal(a.n_state, 2);
    assert_true(gg_str_is(a.events[0], "{\"a\":1}"));
    assert_true(gg_str_is(a.events[2], "{\"c\":3}"));
    assert_true(gg_str_is(a.event, "{\"e\":5}"));
    mx_join_answer_done(&a);
    assert_null(mx_join_answer_read(GG_STR("[200, {\"auth_chain\":[],\"state\":[]}]"), true, &a));
    assert_int_equal(a.n, 0);
    mx_join_answer_done(&a);
}

static void test_bad_answers(void **state)
{
    static const char *const bad[] = {"", "[]", "{}", "{\"state\":[]}", "{\"state\":{},\"auth_chain\":[]}", "{\"state\":[1],\"auth_chain\":[]}",
                                      "{\"state\":[],\"auth_chain\":[],\"members_omitted\":true}", "{\"state\":[],\"auth_chain\":[]"};
    struct mx_join_answer a;
    for (size_t i = 0; i < GG_COUNT(bad); i++)
        assert_non_null(mx_join_answer_read(gg_str(bad[i]), false, &a));
    assert_non_null(mx_join_answer_read(GG_STR("{\"state\":[],\"auth_chain\":[]}"), true, &a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_made), cmocka_unit_test(test_first_format), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_answers), cmocka_unit_test(test_bad_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
