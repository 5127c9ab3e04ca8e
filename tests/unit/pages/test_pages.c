/* Templates as operators write them, and markup of messages made harmless. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "pages/pages.h"
#include "pages/sanitize.h"

#include <ganglion/base.h>

static const char *const others[][2] = {{"part.html", "<i>{{ name }}</i>"},
                                        {"base.html", "[{% block a %}base a{% endblock %}|{% block b %}base b{% endblock %}]"},
                                        {"self.html", "{% include 'self.html' %}"},
                                        {"child of itself", "{% extends 'child of itself' %}"}};

static const char *find(void *self, struct gg_str name)
{
    for (size_t i = 0; i < GG_COUNT(others); i++)
        if (gg_str_is(name, others[i][0]))
            return others[i][1];
    return NULL;
}

/* Compares what comes of it: the text, or the reason why it is refused; says NULL: any. */
static void compare(const char *source, const char *want, const char *says)
{
    const struct mx_page_env env = {.find = find, .public_baseurl = "https://example.org/"};
    json_t *values = json_pack("{s:s, s:s, s:[s,s,s], s:{s:i, s:{s:s}}, s:I, s:s, s:n, s:[]}", "name", "<&>", "app", "App",
                               "list", "a", "b", "<", "room", "hash", 7, "html", "__html__", "<b>x</b>", "ts",
                               (json_int_t)86400000, "mxc", "mxc://o.org/id#f", "nothing", "none");
    struct gg_buf out = GG_BUF_INIT;
    struct gg_error err = GG_ERROR_INIT;
    int rc = mx_page_render_tree(&env, gg_str(source), true, values, &out, &err);
    assert_int_equal(rc == 0, want != NULL);
    if (want)
        assert_string_equal(out.data, want);
    if (says)
        assert_non_null(strstr(err.message, says));
    gg_buf_done(&out);
    json_decref(values);
}

/* want NULL: it is refused. */
static void check(const char *source, const char *want)
{
    compare(source, want, NULL);
}

static void expressions(void **state)
{
    check("{{ 'it\\'s' }} {{ 1 + 2 * 3 }} {{ 7 % 3 }} {{ 7 / 2 }} {{ -room.hash }}", "it&#39;s 7 1 3.5 -7");
    check("{{ room['hash'] }} {{ list[0] }} {{ list[-1] }} {{ list[9] }}{{ absent.deep.er }}", "7 a &lt; ");
    check("{{ room.html }}{{ room.html|e }}{{ name|safe }}", "<b>x</b><b>x</b><&>");
    check("{{ 'a' if list else 'b' }}{{ 'a' if none else 'b' }}{{ 'c' if none }}", "ab");
    check("{% if room.hash % 3 == 1 and not none or nothing %}y{% endif %}", "y");
    check("{% if 'a' in list and 'x' not in list and 'p' in app and room.hash >= 7 and room.hash != 8 %}y{% endif %}", "y");
    check("{% if nothing is none and absent is not defined and app is defined %}y{% endif %}", "y");
    check("{{ '%d %d'|format(9223372036854775807, room.hash / 2) }}", "9223372036854775807 3");
    check("{{ 'mail-%s.css' % app }} {{ \"%.1f\"|format(room.hash / 2) }} {{ '%d%% of %s'|format(5, app) }}",
          "mail-App.css 3.5 5% of App");
    check("{{ app ~ '-' ~ room.hash }} {{ absent|default('d') }} {{ list|length }} {{ list|join('+') }}", "App-7 d 3 a+b+&lt;");
    check("{{ app|upper|lower|replace('p', 'q') }} {{ list|first }} {{ 'a b&'|urlencode }}", "aqq a a%20b%26");
    check("{{ mxc|mxc_to_http(32, 48) }}{{ app|mxc_to_http(1, 1) }}",
          "https://example.org/_matrix/media/v1/thumbnail/o.org/id?width=32&amp;height=48&amp;method=crop#f");
    check("{{ 'me@o.org'|localpart_from_email }} {{ ts|format_ts('%Y') }}", "me 1970");
    check("{{ '%s %s'|format(app) }}", "App %s");
    check("{{ app(1) }}", NULL);
    check("{{ app|unheard_of }}", NULL);
    check("{{ 'open }}", NULL);
    check("{{ ((((((((((((((((((((((((((((((1)))))))))))))))))))))))))))))) }}", NULL);
}

static void control(void **state)
{
    check("{% for x in list %}{{ loop.index }}{{ x }}{% if not loop.last %},{% endif %}{% endfor %}", "1a,2b,3&lt;");
    check("{% for x in none %}{{ x }}{% else %}empty{% endfor %}{{ x }}", "empty");
    check("{% for x in list %}{% for y in list %}{{ loop.index0 }}{% endfor %}{% else %}no{% endfor %}", "012012012");
    check("{% set a = app %}{{ a }}", "App");
    check("a  {%- if app -%}  b  {%- endif -%}  c", "abc");
    check("{% include 'part.html' %}{% include 'no' ignore missing %}{% include \"part.html\" with context %}",
          "<i>&lt;&amp;&gt;</i><i>&lt;&amp;&gt;</i>");
    check("{% extends 'base.html' %}lost{% block b %}mine {{ app }}{% endblock %}", "[base a|mine App]");
    check("{% include 'self.html' %}", NULL);
    check("{% extends 'child of itself' %}", NULL);
    check("{% include 'no' %}", NULL);
    check("{% for x in none %}{{ x|unheard_of }}{% endfor %}", NULL); /* broken where nothing is shown */
    check("{% for x in list %}{% endif %}", NULL);
    compare("{% if app %}never ended", NULL, "an endif, endfor or endblock is missing");
}

