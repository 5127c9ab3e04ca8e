/* What a page says of itself: the reader of the role media_repository. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "page.h"
#include "summary.h"

static void is_read_as(const char *html, const char *wanted)
{
    struct mx_page page;
    page_reader.read(gg_str(html), &page);
    json_t *want = json_loads(wanted, JSON_DECODE_ANY, NULL);
    assert_non_null(want);
    if (!json_equal(page.og, want)) {
        char *text = json_dumps(page.og, JSON_ENCODE_ANY);
        fail_msg("%s\n%s", html, text);
    }
    json_decref(want);
    json_decref(page.og);
    free(page.oembed);
}

static void test_pages(void **state)
{
    static const struct {
        const char *html, *og;
    } cases[] = {
        {"<p>only <b>text</b>", "{\"og:title\":null,\"og:description\":\"only\\n\\ntext\"}"},
        {"<head><title> a &amp; <i>b</i></title></head>", "{\"og:title\":\"a &\",\"og:description\":null}"},
        {"<title></title><h1>one</h1><h1>two</h1>", "{\"og:title\":\"one\",\"og:description\":\"one\\n\\ntwo\"}"},
        {"<body><h3>three</h3><h2>two</h2>", "{\"og:title\":\"three\",\"og:description\":\"three\\n\\ntwo\"}"},
        {"<title>a</title><svg><title>b</title></svg>x", "{\"og:title\":\"a\",\"og:description\":\"x\"}"},
        /* what is shown beside the text is not the text */
        {"<body>a<!-- c -->b<script>no</script>c<nav>no<p>no</nav><aside>no</aside><footer>no</footer>d<style>no</style>",
         "{\"og:title\":null,\"og:description\":\"a\\n\\nb\\n\\nc\\n\\nd\"}"},
        {"<body>\xc2\xa0 a\xe2\x80\x83\n\tb \xe2\x80\x8b", "{\"og:title\":null,\"og:description\":\"a b \\u200b\"}"},
        /* meta */
        {"<meta property='og:title' content='A'><meta property=og:title content=B>", "{\"og:title\":\"B\",\"og:description\":null}"},
        {"<META PROPERTY='og:title' CONTENT=A><title>b</title>", "{\"og:title\":\"A\",\"og:description\":null}"},
        {"<meta property='og:title' content=''><meta property='og:title'><title>b</title>",
         "{\"og:title\":\"b\",\"og:description\":null}"},
        {"<meta name='twitter:title' content=t><meta name='twitter:card' content=c><meta name='twitter:creator' content=c>"
         "<meta name='twitter:site' content=s><meta property='og:title' content=o>",
         "{\"og:title\":\"o\",\"og:site_name\":\"s\",\"og:description\":null}"},
        {"<meta name=DESCRIPTION content='d'><meta name=description content='e'>x", "{\"og:title\":null,\"og:description\":\"d\"}"},
        {"<meta property='og:description' content=' a\n\n b\t\tc '>x", "{\"og:title\":null,\"og:description\":\"a b c\"}"},
        /* pictures, from the best to the least */
        {"<meta itemprop=IMAGE content=m><img src=a width=99 height=99>", "{\"og:title\":null,\"og:image\":\"m\",\"og:description\":null}"},
        {"<img src=a><img src=b width=20 height=20><img src=c width=30.5 height=20><img src=d width=20 height=30.4>",
         "{\"og:title\":null,\"og:image\":\"c\",\"og:description\":null}"},
        {"<img><img src=a width=10 height=90><img src=b width=100% height=9e9><link rel=icon href=i>",
         "{\"og:title\":null,\"og:image\":\"a\",\"og:description\":null}"},
        {"<link rel='shortcut icon' href=i><link rel=icon href=j>", "{\"og:title\":null,\"og:image\":\"i\",\"og:description\":null}"},
        {"<img src=''>", "{\"og:title\":null,\"og:description\":null}"},
        /* not well-formed */
        {"<<>><p", "{\"og:title\":null,\"og:description\":\"<<\\n\\n>>\"}"},
        {"</div></b><title>x", "{\"og:title\":\"x\",\"og:description\":null}"},
        {"<title>x</title><p title='unclosed>text", "{\"og:title\":\"x\",\"og:description\":null}"},
        {"&#0;&#xd800;&#99999999;<title>&notit; &lt;</title>", "{\"og:title\":\"&notit; <\",\"og:description\":null}"},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++)
        is_read_as(cases[i].html, cases[i].og);
}

static void test_no_page(void **state)
{
    static const char *const none[] = {"", " \n\t"};
    for (size_t i = 0; i < GG_COUNT(none); i++) {
        struct mx_page page;
        page_reader.read(gg_str(none[i]), &page);
        assert_null(page.og);
        assert_null(page.oembed);
    }
}

