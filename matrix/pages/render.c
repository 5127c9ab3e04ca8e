/* render.c: templates: values, conditions, loops, blocks, comments, other templates. Everything that goes deeper or on is
 * bounded. What is not shown is read all the same, so that a template that is broken anywhere is known at once. */
#include <ctype.h>
#include <ganglion/memory.h>
#include <stdlib.h>

#include "pages/template.h"

/* A text that is being rendered. */
struct doc {
    const char *at, *end;
    struct gg_str parent; /* the template that this one fills in; s NULL: none */
    bool escape;
};

struct run {
    struct mx_tpl *t;
    struct doc *doc;
    struct gg_error *err;
};

static int render(const struct run *r, bool show, struct gg_str *stop);

static struct gg_str trim(struct gg_str s)
{
    while (s.n && isspace((unsigned char)s.s[0]))
        s = gg_strn(s.s + 1, s.n - 1);
    while (s.n && isspace((unsigned char)s.s[s.n - 1]))
        s.n--;
    return s;
}

/* The first word of a tag; *rest is what follows it. */
static struct gg_str first_word(struct gg_str tag, struct gg_str *rest)
{
    size_t n = 0;
    while (n < tag.n && (isalnum((unsigned char)tag.s[n]) || tag.s[n] == '_'))
        n++;
    *rest = trim(gg_strn(tag.s + n, tag.n - n));
    return gg_strn(tag.s, n);
}

void mx_tpl_escape(struct gg_buf *out, struct gg_str text)
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

static int unknown(const struct run *r, struct gg_str tag)
{
    if (tag.n == 0)
        return gg_fail(r->err, GG_E_INVALID, "its text ends before its tags do: an endif, endfor or endblock is missing");
    return gg_fail(r->err, GG_E_INVALID, "\"%.*s\" is not known", (int)(tag.n < 80 ? tag.n : 80), tag.s);
}

/* The whole of a tag's expression. */
static int eval(const struct run *r, struct gg_str text, struct mx_tpl_value *out)
{
    const char *at = text.s;
    int rc = mx_tpl_eval(r->t, &at, text.s + text.n, out, r->err);
    return rc < 0 || at == text.s + text.n ? rc : unknown(r, text);
}

static int add_value(const struct run *r, struct gg_str inside, bool show)
{
    struct mx_tpl_value v;
    int rc = eval(r, inside, &v);
    if (rc < 0 || !show)
        return rc;
    if (!r->doc->escape || v.safe) {
        mx_tpl_print(r->t->out, v);
        return 0;
    }
    struct gg_buf text = GG_BUF_INIT;
    mx_tpl_print(&text, v);
    mx_tpl_escape(r->t->out, gg_buf_view(&text));
    gg_buf_done(&text);
    return 0;
}

/* ---- conditions and loops ---- */

static int run_if(const struct run *r, struct gg_str condition, bool show)
{
    struct mx_tpl_value v;
    bool done = false, in_else = false, holds;
    int rc = eval(r, condition, &v);
    holds = mx_tpl_true(v);
    while (rc == 0) {
        struct gg_str stop, rest;
        rc = render(r, show && holds && !done, &stop);
        done = done || holds;
        struct gg_str word = rc == 0 ? first_word(stop, &rest) : stop;
        if (rc < 0 || gg_str_is(word, "endif"))
            return rc;
        if (in_else || (!gg_str_is(word, "elif") && !gg_str_is(word, "else")))
            return unknown(r, stop);
        in_else = gg_str_is(word, "else");
        v.v = NULL;
        rc = in_else ? 0 : eval(r, rest, &v);
        holds = in_else || mx_tpl_true(v);
    }
    return rc;
}

static int push_name(const struct run *r, struct gg_str name, const json_t *v)
{
    struct mx_tpl *t = r->t;
    if (t->n_names == MX_TPL_NAMES)
        return gg_fail(r->err, GG_E_LIMIT, "too many names");
    t->names[t->n_names++] = (struct mx_tpl_name){name, v};
    return 0;
}

