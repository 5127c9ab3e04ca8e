/* filters.c: value|filter: those of Jinja2 that pages and mails use, and those that Synapse adds (its documentation of
 * templates): format_ts, mxc_to_http, localpart_from_email. */
#include <ctype.h>
#include <math.h>
#include <time.h>

#include "pages/template.h"

struct call {
    struct mx_tpl *t;
    struct mx_tpl_value in;
    const struct mx_tpl_value *args;
    size_t n;
};

static struct gg_str text_of(struct mx_tpl_value v)
{
    return json_is_string(v.v) ? gg_strn(json_string_value(v.v), json_string_length(v.v)) : GG_STR("");
}

static struct gg_str arg_text(const struct call *c, size_t i)
{
    return i < c->n ? text_of(c->args[i]) : GG_STR("");
}

static struct mx_tpl_value finish(const struct call *c, struct gg_buf *text, bool safe)
{
    struct mx_tpl_value v = mx_tpl_text(c->t, gg_buf_view(text), safe);
    gg_buf_done(text);
    return v;
}

static struct mx_tpl_value escape(const struct call *c)
{
    struct gg_buf text = GG_BUF_INIT, out = GG_BUF_INIT;
    if (c->in.safe)
        return c->in;
    mx_tpl_print(&text, c->in);
    mx_tpl_escape(&out, gg_buf_view(&text));
    gg_buf_done(&text);
    return finish(c, &out, true);
}

static struct mx_tpl_value safe(const struct call *c)
{
    return (struct mx_tpl_value){c->in.v, true};
}

static struct mx_tpl_value otherwise(const struct call *c)
{
    bool empty = c->in.v == NULL || (c->n > 1 && mx_tpl_true(c->args[1]) && !mx_tpl_true(c->in));
    return empty && c->n > 0 ? c->args[0] : c->in;
}

static struct mx_tpl_value letters(const struct call *c, int (*change)(int))
{
    struct gg_buf text = GG_BUF_INIT;
    mx_tpl_print(&text, c->in);
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.data[i] < 128)
            text.data[i] = (char)change(text.data[i]);
    return finish(c, &text, c->in.safe);
}

static struct mx_tpl_value upper(const struct call *c)
{
    return letters(c, toupper);
}

static struct mx_tpl_value lower(const struct call *c)
{
    return letters(c, tolower);
}

static struct mx_tpl_value trim(const struct call *c)
{
    struct gg_str s = text_of(c->in);
    while (s.n > 0 && isspace((unsigned char)s.s[0]))
        s = gg_strn(s.s + 1, s.n - 1);
    while (s.n > 0 && isspace((unsigned char)s.s[s.n - 1]))
        s.n--;
    return mx_tpl_text(c->t, s, c->in.safe);
}

static struct mx_tpl_value length(const struct call *c)
{
    size_t n = json_is_string(c->in.v) ? 0 : json_is_object(c->in.v) ? json_object_size(c->in.v) : json_array_size(c->in.v);
    struct gg_str s = text_of(c->in);
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.s[i] & 0xc0) != 0x80; /* characters */
    return mx_tpl_keep(c->t, json_integer((json_int_t)n));
}

static struct mx_tpl_value first(const struct call *c)
{
    return (struct mx_tpl_value){json_array_get(c->in.v, 0), false};
}

static struct mx_tpl_value last(const struct call *c)
{
    size_t n = json_array_size(c->in.v);
    return (struct mx_tpl_value){n > 0 ? json_array_get(c->in.v, n - 1) : NULL, false};
}

static struct mx_tpl_value join(const struct call *c)
{
    struct gg_buf text = GG_BUF_INIT;
    for (size_t i = 0; i < json_array_size(c->in.v); i++) {
        gg_buf_str(&text, i > 0 ? arg_text(c, 0) : GG_STR(""));
        mx_tpl_print(&text, (struct mx_tpl_value){json_array_get(c->in.v, i), false});
    }
    return finish(c, &text, false);
}

static struct mx_tpl_value replace(const struct call *c)
{
    struct gg_str s = text_of(c->in), what = arg_text(c, 0);
    struct gg_buf text = GG_BUF_INIT;
    while (what.n > 0 && s.n > 0) {
        const char *at = memmem(s.s, s.n, what.s, what.n);
        size_t before = at != NULL ? (size_t)(at - s.s) : s.n;
        gg_buf_add(&text, s.s, before);
        if (at == NULL)
            return finish(c, &text, false);
        gg_buf_str(&text, arg_text(c, 1));
        s = gg_strn(s.s + before + what.n, s.n - before - what.n);
    }
    gg_buf_str(&text, s);
    return finish(c, &text, false);
}

static struct mx_tpl_value urlencode(const struct call *c)
{
    struct gg_buf text = GG_BUF_INIT, out = GG_BUF_INIT;
    mx_tpl_print(&text, c->in);
    gg_buf_urlencode(&out, gg_buf_view(&text));
    gg_buf_done(&text);
    return finish(c, &out, false);
}

static struct mx_tpl_value truncate_text(const struct call *c)
{
    struct gg_str s = text_of(c->in);
    size_t most = c->n > 0 ? (size_t)json_integer_value(c->args[0].v) : 255;
    struct gg_buf text = GG_BUF_INIT;
    size_t n = s.n < most ? s.n : most;
    while (n > 0 && n < s.n && ((unsigned char)s.s[n] & 0xc0) == 0x80)
        n--;
    gg_buf_add(&text, s.s, n);
    if (n < s.n)
        gg_buf_lit(&text, "...");
    return finish(c, &text, false);
}

