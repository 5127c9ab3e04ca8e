/* The pure parts of previews of links: encodings, addresses, what is blocked, oEmbed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../config/helper.h"
#include "media/preview/blocked.h"
#include "media/preview/charset.h"
#include "media/preview/link.h"
#include "media/preview/oembed.h"
#include "media/preview/preview.h"
#include "media/upkeep/upkeep.h"

#include <ganglion/matrix/config.h>

static void test_encodings(void **state)
{
    static const struct {
        const char *body;
        size_t n;
        const char *type, *text;
    } cases[] = {
#define BODY(text_) text_, sizeof(text_) - 1
        {BODY("plain"), NULL, "plain"},
        {BODY("\xc3\xa4"), NULL, "\xc3\xa4"},
        {BODY("\xe4"), NULL, "\xc3\xa4"}, /* no UTF-8: Windows-1252 */
        {BODY("\x80"), "text/html; charset=ISO-8859-1", "\xe2\x82\xac"},
        {BODY("\xc3\xa4"), "text/html; charset=utf-8", "\xc3\xa4"},
        {BODY("\xe4"), "text/html; charset=\"windows-1251\"", "\xd0\xb4"},
        {BODY("<meta charset=\"windows-1251\">\xe4"), "text/html; charset=latin1", "<meta charset=\"windows-1251\">\xd0\xb4"},
        {BODY("<meta http-equiv=x content='text/html; charset=Shift_JIS'>\x93\xfa"), NULL,
         "<meta http-equiv=x content='text/html; charset=Shift_JIS'>\xe6\x97\xa5"},
        {BODY("<?xml version='1.0' encoding='koi8-r'?>\xc1"), NULL, "<?xml version='1.0' encoding='koi8-r'?>\xd0\xb0"},
        {BODY("<meta charset=utf-16>x"), NULL, "<meta charset=utf-16>x"}, /* it says so in ASCII */
        {BODY("\xff\xfe" "a\0\xe4\0"), "text/html; charset=utf-8", "a\xc3\xa4"},
        {BODY("\xfe\xff\0a"), NULL, "a"},
        {BODY("\xef\xbb\xbf\xc3\xa4"), "text/html; charset=latin1", "\xc3\xa4"},
        {BODY("a\0b"), NULL, "a b"},
        {BODY("<meta charset=utf-8>\x81\xff"), NULL, "<meta charset=utf-8>\xef\xbf\xbd\xef\xbf\xbd"}, /* neither */
        {BODY("<meta charset=iso-2022-cn-ext>x"), "text/html; charset=utf-7", "<meta charset=iso-2022-cn-ext>x"}, /* not known */
        {BODY(""), "text/html", ""},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        size_t n;
        char *text = mx_page_to_utf8(gg_strn(cases[i].body, cases[i].n), cases[i].type, &n);
        assert_non_null(text);
        assert_int_equal(n, strlen(text));
        assert_string_equal(text, cases[i].text);
        free(text);
    }
}

static bool text_is(struct gg_str value, const char *wanted)
{
    return wanted != NULL ? value.s != NULL && gg_str_is(value, wanted) : value.s == NULL;
}

static void test_links(void **state)
{
    static const struct {
        const char *text, *scheme, *authority, *path, *query, *username, *password, *host, *port;
        bool web, address;
    } cases[] = {
        {"http://a.b/c?d=e#f", "http", "a.b", "/c", "d=e", NULL, NULL, "a.b", NULL, true, false},
        {"https://u:p@q@127.0.0.1:80", "https", "u:p@q@127.0.0.1:80", "", NULL, "u", "p@q", "127.0.0.1", "80", true, true},
        {"http://[::1]:8/x", "http", "[::1]:8", "/x", NULL, NULL, NULL, "::1", "8", true, true},
        {"http://[::1]", "http", "[::1]", "", NULL, NULL, NULL, "::1", NULL, true, true},
        {"HTTP://A/", "HTTP", "A", "/", NULL, NULL, NULL, "A", NULL, true, false},
        {"ftp://a/", "ftp", "a", "/", NULL, NULL, NULL, "a", NULL, false, false},
        {"http:///x", "http", "", "/x", NULL, NULL, NULL, "", NULL, false, false},
        {"http://a b/", "http", "a b", "/", NULL, NULL, NULL, "a b", NULL, false, false},
        {"http://a\\@b/", "http", "a\\@b", "/", NULL, "a\\", NULL, "b", NULL, false, false},
        {"//a/b", NULL, "a", "/b", NULL, NULL, NULL, "a", NULL, false, false},
        {"x?y", NULL, NULL, "x", "y", NULL, NULL, NULL, NULL, false, false},
        {"", NULL, NULL, "", NULL, NULL, NULL, NULL, NULL, false, false},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        struct mx_link link = mx_link_split(gg_str(cases[i].text));
        if (!text_is(link.scheme, cases[i].scheme) || !text_is(link.authority, cases[i].authority) ||
            !text_is(link.path, cases[i].path) || !text_is(link.query, cases[i].query) ||
            !text_is(link.username, cases[i].username) || !text_is(link.password, cases[i].password) ||
            !text_is(link.host, cases[i].host) || !text_is(link.port, cases[i].port) ||
            mx_link_is_web(&link, gg_str(cases[i].text)) != cases[i].web || mx_link_is_address(&link) != cases[i].address)
            fail_msg("%s", cases[i].text);
    }
}

