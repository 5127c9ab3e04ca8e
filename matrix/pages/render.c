/* render.c: templates: values, conditions, comments. One pass, no recursion, conditions nest up to a bound. */
#include <ctype.h>

#include "pages/pages.h"

enum { DEPTH_MAX = 16 };

/* A condition that is open: shown is what stands in this branch; done: a branch was shown already. */
struct branch {
    bool shown, done, outer, in_else;
};

struct rendering {
    const struct mx_page_value *values;
    size_t n_values;
    bool escape;
    struct branch open[DEPTH_MAX];
    size_t depth;
    struct gg_buf *out;
};

static struct gg_str trim(struct gg_str s)
{
    while (s.n && isspace((unsigned char)s.s[0]))
        s = gg_strn(s.s + 1, s.n - 1);
    while (s.n && isspace((unsigned char)s.s[s.n - 1]))
        s.n--;
    return s;
}

static bool is_name(struct gg_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.s[i]) && s.s[i] != '_' && s.s[i] != '.')
            return false;
    return s.n != 0;
}

static struct gg_str value_of(const struct rendering *r, struct gg_str name)
{
    for (size_t i = 0; i < r->n_values; i++)
        if (gg_str_is(name, r->values[i].name))
            return r->values[i].text;
    return (struct gg_str){0};
}

static bool shows(const struct rendering *r)
{
    return !r->depth || (r->open[r->depth - 1].shown && r->open[r->depth - 1].outer);
}

static void add_escaped(struct gg_buf *out, struct gg_str text)
{
    static const struct {
        char c;
        const char *entity;
    } table[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&#34;"}, {'\'', "&#39;"}};
    for (size_t i = 0; i < text.n; i++) {
        size_t k = 0;
        while (k < GG_COUNT(table) && table[k].c != text.s[i])
            k++;
        if (k < GG_COUNT(table))
            gg_buf_text(out, table[k].entity);
        else
            gg_buf_char(out, text.s[i]);
    }
}

static int add_value(struct rendering *r, struct gg_str inside, struct gg_error *err)
{
    const char *bar = memchr(inside.s, '|', inside.n);
    struct gg_str name = trim(bar ? gg_strn(inside.s, (size_t)(bar - inside.s)) : inside), filter = {0};
    if (bar)
        filter = trim(gg_strn(bar + 1, inside.n - (size_t)(bar - inside.s) - 1));
    if (!is_name(name) || (filter.s && !gg_str_is(filter, "e") && !gg_str_is(filter, "escape")))
        return gg_fail(err, GG_E_INVALID, "{{%.*s}} is not known", GG_FMT(inside));
    if (!shows(r))
        return 0;
    if (r->escape || filter.s)
        add_escaped(r->out, value_of(r, name));
    else
        gg_buf_str(r->out, value_of(r, name));
    return 0;
}

/* "name" or "not name". */
static int judge(const struct rendering *r, struct gg_str condition, bool *out, struct gg_error *err)
{
    struct gg_str negation = GG_STR("not ");
    bool negated = gg_str_starts(condition, negation);
    if (negated)
        condition = trim(gg_strn(condition.s + negation.n, condition.n - negation.n));
    if (!is_name(condition))
        return gg_fail(err, GG_E_INVALID, "the condition %.*s is not known", GG_FMT(condition));
    *out = (value_of(r, condition).n != 0) != negated;
    return 0;
}

static int open_branch(struct rendering *r, struct gg_str condition, struct gg_error *err)
{
    struct branch b = {.outer = shows(r)};
    if (r->depth == DEPTH_MAX)
        return gg_fail(err, GG_E_LIMIT, "conditions nest too deep");
    int status = judge(r, condition, &b.shown, err);
    b.done = b.shown;
    r->open[r->depth++] = b;
    return status;
}

static int next_branch(struct rendering *r, struct gg_str condition, struct gg_error *err)
{
    struct branch *b = r->depth ? &r->open[r->depth - 1] : NULL;
    if (!b || b->in_else)
        return gg_fail(err, GG_E_INVALID, "a branch without its condition");
    b->in_else = !condition.s;
    b->shown = true;
    int status = condition.s ? judge(r, condition, &b->shown, err) : 0;
    b->shown = b->shown && !b->done;
    b->done = b->done || b->shown;
    return status;
}

static int run_tag(struct rendering *r, struct gg_str inside, struct gg_error *err)
{
    struct gg_str tag = trim(inside);
    if (gg_str_starts(tag, GG_STR("if ")))
        return open_branch(r, trim(gg_strn(tag.s + 3, tag.n - 3)), err);
    if (gg_str_starts(tag, GG_STR("elif ")))
        return next_branch(r, trim(gg_strn(tag.s + 5, tag.n - 5)), err);
    if (gg_str_is(tag, "else"))
        return next_branch(r, (struct gg_str){0}, err);
    if (gg_str_is(tag, "endif") && r->depth) {
        r->depth--;
        return 0;
    }
    return gg_fail(err, GG_E_INVALID, "{%%%.*s%%} is not known", (int)(inside.n < 80 ? inside.n : 80), inside.s);
}

/* Kinds of marks, by the character after the opening brace. */
static const struct mark {
    const char *open, *close;
} marks[] = {{"{{", "}}"}, {"{%", "%}"}, {"{#", "#}"}};

static int run_mark(struct rendering *r, char kind, struct gg_str inside, struct gg_error *err)
{
    while (inside.n && inside.s[0] == '-') /* white space control: nothing that a page shows */
        inside = gg_strn(inside.s + 1, inside.n - 1);
    while (inside.n && inside.s[inside.n - 1] == '-')
        inside.n--;
    return kind == '{' ? add_value(r, inside, err) : kind == '%' ? run_tag(r, inside, err) : 0;
}

int mx_page_render_text(struct gg_str source, bool escape, const struct mx_page_value *values, size_t n,
                        struct gg_buf *out, struct gg_error *err)
{
    struct rendering r = {.values = values, .n_values = n, .escape = escape, .out = out};
    const char *at = source.s, *end = source.s + source.n;
    while (at < end) {
        const char *brace = memchr(at, '{', (size_t)(end - at));
        bool mark = brace && end - brace > 1 && strchr("{%#", brace[1]) && brace[1];
        const char *text_end = brace ? brace + !mark : end;
        if (shows(&r))
            gg_buf_add(out, at, (size_t)(text_end - at));
        at = text_end;
        if (!mark)
            continue;
        const char *close = marks[brace[1] == '{' ? 0 : brace[1] == '%' ? 1 : 2].close;
        const char *stop = memmem(at + 2, (size_t)(end - at) - 2, close, 2);
        if (!stop)
            return gg_fail(err, GG_E_INVALID, "a mark is not closed");
        int status = run_mark(&r, brace[1], gg_strn(at + 2, (size_t)(stop - at) - 2), err);
        if (status)
            return status;
        at = stop + 2;
    }
    return r.depth ? gg_fail(err, GG_E_INVALID, "a condition is not closed") : 0;
}
