/* What needs nothing but its arguments around registering: macaroons, flows, addresses, pages, forms, mails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "accounts/access_token.h"
#include "accounts/macaroon.h"
#include "accounts/mail.h"
#include "accounts/signup.h"
#include "accounts/threepid.h"

/* ---- macaroons ---- */

/* Made by pymacaroons 0.13 with the key "secret". */
#define LIVE                                                                                                           \
    "MDAxN2xvY2F0aW9uIGxvY2FsaG9zdAowMDEzaWRlbnRpZmllciBrZXkKMDAxMGNpZCBnZW4gPSAxCjAwMTZjaWQgdHlwZSA9IGFjY2VzcwowMD"  \
    "FmY2lkIHVzZXJfaWQgPSBAMTpsb2NhbGhvc3QKMDAyMWNpZCBub25jZSA9IGFiY2RlZmdoaWprbG1ub3AKMDAxNWNpZCBndWVzdCA9IHRydWUKM" \
    "DAyZnNpZ25hdHVyZSB2UN2oyxtzmvsjebXRsIvqArFWen-SwJs7b2QcXPxdYgo"

static void a_live_guest(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str user = mx_guest_token_user(arena, GG_STR("secret"), GG_STR(LIVE));
    assert_true(gg_str_is(user, "@1:localhost"));
    assert_null(mx_guest_token_user(arena, GG_STR("another"), GG_STR(LIVE)).s);
    gg_arena_free(arena);
}

static void the_same_bytes(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    const struct gg_str caveats[] = {GG_STR("gen = 1"), GG_STR("type = access"), GG_STR("user_id = @1:localhost"),
                                     GG_STR("nonce = abcdefghijklmnop"), GG_STR("guest = true")};
    assert_string_equal(
        mx_macaroon_make(arena, GG_STR("secret"), GG_STR("localhost"), caveats, GG_COUNT(caveats)), LIVE);
    gg_arena_free(arena);
}

/* No byte of a token can be changed but of its location, which is not signed; none left out, none added. */
static void forged_guests(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    char text[sizeof LIVE + 8];
    for (size_t i = 31; i + 2 < sizeof LIVE; i++) { /* the last letter has two bits that stand for nothing */
        memcpy(text, LIVE, sizeof LIVE);
        text[i] = text[i] == 'A' ? 'B' : 'A';
        assert_null(mx_guest_token_user(arena, GG_STR("secret"), gg_str(text)).s);
        assert_null(mx_guest_token_user(arena, GG_STR("secret"), gg_strn(LIVE, i)).s);
        gg_arena_reset(arena);
    }
    snprintf(text, sizeof text, "%s%s", LIVE, "MDA");
    assert_null(mx_guest_token_user(arena, GG_STR("secret"), gg_str(text)).s);
    const struct gg_str other[] = {GG_STR("gen = 1"), GG_STR("type = session"), GG_STR("user_id = @1:localhost"),
                                   GG_STR("guest = true")};
    assert_null(mx_guest_token_user(arena, GG_STR("secret"),
                                    gg_str(mx_macaroon_make(arena, GG_STR("secret"), GG_STR("x"), other, 4)))
                    .s);
    const struct gg_str limited[] = {GG_STR("gen = 1"), GG_STR("type = access"), GG_STR("user_id = @1:localhost"),
                                     GG_STR("guest = true"), GG_STR("time < 5")};
    assert_null(mx_guest_token_user(arena, GG_STR("secret"),
                                    gg_str(mx_macaroon_make(arena, GG_STR("secret"), GG_STR("x"), limited, 5)))
                    .s);
    gg_arena_free(arena);
}

static void refresh_tokens(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    const char *made = mx_refresh_token_new(arena, GG_STR("alice"));
    assert_true(mx_refresh_token_valid(gg_str(made)));
    assert_false(mx_refresh_token_valid(gg_str(mx_access_token_new(arena, GG_STR("alice")))));
    assert_false(mx_refresh_token_valid(gg_strn(made, strlen(made) - 1)));
    assert_true(mx_token_check(gg_str(mx_login_token_new(arena))));
    gg_arena_free(arena);
}