static void test_oembed_link(void **state)
{
    static const struct {
        const char *html, *url;
    } cases[] = {{"<link rel=alternate type='application/json+oembed' href=a>", "a"},
                 {"<link rel='x alternate' type=application/json+oembed href=a&amp;b>", "a&b"},
                 {"<link rel=alternates type=application/json+oembed href=a>", NULL},
                 {"<link rel=alternate type=text/xml+oembed href=a>", NULL},
                 {"<link rel=alternate type=application/json+oembed>", NULL}};
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        struct mx_page page;
        page_reader.read(gg_str(cases[i].html), &page);
        assert_int_equal(page.oembed == NULL, cases[i].url == NULL);
        if (cases[i].url != NULL)
            assert_string_equal(page.oembed, cases[i].url);
        json_decref(page.og);
        free(page.oembed);
    }
}

static void test_fragments(void **state)
{
    json_t *og = json_pack("{s:s}", "og:image", "kept"), *empty = json_object();
    page_reader.fragment(GG_STR("<p>hi <b>there</b><img src=a><script>x</script><iframe src=f>y</iframe><video src=v></video></p>"), og);
    assert_string_equal(json_string_value(json_object_get(og, "og:image")), "kept");
    assert_string_equal(json_string_value(json_object_get(og, "og:video")), "v");
    assert_string_equal(json_string_value(json_object_get(og, "og:description")), "hi\n\nthere");
    page_reader.fragment(GG_STR("<img src=a>"), empty);
    assert_int_equal(json_object_size(empty), 1);
    assert_string_equal(json_string_value(json_object_get(empty, "og:image")), "a");
    json_decref(og);
    json_decref(empty);
}

/* ---- summaries ---- */

static char *summary_of(const char *word, size_t n)
{
    struct page_plain plain = PAGE_PLAIN_INIT;
    struct page_summary summary = PAGE_SUMMARY_INIT;
    for (size_t i = 0; i < n; i++)
        page_plain_add(&plain, gg_str(word));
    page_summary_add(&summary, gg_buf_view(&plain.text));
    gg_buf_done(&plain.text);
    return page_summary_take(&summary);
}

static void test_summaries(void **state)
{
    char *text = summary_of("word ", 300);
    assert_int_equal(page_utf8_count(gg_str(text)), 500);
    assert_string_equal(text + strlen(text) - 7, "word\xe2\x80\xa6");
    free(text);
    text = summary_of("\xc3\xa4", 600); /* one word */
    assert_int_equal(page_utf8_count(gg_str(text)), 501);
    free(text);
    text = summary_of("word ", 100);
    assert_int_equal(strlen(text), 499);
    free(text);
    struct page_summary summary = PAGE_SUMMARY_INIT;
    for (size_t i = 0; i < 50; i++)
        page_summary_add(&summary, GG_STR("twelve chars"));
    text = page_summary_take(&summary);
    assert_in_range(strlen(text), 200, 214);
    free(text);
    assert_int_equal(gg_buf_view(&summary.text).n, 0);
}

/* ---- pages that mean harm ---- */

static char *times(const char *piece, size_t n, const char *after, size_t *n_out)
{
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_text(&out, "<title>t</title><p>x");
    for (size_t i = 0; i < n; i++)
        gg_buf_text(&out, piece);
    gg_buf_text(&out, after);
    return gg_buf_steal(&out, n_out);
}

static char *attributes(size_t *n_out)
{
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_text(&out, "<title>t</title><p ");
    for (size_t i = 0; i < 200000; i++)
        gg_buf_printf(&out, "a%zu=b ", i);
    gg_buf_text(&out, ">x");
    return gg_buf_steal(&out, n_out);
}

static void test_harm(void **state)
{
    static const struct {
        const char *piece, *after;
        size_t n;
    } cases[] = {{"<div>", "", 500000}, {"<b>", "</i>", 500000}, {"</i>", "", 500000}, {"<!--", "", 500000}, {"&", "", 1000000},
                 {"<script>", "</script", 300000}, {"<p", "", 1000000}, {"<p a='", "", 500000}, {"]]>", "", 500000}};
    for (size_t i = 0; i <= GG_COUNT(cases); i++) {
        size_t n;
        char *html = i < GG_COUNT(cases) ? times(cases[i].piece, cases[i].n, cases[i].after, &n) : attributes(&n);
        time_t begun = time(NULL);
        struct mx_page page;
        page_reader.read(gg_strn(html, n), &page);
        assert_in_range(time(NULL) - begun, 0, 20); /* the bound is 3 s: a slow machine under sanitizers */
        assert_string_equal(json_string_value(json_object_get(page.og, "og:title")), "t");
        json_decref(page.og);
        free(page.oembed);
        free(html);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pages),     cmocka_unit_test(test_no_page),
                                       cmocka_unit_test(test_oembed_link), cmocka_unit_test(test_fragments),
                                       cmocka_unit_test(test_summaries), cmocka_unit_test(test_harm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