static struct mx_tpl_value format(const struct call *c)
{
    return mx_tpl_format(c->t, text_of(c->in), c->args, c->n);
}

/* Milliseconds, in the server's own time zone. */
static struct mx_tpl_value format_ts(const struct call *c)
{
    char pattern[64], text[256];
    struct gg_str wanted = arg_text(c, 0);
    time_t seconds = (time_t)(json_number_value(c->in.v) / 1000);
    struct tm tm;
    if (wanted.n == 0 || wanted.n >= sizeof(pattern) || localtime_r(&seconds, &tm) == NULL)
        return mx_tpl_text(c->t, GG_STR(""), false);
    memcpy(pattern, wanted.s, wanted.n);
    pattern[wanted.n] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t n = strftime(text, sizeof(text), pattern, &tm); /* the operator's own pattern */
#pragma GCC diagnostic pop
    return mx_tpl_text(c->t, gg_strn(text, n), false);
}

/* mxc://server/id with width, height and a method ("crop"): a thumbnail that a browser can get. */
static struct mx_tpl_value mxc_to_http(const struct call *c)
{
    struct gg_str url = text_of(c->in), method = c->n > 2 ? arg_text(c, 2) : GG_STR("crop");
    struct gg_buf text = GG_BUF_INIT;
    if (!gg_str_starts(url, GG_STR("mxc://")) || c->n < 2 || c->t->env->public_baseurl == NULL)
        return mx_tpl_text(c->t, GG_STR(""), false);
    url = gg_strn(url.s + 6, url.n - 6);
    const char *hash = memchr(url.s, '#', url.n);
    size_t n = hash != NULL ? (size_t)(hash - url.s) : url.n;
    gg_buf_printf(&text, "%s_matrix/media/v1/thumbnail/%.*s?width=%lld&height=%lld&method=", c->t->env->public_baseurl,
                  GG_FMT(gg_strn(url.s, n)), (long long)json_integer_value(c->args[0].v),
                  (long long)json_integer_value(c->args[1].v));
    gg_buf_urlencode(&text, method);
    gg_buf_add(&text, url.s + n, url.n - n);
    return finish(c, &text, false);
}

static struct mx_tpl_value localpart_from_email(const struct call *c)
{
    struct gg_str address = text_of(c->in);
    const char *at = memrchr(address.s, '@', address.n);
    return mx_tpl_text(c->t, at != NULL ? gg_strn(address.s, (size_t)(at - address.s)) : address, false);
}

int mx_tpl_filter(struct mx_tpl *t, struct gg_str name, struct mx_tpl_value in, const struct mx_tpl_value *args, size_t n,
                  struct mx_tpl_value *out, struct gg_error *err)
{
    static const struct {
        const char *name;
        struct mx_tpl_value (*run)(const struct call *c);
    } filters[] = {{"e", escape}, {"escape", escape}, {"safe", safe}, {"default", otherwise}, {"d", otherwise},
                   {"upper", upper}, {"lower", lower}, {"trim", trim}, {"length", length}, {"count", length},
                   {"first", first}, {"last", last}, {"join", join}, {"replace", replace}, {"urlencode", urlencode},
                   {"truncate", truncate_text}, {"format", format}, {"format_ts", format_ts},
                   {"mxc_to_http", mxc_to_http}, {"localpart_from_email", localpart_from_email}};
    const struct call c = {t, in, args, n};
    for (size_t i = 0; i < GG_COUNT(filters); i++)
        if (gg_str_is(name, filters[i].name)) {
            *out = filters[i].run(&c);
            return 0;
        }
    return gg_fail(err, GG_E_INVALID, "the filter \"%.*s\" is not known", (int)(name.n < 40 ? name.n : 40), name.s);
}

/* ---- "%s" ---- */

/* One of %s, %d, %i, %.2f and the like; *used: how long it is, 0 for none of them. */
static void put(struct gg_buf *out, struct gg_str at, struct mx_tpl_value v, size_t *used)
{
    size_t i = 1;
    int digits = 6;
    if (i + 1 < at.n && at.s[i] == '.' && isdigit((unsigned char)at.s[i + 1])) {
        digits = at.s[i + 1] - '0';
        i += 2;
    }
    char kind = i < at.n ? at.s[i] : '\0';
    *used = i + 1;
    if (kind == 's')
        mx_tpl_print(out, v);
    else if ((kind == 'd' || kind == 'i') && json_is_integer(v.v))
        gg_buf_printf(out, "%lld", (long long)json_integer_value(v.v));
    else if (kind == 'd' || kind == 'i')
        gg_buf_printf(out, "%.0f", trunc(json_number_value(v.v))); /* however large: no integer need hold it */
    else if (kind == 'f')
        gg_buf_printf(out, "%.*f", digits, json_number_value(v.v));
    else
        *used = 0;
}

struct mx_tpl_value mx_tpl_format(struct mx_tpl *t, struct gg_str text, const struct mx_tpl_value *args, size_t n)
{
    struct gg_buf out = GG_BUF_INIT;
    size_t next = 0;
    for (size_t i = 0; i < text.n;) {
        bool doubled = text.s[i] == '%' && i + 1 < text.n && text.s[i + 1] == '%';
        size_t used = 0;
        if (text.s[i] == '%' && !doubled && next < n)
            put(&out, gg_strn(text.s + i, text.n - i), args[next], &used);
        next += used > 0;
        if (used == 0) {
            gg_buf_char(&out, text.s[i]);
            used = doubled ? 2 : 1;
        }
        i += used;
    }
    struct mx_tpl_value v = mx_tpl_text(t, gg_buf_view(&out), false);
    gg_buf_done(&out);
    return v;
}
