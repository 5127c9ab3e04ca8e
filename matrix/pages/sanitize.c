/* sanitize.c: see sanitize.h. One pass over the text with a stack of open elements, both bounded. */
#include "pages/sanitize.h"

#include <ctype.h>
#include <strings.h>

enum { OPEN_MAX = 48, NAME_MAX_BYTES = 10, LINK_MAX_BYTES = 2048, ENTITY_MAX_BYTES = 10 };

enum kind {
    PLAIN,
    VOID,   /* has no end */
    LITERAL, /* its text is shown as it is: no links are made of it */
    SILENT, /* goes with all that it holds */
};

static const struct element {
    const char *name;
    enum kind kind;
} elements[] = {
    {"font", PLAIN}, {"del", PLAIN}, {"h3", PLAIN}, {"h4", PLAIN}, {"h5", PLAIN}, {"h6", PLAIN}, {"blockquote", PLAIN},
    {"p", PLAIN}, {"a", LITERAL}, {"ul", PLAIN}, {"ol", PLAIN}, {"li", PLAIN}, {"b", PLAIN}, {"i", PLAIN}, {"u", PLAIN},
    {"strong", PLAIN}, {"em", PLAIN}, {"strike", PLAIN}, {"s", PLAIN}, {"code", LITERAL}, {"hr", VOID}, {"br", VOID},
    {"div", PLAIN}, {"span", PLAIN}, {"table", PLAIN}, {"thead", PLAIN}, {"caption", PLAIN}, {"tbody", PLAIN}, {"tr", PLAIN},
    {"th", PLAIN}, {"td", PLAIN}, {"pre", LITERAL}, {"script", SILENT}, {"style", SILENT}, {"title", SILENT},
    {"textarea", SILENT}, {"noscript", SILENT}, {"iframe", SILENT}, {"template", SILENT}};

struct cleaning {
    struct gg_buf *out;
    const struct element *open[OPEN_MAX];
    size_t depth;
};

static const struct element *element_of(struct gg_str name)
{
    for (size_t i = 0; i < GG_COUNT(elements); i++)
        if (strlen(elements[i].name) == name.n && strncasecmp(elements[i].name, name.s, name.n) == 0)
            return &elements[i];
    return NULL;
}

/* ---- text ---- */

/* "&amp;", "&#38;", "&#x26;": how long; 0: it is none. */
static size_t entity(struct gg_str s)
{
    size_t i = 1;
    if (i < s.n && s.s[i] == '#') {
        i++;
        bool hex = i < s.n && (s.s[i] == 'x' || s.s[i] == 'X');
        i += hex;
        while (i < s.n && i < ENTITY_MAX_BYTES && (hex ? isxdigit((unsigned char)s.s[i]) : isdigit((unsigned char)s.s[i])))
            i++;
    } else {
        while (i < s.n && i < ENTITY_MAX_BYTES && isalnum((unsigned char)s.s[i]))
            i++;
    }
    return i > 1 && i < s.n && s.s[i] == ';' && s.s[i - 1] != '#' ? i + 1 : 0;
}

static void escape(struct gg_buf *out, struct gg_str text, bool entities)
{
    for (size_t i = 0; i < text.n; i++) {
        size_t whole = entities && text.s[i] == '&' ? entity(gg_strn(text.s + i, text.n - i)) : 0;
        if (whole > 0) {
            gg_buf_add(out, text.s + i, whole);
            i += whole - 1;
        } else if (text.s[i] == '&')
            gg_buf_lit(out, "&amp;");
        else if (text.s[i] == '<')
            gg_buf_lit(out, "&lt;");
        else if (text.s[i] == '>')
            gg_buf_lit(out, "&gt;");
        else if (text.s[i] == '"')
            gg_buf_lit(out, "&quot;");
        else if (text.s[i] == '\'')
            gg_buf_lit(out, "&#39;");
        else if (text.s[i] != '\0')
            gg_buf_char(out, text.s[i]);
    }
}

