/* pages/fill_in.c: texts of the configuration that name values in Python's way. */
#include "pages/pages.h"

#include <ganglion/buf.h>

static void add_value(struct gg_buf *out, struct gg_str name, const struct mx_page_value *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (gg_str_is(name, values[i].name))
            gg_buf_str(out, values[i].text);
}

char *mx_page_fill_in(const char *text, const struct mx_page_value *values, size_t n, struct gg_arena *arena)
{
    struct gg_buf out = GG_BUF_INIT;
    for (const char *mark; (mark = strchr(text, '%'));) {
        const char *end = mark[1] == '(' ? strstr(mark, ")s") : NULL;
        gg_buf_add(&out, text, (size_t)(mark - text));
        if (end)
            add_value(&out, gg_strn(mark + 2, (size_t)(end - mark - 2)), values, n);
        else
            gg_buf_char(&out, '%');
        text = end ? end + 2 : mark + (mark[1] == '%' ? 2 : 1);
    }
    gg_buf_text(&out, text);
    char *copy = gg_arena_strndup(arena, out.data, out.n);
    gg_buf_done(&out);
    return copy;
}
