/* What matrix/media knows without a disk: ranges, names, paths, the choice of thumbnails, multipart answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "media/multipart.h"
#include "media/paths.h"
#include "media/range.h"
#include "media/serve.h"
#include "media/thumbnails.h"

static void test_ranges(void **state)
{
    static const struct {
        const char *header;
        int64_t length;
        enum mx_range range;
        int64_t from, n;
    } cases[] = {
        {NULL, 10, MX_RANGE_WHOLE, 0, 10},         {"bytes=0-0", 10, MX_RANGE_PART, 0, 1},
        {"bytes=2-", 10, MX_RANGE_PART, 2, 8},     {"bytes=-3", 10, MX_RANGE_PART, 7, 3},
        {"bytes=-30", 10, MX_RANGE_PART, 0, 10},   {"bytes=-0", 10, MX_RANGE_NONE, 0, 0},
        {"bytes=5-99", 10, MX_RANGE_PART, 5, 5},   {"bytes=10-", 10, MX_RANGE_NONE, 0, 0},
        {"bytes=10-11", 10, MX_RANGE_NONE, 0, 0},  {"bytes=3-2", 10, MX_RANGE_WHOLE, 0, 10},
        {"BYTES= 1-2 ", 10, MX_RANGE_PART, 1, 2},  {"bytes=1-2,4-5", 10, MX_RANGE_WHOLE, 0, 10},
        {"bytes=", 10, MX_RANGE_WHOLE, 0, 10},     {"bytes=-", 10, MX_RANGE_WHOLE, 0, 10},
        {"bytes=a-b", 10, MX_RANGE_WHOLE, 0, 10},  {"bytes=0-", 0, MX_RANGE_NONE, 0, 0},
        {"bytes=-1", 0, MX_RANGE_NONE, 0, 0},      {"bytes=99999999999999999999-", 10, MX_RANGE_WHOLE, 0, 10},
        {"pages=1-2", 10, MX_RANGE_WHOLE, 0, 10},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        int64_t from, n;
        assert_int_equal(mx_range_read(cases[i].header, cases[i].length, &from, &n), cases[i].range);
        if (cases[i].range != MX_RANGE_NONE) {
            assert_int_equal(from, cases[i].from);
            assert_int_equal(n, cases[i].n);
        }
    }
    assert_true(mx_etag_listed("1", "1") && mx_etag_listed("\"2\", W/\"1\"", "1") && mx_etag_listed("*", "1"));
    assert_false(mx_etag_listed("11", "1") || mx_etag_listed(NULL, "1") || mx_etag_listed("", "1") || mx_etag_listed("\"\"", "1"));
}

static struct mx_media_row local_row(const char *id)
{
    return (struct mx_media_row){.id = gg_str(id), .file_id = gg_str(id)};
}

static void test_paths(void **state)
{
    struct gg_buf out = GG_BUF_INIT;
    const struct mx_thumbnail_row small = {.width = 32, .height = 16, .type = GG_STR("image/png"), .method = GG_STR("crop")};
    struct mx_media_row row = local_row("abcdEFGHijklmnop");
    assert_true(mx_media_path("/m", &row, NULL, &out));
    assert_string_equal(out.data, "/m/local_content/ab/cd/EFGHijklmnop");
    assert_true(mx_media_path("/m", &row, &small, &out));
    assert_string_equal(out.data, "/m/local_thumbnails/ab/cd/EFGHijklmnop/32-16-image-png-crop");
    row.url_cache = GG_STR("https://x");
    row.file_id = GG_STR("2026-01-31_abcd");
    assert_true(mx_media_path("/m", &row, &small, &out));
    assert_string_equal(out.data, "/m/url_cache_thumbnails/2026-01-31/abcd/32-16-image-png-crop");
    row = local_row("abcdef");
    row.origin = GG_STR("x.org:1");
    assert_true(mx_media_path("/m", &row, NULL, &out));
    assert_string_equal(out.data, "/m/remote_content/x.org:1/ab/cd/ef");
    assert_true(mx_media_old_thumbnail_path("/m", &row, &small, &out));
    assert_string_equal(out.data, "/m/remote_thumbnail/x.org:1/ab/cd/ef/32-16-image-png");
    static const char *const bad[] = {"", "abcd", "../../etc", "ab/../../x", "....ef", "abcd..", "ab..ef", "abcd/x", "abc def", "abcd\n"};
    for (size_t i = 0; i < GG_COUNT(bad); i++) {
        row = local_row(bad[i]);
        assert_false(mx_media_path("/m", &row, NULL, &out));
    }
    row = local_row("abcdef");
    row.origin = GG_STR("..");
    assert_false(mx_media_path("/m", &row, NULL, &out));
    row.origin = (struct gg_str){0};
    static const char *const types[] = {"image", "image/../x", "../png", "/png", "image/"};
    for (size_t i = 0; i < GG_COUNT(types); i++) {
        const struct mx_thumbnail_row odd = {.width = 1, .height = 1, .type = gg_str(types[i]), .method = GG_STR("crop")};
        assert_false(mx_media_path("/m", &row, &odd, &out));
    }
    gg_buf_done(&out);
}

static void test_names(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    assert_string_equal(mx_media_type_header(GG_STR("text/html"), arena), "text/html; charset=UTF-8");
    assert_string_equal(mx_media_type_header(GG_STR("text/html; charset=x"), arena), "text/html; charset=x");
    assert_string_equal(mx_media_type_header(GG_STR("a\r\nSet-Cookie: b"), arena), "application/octet-stream");
    assert_string_equal(mx_media_disposition(GG_STR("Image/PNG;x"), (struct gg_str){0}, arena), "inline");
    assert_string_equal(mx_media_disposition(GG_STR("image/svg+xml"), GG_STR("a.svg"), arena), "attachment; filename=a.svg");
    assert_string_equal(mx_media_disposition(GG_STR("x"), GG_STR("\xc3\xa4 b/\"c"), arena),
                        "attachment; filename*=utf-8''%C3%A4%20b/%22c");
    static const char *const read[][2] = {
        {"inline; filename=a.txt", "a.txt"},
        {"attachment; filename=\"a; b\\\".txt\"", "a; b\".txt"},
        {"inline; filename=x; FileName*=UTF-8''%c3%a4", "\xc3\xa4"},
        {"inline; filename=x; filename*=utf-8''%ff", "x"},
        {"inline; filename*=utf-8''a%2", "a%2"},
        {"inline; filename*=latin1''x", NULL},
        {"inline", NULL}, {"", NULL}, {"inline; filename=\xff", NULL}, {"; ; filename=", NULL},
    };
    for (size_t i = 0; i < GG_COUNT(read); i++) {
        struct gg_str name = mx_media_name_of(gg_str(read[i][0]), arena);
        assert_true(read[i][1] != NULL ? gg_str_is(name, read[i][1]) : name.s == NULL);
    }
    gg_arena_free(arena);
}

static void test_thumbnails(void **state)
{
    const struct mx_thumbnail_row rows[] = {
        {32, 32, GG_STR("image/png"), GG_STR("crop"), 10},   {96, 96, GG_STR("image/png"), GG_STR("crop"), 20},
        {320, 240, GG_STR("image/png"), GG_STR("scale"), 30}, {320, 240, GG_STR("image/webp"), GG_STR("scale"), 90},
        {640, 480, GG_STR("image/png"), GG_STR("scale"), 40},
    };
    static const struct {
        struct mx_thumbnail_wish wish;
        int found;
    } cases[] = {
        {{.width = 10, .height = 10, .crop = true, .type = "image/png"}, 0},
        {{.width = 33, .height = 33, .crop = true, .type = "image/png"}, 1},
        {{.width = 500, .height = 500, .crop = true, .type = "image/png"}, 1},
        {{.width = 320, .height = 240, .scale = true, .type = "image/png"}, 2},
        {{.width = 320, .height = 240, .scale = true, .type = "image/webp"}, 3},
        {{.width = 9000, .height = 9000, .scale = true, .type = "image/png"}, 4},
        {{.width = 9, .height = 9, .type = "image/png"}, -1},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        const struct mx_thumbnail_row *found = mx_thumbnail_choose(rows, GG_COUNT(rows), &cases[i].wish);
        assert_ptr_equal(found, cases[i].found < 0 ? NULL : &rows[cases[i].found]);
    }
    int32_t width = 320, height = 240;
    mx_thumbnail_fit(800, 100, &width, &height);
    assert_true(width == 320 && height == 40);
    width = 320, height = 240;
    mx_thumbnail_fit(10, 20, &width, &height);
    assert_true(width == 10 && height == 20);
    width = 1, height = 1;
    mx_thumbnail_fit(5000, 1, &width, &height);
    assert_true(width == 1 && height == 1);
}

/* ---- multipart ---- */