/* ---- flows ---- */

static void check_flows(struct mx_signup_rules rules, const char *want)
{
    struct mx_uia_flow flows[MX_SIGNUP_FLOWS];
    char text[512] = "";
    size_t n = mx_signup_flows(&rules, flows);
    for (size_t i = 0; i < n; i++) {
        strcat(text, i ? " | " : "");
        for (const char *const *s = flows[i].stages; *s; s++) {
            strcat(text, s == flows[i].stages ? "" : ",");
            strcat(text, *s + strlen("m.login."));
        }
    }
    assert_string_equal(text, want);
}

static void flows(void **state)
{
    check_flows((struct mx_signup_rules){0}, "dummy");
    check_flows((struct mx_signup_rules){.mail = true}, "dummy | email.identity");
    check_flows((struct mx_signup_rules){.mail = true, .require_mail = true}, "email.identity");
    check_flows((struct mx_signup_rules){.require_token = true}, "registration_token,dummy");
    check_flows((struct mx_signup_rules){.require_consent = true}, "terms,dummy");
    check_flows((struct mx_signup_rules){.mail = true, .require_mail = true, .token_for_mail = true,
                                         .require_consent = true},
                "terms,email.identity | terms,registration_token");
    check_flows((struct mx_signup_rules){.mail = true, .require_token = true, .token_for_mail = true,
                                         .require_consent = true},
                "registration_token,terms,dummy | registration_token,terms,email.identity | terms,registration_token");
}

/* ---- addresses ---- */

static void addresses(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"a@b", "a@b"},         {" A.B@Example.ORG\t", "a.b@example.org"}, {"Stra\xc3\x9f" "e@x.y", "strasse@x.y"},
        {"", NULL},             {"a", NULL},                               {"@b", NULL},
        {"a@", NULL},           {"a@b@c", NULL},                           {"a b@c", NULL},
        {"a@b\r\nX: y", NULL},  {"a<b>@c", NULL},                          {"a@b,c@d", NULL},
        {"\xff@b", NULL},       {"\"a b\"@c", NULL},
    };
    struct gg_arena *arena = gg_arena_new();
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        struct gg_error err = GG_ERROR_INIT;
        struct gg_str out;
        int status = mx_mail_canonical(gg_str(cases[i].in), arena, &out, &err);
        assert_int_equal(status == 0, cases[i].out != NULL);
        if (!status)
            assert_string_equal(out.s, cases[i].out);
    }
    gg_arena_free(arena);
}

static void client_secrets(void **state)
{
    char longest[257];
    struct gg_error err = GG_ERROR_INIT;
    memset(longest, 'x', 256);
    assert_int_equal(mx_client_secret_check(gg_strn(longest, 255), &err), 0);
    assert_int_not_equal(mx_client_secret_check(gg_strn(longest, 256), &err), 0);
    assert_int_equal(mx_client_secret_check(GG_STR("aZ09.=_-"), &err), 0);
    assert_int_not_equal(mx_client_secret_check(GG_STR(""), &err), 0);
    assert_int_not_equal(mx_client_secret_check(GG_STR("a b"), &err), 0);
    assert_int_not_equal(mx_client_secret_check(GG_STR("a\0b"), &err), 0);
}

/* ---- pages ---- */

static void check_render(const char *source, bool escape, const char *want)
{
    const struct mx_page_value values[] = {{"name", GG_STR("<&\"'>")}, {"yes", GG_STR("1")}, {"no", GG_STR("")}};
    struct gg_buf out = GG_BUF_INIT;
    struct gg_error err = GG_ERROR_INIT;
    int status = mx_page_render_text(gg_str(source), escape, values, GG_COUNT(values), &out, &err);
    assert_int_equal(status == 0, want != NULL);
    if (want)
        assert_string_equal(out.data, want);
    gg_buf_done(&out);
}