static void clean(const char *html, const char *want)
{
    struct gg_buf out = GG_BUF_INIT;
    mx_html_clean(gg_str(html), &out);
    assert_string_equal(out.data, want);
    gg_buf_done(&out);
}

static void markup(void **state)
{
    clean("<b>bold</b> <i>x", "<b>bold</b> <i>x</i>");
    clean("<script>alert(1)</script>a<style>p{}</style>b<SCRIPT\n>x</script >c", "abc");
    clean("<img src=x onerror=alert(1)>a<svg><p onclick='x'>b</svg>", "a<p>b</p>");
    clean("<a href=\"javascript:alert(1)\">a</a>", "<a>a</a>");
    clean("<a href='https://o.org/?a=1&b=2' target=_blank onclick=x>a</a>",
          "<a href=\"https://o.org/?a=1&amp;b=2\" rel=\"nofollow noopener\">a</a>");
    clean("<a href=\"jav\tascript:x\">a</a><a href=\" https://x\">b</a>", "<a>a</a><a>b</a>");
    clean("<font color=\"#ff0000\" size=7>a</font><font color='red\";x'>b</font>", "<font color=\"#ff0000\">a</font><font>b</font>");
    clean("1 < 2 & 3 > 2 &amp; &#x41; &bogus", "1 &lt; 2 &amp; 3 &gt; 2 &amp; &#x41; &amp;bogus");
    clean("</p></b><p>a<b>b</p>c", "<p>a<b>b</b></p>c");
    clean("see https://o.org/x_(y), ok", "see <a href=\"https://o.org/x_(y\" rel=\"nofollow noopener\">https://o.org/x_(y</a>), ok");
    clean("<code>https://o.org</code>", "<code>https://o.org</code>");
    clean("<!-- x --><!DOCTYPE x>a<br/><b", "a<br><b></b>");
    clean("<h1>loud</h1><mx-reply><blockquote>q</blockquote></mx-reply>", "loud<blockquote>q</blockquote>");
    struct gg_buf deep = GG_BUF_INIT, out = GG_BUF_INIT;
    for (int i = 0; i < 5000; i++)
        gg_buf_lit(&deep, "<div>");
    mx_html_clean(gg_buf_view(&deep), &out);
    assert_true(out.n < 1000);
    gg_buf_done(&deep);
    gg_buf_clear(&out);
    mx_html_of_text(GG_STR("<b> http://o.org/\"x"), &out);
    assert_string_equal(out.data, "&lt;b&gt; <a href=\"http://o.org/\" rel=\"nofollow noopener\">http://o.org/</a>&quot;x");
    gg_buf_done(&out);
}

/* Every one of ours can be rendered with nothing at all, and shows nothing unescaped. */
static const char *find_own(void *self, struct gg_str name)
{
    for (const struct mx_page_file *f = mx_page_files; f->name; f++)
        if (gg_str_is(name, f->name))
            return f->text;
    return NULL;
}

static void own_mails(void **state)
{
    const struct mx_page_env env = {.find = find_own, .public_baseurl = "https://example.org/", .check = true};
    json_t *values = json_pack(
        "{s:s, s:s, s:s, s:[{s:s, s:b, s:s, s:[{s:s, s:I, s:[{s:s, s:s, s:s, s:s, s:I}, {s:s, s:s, s:I}]}]}]}", "title", "<x>",
        "summary_text", "<x>", "unsubscribe_link", "https://u", "rooms", "title", "<x>", "invite", 0, "link", "https://l",
        "notifs", "link", "https://n", "ts", (json_int_t)1000, "messages", "event_type", "m.room.message", "msgtype", "m.text",
        "sender_name", "<x>", "body_text_plain", "<x>", "ts", (json_int_t)0, "event_type", "m.room.encrypted", "sender_name",
        "<x>", "ts", (json_int_t)0);
    assert_non_null(values);
    for (const struct mx_page_file *f = mx_page_files; f->name; f++) {
        bool html = strstr(f->name, ".html") != NULL;
        struct gg_buf out = GG_BUF_INIT;
        struct gg_error err = GG_ERROR_INIT;
        assert_int_equal(mx_page_render_tree(&env, gg_str(f->text), html, values, &out, &err), 0);
        assert_true(!html || strstr(out.data, "<x>") == NULL);
        if (strncmp(f->name, "notif_mail", 10) == 0) {
            assert_non_null(strstr(out.data, "An encrypted message."));
            assert_non_null(strstr(out.data, html ? "&lt;x&gt;" : "<x>"));
            assert_non_null(strstr(out.data, "https://u"));
        }
        gg_buf_done(&out);
    }
    json_decref(values);
}

static void filling_in(void **state)
{
    static const struct mx_page_value values[] = {{"uri", {"https://x/?a=%25", 16}}};
    static const char *const cases[][2] = {{"see %(uri)s, %(uri)s", "see https://x/?a=%25, https://x/?a=%25"},
                                           {"100%% %(other)s.", "100% ."}, {"%(uri", "%(uri"}, {"50% off%", "50% off%"}, {"", ""}};
    struct gg_arena *arena = gg_arena_new();
    for (size_t i = 0; i < GG_COUNT(cases); i++)
        assert_string_equal(mx_page_fill_in(cases[i][0], values, GG_COUNT(values), arena), cases[i][1]);
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions),
        cmocka_unit_test(filling_in),
        cmocka_unit_test(control),
        cmocka_unit_test(markup),
        cmocka_unit_test(own_mails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
