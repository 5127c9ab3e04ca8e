/* buf.c: growing text. */
#include <ganglion/buf.h>

#include <ganglion/memory.h>

#include <stdio.h>

char gg_buf_empty[1];

void gg_buf_done(struct gg_buf *buf)
{
    if (buf->cap)
        free(buf->data);
    *buf = (struct gg_buf)GG_BUF_INIT;
}

void gg_buf_clear(struct gg_buf *buf)
{
    buf->n = 0;
    if (buf->cap)
        buf->data[0] = '\0';
}

void gg_buf_reserve(struct gg_buf *buf, size_t more)
{
    if (buf->cap - buf->n > more) /* one byte is kept for the NUL */
        return;
    if (more > SIZE_MAX / 4)
        gg_panic(__FILE__, __LINE__, "a buffer of %zu more bytes", more);
    size_t need = buf->n + more + 1, cap = buf->cap ? buf->cap * 2 : 64;
    if (cap < need)
        cap = need;
    char *data = gg_xrealloc(buf->cap ? buf->data : NULL, cap);
    data[buf->n] = '\0';
    buf->data = data;
    buf->cap = cap;
}

void gg_buf_add(struct gg_buf *buf, const void *data, size_t n)
{
    if (n == 0)
        return;
    gg_buf_reserve(buf, n);
    memcpy(buf->data + buf->n, data, n);
    buf->n += n;
    buf->data[buf->n] = '\0';
}

void gg_buf_printf(struct gg_buf *buf, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    va_list again;
    va_copy(again, ap);
    size_t room = buf->cap - buf->n;
    int n = vsnprintf(room ? buf->data + buf->n : NULL, room, fmt, ap);
    va_end(ap);
    if (n < 0)
        gg_panic(__FILE__, __LINE__, "bad format: %s", fmt);
    if ((size_t)n >= room) {
        gg_buf_reserve(buf, (size_t)n);
        vsnprintf(buf->data + buf->n, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    buf->n += (size_t)n;
}

void gg_buf_i64(struct gg_buf *buf, int64_t value)
{
    char digits[24], *p = digits + sizeof(digits);
    uint64_t u = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--p = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (value < 0)
        *--p = '-';
    gg_buf_add(buf, p, (size_t)(digits + sizeof(digits) - p));
}

static void add_escape(struct gg_buf *buf, unsigned char c)
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: character, letter */
    for (const char *p = letters; *p; p += 2)
        if ((unsigned char)*p == c) {
            char two[2] = {'\\', p[1]};
            gg_buf_add(buf, two, 2);
            return;
        }
    gg_buf_printf(buf, "\\u%04x", c);
}

/* Is one of eight bytes below 0x20, a quote or a backslash? (The trick with the borrow of each byte, as for strlen.) */
static bool any_special(const char *s)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    uint64_t x, quotes, slashes;
    memcpy(&x, s, sizeof(x));
    quotes = x ^ ones * '"';
    slashes = x ^ ones * '\\';
    return (((x - ones * 0x20) & ~x) | ((quotes - ones) & ~quotes) | ((slashes - ones) & ~slashes)) & high;
}

void gg_buf_json_string(struct gg_buf *buf, struct gg_str s)
{
    gg_buf_reserve(buf, s.n + 2);
    gg_buf_char(buf, '"');
    size_t from = 0;
    for (size_t i = 0; i < s.n; i++) {
        while (i + 8 < s.n && !any_special(s.s + i))
            i += 8;
        unsigned char c = (unsigned char)s.s[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        gg_buf_add(buf, s.s + from, i - from);
        add_escape(buf, c);
        from = i + 1;
    }
    gg_buf_add(buf, s.s + from, s.n - from);
    gg_buf_char(buf, '"');
}

static bool unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

void gg_buf_urlencode(struct gg_buf *buf, struct gg_str s)
{
    static const char hex[] = "0123456789ABCDEF";
    gg_buf_reserve(buf, s.n);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.s[i];
        char three[3] = {'%', hex[c >> 4], hex[c & 15]};
        if (unreserved(c))
            gg_buf_char(buf, (char)c);
        else
            gg_buf_add(buf, three, 3);
    }
}

char *gg_buf_steal(struct gg_buf *buf, size_t *n_out)
{
    if (!buf->cap)
        gg_buf_reserve(buf, 0);
    char *data = buf->data;
    if (n_out)
        *n_out = buf->n;
    *buf = (struct gg_buf)GG_BUF_INIT;
    return data;
}
