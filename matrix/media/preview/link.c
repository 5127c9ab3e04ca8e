/* link.c: takes addresses apart and puts them together. */
#include "media/preview/link.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <ganglion/buf.h>
#include <unistr.h>

static size_t scheme_length(struct gg_str text)
{
    size_t n = 0;
    if (text.n == 0 || !isalpha((unsigned char)text.s[0]))
        return 0;
    while (n < text.n && (isalnum((unsigned char)text.s[n]) || strchr("+-.", text.s[n]) != NULL))
        n++;
    return n < text.n && text.s[n] == ':' ? n : 0;
}

/* What follows the first `mark` is taken off text. */
static struct gg_str take_after(struct gg_str *text, char mark)
{
    const char *at = text->n > 0 ? memchr(text->s, mark, text->n) : NULL;
    if (at == NULL)
        return (struct gg_str){0};
    struct gg_str rest = gg_strn(at + 1, (size_t)(text->s + text->n - at - 1));
    text->n = (size_t)(at - text->s);
    return rest;
}

static void split_authority(struct mx_link *link)
{
    struct gg_str rest = link->authority;
    for (size_t i = rest.n; i-- > 0;)
        if (rest.s[i] == '@') { /* the last one: a password may hold others */
            link->username = gg_strn(rest.s, i);
            link->password = take_after(&link->username, ':');
            rest = gg_strn(rest.s + i + 1, rest.n - i - 1);
            break;
        }
    if (rest.n > 0 && rest.s[0] == '[') {
        struct gg_str inner = gg_strn(rest.s + 1, rest.n - 1), after = take_after(&inner, ']');
        link->host = inner;
        (void)take_after(&after, ':');
        link->port = after.s != NULL && after.s + after.n < rest.s + rest.n
                         ? gg_strn(after.s + after.n + 1, (size_t)(rest.s + rest.n - after.s - after.n - 1))
                         : (struct gg_str){0};
        return;
    }
    link->host = rest;
    link->port = take_after(&link->host, ':');
}

struct mx_link mx_link_split(struct gg_str text)
{
    struct mx_link link = {0};
    size_t scheme = scheme_length(text);
    if (scheme > 0) {
        link.scheme = gg_strn(text.s, scheme);
        text = gg_strn(text.s + scheme + 1, text.n - scheme - 1);
    }
    link.fragment = take_after(&text, '#');
    link.query = take_after(&text, '?');
    if (text.n >= 2 && text.s[0] == '/' && text.s[1] == '/') {
        link.authority = gg_strn(text.s + 2, text.n - 2);
        const char *slash = memchr(link.authority.s, '/', link.authority.n);
        if (slash != NULL)
            link.authority.n = (size_t)(slash - link.authority.s);
        text = gg_strn(text.s + 2 + link.authority.n, text.n - 2 - link.authority.n);
        split_authority(&link);
    }
    link.path = text;
    return link;
}

bool mx_link_is_web(const struct mx_link *link, struct gg_str text)
{
    bool web = (link->scheme.n == 4 && strncasecmp(link->scheme.s, "http", 4) == 0) ||
               (link->scheme.n == 5 && strncasecmp(link->scheme.s, "https", 5) == 0);
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.s[i] <= ' ' || text.s[i] == 0x7f || text.s[i] == '\\')
            return false;
    return web && link->host.n > 0 && link->host.n <= 255 && u8_check((const uint8_t *)text.s, text.n) == NULL;
}

bool mx_link_is_address(const struct mx_link *link)
{
    char text[64];
    unsigned char address[16];
    if (link->host.n == 0 || link->host.n >= sizeof(text))
        return false;
    memcpy(text, link->host.s, link->host.n);
    text[link->host.n] = '\0';
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

/* ---- resolving ---- */

static void drop_last_segment(struct gg_buf *out, size_t root)
{
    while (out->n > root && out->data[out->n - 1] != '/')
        out->n--;
    if (out->n > root)
        out->n--;
    out->data[out->n] = '\0';
}

/* RFC 3986 5.2.4: appends path to out without "." and ".." segments. */
static void add_path(struct gg_buf *out, struct gg_str path)
{
    size_t root = out->n;
    gg_buf_reserve(out, 1);
    while (path.n > 0) {
        bool slash = path.s[0] == '/';
        const char *end = memchr(path.s + slash, '/', path.n - slash);
        size_t n = end != NULL ? (size_t)(end - path.s) : path.n;
        struct gg_str segment = gg_strn(path.s + slash, n - slash);
        bool up = gg_str_is(segment, ".."), dot = up || gg_str_is(segment, ".");
        if (up)
            drop_last_segment(out, root);
        if (!dot)
            gg_buf_add(out, path.s, n);
        else if (end == NULL)
            gg_buf_char(out, '/');
        path = gg_strn(path.s + n, path.n - n);
    }
}

static void add_merged(struct gg_buf *out, const struct mx_link *base, struct gg_str path)
{
    struct gg_buf merged = GG_BUF_INIT;
    size_t keep = base->path.n;
    while (keep > 0 && base->path.s[keep - 1] != '/')
        keep--;
    gg_buf_add(&merged, base->path.s, keep);
    if (keep == 0)
        gg_buf_char(&merged, '/');
    gg_buf_str(&merged, path);
    add_path(out, gg_buf_view(&merged));
    gg_buf_done(&merged);
}

static void add_part(struct gg_buf *out, const char *mark, struct gg_str part)
{
    if (part.s == NULL)
        return;
    gg_buf_text(out, mark);
    gg_buf_str(out, part);
}

static void build(struct gg_buf *out, const struct mx_link *base, const struct mx_link *ref)
{
    struct gg_str query = ref->query;
    gg_buf_str(out, base->scheme);
    gg_buf_char(out, ':');
    add_part(out, "//", ref->authority.s != NULL ? ref->authority : base->authority);
    if (ref->authority.s != NULL || (ref->path.n > 0 && ref->path.s[0] == '/'))
        add_path(out, ref->path);
    else if (ref->path.n > 0)
        add_merged(out, base, ref->path);
    else {
        gg_buf_str(out, base->path);
        query = query.s != NULL ? query : base->query;
    }
    add_part(out, "?", query);
}

const char *mx_link_resolve(struct gg_str base, struct gg_str reference, struct gg_arena *arena)
{
    struct gg_buf out = GG_BUF_INIT;
    while (reference.n > 0 && (unsigned char)reference.s[0] <= ' ')
        reference = gg_strn(reference.s + 1, reference.n - 1);
    while (reference.n > 0 && (unsigned char)reference.s[reference.n - 1] <= ' ')
        reference.n--;
    struct mx_link b = mx_link_split(base), r = mx_link_split(reference);
    if (r.scheme.s != NULL)
        return gg_arena_strndup(arena, reference.s, reference.n);
    build(&out, &b, &r);
    const char *text = gg_arena_strndup(arena, out.data, out.n);
    gg_buf_done(&out);
    return text;
}

/* ---- percent-encoding ---- */

static int digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

struct gg_str mx_link_unescape(struct gg_str text, struct gg_arena *arena)
{
    char *out = gg_arena_alloc(arena, text.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        int high = i + 2 < text.n && text.s[i] == '%' ? digit(text.s[i + 1]) : -1, low = high >= 0 ? digit(text.s[i + 2]) : -1;
        out[n++] = low >= 0 ? (char)(high * 16 + low) : text.s[i];
        i += low >= 0 ? 2 : 0;
    }
    out[n] = '\0';
    return gg_strn(out, n);
}