/* RFC 3986, 5.4. */
static void test_resolving(void **state)
{
    static const struct {
        const char *reference, *wanted;
    } cases[] = {{"g:h", "g:h"},           {"g", "http://a/b/c/g"},       {"./g", "http://a/b/c/g"},    {"g/", "http://a/b/c/g/"},
                 {"/g", "http://a/g"},     {"//g", "http://g"},           {"?y", "http://a/b/c/d;p?y"}, {"g?y", "http://a/b/c/g?y"},
                 {"", "http://a/b/c/d;p?q"}, {".", "http://a/b/c/"},      {"./", "http://a/b/c/"},      {"..", "http://a/b/"},
                 {"../g", "http://a/b/g"}, {"../../g", "http://a/g"},     {"../../../g", "http://a/g"}, {"/./g", "http://a/g"},
                 {"/../g", "http://a/g"},  {"g.", "http://a/b/c/g."},     {"..g", "http://a/b/c/..g"},  {"./../g", "http://a/b/g"},
                 {"g/./h", "http://a/b/c/g/h"}, {"g/../h", "http://a/b/c/h"}, {" g\n", "http://a/b/c/g"}, {"g#s", "http://a/b/c/g"}};
    struct gg_arena *arena = gg_arena_new();
    for (size_t i = 0; i < GG_COUNT(cases); i++)
        assert_string_equal(mx_link_resolve(GG_STR("http://a/b/c/d;p?q"), gg_str(cases[i].reference), arena), cases[i].wanted);
    assert_string_equal(mx_link_resolve(GG_STR("http://a"), GG_STR("g"), arena), "http://a/g");
    assert_true(gg_str_is(mx_link_unescape(GG_STR("a%20b%zz%4"), arena), "a b%zz%4"));
    gg_arena_free(arena);
}

static void test_data_links(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    const char *type;
    struct gg_str body;
    assert_true(mx_data_url_read("data:image/png;base64,aGk=", 10, arena, &type, &body));
    assert_string_equal(type, "image/png");
    assert_true(gg_str_is(body, "hi"));
    assert_true(mx_data_url_read("DATA:text/plain,a%20b", 10, arena, &type, &body));
    assert_true(gg_str_is(body, "a b"));
    assert_false(mx_data_url_read("data:image/png;base64,aGk=", 1, arena, &type, &body));
    assert_false(mx_data_url_read("data:image/png;base64,!!!", 10, arena, &type, &body));
    assert_false(mx_data_url_read("data:image/png", 10, arena, &type, &body));
    assert_false(mx_data_url_read("http://x/,", 10, arena, &type, &body));
    gg_arena_free(arena);
}

/* ---- what the configuration blocks ---- */

static const struct gg_config_key *const matrix[] = {mx_config_keys, NULL};

static struct gg_config *configured(const char *yaml)
{
    char text[2000];
    snprintf(text, sizeof(text), "%s%s\n", MINIMAL, yaml);
    return load_with(text, matrix);
}

static void test_blocked(void **state)
{
    struct gg_config *config = configured("url_preview_url_blacklist: [{username: '*'}, {netloc: google.com, path: '/a*'}, {scheme: http, "
                                          "netloc: '^(.*[.])?plain[.]org$'}, {port: 8080}, {hostname: '*.internal'}]");
    static const struct {
        const char *url;
        bool blocked;
    } cases[] = {{"http://u@x/", true}, {"http://x/", false}, {"https://google.com/abc", true}, {"https://google.com/b", false},
                 {"https://www.google.com/abc", false}, {"http://a.plain.org/", true}, {"https://a.plain.org/", false},
                 {"HTTP://plain.org", true}, {"http://x:8080/", true}, {"http://x:80/", false}, {"http://A.Internal/", true}};
    struct gg_error err = GG_ERROR_INIT;
    struct mx_blocked *blocked;
    assert_int_equal(mx_blocked_new(gg_config_node(config, "url_preview_url_blacklist"), &blocked, &err), 0);
    for (size_t i = 0; i < GG_COUNT(cases); i++)
        if (mx_blocked_has(blocked, gg_str(cases[i].url)) != cases[i].blocked)
            fail_msg("%s", cases[i].url);
    mx_blocked_free(blocked);
    gg_config_free(config);
    assert_int_equal(mx_blocked_new(NULL, &blocked, &err), 0);
    assert_false(mx_blocked_has(blocked, GG_STR("http://x/")));
    mx_blocked_free(blocked);
}

