/* json.c: is a body JSON? Without making anything of it.
 *
 * Most handlers take a body's text apart themselves, or keep it as it is; a tree of a large body costs more than all else
 * that is done with it. What is refused is what jansson refuses, so that a tree can be had later: text that is not
 * UTF-8, NUL and lone surrogates in strings, numbers beyond an int64 or a double; and the NUL that it passes over behind a
 * number. No recursion. */
#include "http/conn.h"

#include <math.h>
#include <stdlib.h>

enum { WORDS = GG_JSON_MAX_DEPTH / 64, NUMBER_TEXT = 64 };

struct cursor {
    const unsigned char *p, *end;
    size_t depth;
    uint64_t objects[WORDS]; /* a bit for each level: an object, else an array */
};

static int peek(const struct cursor *c)
{
    return c->p < c->end ? *c->p : -1;
}

static int skip_blanks(struct cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t' || *c->p == '\r'))
        c->p++;
    return peek(c);
}

static bool eat(struct cursor *c, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
        return false;
    c->p += n;
    return true;
}

/* ---- strings ---- */

/* Four hexadecimal digits; -1: they are not. */
static int32_t hex4(struct cursor *c)
{
    int32_t value = 0;
    if (c->end - c->p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        unsigned char d = *c->p++, low = d | 0x20;
        if (d >= '0' && d <= '9')
            value = value * 16 + d - '0';
        else if (low >= 'a' && low <= 'f')
            value = value * 16 + low - 'a' + 10;
        else
            return -1;
    }
    return value;
}

static bool escape(struct cursor *c)
{
    int kind = peek(c);
    if (kind < 0)
        return false;
    c->p++;
    if (kind != 'u')
        return strchr("\"\\/bfnrt", kind) != NULL && kind != 0;
    int32_t code = hex4(c);
    if (code <= 0 || (code >= 0xdc00 && code <= 0xdfff))
        return false;
    if (code < 0xd800 || code > 0xdbff)
        return true;
    if (!eat(c, "\\u"))
        return false;
    code = hex4(c);
    return code >= 0xdc00 && code <= 0xdfff;
}

static bool string(struct cursor *c)
{
    c->p++;
    while (c->p < c->end) {
        unsigned char b = *c->p;
        if (b >= 0x80) {
            size_t n = gg_utf8_sequence(c->p, (size_t)(c->end - c->p));
            if (n == 0)
                return false;
            c->p += n;
        } else if (b == '"') {
            c->p++;
            return true;
        } else if (b == '\\') {
            c->p++;
            if (!escape(c))
                return false;
        } else if (b < 0x20) {
            return false;
        } else {
            c->p++;
        }
    }
    return false;
}

/* ---- numbers ---- */

static bool digits(struct cursor *c)
{
    const unsigned char *from = c->p;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9')
        c->p++;
    return c->p > from;
}

static bool in_range(const unsigned char *from, size_t n, bool whole)
{
    char held[NUMBER_TEXT], *text = n < sizeof(held) ? held : malloc(n + 1);
    if (text == NULL)
        return false;
    memcpy(text, from, n);
    text[n] = '\0';
    errno = 0;
    if (whole) {
        (void)strtoll(text, NULL, 10);
    } else {
        double value = strtod(text, NULL);
        if (errno == ERANGE && fabs(value) != HUGE_VAL)
            errno = 0; /* too small is 0 */
    }
    bool good = errno != ERANGE;
    if (text != held)
        free(text);
    return good;
}

static bool number(struct cursor *c)
{
    const unsigned char *from = c->p;
    bool whole = true;
    if (*c->p == '-')
        c->p++;
    if (peek(c) == '0')
        c->p++;
    else if (!digits(c))
        return false;
    if (peek(c) == '.') {
        whole = false;
        c->p++;
        if (!digits(c))
            return false;
    }
    if (peek(c) == 'e' || peek(c) == 'E') {
        whole = false;
        c->p++;
        if (peek(c) == '+' || peek(c) == '-')
            c->p++;
        if (!digits(c))
            return false;
    }
    size_t n = (size_t)(c->p - from);
    return (whole && n <= 18) || in_range(from, n, whole);
}

/* ---- values ---- */

static bool in_object(const struct cursor *c)
{
    size_t level = c->depth - 1;
    return (c->objects[level / 64] >> (level % 64) & 1) != 0;
}

static void enter(struct cursor *c, bool object)
{
    uint64_t bit = (uint64_t)1 << (c->depth % 64), *word = &c->objects[c->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    c->depth++;
    c->p++;
}

static bool name(struct cursor *c)
{
    if (skip_blanks(c) != '"' || !string(c) || skip_blanks(c) != ':')
        return false;
    c->p++;
    return true;
}

static bool scalar(struct cursor *c, int first)
{
    switch (first) {
    case '"':
        return string(c);
    case 't':
        return eat(c, "true");
    case 'f':
        return eat(c, "false");
    case 'n':
        return eat(c, "null");
    default:
        return (first == '-' || (first >= '0' && first <= '9')) && number(c);
    }
}

/* What follows a value: closing brackets, then the next value's place. *more: there is one. */
static bool after_value(struct cursor *c, bool *more)
{
    *more = false;
    while (c->depth > 0) {
        bool object = in_object(c);
        int next = skip_blanks(c);
        if (next == ',') {
            c->p++;
            *more = true;
            return !object || name(c);
        }
        if (next != (object ? '}' : ']'))
            return false;
        c->p++;
        c->depth--;
    }
    return skip_blanks(c) < 0;
}

enum gg_json_found gg_json_check(const char *s, size_t n)
{
    struct cursor c = {.p = (const unsigned char *)s, .end = (const unsigned char *)s + n};
    int root = skip_blanks(&c);
    for (bool more = true; more;) {
        int first = skip_blanks(&c);
        bool object = first == '{', good = true;
        if (object || first == '[') {
            if (c.depth == GG_JSON_MAX_DEPTH)
                return GG_JSON_TOO_DEEP;
            enter(&c, object);
            if (skip_blanks(&c) != (object ? '}' : ']')) {
                if (object && !name(&c))
                    return GG_JSON_NONE;
                continue; /* its first value */
            }
        } else {
            good = scalar(&c, first);
        }
        if (!good || !after_value(&c, &more))
            return GG_JSON_NONE;
    }
    return root == '{' ? GG_JSON_OBJECT : GG_JSON_OTHER;
}
