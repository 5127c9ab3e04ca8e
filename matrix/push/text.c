/* matrix/push/text.c: compact JSON in ASCII. */
#include "push/text.h"

#include <ganglion/error.h>
#include <stdlib.h>
#include <unistr.h>

enum { DEPTH = 1000 };

/* What is not ASCII stands inside strings only: there an escape means the same. */
static void write_ascii(struct gg_buf *out, struct gg_str text)
{
    for (size_t i = 0; i < text.n;) {
        ucs4_t c = (unsigned char)text.s[i];
        int n = c < 0x80 ? 1 : u8_mbtoucr(&c, (const uint8_t *)text.s + i, text.n - i);
        if (c < 0x80 || n < 1)
            gg_buf_char(out, text.s[i]);
        else if (c < 0x10000)
            gg_buf_printf(out, "\\u%04x", (unsigned)c);
        else
            gg_buf_printf(out, "\\u%04x\\u%04x", (unsigned)(0xd800 + ((c - 0x10000) >> 10)),
                          (unsigned)(0xdc00 + ((c - 0x10000) & 0x3ff)));
        i += n < 1 ? 1 : (size_t)n;
    }
}

static void write_tree(struct gg_buf *out, const struct mx_json *tree)
{
    struct gg_buf text = GG_BUF_INIT;
    mx_json_write(&text, tree);
    write_ascii(out, gg_buf_view(&text));
    gg_buf_done(&text);
}

void mx_push_write_json(struct gg_buf *out, struct gg_str json, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_json *tree;
    if (mx_json_parse(json, DEPTH, arena, &tree, &err) == 0)
        write_tree(out, tree);
    else
        write_ascii(out, json);
}

static int by_key(const void *a, const void *b)
{
    return gg_str_cmp(((const struct mx_json_member *)a)->key, ((const struct mx_json_member *)b)->key);
}

void mx_push_write_action(struct gg_buf *out, struct gg_str action, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_json *tree, *ordered = mx_json_object(arena);
    if (!mx_json_is_object(action) || mx_json_parse(action, DEPTH, arena, &tree, &err) != 0) {
        mx_push_write_json(out, action, arena);
        return;
    }
    static const char *const first[] = {"set_tweak", "value"};
    for (size_t i = 0; i < GG_COUNT(first); i++) {
        struct mx_json *v = mx_json_member(tree, first[i]);
        if (v && (i == 0 || v->kind != MX_JSON_NULL))
            mx_json_set(ordered, arena, first[i], v);
        mx_json_remove(tree, first[i]);
    }
    if (tree->n)
        qsort(tree->members, tree->n, sizeof(*tree->members), by_key);
    for (uint32_t i = 0; i < tree->n; i++) {
        struct mx_json_member *m = &tree->members[i];
        mx_json_set(ordered, arena, gg_arena_strndup(arena, m->key.s, m->key.n), m->value);
    }
    write_tree(out, ordered);
}
