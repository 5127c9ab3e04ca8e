/* Registration files: what is taken, what is refused and with which words, and what patterns may cost. */
#include "appservice/pattern.h"

#include <ganglion/config.h>
#include <ganglion/matrix/appservice.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BASE "id: irc\nas_token: a\nhs_token: h\nsender_localpart: bot\n"
#define URL "url: http://localhost:1/\n"
#define SPACES "namespaces: {}\n"

static int read_text(const char *text, struct gg_arena *arena, struct mx_appservice *out, struct gg_error *err)
{
    const struct gg_node *top = NULL;
    int rc = gg_node_parse(arena, "reg.yaml", gg_str(text), &top, err);
    return rc == 0 ? mx_appservice_read(top, "reg.yaml", "hs", arena, out, err) : rc;
}

static void test_good(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct mx_appservice s;
    static const char text[] = BASE "url: 'https://bridge.example/path//'\nrate_limited: no\nreceive_ephemeral: true\n"
                                    "protocols: [irc, x]\nip_range_whitelist: ['10.0.0.0/8', '::1']\n"
                                    "namespaces:\n  users: [{regex: '@_irc_.*', exclusive: true}]\n"
                                    "  aliases: [{regex: '#irc_[a-z]+', exclusive: false}]\n  rooms: []\n";
    assert_int_equal(read_text(text, arena, &s, &err), 0);
    assert_string_equal(s.id, "irc");
    assert_string_equal(s.url, "https://bridge.example/path");
    assert_string_equal(s.sender, "@bot:hs");
    assert_false(s.rate_limited);
    assert_true(s.ephemeral);
    assert_int_equal(s.n_protocols, 2);
    assert_true(gg_ip_range_has(&s.from[0], "10.1.2.3") && !gg_ip_range_has(&s.from[0], "11.1.2.3"));
    assert_true(gg_ip_range_has(&s.from[1], "::1") && !gg_ip_range_has(&s.from[1], "nonsense"));
    assert_true(mx_appservice_has_user(&s, GG_STR("@_irc_jim:hs")) && mx_appservice_owns_user(&s, GG_STR("@_irc_jim:hs")));
    assert_true(mx_appservice_owns_user(&s, GG_STR("@bot:hs")));
    assert_false(mx_appservice_has_user(&s, GG_STR("x@_irc_jim:hs"))); /* from the beginning, as Python's match */
    assert_true(mx_appservice_has_alias(&s, GG_STR("#irc_abc9")));      /* but not to the end */
    assert_false(mx_appservice_has_room_id(&s, GG_STR("!x:hs")));
    gg_arena_free(arena);
}

static void test_bad(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"[]", "is no registration"},
        {"id: [", "reg.yaml:"},
        {URL SPACES, "id: must be text"},
        {"id: 5\nas_token: a\nhs_token: h\nsender_localpart: bot\n" URL SPACES, "id: must be text"},
        {"id: 'a|b'\nas_token: a\nhs_token: h\nsender_localpart: bot\n" URL SPACES, "must not hold '|'"},
        {"id: a\nas_token: ''\nhs_token: h\nsender_localpart: bot\n" URL SPACES, "as_token: must be visible"},
        {"id: a\nas_token: a\nhs_token: \"h\\nX: y\"\nsender_localpart: bot\n" URL SPACES, "hs_token: must be visible"},
        {"id: a\nas_token: a\nhs_token: h\nsender_localpart: 'b t'\n" URL SPACES, "sender_localpart: needs characters"},
        {BASE SPACES, "url: must be text, or null"},
        {BASE SPACES "url: 5\n", "url: must be text, or null"},
        {BASE SPACES "url: ftp://x\n", "url: must begin with"},
        {BASE URL, "namespaces: must be a map"},
        {BASE URL "namespaces: {users: {}}\n", "users: must be a list"},
        {BASE URL "namespaces: {users: [x]}\n", "users: each entry needs"},
        {BASE URL "namespaces: {users: [{regex: x}]}\n", "users: each entry needs"},
        {BASE URL "namespaces: {rooms: [{regex: '(', exclusive: true}]}\n", "is no regular expression"},
        {BASE URL SPACES "protocols: x\n", "protocols: must be a list"},
        {BASE URL SPACES "protocols: [5]\n", "protocols: must hold texts"},
        {BASE URL SPACES "ip_range_whitelist: [x]\n", "is no IP range"},
        {BASE URL SPACES "org.matrix.msc3202: maybe\n", "org.matrix.msc3202: must be true or false"},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        struct gg_arena *arena = gg_arena_new();
        struct gg_error err = GG_ERROR_INIT;
        struct mx_appservice s;
        assert_true(read_text(cases[i].text, arena, &s, &err) < 0);
        if (strstr(err.message, cases[i].why) == NULL)
            fail_msg("\"%s\" says \"%s\", not \"%s\"", cases[i].text, err.message, cases[i].why);
        gg_arena_free(arena);
    }
}

static void test_no_url(void **state)
{
    static const char *const texts[] = {BASE SPACES "url: null\n", BASE SPACES "url:\n", BASE SPACES "url: ''\n"};
    for (size_t i = 0; i < GG_COUNT(texts); i++) {
        struct gg_arena *arena = gg_arena_new();
        struct gg_error err = GG_ERROR_INIT;
        struct mx_appservice s;
        assert_int_equal(read_text(texts[i], arena, &s, &err), 0);
        assert_null(s.url);
        gg_arena_free(arena);
    }
}

/* What explodes is given up; then the name is taken to be in an exclusive namespace, and out of every other. */
static void test_explosion(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct mx_appservice s;
    char name[256];
    int64_t before = gg_wall_ms();
    assert_int_equal(read_text(BASE URL "namespaces: {users: [{regex: '@(a+)+$', exclusive: true}]}\n", arena, &s, &err), 0);
    memset(name, 'a', sizeof(name));
    name[0] = '@';
    name[200] = '!';
    assert_int_equal(mx_pattern_match(s.users.v[0].pattern, gg_strn(name, 201)), MX_MATCH_LIMIT);
    assert_false(mx_appservice_has_user(&s, gg_strn(name, 201)));
    assert_true(mx_appservice_owns_user(&s, gg_strn(name, 201)));
    assert_true(gg_wall_ms() - before < 2000);
    assert_int_equal(mx_pattern_match(s.users.v[0].pattern, gg_strn("@a\xff\xfe", 4)), MX_MATCH_NO); /* no UTF-8 */
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad), cmocka_unit_test(test_no_url),
                                       cmocka_unit_test(test_explosion)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
