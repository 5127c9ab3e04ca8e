/* Any bytes as what a page of the web answers: its encoding, HTML, oEmbed, links, data: addresses. */
#include "media/preview/charset.h"
#include "media/preview/link.h"
#include "media/preview/oembed.h"
#include "media/preview/preview.h"
#include "page.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_page(struct gg_str text)
{
    struct mx_page page;
    page_reader.read(text, &page);
    json_decref(page.og);
    free(page.oembed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_str body = gg_strn((const char *)data, size), out;
    struct gg_arena *arena = gg_arena_new();
    const char *text = gg_arena_strndup(arena, body.s, body.n), *type;
    struct mx_oembed_answer answer;
    size_t n;
    char *utf8 = mx_page_to_utf8(body, text, &n);
    if (utf8 != NULL)
        read_page(gg_strn(utf8, n));
    free(utf8);
    mx_oembed_read(&page_reader, "http://x/", body, &answer);
    json_decref(answer.og);
    free(answer.author);
    struct mx_link link = mx_link_split(body);
    (void)mx_link_is_web(&link, body);
    (void)mx_link_resolve(GG_STR("http://a/b/c?d"), body, arena);
    (void)mx_link_resolve(body, GG_STR("../x"), arena);
    (void)mx_data_url_read(text, 1000, arena, &type, &out);
    gg_arena_free(arena);
    return 0;
}
