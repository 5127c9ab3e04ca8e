/* parse.c: JSON text to a tree, with an explicit stack.
 *
 * The text is checked first and copied into the arena once; strings without
 * escapes and numbers then point into that copy. */
#include "scan.h"
#include "text.h"
#include "tree.h"
#include <stdlib.h>

struct parser {
    const char *p, *end;
    struct gg_arena *arena;
    struct mx_json **stack; /* open containers */
    size_t depth, cap;
    struct mx_json *small[32];
    struct gg_str key; /* of the member whose value comes next */
};

static struct gg_str take_string(struct parser *s)
{
    bool escaped = false;
    const char *start = s->p + 1, *quote = mx_scan_string(start, s->end, &escaped);
    struct gg_str raw = gg_strn(start, (size_t)(quote - start));
    char *text;
    s->p = quote + 1;
    if (!escaped)
        return raw;
    text = gg_arena_alloc(s->arena, raw.n + 1);
    raw.n = mx_text_decode(raw, text);
    text[raw.n] = '\0';
    return gg_strn(text, raw.n);
}

static struct mx_json *take_scalar(struct parser *s)
{
    const char *start = s->p;
    struct mx_json *v = mx_json_node(s->arena, MX_JSON_NULL);
    if (*s->p == '"') {
        v->kind = MX_JSON_STRING;
        v->text = take_string(s);
        return v;
    }
    s->p = mx_scan_value(s->p, s->end);
    if (*start == 't' || *start == 'f') {
        v->kind = *start == 't' ? MX_JSON_TRUE : MX_JSON_FALSE;
    } else if (*start != 'n') {
        v->kind = MX_JSON_NUMBER;
        v->text = gg_strn(start, (size_t)(s->p - start));
    }
    return v;
}

static void push(struct parser *s, struct mx_json *container)
{
    if (s->depth == s->cap) {
        struct mx_json **more = malloc(s->cap * 2 * sizeof(*more));
        if (!more)
            abort();
        memcpy(more, s->stack, s->depth * sizeof(*more));
        if (s->stack != s->small)
            free(s->stack);
        s->stack = more;
        s->cap *= 2;
    }
    s->stack[s->depth++] = container;
}

static void add(struct parser *s, struct mx_json *value)
{
    struct mx_json *top = s->depth ? s->stack[s->depth - 1] : NULL;
    if (!top)
        return;
    if (top->kind == MX_JSON_OBJECT)
        mx_json_append(top, s->arena, s->key, value);
    else
        mx_json_push(top, s->arena, value);
}

/* Moves to the next value, closing containers on the way; false at the end of the text. */
static bool next_value(struct parser *s)
{
    for (;;) {
        s->p = mx_scan_blanks(s->p, s->end);
        if (s->p >= s->end)
            return false;
        if (*s->p == ',') {
            s->p++;
        } else if (*s->p == '}' || *s->p == ']') {
            if (*s->p++ == '}')
                mx_json_distinct(s->stack[s->depth - 1]);
            s->depth--;
        } else {
            break;
        }
    }
    if (s->depth && s->stack[s->depth - 1]->kind == MX_JSON_OBJECT) {
        s->key = take_string(s);
        s->p = mx_scan_blanks(s->p, s->end) + 1; /* the colon */
        s->p = mx_scan_blanks(s->p, s->end);
    }
    return true;
}

static struct mx_json *build(struct parser *s)
{
    struct mx_json *root = NULL;
    while (next_value(s)) {
        struct mx_json *v;
        if (*s->p == '{' || *s->p == '[') {
            v = mx_json_node(s->arena, *s->p++ == '{' ? MX_JSON_OBJECT : MX_JSON_ARRAY);
            add(s, v);
            push(s, v);
        } else {
            v = take_scalar(s);
            add(s, v);
        }
        if (!root)
            root = v;
    }
    return root;
}

static struct mx_json *parse_valid(struct gg_str text, struct gg_arena *arena)
{
    struct parser s = {.arena = arena, .cap = GG_COUNT(s.small)};
    struct gg_str copy = gg_arena_str(arena, text);
    struct mx_json *root;
    s.p = copy.s;
    s.end = copy.s + copy.n;
    s.stack = s.small;
    root = build(&s);
    if (s.stack != s.small)
        free(s.stack);
    return root;
}

int mx_json_parse(struct gg_str text, unsigned max_depth, struct gg_arena *arena, struct mx_json **out,
                  struct gg_error *err)
{
    int rc = mx_json_check(text, max_depth, err);
    if (rc == 0)
        *out = parse_valid(text, arena);
    return rc;
}

struct mx_json *mx_json_raw(struct gg_arena *arena, struct gg_str text)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_json *v = NULL;
    if (mx_json_parse(text, 4096, arena, &v, &err) != 0)
        abort(); /* the caller promised JSON */
    return v;
}