static void test_wrong_lists(void **state)
{
    static const char *const wrong[] = {"[{netloc: '^('}]", "[{place: x}]", "[x]", "[{netloc: [a]}]"};
    for (size_t i = 0; i < GG_COUNT(wrong); i++) {
        char yaml[200];
        snprintf(yaml, sizeof(yaml), "url_preview_url_blacklist: %s", wrong[i]);
        struct gg_config *config = configured(yaml);
        struct gg_error err = GG_ERROR_INIT;
        struct mx_blocked *blocked;
        assert_int_not_equal(mx_blocked_new(gg_config_node(config, "url_preview_url_blacklist"), &blocked, &err), 0);
        assert_true(err.message[0] != '\0');
        gg_config_free(config);
    }
}

/* A pattern that explodes is no way past the list. */
static void test_exploding_pattern(void **state)
{
    struct gg_config *config = configured("url_preview_url_blacklist: [{path: '^/(a+)+$'}]");
    struct gg_error err = GG_ERROR_INIT;
    struct mx_blocked *blocked;
    assert_int_equal(mx_blocked_new(gg_config_node(config, "url_preview_url_blacklist"), &blocked, &err), 0);
    assert_true(mx_blocked_has(blocked, GG_STR("http://x/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")));
    assert_false(mx_blocked_has(blocked, GG_STR("http://x/b")));
    mx_blocked_free(blocked);
    gg_config_free(config);
}

/* ---- oEmbed ---- */

static void test_providers(void **state)
{
    char path[] = "/tmp/test_previews_XXXXXX", yaml[200];
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    fputs("[{\"provider_name\":\"a\",\"provider_url\":\"http://a/\",\"endpoints\":[{\"schemes\":[\"http://a.test/*\",\"https://*.b.test/x/*/y\","
          "\"http://c.test/p\"],\"url\":\"http://o.test/oembed.{format}\"},{\"schemes\":[\"http://q.test/*\"],\"url\":\"http://o.test/o?a=b\"},"
          "{\"schemes\":[\"http://xml.test/*\"],\"url\":\"http://o.test/x\",\"formats\":[\"xml\"]}]}]", f);
    fclose(f);
    snprintf(yaml, sizeof(yaml), "oembed: {additional_providers: [%s]}", path);
    struct gg_config *config = configured(yaml);
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct mx_oembed *oembed;
    static const struct {
        const char *url, *wanted;
    } cases[] = {
        {"http://a.test/z", "http://o.test/oembed.json?url=http%3A%2F%2Fa.test%2Fz&format=json"},
        {"http://a.test/", NULL},
        {"http://a.test/z?q=1", "http://o.test/oembed.json?url=http%3A%2F%2Fa.test%2Fz%3Fq%3D1&format=json"},
        {"https://m.b.test/x/1/y", "http://o.test/oembed.json?url=https%3A%2F%2Fm.b.test%2Fx%2F1%2Fy&format=json"},
        {"https://m.b.test/x/1/2/y", "http://o.test/oembed.json?url=https%3A%2F%2Fm.b.test%2Fx%2F1%2F2%2Fy&format=json"},
        {"https://m.n.b.test/x/1/y", NULL},
        {"https://b.test/x/1/y", NULL},
        {"http://c.test/p", "http://o.test/oembed.json?url=http%3A%2F%2Fc.test%2Fp&format=json"},
        {"http://c.test/p?x", NULL},
        {"http://q.test/1", "http://o.test/o?a=b&url=http%3A%2F%2Fq.test%2F1&format=json"},
        {"http://xml.test/1", NULL},
        {"https://x.com/a/status/1", "https://publish.x.com/oembed?url=https%3A%2F%2Fx.com%2Fa%2Fstatus%2F1&format=json"},
        {"nonsense", NULL},
    };
    assert_int_equal(mx_oembed_new(gg_config_node(config, "oembed"), &oembed, &err), 0);
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        const char *url = mx_oembed_url(oembed, cases[i].url, arena);
        if ((url == NULL) != (cases[i].wanted == NULL) || (url != NULL && strcmp(url, cases[i].wanted) != 0))
            fail_msg("%s: %s", cases[i].url, url != NULL ? url : "nothing");
    }
    mx_oembed_free(oembed);
    gg_config_free(config);
    config = configured("oembed: {disable_default_providers: true, additional_providers: []}");
    assert_int_equal(mx_oembed_new(gg_config_node(config, "oembed"), &oembed, &err), 0);
    assert_null(mx_oembed_url(oembed, "https://x.com/a/status/1", arena));
    mx_oembed_free(oembed);
    gg_config_free(config);
    f = fopen(path, "w");
    fputs("[{\"endpoints\":[{\"schemes\":[\"no address\"],\"url\":\"x\"}]}]", f);
    fclose(f);
    config = configured(yaml);
    assert_int_not_equal(mx_oembed_new(gg_config_node(config, "oembed"), &oembed, &err), 0);
    remove(path);
    assert_int_not_equal(mx_oembed_new(gg_config_node(config, "oembed"), &oembed, &err), 0);
    gg_config_free(config);
    gg_arena_free(arena);
}