static int run_turn(const struct run *r, struct gg_str name, const json_t *item, size_t i, size_t n, bool show,
                    struct gg_str *stop)
{
    struct mx_tpl *t = r->t;
    size_t had = t->n_names;
    json_t *loop = json_pack("{s:I, s:I, s:b, s:b, s:I}", "index0", (json_int_t)i, "index", (json_int_t)i + 1, "first", i == 0,
                             "last", i + 1 == n, "length", (json_int_t)n);
    int rc = push_name(r, GG_STR("loop"), mx_tpl_keep(t, loop).v);
    if (rc == 0)
        rc = push_name(r, name, item);
    if (rc == 0)
        rc = ++t->steps > MX_TPL_STEPS ? gg_fail(r->err, GG_E_LIMIT, "a loop goes on without end") : render(r, show, stop);
    t->n_names = had;
    return rc;
}

static int run_for(const struct run *r, struct gg_str text, bool show)
{
    struct gg_str rest, name = first_word(text, &rest), stop = GG_STR("");
    struct mx_tpl_value list;
    const char *start = r->doc->at;
    if (name.n == 0 || !gg_str_starts(rest, GG_STR("in ")))
        return unknown(r, text);
    int rc = eval(r, trim(gg_strn(rest.s + 3, rest.n - 3)), &list);
    size_t n = rc == 0 ? json_array_size(list.v) : 0;
    for (size_t i = 0; rc == 0 && (i < n || i == 0); i++) { /* an empty list: once, unseen */
        r->doc->at = start;
        rc = run_turn(r, name, json_array_get(list.v, i), i, n, show && i < n, &stop);
        if (!show)
            break;
    }
    if (rc == 0 && gg_str_is(stop, "else"))
        rc = render(r, show && n == 0, &stop);
    return rc < 0 || gg_str_is(stop, "endfor") ? rc : unknown(r, stop);
}

static int run_set(const struct run *r, struct gg_str text, bool show)
{
    struct gg_str rest, name = first_word(text, &rest);
    struct mx_tpl_value v;
    if (name.n == 0 || rest.n < 2 || rest.s[0] != '=')
        return unknown(r, text);
    int rc = eval(r, trim(gg_strn(rest.s + 1, rest.n - 1)), &v);
    return rc == 0 && show ? push_name(r, name, v.v) : rc;
}

/* ---- other templates ---- */

static int render_text(const struct run *r, struct gg_str text, bool escape, bool show)
{
    struct mx_tpl *t = r->t;
    struct doc doc = {.at = text.s, .end = text.s + text.n, .escape = escape};
    const struct run inner = {t, &doc, r->err};
    struct gg_str stop = GG_STR("");
    size_t had = t->n_names;
    if (t->depth == MX_TPL_DEPTH)
        return gg_fail(r->err, GG_E_LIMIT, "templates nest too deep");
    t->depth++; /* a template may extend itself */
    int rc = render(&inner, show, &stop);
    if (rc == 0 && stop.n > 0)
        rc = unknown(r, stop);
    if (rc == 0 && doc.parent.s != NULL)
        rc = render_text(r, doc.parent, escape, show);
    t->depth--;
    t->n_names = had;
    return rc;
}

static bool is_html(struct gg_str name)
{
    return name.n > 5 && memcmp(name.s + name.n - 5, ".html", 5) == 0;
}

/* NULL: there is none. */
static const char *find(const struct run *r, struct mx_tpl_value name)
{
    const struct mx_page_env *env = r->t->env;
    struct gg_str s = gg_strn(json_string_value(name.v), json_string_length(name.v));
    return env->find != NULL && s.s != NULL && memchr(s.s, '\0', s.n) == NULL ? env->find(env->self, s) : NULL;
}