static void pages(void **state)
{
    check_render("plain { text } {", true, "plain { text } {");
    check_render("a {{ name }} b", true, "a &lt;&amp;&#34;&#39;&gt; b");
    check_render("a {{ name }} b", false, "a <&\"'> b");
    check_render("{{ name|e }}{{ absent }}", false, "&lt;&amp;&#34;&#39;&gt;");
    check_render("{# {{ nothing( }} #}x", true, "x");
    check_render("{% if yes %}a{% else %}b{% endif %}", true, "a");
    check_render("{%- if not yes -%}a{%- elif yes -%}b{%- else -%}c{%- endif -%}", true, "b");
    check_render("{% if no %}a{% if yes %}b{% else %}c{% endif %}{% endif %}d", true, "d");
    check_render("{% if no %}{{ name }}{% elif absent %}x{% else %}{% if yes %}y{% endif %}{% endif %}", true, "y");
    static const char *const broken[] = {
        "{{ name", "{% if yes %}", "{% endif %}", "{% else %}", "{% for x in y %}", "{{ name|unheard_of }}", "{% for x y %}{% endfor %}",
        "{% include 'x' %}", "{% extends 'x' %}", "{% macro a() %}{% endmacro %}", "{% block a %}", "{{ a b }}", "{{ (a }}",
        "{% if a == %}{% endif %}", "{% if yes %}{% else %}{% else %}{% endif %}", "{{ f(x) }}", "{{}}"};
    for (size_t i = 0; i < GG_COUNT(broken); i++)
        check_render(broken[i], true, NULL);
    struct gg_buf deep = GG_BUF_INIT;
    for (int i = 0; i < 100; i++)
        gg_buf_lit(&deep, "{% if yes %}");
    check_render(deep.data, true, NULL);
    gg_buf_done(&deep);
}

static void forms(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    const struct gg_str body = GG_STR("a=1&b=x+y%20%26%3d&c&=d&e=%ff&f=%00&g=%zz&a=2");
    assert_string_equal(mx_form_get(body, "a", arena).s, "1");
    assert_string_equal(mx_form_get(body, "b", arena).s, "x y &=");
    assert_string_equal(mx_form_get(body, "g", arena).s, "%zz");
    assert_null(mx_form_get(body, "c", arena).s);
    assert_null(mx_form_get(body, "e", arena).s);
    assert_null(mx_form_get(body, "f", arena).s);
    assert_null(mx_form_get((struct gg_str){0}, "a", arena).s);
    gg_arena_free(arena);
}

/* ---- mails ---- */

static void mails(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_buf out = GG_BUF_INIT;
    const struct mx_page_value values[] = {{"app", GG_STR("App\r\nBcc: x@y")}};
    assert_string_equal(mx_mail_address("App <a@b.c>", arena), "a@b.c");
    assert_string_equal(mx_mail_address("a@b.c", arena), "a@b.c");
    assert_string_equal(mx_mail_fill_in("[%(app)s] %(none)s %(", values, 1, arena), "[App  Bcc: x@y]  %(");
    mx_mail_write(&out, "example.org", "a@b.c", GG_STR("t@o.x"), "S\xc3\xbc\xc3\x9f", "List-Help: <x:y>\r\n", GG_STR("text"), GG_STR("<p>"), 0);
    assert_non_null(strstr(out.data, "Subject: =?utf-8?B?U8O8w58=?="));
    assert_non_null(strstr(out.data, "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"));
    assert_non_null(strstr(out.data, "dGV4dA=="));
    assert_non_null(strstr(out.data, "List-Help: <x:y>\r\n"));
    for (const char *p = out.data; (p = strchr(p, '\n')); p++)
        assert_true(p[-1] == '\r');
    gg_buf_done(&out);
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_live_guest),   cmocka_unit_test(the_same_bytes), cmocka_unit_test(forged_guests),
        cmocka_unit_test(refresh_tokens), cmocka_unit_test(flows),          cmocka_unit_test(addresses),
        cmocka_unit_test(client_secrets), cmocka_unit_test(pages),         
        cmocka_unit_test(forms),          cmocka_unit_test(mails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