static void fragment(struct gg_str html, json_t *og)
{
    json_object_set_new(og, "html", json_stringn(html.s, html.n));
}

static void test_answers(void **state)
{
    static const struct mx_pages pages = {.fragment = fragment};
    static const struct {
        const char *body, *og, *author;
        int64_t cache_ms;
    } cases[] = {
        {"nope", "{}", NULL, -1},
        {"[]", "{}", NULL, -1},
        {"{}", "{\"og:url\":\"u\"}", NULL, -1},
        {"{\"version\":1.0,\"title\":\"t\",\"author_name\":\"au\",\"provider_name\":\"pn\",\"cache_age\":100}",
         "{\"og:url\":\"u\",\"og:title\":\"t\",\"og:site_name\":\"pn\"}", "au", 100000},
        {"{\"version\":\"2.0\",\"title\":\"x\"}", "{}", NULL, -1},
        {"{\"version\":\"1.0\",\"type\":\"rich\",\"html\":\"<p>\",\"thumbnail_url\":\"p\"}",
         "{\"og:url\":\"u\",\"og:image\":\"p\",\"html\":\"<p>\"}", NULL, -1},
        {"{\"type\":\"rich\",\"html\":5}", "{\"og:url\":\"u\"}", NULL, -1},
        {"{\"type\":\"video\",\"html\":\"v\",\"title\":3}", "{\"og:url\":\"u\",\"og:type\":\"video.other\",\"html\":\"v\"}", NULL, -1},
        {"{\"type\":\"photo\",\"url\":\"p\",\"thumbnail_url\":\"q\"}", "{\"og:url\":\"u\",\"og:image\":\"p\"}", NULL, -1},
        {"{\"type\":\"link\",\"cache_age\":\"100\"}", "{\"og:url\":\"u\",\"og:type\":\"website\"}", NULL, 100000},
        {"{\"type\":\"weird\",\"cache_age\":-5}", "{\"og:url\":\"u\"}", NULL, -1},
        {"{\"cache_age\":1e300}", "{\"og:url\":\"u\"}", NULL, -1},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        struct mx_oembed_answer answer;
        json_t *wanted = json_loads(cases[i].og, 0, NULL);
        mx_oembed_read(&pages, "u", gg_str(cases[i].body), &answer);
        if (!json_equal(wanted, answer.og) || answer.cache_ms != cases[i].cache_ms ||
            (answer.author == NULL) != (cases[i].author == NULL) ||
            (answer.author != NULL && strcmp(answer.author, cases[i].author) != 0))
            fail_msg("%s", cases[i].body);
        json_decref(wanted);
        json_decref(answer.og);
        free(answer.author);
    }
}

static void test_mxc(void **state)
{
    static const struct {
        const char *text, *origin, *id;
    } cases[] = {{"mxc://a.b:80/cd", "a.b:80", "cd"}, {"mxc://a/", NULL, NULL},   {"mxc:///b", NULL, NULL}, {"mxc://a", NULL, NULL},
                 {"http://a/b", NULL, NULL},          {"mxc://a/b/c", NULL, NULL}, {"mxc://a/b?c", NULL, NULL}, {"mxc://a/b#c", NULL, NULL},
                 {"mxc://a/..", "a", ".."}, {"mxc://a\xc3\xa4/b", NULL, NULL}, {"mxc://a/b\xed\xa0\x80", NULL, NULL},           {"", NULL, NULL}};
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        struct mx_mxc mxc = {0};
        bool good = mx_mxc_split(gg_str(cases[i].text), &mxc);
        if (good != (cases[i].id != NULL) || (good && (!text_is(mxc.origin, cases[i].origin) || !text_is(mxc.id, cases[i].id))))
            fail_msg("%s", cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encodings), cmocka_unit_test(test_links),        cmocka_unit_test(test_resolving),
        cmocka_unit_test(test_data_links), cmocka_unit_test(test_blocked),     cmocka_unit_test(test_wrong_lists),
        cmocka_unit_test(test_exploding_pattern), cmocka_unit_test(test_providers), cmocka_unit_test(test_answers),
        cmocka_unit_test(test_mxc)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