static int run_include(const struct run *r, struct gg_str text, bool show)
{
    struct mx_tpl_value name;
    const char *at = text.s, *end = text.s + text.n;
    int rc = mx_tpl_eval(r->t, &at, end, &name, r->err);
    struct gg_str rest = trim(gg_strn(at, (size_t)(end - at))), missing = GG_STR("ignore missing");
    bool optional = gg_str_starts(rest, missing);
    if (optional)
        rest = trim(gg_strn(rest.s + missing.n, rest.n - missing.n));
    if (rc < 0 || (rest.n > 0 && !gg_str_is(rest, "with context") && !gg_str_is(rest, "without context")))
        return rc < 0 ? rc : unknown(r, text);
    const char *found = find(r, name);
    if (found == NULL)
        return optional || (!show && !r->t->env->check) ? 0 : gg_fail(r->err, GG_E_INVALID, "there is no template %s",
                                                                     json_is_string(name.v) ? json_string_value(name.v) : "");
    if (!show && !r->t->env->check)
        return 0;
    struct gg_str name_text = gg_strn(json_string_value(name.v), json_string_length(name.v));
    return render_text(r, gg_str(found), is_html(name_text), show);
}

static int run_extends(const struct run *r, struct gg_str text)
{
    struct mx_tpl_value name;
    int rc = eval(r, text, &name);
    const char *found = rc == 0 ? find(r, name) : NULL;
    if (rc == 0 && (found == NULL || r->doc->parent.s != NULL))
        rc = gg_fail(r->err, GG_E_INVALID, "there is no template to extend");
    if (rc == 0)
        r->doc->parent = gg_str(found);
    return rc;
}

static const struct mx_tpl_block *block_of(const struct mx_tpl *t, struct gg_str name)
{
    for (size_t i = 0; i < t->n_blocks; i++)
        if (gg_str_eq(t->blocks[i].name, name))
            return &t->blocks[i];
    return NULL;
}

/* In a template that extends another one, a block waits for its place there; in that one it is put in. */
static int run_block(const struct run *r, struct gg_str name, bool show)
{
    struct mx_tpl *t = r->t;
    struct gg_str stop, rest;
    const struct mx_tpl_block *block = block_of(t, name);
    const char *start = r->doc->at;
    bool waits = r->doc->parent.s != NULL;
    int rc = render(r, show && !waits && block == NULL, &stop);
    if (rc < 0 || !gg_str_is(first_word(stop, &rest), "endblock"))
        return rc < 0 ? rc : unknown(r, stop);
    if (!waits)
        return block != NULL ? render_text(r, block->body, block->escape, show) : 0;
    if (block != NULL || t->n_blocks == MX_TPL_BLOCKS)
        return block != NULL ? 0 : gg_fail(r->err, GG_E_LIMIT, "too many blocks");
    const char *close = r->doc->at - 2; /* behind the closing tag: back to where it begins */
    while (close > start && !(close[0] == '{' && close[1] == '%'))
        close--;
    t->blocks[t->n_blocks++] = (struct mx_tpl_block){name, gg_strn(start, (size_t)(close - start)), r->doc->escape};
    return 0;
}

/* ---- the text ---- */

/* *stop: a tag that ends what somebody else began. */
static int run_tag(const struct run *r, struct gg_str tag, bool show, struct gg_str *stop)
{
    static const char *const stops[] = {"elif", "else", "endif", "endfor", "endblock"};
    struct gg_str rest, word = first_word(tag, &rest);
    for (size_t i = 0; i < GG_COUNT(stops); i++)
        if (gg_str_is(word, stops[i])) {
            *stop = tag;
            return 0;
        }
    if (gg_str_is(word, "if"))
        return run_if(r, rest, show);
    if (gg_str_is(word, "for"))
        return run_for(r, rest, show);
    if (gg_str_is(word, "set"))
        return run_set(r, rest, show);
    if (gg_str_is(word, "include"))
        return run_include(r, rest, show);
    if (gg_str_is(word, "block"))
        return run_block(r, rest, show);
    return gg_str_is(word, "extends") ? run_extends(r, rest) : unknown(r, tag);
}

