/* matrix/e2ee/text.c: the pieces of JSON that the files of this folder read and write. */
#include "e2ee/text.h"

struct gg_str mx_e2ee_moved(struct gg_buf *buf, struct gg_arena *arena)
{
    struct gg_str text = gg_arena_str(arena, gg_buf_view(buf));
    gg_buf_done(buf);
    return text;
}

struct gg_str mx_e2ee_text(const struct mx_json *value, bool canonical, struct gg_arena *arena)
{
    struct gg_buf out = GG_BUF_INIT;
    if (canonical)
        mx_json_canonical(&out, value);
    else
        mx_json_write(&out, value);
    return mx_e2ee_moved(&out, arena);
}

struct gg_str mx_e2ee_name(struct gg_str raw_key, struct gg_arena *arena)
{
    if (raw_key.s == NULL) /* of a list */
        return raw_key;
    return mx_storable(mx_json_string(gg_strn(raw_key.s - 1, raw_key.n + 2), arena)); /* with its quotes it is a value */
}

void mx_write_names(struct gg_buf *out, const struct gg_str *names, size_t n)
{
    gg_buf_char(out, '[');
    for (size_t i = 0; i < n; i++) {
        gg_buf_text(out, i > 0 ? "," : "");
        gg_buf_json_string(out, names[i]);
    }
    gg_buf_char(out, ']');
}
