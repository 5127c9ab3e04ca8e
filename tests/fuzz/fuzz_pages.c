/* fuzz_pages: templates of operators, and the markup of messages that mails show. */
#include <ganglion/base.h>
#include <stdlib.h>
#include <string.h>

#include "pages/pages.h"
#include "pages/sanitize.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *self_including(void *self, struct gg_str name)
{
    return name.n % 2 == 0 ? self : NULL;
}

/* What is let through opens only elements that are harmless, and closes them. */
static void check_clean(struct gg_str html)
{
    static const char *const never[] = {"<script", "<style", "<img", "<iframe", "href=\"javascript:", "<object"};
    struct gg_buf out = GG_BUF_INIT;
    mx_html_clean(html, &out);
    for (size_t i = 0; i < GG_COUNT(never); i++)
        if (memmem(out.data, out.n, never[i], strlen(never[i])) != NULL)
            abort();
    size_t opened = 0, closed = 0;
    for (size_t i = 0; i + 1 < out.n; i++) {
        opened += out.data[i] == '<' && out.data[i + 1] != '/' && strncmp(out.data + i, "<br", 3) != 0 &&
                  strncmp(out.data + i, "<hr", 3) != 0;
        closed += out.data[i] == '<' && out.data[i + 1] == '/';
    }
    if (strstr(out.data, "<b") == NULL && opened != closed)
        abort();
    gg_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    json_t *values = json_pack("{s:s, s:[s,i,{s:s}], s:{s:s}, s:i}", "a", "<x>", "list", "one", 2, "k", "v", "o", "__html__",
                               "<p>", "n", 7);
    const struct mx_page_env env = {
        .find = self_including, .self = text, .public_baseurl = "https://example.org/", .check = size % 2 == 0};
    struct gg_buf out = GG_BUF_INIT;
    struct gg_error err = GG_ERROR_INIT;
    if (mx_page_render_tree(&env, gg_strn(text, strlen(text)), size % 3 != 0, values, &out, &err) > 0)
        abort();
    gg_buf_done(&out);
    check_clean(gg_strn(text, size));
    mx_html_of_text(gg_strn(text, size), &out);
    if (memmem(out.data, out.n, "<x", 2) != NULL)
        abort();
    gg_buf_done(&out);
    json_decref(values);
    free(text);
    return 0;
}
