/* text.c: JSON strings, from their escaped form to WTF-8 and back. */
#include "text.h"

static unsigned hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    return (unsigned)((c | 0x20) - 'a' + 10) & 15u;
}

static unsigned hex4(const char *p)
{
    return hex_digit(p[0]) << 12 | hex_digit(p[1]) << 8 | hex_digit(p[2]) << 4 | hex_digit(p[3]);
}

static char *put_utf8(char *out, unsigned c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3f));
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

/* *p stands behind "\u"; moves over the digits, and over a second escape that completes a pair. */
static unsigned take_unicode(const char **p, const char *end)
{
    unsigned c, low;
    if (end - *p < 4) {
        *p = end;
        return '?'; /* not JSON; what is made of it must not be longer than it */
    }
    c = hex4(*p);
    *p += 4;
    if (c < 0xd800 || c > 0xdbff || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
        return c;
    low = hex4(*p + 2);
    if (low < 0xdc00 || low > 0xdfff)
        return c;
    *p += 6;
    return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

static char simple_escape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c; /* " \ / */
    }
}

size_t mx_text_decode(struct gg_str raw, char *out)
{
    const char *p = raw.s, *end = raw.s + raw.n;
    char *o = out;
    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));
        size_t plain = (size_t)((slash ? slash : end) - p);
        memmove(o, p, plain);
        o += plain;
        p += plain;
        if (!slash || end - p < 2)
            break;
        p += 2;
        if (slash[1] == 'u')
            o = put_utf8(o, take_unicode(&p, end));
        else
            *o++ = simple_escape(slash[1]);
    }
    return (size_t)(o - out);
}

/* An encoded surrogate: ED A0..BF xx. */
static bool surrogate_at(const unsigned char *p, const unsigned char *end)
{
    return end - p >= 3 && p[0] == 0xed && p[1] >= 0xa0 && p[1] <= 0xbf;
}

bool mx_text_has_surrogate(struct gg_str text)
{
    const unsigned char *p = (const unsigned char *)text.s, *end = p + text.n;
    while (p < end && (p = memchr(p, 0xed, (size_t)(end - p)))) {
        if (surrogate_at(p, end))
            return true;
        p++;
    }
    return false;
}

struct gg_str mx_storable(struct gg_str text)
{
    bool bad = text.s != NULL && text.n > 0 && (memchr(text.s, '\0', text.n) != NULL || mx_text_has_surrogate(text));
    return bad ? (struct gg_str){0} : text;
}

static bool needs_escape(const unsigned char *p, const unsigned char *end)
{
    return *p < 0x20 || *p == '"' || *p == '\\' || (*p == 0xed && surrogate_at(p, end));
}

/* Writes one sign that must be escaped; returns how many bytes of the text it took. */
static size_t write_escape(struct gg_buf *out, const unsigned char *p)
{
    static const char names[] = "btn\0fr"; /* of 8, 9, 10, 12, 13 */
    static const char hex[] = "0123456789abcdef";
    char buf[6] = {'\\', 'u', '0', '0', '0', '0'};
    if (*p == 0xed) {
        unsigned c = 0xd000u | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
        buf[2] = hex[c >> 12], buf[3] = hex[c >> 8 & 15], buf[4] = hex[c >> 4 & 15], buf[5] = hex[c & 15];
        gg_buf_add(out, buf, 6);
        return 3;
    }
    if (*p == '"' || *p == '\\')
        buf[1] = (char)*p;
    else if (*p >= 8 && *p <= 13 && *p != 11)
        buf[1] = names[*p - 8];
    else
        buf[4] = hex[*p >> 4], buf[5] = hex[*p & 15];
    gg_buf_add(out, buf, buf[1] == 'u' ? 6 : 2);
    return 1;
}

void mx_text_write(struct gg_buf *out, struct gg_str text)
{
    const unsigned char *p = (const unsigned char *)text.s, *end = p + text.n, *start = p;
    gg_buf_reserve(out, text.n + 2);
    gg_buf_char(out, '"');
    while (p < end) {
        if (!needs_escape(p, end)) {
            p++;
            continue;
        }
        gg_buf_add(out, start, (size_t)(p - start));
        p += write_escape(out, p);
        start = p;
    }
    gg_buf_add(out, start, (size_t)(end - start));
    gg_buf_char(out, '"');
}