/* "-" beside a mark takes the white space there away. */
static void add_literal(const struct run *r, const char *end, bool cut, bool show)
{
    const char *at = r->doc->at;
    while (cut && end > at && isspace((unsigned char)end[-1]))
        end--;
    if (show)
        gg_buf_add(r->t->out, at, (size_t)(end - at));
}

static const char *close_of(char kind)
{
    return kind == '{' ? "}}" : kind == '%' ? "%}" : "#}";
}

/* The next mark and the text before it; *inside s NULL: there is none any more. */
static int next_mark(const struct run *r, bool show, char *kind, struct gg_str *inside)
{
    struct doc *d = r->doc;
    const char *brace = d->at;
    while (brace < d->end && !(brace[0] == '{' && brace + 1 < d->end && brace[1] != '\0' && strchr("{%#", brace[1]) != NULL))
        brace++;
    add_literal(r, brace, brace + 2 < d->end && brace[2] == '-', show && r->doc->parent.s == NULL);
    d->at = brace;
    *inside = gg_strn(NULL, 0);
    if (brace == d->end)
        return 0;
    *kind = brace[1];
    const char *from = brace + 2, *to = memmem(from, (size_t)(d->end - from), close_of(*kind), 2);
    if (to == NULL)
        return gg_fail(r->err, GG_E_INVALID, "a mark is not closed");
    d->at = to + 2;
    if (to > from && to[-1] == '-') {
        to--;
        while (d->at < d->end && isspace((unsigned char)d->at[0]))
            d->at++;
    }
    from += from < to && from[0] == '-';
    *inside = trim(gg_strn(from, (size_t)(to - from)));
    return 0;
}

/* Up to the end or to a tag that somebody else waits for (*stop). */
static int render(const struct run *r, bool show, struct gg_str *stop)
{
    struct gg_str inside;
    char kind;
    int rc = 0;
    *stop = GG_STR("");
    if (r->t->depth == MX_TPL_DEPTH)
        return gg_fail(r->err, GG_E_LIMIT, "templates, conditions or loops nest too deep");
    r->t->depth++;
    while (rc == 0 && stop->n == 0) {
        rc = next_mark(r, show, &kind, &inside);
        if (rc < 0 || inside.s == NULL)
            break;
        bool seen = show && (r->doc->parent.s == NULL || kind == '%');
        if (kind == '{')
            rc = add_value(r, inside, seen);
        else if (kind == '%')
            rc = run_tag(r, inside, seen, stop);
        if (rc == 0 && r->t->out->n > MX_TPL_BYTES)
            rc = gg_fail(r->err, GG_E_LIMIT, "the page grows too large");
    }
    r->t->depth--;
    return rc;
}

int mx_page_render_tree(const struct mx_page_env *env, struct gg_str source, bool escape, const json_t *values,
                        struct gg_buf *out, struct gg_error *err)
{
    struct mx_tpl *t = gg_xcalloc(1, sizeof(*t));
    t->env = env;
    t->values = values;
    t->junk = json_array();
    t->out = out;
    const struct run r = {.t = t, .err = err};
    int rc = render_text(&r, source, escape, true);
    json_decref(t->junk);
    free(t);
    return rc;
}

json_t *mx_page_values(const struct mx_page_value *values, size_t n)
{
    json_t *all = json_object();
    for (size_t i = n; i > 0; i--) /* of two of a name the first counts */
        json_object_set_new_nocheck(all, values[i - 1].name,
                                    json_stringn_nocheck(values[i - 1].text.s != NULL ? values[i - 1].text.s : "",
                                                         values[i - 1].text.n));
    return all;
}

int mx_page_render_text(struct gg_str source, bool escape, const struct mx_page_value *values, size_t n,
                        struct gg_buf *out, struct gg_error *err)
{
    const struct mx_page_env none = {.find = NULL};
    json_t *all = mx_page_values(values, n);
    int rc = mx_page_render_tree(&none, source, escape, all, out, err);
    json_decref(all);
    return rc;
}
