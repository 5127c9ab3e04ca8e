/* ganglion/buf.h: text that is being built.
 *
 * data is always NUL-terminated and n does not count the NUL; before the first
 * append data is a static empty string. Grows by doubling; out of memory aborts. */
#ifndef GANGLION_BUF_H
#define GANGLION_BUF_H

#include <ganglion/base.h>
#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gg_buf {
    char *data;
    size_t n, cap;
};

GG_API extern char gg_buf_empty[1];
#define GG_BUF_INIT {gg_buf_empty, 0, 0}

GG_API void gg_buf_done(struct gg_buf *buf);  /* frees; buf is empty and usable again */
GG_API void gg_buf_clear(struct gg_buf *buf); /* keeps the memory */
GG_API void gg_buf_reserve(struct gg_buf *buf, size_t more);
GG_API void gg_buf_add(struct gg_buf *buf, const void *data, size_t n);
GG_API void gg_buf_printf(struct gg_buf *buf, const char *fmt, ...) GG_PRINTF(2, 3);
GG_API void gg_buf_i64(struct gg_buf *buf, int64_t value);
/* The text as a JSON string with its quotes: " \ and control characters escaped,
 * UTF-8 left as it is (what Python's json with ensure_ascii=False writes). */
GG_API void gg_buf_json_string(struct gg_buf *buf, struct gg_str s);
/* Percent-encodes all but unreserved characters (RFC 3986 2.3). */
GG_API void gg_buf_urlencode(struct gg_buf *buf, struct gg_str s);
/* Hands the memory over (free() it); buf is empty afterwards. Never NULL. */
GG_API char *gg_buf_steal(struct gg_buf *buf, size_t *n_out);

static inline void gg_buf_char(struct gg_buf *buf, char c)
{
    if (buf->cap - buf->n <= 1) { /* one byte is kept for the NUL */
        gg_buf_add(buf, &c, 1);
        return;
    }
    buf->data[buf->n++] = c;
    buf->data[buf->n] = '\0';
}

static inline void gg_buf_str(struct gg_buf *buf, struct gg_str s)
{
    gg_buf_add(buf, s.s, s.n);
}

static inline void gg_buf_text(struct gg_buf *buf, const char *s)
{
    gg_buf_add(buf, s, strlen(s));
}

#define gg_buf_lit(buf_, literal_) gg_buf_add((buf_), "" literal_, sizeof(literal_) - 1)

static inline struct gg_str gg_buf_view(const struct gg_buf *buf)
{
    return gg_strn(buf->data, buf->n);
}

#ifdef __cplusplus
}
#endif
#endif
