/* check.c: is this text one JSON value (RFC 8259) in valid UTF-8? Without recursion and without building anything. */
#include <ganglion/matrix/json.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { DEPTH_MAX = 4096 };

struct check {
    const unsigned char *p, *start, *end;
    unsigned depth, max_depth;
    uint64_t objects[DEPTH_MAX / 64]; /* one bit for each open container: is it an object? */
    const char *wrong;                /* what was expected, when the text is not JSON */
};

static bool fail(struct check *c, const char *what)
{
    c->wrong = what;
    return false;
}

static void skip_blanks(struct check *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\r' || *c->p == '\t'))
        c->p++;
}

/* Over signs that may stand in a string as they are, many at a time. */
static const unsigned char *skip_plain(const unsigned char *p, const unsigned char *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* bytes over 0x7f are negative here, so "below a space" finds them and the control characters */
        __m128i odd =
            _mm_or_si128(_mm_cmplt_epi8(v, space), _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));
        int hit = _mm_movemask_epi8(odd);
        if (hit)
            return p + __builtin_ctz((unsigned)hit);
    }
#endif
    while (p < end && *p >= ' ' && *p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* Length of the well-formed UTF-8 sequence at p (two to four bytes); 0: it is none. */
static size_t utf8_length(const unsigned char *p, const unsigned char *end)
{
    size_t n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
    unsigned low = 0x80, high = 0xbf;
    if (*p < 0xc2 || *p > 0xf4 || (size_t)(end - p) < n)
        return 0;
    if (*p == 0xe0)
        low = 0xa0;
    else if (*p == 0xed)
        high = 0x9f; /* surrogates */
    else if (*p == 0xf0)
        low = 0x90;
    else if (*p == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

static bool is_hex(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool take_escape(struct check *c)
{
    if (c->end - c->p < 2)
        return fail(c, "an unfinished string");
    if (c->p[1] != 'u') {
        if (!memchr("\"\\/bfnrt", c->p[1], 8))
            return fail(c, "an unknown escape");
        c->p += 2;
        return true;
    }
    if (c->end - c->p < 6 || !is_hex(c->p[2]) || !is_hex(c->p[3]) || !is_hex(c->p[4]) || !is_hex(c->p[5]))
        return fail(c, "an unfinished \\u escape");
    c->p += 6;
    return true;
}

/* p stands behind the opening quote. */
static bool take_string(struct check *c)
{
    for (;;) {
        size_t n;
        c->p = skip_plain(c->p, c->end);
        if (c->p >= c->end)
            return fail(c, "an unfinished string");
        if (*c->p == '"') {
            c->p++;
            return true;
        }
        if (*c->p == '\\') {
            if (!take_escape(c))
                return false;
        } else if (*c->p < ' ') {
            return fail(c, "a control character in a string");
        } else if ((n = utf8_length(c->p, c->end)) == 0) {
            return fail(c, "a byte that is not UTF-8");
        } else {
            c->p += n;
        }
    }
}

static bool take_digits(struct check *c)
{
    const unsigned char *start = c->p;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9')
        c->p++;
    return c->p > start || fail(c, "a number without digits");
}

static bool take_number(struct check *c)
{
    c->p += *c->p == '-';
    if (c->p < c->end && *c->p == '0')
        c->p++;
    else if (!take_digits(c))
        return false;
    if (c->p < c->end && *c->p == '.') {
        c->p++;
        if (!take_digits(c))
            return false;
    }
    if (c->p < c->end && (*c->p | 0x20) == 'e') {
        c->p++;
        if (c->p < c->end && (*c->p == '+' || *c->p == '-'))
            c->p++;
        return take_digits(c);
    }
    return true;
}

static bool take_word(struct check *c, const char *word, size_t n)
{
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
        return fail(c, "an unknown word");
    c->p += n;
    return true;
}

static bool take_scalar(struct check *c)
{
    switch (*c->p) {
    case '"':
        c->p++;
        return take_string(c);
    case 't':
        return take_word(c, "true", 4);
    case 'f':
        return take_word(c, "false", 5);
    case 'n':
        return take_word(c, "null", 4);
    default:
        if (*c->p == '-' || (*c->p >= '0' && *c->p <= '9'))
            return take_number(c);
        return fail(c, "no value where one must stand");
    }
}

static bool in_object(const struct check *c)
{
    return c->objects[(c->depth - 1) / 64] >> ((c->depth - 1) % 64) & 1;
}

static bool push(struct check *c, bool object)
{
    uint64_t bit = UINT64_C(1) << (c->depth % 64), *word = &c->objects[c->depth / 64];
    if (c->depth >= c->max_depth)
        return fail(c, NULL);
    *word = object ? *word | bit : *word & ~bit;
    c->depth++;
    return true;
}

static bool take_key(struct check *c)
{
    skip_blanks(c);
    if (c->p >= c->end || *c->p != '"')
        return fail(c, "no key where one must stand");
    c->p++;
    if (!take_string(c))
        return false;
    skip_blanks(c);
    if (c->p >= c->end || *c->p != ':')
        return fail(c, "no colon behind a key");
    c->p++;
    return true;
}

/* Opens a container. *inside_out: its first value follows (it is not empty). */
static bool open_container(struct check *c, bool *inside_out)
{
    bool object = *c->p++ == '{';
    skip_blanks(c);
    *inside_out = !(c->p < c->end && *c->p == (object ? '}' : ']'));
    if (!*inside_out) {
        c->p++;
        return c->depth < c->max_depth || fail(c, NULL);
    }
    return push(c, object) && (!object || take_key(c));
}

/* Behind a value: closes what ends here. *more_out: another value follows. */
static bool after_value(struct check *c, bool *more_out)
{
    *more_out = false;
    while (c->depth) {
        bool object = in_object(c);
        skip_blanks(c);
        if (c->p >= c->end)
            return fail(c, "an unfinished array or object");
        if (*c->p == ',') {
            c->p++;
            *more_out = true;
            return !object || take_key(c);
        }
        if (*c->p != (object ? '}' : ']'))
            return fail(c, "no comma behind a value");
        c->p++;
        c->depth--;
    }
    return true;
}

static bool check_text(struct check *c)
{
    for (bool more = true; more;) {
        bool inside = false;
        skip_blanks(c);
        if (c->p >= c->end)
            return fail(c, "no value where one must stand");
        if (*c->p == '{' || *c->p == '[') {
            if (!open_container(c, &inside))
                return false;
            if (inside)
                continue;
        } else if (!take_scalar(c)) {
            return false;
        }
        if (!after_value(c, &more))
            return false;
    }
    skip_blanks(c);
    return c->p == c->end || fail(c, "more text behind the value");
}

int mx_json_check(struct gg_str text, unsigned max_depth, struct gg_error *err)
{
    const unsigned char *start = (const unsigned char *)(text.s ? text.s : "");
    struct check c;
    c.p = c.start = start;
    c.end = start + text.n;
    c.depth = 0;
    c.max_depth = max_depth < DEPTH_MAX ? max_depth : DEPTH_MAX;
    c.wrong = NULL;
    if (check_text(&c))
        return 0;
    if (!c.wrong)
        return gg_refuse(err, 400, "M_BAD_JSON", "JSON is nested deeper than %u", c.max_depth);
    return gg_refuse(err, 400, "M_NOT_JSON", "Content not JSON: %s at byte %zu", c.wrong, (size_t)(c.p - c.start));
}