struct got {
    char data[512];
    size_t n;
};

static bool take(void *arg, const void *data, size_t n)
{
    struct got *got = arg;
    if (got->n + n > sizeof(got->data))
        return false;
    memcpy(got->data + got->n, data, n);
    got->n += n;
    return true;
}

/* In pieces of every size: where they end must not matter. */
static bool parse(const char *text, struct mx_multipart *m, struct got *got)
{
    size_t n = strlen(text);
    bool first = false, good = false;
    for (size_t step = 1; step <= n + 1; step++) {
        memset(got, 0, sizeof(*got));
        assert_true(mx_multipart_begin(m, "multipart/mixed; boundary=\"B\"", take, got));
        bool ok = true;
        for (size_t at = 0; ok && at < n; at += step)
            ok = mx_multipart_feed(m, text + at, n - at < step ? n - at : step);
        good = ok && m->done;
        if (step == 1)
            first = good;
        assert_int_equal(good, first);
    }
    return good;
}

#define JSON_PART "--B\r\nContent-Type: application/json\r\n\r\n{}\r\n"

static void test_multipart(void **state)
{
    struct mx_multipart m;
    struct got got;
    assert_true(parse("preamble\r\n" JSON_PART "--B  \r\ncontent-TYPE:  a/b\r\nContent-Disposition: inline\r\n\r\none\r\n--\r\r\n--B--x", &m, &got));
    assert_int_equal(got.n, strlen("one\r\n--\r"));
    assert_true(parse("" JSON_PART "--B\r\nContent-Type: a/b\r\n\r\n\r\n-B\r\r\n--b\r\n--B--", &m, &got));
    assert_string_equal(m.type, "a/b");
    assert_int_equal(got.n, strlen("\r\n-B\r\r\n--b"));
    assert_memory_equal(got.data, "\r\n-B\r\r\n--b", got.n);
    assert_true(parse(JSON_PART "--B\r\n\r\n\r\n--B\r\n\r\nthird\r\n--B--", &m, &got));
    assert_int_equal(got.n, 0);
    assert_true(parse(JSON_PART "--B\r\nLocation: https://x/y\r\n\r\n\r\n--B--", &m, &got));
    assert_string_equal(m.location, "https://x/y");
    static const char *const bad[] = {"", "--B--", JSON_PART, JSON_PART "--B--", JSON_PART "--B\r\n\r\nx", JSON_PART "--B\r\n\r\nx\r\n--B",
                                      JSON_PART "--B\r\nno end", JSON_PART "--Bx\r\n\r\ny\r\n--B--"};
    for (size_t i = 0; i < GG_COUNT(bad); i++)
        assert_false(parse(bad[i], &m, &got));
    static const char *const types[] = {"", "multipart/mixed", "multipart/mixed; boundary=", "multipart/mixed; boundary=\"a\r\"",
                                        "text/plain; boundary=x", "multipart/mixed; boundary="
                                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < GG_COUNT(types); i++)
        assert_false(mx_multipart_begin(&m, types[i], take, &got));
    assert_true(mx_multipart_begin(&m, "Multipart/Mixed; charset=x;boundary=b-_.", take, &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ranges), cmocka_unit_test(test_paths), cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_thumbnails), cmocka_unit_test(test_multipart)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