static bool begins(struct gg_str s, const char *with)
{
    return s.n >= strlen(with) && strncasecmp(s.s, with, strlen(with)) == 0;
}

/* An address of the web at the start of s: how long; 0: none. A full stop behind it is the sentence's. */
static size_t address(struct gg_str s)
{
    size_t scheme = begins(s, "https://") ? 8 : begins(s, "http://") ? 7 : 0, n = scheme;
    if (scheme == 0)
        return 0;
    while (n < s.n && n < LINK_MAX_BYTES && (unsigned char)s.s[n] > ' ' && strchr("<>\"'`{}|\\^", s.s[n]) == NULL)
        n++;
    while (n > scheme && strchr(".,;:!?)]", s.s[n - 1]) != NULL)
        n--;
    return n > scheme ? n : 0;
}

static void add_text(struct gg_buf *out, struct gg_str text, bool entities, bool links)
{
    size_t from = 0;
    for (size_t i = 0; links && i < text.n; i++) {
        bool start = i == 0 || !isalnum((unsigned char)text.s[i - 1]);
        size_t n = start && (text.s[i] == 'h' || text.s[i] == 'H') ? address(gg_strn(text.s + i, text.n - i)) : 0;
        if (n == 0)
            continue;
        escape(out, gg_strn(text.s + from, i - from), entities);
        gg_buf_lit(out, "<a href=\"");
        escape(out, gg_strn(text.s + i, n), entities);
        gg_buf_lit(out, "\" rel=\"nofollow noopener\">");
        escape(out, gg_strn(text.s + i, n), entities);
        gg_buf_lit(out, "</a>");
        from = i + n;
        i = from - 1;
    }
    escape(out, gg_strn(text.s + from, text.n - from), entities);
}

void mx_html_of_text(struct gg_str text, struct gg_buf *out)
{
    add_text(out, text, false, true);
}

/* ---- elements ---- */

/* A link's target as a browser reads it: only these schemes, and no trick before the colon. */
static bool is_link(struct gg_str url)
{
    static const char *const schemes[] = {"http://", "https://", "mailto:"};
    for (size_t i = 0; i < url.n; i++)
        if ((unsigned char)url.s[i] <= ' ')
            return false;
    for (size_t i = 0; i < GG_COUNT(schemes); i++)
        if (begins(url, schemes[i]))
            return url.n < LINK_MAX_BYTES;
    return false;
}

/* "red", "#ff0000" */
static bool is_colour(struct gg_str s)
{
    for (size_t i = s.n > 0 && s.s[0] == '#' ? 1 : 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.s[i]))
            return false;
    return s.n > 0 && s.n <= 32;
}

static void add_attribute(struct gg_buf *out, const char *element, struct gg_str name, struct gg_str value)
{
    bool link = strcmp(element, "a") == 0 && name.n == 4 && begins(name, "href") && is_link(value);
    bool colour = strcmp(element, "font") == 0 && name.n == 5 && begins(name, "color") && is_colour(value);
    if (!link && !colour)
        return;
    gg_buf_printf(out, " %s=\"", link ? "href" : "color");
    escape(out, value, true);
    gg_buf_text(out, link ? "\" rel=\"nofollow noopener\"" : "\"");
}

