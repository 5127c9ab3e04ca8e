/* What we send of our own users' events, and which servers a room's ACL lets in. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "rooms/check_content.h"
#include "rooms/server_acl.h"

enum { FINE = 0 };

static int status_of(const char *type, const char *state_key, const char *content, char errcode[64])
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct mx_new_content e = {mx_room_version_find(gg_str("12")), "here", gg_str(type),
                               state_key != NULL ? gg_str(state_key) : (struct gg_str){0}, gg_str(content)};
    int rc = mx_check_content(&e, arena, &err);
    snprintf(errcode, 64, "%s", err.errcode);
    gg_arena_free(arena);
    return rc != 0 ? err.http_status : FINE;
}

static const struct {
    const char *type, *state_key, *content;
    int status;
    const char *errcode;
} cases[] = {
    {"m.room.message", NULL, "{\"msgtype\":\"m.text\",\"body\":\"x\"}", FINE, NULL},
    {"m.room.message", NULL, "{\"msgtype\":\"m.text\"}", 400, "M_UNKNOWN"},
    {"m.room.message", NULL, "{\"body\":\"x\",\"msgtype\":5}", 400, "M_UNKNOWN"},
    {"m.room.name", "", "{}", 400, "M_UNKNOWN"},
    {"m.room.topic", "", "{\"topic\":null}", 400, "M_UNKNOWN"},
    {"x.y", NULL, "{}", FINE, NULL},
    {"x.y", NULL, "{\"m.mentions\":{}}", FINE, NULL},
    {"x.y", NULL, "{\"m.mentions\":{\"user_ids\":[\"@a:b\"],\"room\":true}}", FINE, NULL},
    {"x.y", NULL, "{\"m.mentions\":[]}", 400, "M_BAD_JSON"},
    {"x.y", NULL, "{\"m.mentions\":{\"user_ids\":[5]}}", 400, "M_BAD_JSON"},
    {"x.y", NULL, "{\"m.mentions\":{\"user_ids\":{}}}", 400, "M_BAD_JSON"},
    {"x.y", NULL, "{\"m.mentions\":{\"room\":\"true\"}}", 400, "M_BAD_JSON"},
    {"m.room.power_levels", "", "{}", FINE, NULL},
    {"m.room.power_levels", "", "{\"users\":{\"@a:b\":9007199254740991},\"ban\":-5}", FINE, NULL},
    {"m.room.power_levels", "", "{\"users\":{\"@a:b\":9007199254740992}}", 400, "M_BAD_JSON"},
    {"m.room.power_levels", "", "{\"users\":{\"@a:b\":\"5\"}}", 400, "M_BAD_JSON"},
    {"m.room.power_levels", "", "{\"users\":[]}", 400, "M_BAD_JSON"},
    {"m.room.power_levels", "", "{\"ban\":true}", 400, "M_BAD_JSON"},
    {"m.room.power_levels", "", "{\"notifications\":{\"room\":null}}", 400, "M_BAD_JSON"},
    {"m.room.retention", "", "{\"min_lifetime\":1,\"max_lifetime\":2}", FINE, NULL},
    {"m.room.retention", "", "{\"min_lifetime\":2,\"max_lifetime\":1}", 400, "M_BAD_JSON"},
    {"m.room.retention", "", "{\"max_lifetime\":true}", 400, "M_BAD_JSON"},
    {"m.room.retention", NULL, "{}", 400, "M_UNKNOWN"},
    {"m.room.server_acl", "", "{}", 400, "M_UNKNOWN"},
    {"m.room.server_acl", "", "{\"allow\":[\"*\"]}", FINE, NULL},
    {"m.room.tombstone", "", "{}", 400, "M_UNKNOWN"},
    {"m.room.tombstone", "", "{\"replacement_room\":\"!x\"}", FINE, NULL},
};

static void test_contents(void **state)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char errcode[64];
        assert_int_equal(status_of(cases[i].type, cases[i].state_key, cases[i].content, errcode), cases[i].status);
        if (cases[i].errcode != NULL)
            assert_string_equal(errcode, cases[i].errcode);
    }
}

static void test_lengths(void **state)
{
    char errcode[64], text[300], content[2200];
    memset(text, 'x', 256);
    text[256] = '\0';
    assert_int_equal(status_of(text, NULL, "{}", errcode), 413);
    assert_int_equal(status_of("x", text, "{}", errcode), 413);
    assert_int_equal(status_of(text + 1, text + 1, "{}", errcode), FINE);
    int n = snprintf(content, sizeof(content), "{\"displayname\":\"%s\"}", text);
    assert_true(n > 0);
    assert_int_equal(status_of("m.room.member", "@a:b", content, errcode), FINE);
    n = snprintf(content, sizeof(content), "{\"displayname\":\"%sx\"}", text);
    assert_int_equal(status_of("m.room.member", "@a:b", content, errcode), 400);
    n = snprintf(content, sizeof(content), "{\"avatar_url\":\"%s%s%s%s\"}", text, text, text, text);
    assert_int_equal(status_of("m.room.member", "@a:b", content, errcode), 400);
}

static void test_server_acl(void **state)
{
    static const struct {
        const char *content, *server;
        bool allowed;
    } acls[] = {
        {"{\"allow\":[\"*\"]}", "here", true},
        {"{\"allow\":[]}", "here", false},
        {"{\"allow\":5}", "here", false},
        {"{\"allow\":[\"*\"],\"deny\":5}", "here", true},
        {"{\"allow\":[\"*\"],\"deny\":[5,\"h?re\"]}", "here", false},
        {"{\"allow\":[\"HE*\"]}", "here", true},
        {"{\"allow\":[\"*.evil\"]}", "evil", false},
        {"{\"allow\":[\"*\"],\"deny\":[\"*evil\"]}", "very.evil", false},
        {"{\"allow\":[\"*\"],\"allow_ip_literals\":false}", "1.2.3.4", false},
        {"{\"allow\":[\"*\"],\"allow_ip_literals\":false}", "1.2.3.4:8448", false},
        {"{\"allow\":[\"*\"],\"allow_ip_literals\":false}", "[::1]:8448", false},
        {"{\"allow\":[\"*\"],\"allow_ip_literals\":false}", "1.2.3.4.example", true},
        {"{\"allow\":[\"*\"],\"allow_ip_literals\":0}", "1.2.3.4", true},
        {"{\"allow\":[\"*a*a*a*a*a*b\"]}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    };
    for (size_t i = 0; i < sizeof(acls) / sizeof(acls[0]); i++) {
        struct gg_arena *arena = gg_arena_new();
        assert_int_equal(mx_server_acl_allows(gg_str(acls[i].content), gg_str(acls[i].server), arena), acls[i].allowed);
        gg_arena_free(arena);
    }
    static const char *const names[] = {"evil", "evil:8448", "[::1]:8448"}; /* ports do not let anybody in */
    struct gg_arena *arena = gg_arena_new();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_false(mx_server_acl_lets_in(gg_str("{\"allow\":[\"*\"],\"deny\":[\"evil\",\"[[]::1]\",\"[::1]\"]}"), gg_str(names[i]), arena));
    assert_true(mx_server_acl_lets_in(gg_str("{\"allow\":[\"*\"],\"deny\":[\"evil\"]}"), gg_str("good:8448"), arena));
    assert_false(mx_server_acl_lets_in(gg_str("{\"allow\":[\"*\"],\"deny\":[\"evil:8448\"]}"), gg_str("evil:8448"), arena));
    assert_true(mx_server_acl_lets_in(gg_str("{\"allow\":[\"*\"],\"deny\":[\"evil:8448\"]}"), gg_str("evil:1"), arena));
    assert_true(mx_server_acl_lets_in(gg_str("{\"allow\":[\"good:8448\"]}"), gg_str("good:8448"), arena));
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_contents), cmocka_unit_test(test_lengths), cmocka_unit_test(test_server_acl)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