/* name="value" and the like up to the end of the tag; returns where that is (behind ">"). */
static size_t attributes(struct gg_str s, size_t i, const char *element, struct gg_buf *out)
{
    while (i < s.n && s.s[i] != '>') {
        size_t from = i;
        while (i < s.n && !isspace((unsigned char)s.s[i]) && strchr("=>/", s.s[i]) == NULL)
            i++;
        struct gg_str name = gg_strn(s.s + from, i - from), value = {0};
        if (name.n == 0 && s.s[i] != '=' && s.s[i] != '>')
            i++;
        while (i < s.n && name.n > 0 && isspace((unsigned char)s.s[i]))
            i++;
        if (i < s.n && s.s[i] == '=') {
            i++;
            while (i < s.n && isspace((unsigned char)s.s[i]))
                i++;
            char quote = i < s.n && (s.s[i] == '"' || s.s[i] == '\'') ? s.s[i++] : '\0';
            from = i;
            while (i < s.n && (quote != '\0' ? s.s[i] != quote : !isspace((unsigned char)s.s[i]) && s.s[i] != '>'))
                i++;
            value = gg_strn(s.s + from, i - from);
            i += quote != '\0' && i < s.n;
        }
        if (out != NULL && value.s != NULL)
            add_attribute(out, element, name, value);
    }
    return i < s.n ? i + 1 : i;
}

static void close_to(struct cleaning *c, size_t depth)
{
    while (c->depth > depth)
        gg_buf_printf(c->out, "</%s>", c->open[--c->depth]->name);
}

/* What a silent element holds ends with its end tag. */
static size_t behind_end(struct gg_str s, size_t i, const char *name)
{
    size_t n = strlen(name);
    for (; i + n + 2 <= s.n; i++)
        if (s.s[i] == '<' && s.s[i + 1] == '/' && strncasecmp(s.s + i + 2, name, n) == 0)
            return attributes(s, i + 2 + n, name, NULL);
    return s.n;
}

static size_t end_tag(struct cleaning *c, struct gg_str s, size_t i, const struct element *element)
{
    for (size_t k = c->depth; element != NULL && k > 0; k--)
        if (c->open[k - 1] == element) {
            close_to(c, k - 1);
            break;
        }
    return attributes(s, i, "", NULL);
}

/* A tag at s[i]: where what follows begins; i itself: it is none. */
static size_t tag(struct cleaning *c, struct gg_str s, size_t i)
{
    size_t at = i + 1;
    bool end = at < s.n && s.s[at] == '/';
    at += end;
    if (at + 2 < s.n && s.s[at] == '!' && s.s[at + 1] == '-' && s.s[at + 2] == '-') {
        const char *close = memmem(s.s + at + 3, s.n - at - 3, "-->", 3);
        return close != NULL ? (size_t)(close - s.s) + 3 : s.n;
    }
    if (at >= s.n || (!isalpha((unsigned char)s.s[at]) && s.s[at] != '!' && s.s[at] != '?'))
        return i;
    size_t from = at;
    while (at < s.n && isalnum((unsigned char)s.s[at]))
        at++;
    const struct element *element = at - from <= NAME_MAX_BYTES ? element_of(gg_strn(s.s + from, at - from)) : NULL;
    if (end)
        return end_tag(c, s, at, element);
    if (element == NULL || (element->kind != SILENT && c->depth == OPEN_MAX))
        return attributes(s, at, "", NULL);
    if (element->kind == SILENT)
        return behind_end(s, attributes(s, at, "", NULL), element->name);
    gg_buf_printf(c->out, "<%s", element->name);
    at = attributes(s, at, element->name, c->out);
    gg_buf_char(c->out, '>');
    if (element->kind != VOID)
        c->open[c->depth++] = element;
    return at;
}

static bool makes_links(const struct cleaning *c)
{
    for (size_t i = 0; i < c->depth; i++)
        if (c->open[i]->kind == LITERAL)
            return false;
    return true;
}

void mx_html_clean(struct gg_str html, struct gg_buf *out)
{
    struct cleaning c = {.out = out};
    for (size_t i = 0; i < html.n;) {
        const char *next = memchr(html.s + i, '<', html.n - i);
        size_t end = next != NULL ? (size_t)(next - html.s) : html.n, after = end;
        add_text(out, gg_strn(html.s + i, end - i), true, makes_links(&c));
        if (end < html.n)
            after = tag(&c, html, end);
        if (after == end && end < html.n) { /* a bare sign */
            gg_buf_lit(out, "&lt;");
            after++;
        }
        i = after;
    }
    close_to(&c, 0);
}
