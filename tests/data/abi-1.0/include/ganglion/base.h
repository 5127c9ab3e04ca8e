/* ganglion/base.h: the words that every other header uses.
 *
 * Visibility, marks for functions that may yield, borrowed strings, status
 * codes and clocks. Includes nothing of the project. */
#ifndef GANGLION_BASE_H
#define GANGLION_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Exported from libganglion.so (and, in matrix/, from libganglion-matrix.so);
 * everything else is hidden by -fvisibility=hidden. */
#define GG_API __attribute__((visibility("default")))

/* May give up the processor: call it from a fiber only, never between reading
 * a shared structure and using what was read, never inside a foreign library's
 * callback. */
#if defined(__clang__)
#define GG_YIELDS __attribute__((annotate("gg_yields")))
#else
#define GG_YIELDS
#endif

#define GG_PRINTF(fmt_, first_) __attribute__((format(printf, fmt_, first_)))
#define GG_CHECKED __attribute__((warn_unused_result))
#define GG_NORETURN __attribute__((noreturn))
#define GG_COUNT(array_) (sizeof(array_) / sizeof((array_)[0]))
#define GG_CONTAINER(ptr_, type_, member_) ((type_ *)(void *)((char *)(ptr_) - offsetof(type_, member_)))

/* Status of a fallible function: 0 or one of these, always negative. The
 * details travel in struct gg_error (error.h). */
enum gg_status {
    GG_OK = 0,
    GG_E_NOMEM = -1,
    GG_E_INVALID = -2,     /* the caller's input is wrong */
    GG_E_NOT_FOUND = -3,
    GG_E_FORBIDDEN = -4,
    GG_E_CONFLICT = -5,    /* exists already, or changed meanwhile */
    GG_E_TIMEOUT = -6,     /* a deadline passed */
    GG_E_CANCELLED = -7,   /* the fiber was asked to end */
    GG_E_CLOSED = -8,      /* the other side, or the object, is gone */
    GG_E_UNAVAILABLE = -9, /* a service that we need cannot be reached now */
    GG_E_IO = -10,
    GG_E_PROTOCOL = -11,   /* the other side broke its protocol */
    GG_E_LIMIT = -12,      /* too large, too many, too deep, too often */
    GG_E_IN_DOUBT = -13,   /* COMMIT was sent and its outcome is not known */
    GG_E_INTERNAL = -14,   /* a bug, ours or a library's */
};

/* Borrowed text: not NUL-terminated in general, not owned. */
struct gg_str {
    const char *s;
    size_t n;
};

#define GG_STR(literal_) ((struct gg_str){(literal_), sizeof(literal_) - 1})
#define GG_FMT(str_) (int)(str_).n, (str_).s /* for "%.*s" */

static inline struct gg_str gg_str(const char *s)
{
    struct gg_str v = {s, s ? strlen(s) : 0};
    return v;
}

static inline struct gg_str gg_strn(const char *s, size_t n)
{
    struct gg_str v = {s, n};
    return v;
}

static inline bool gg_str_eq(struct gg_str a, struct gg_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.s, b.s, a.n) == 0);
}

static inline bool gg_str_is(struct gg_str a, const char *literal)
{
    return gg_str_eq(a, gg_str(literal));
}

static inline bool gg_str_starts(struct gg_str a, struct gg_str prefix)
{
    return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.s, prefix.s, prefix.n) == 0);
}

/* Bytewise order (PostgreSQL's "C" collation): <0, 0, >0. */
GG_API int gg_str_cmp(struct gg_str a, struct gg_str b);

/* Milliseconds on a clock that never jumps; the unit of every deadline. Cached
 * for one turn of the loop is good enough, so this is cheap. */
GG_API int64_t gg_now_ms(void);
/* Milliseconds since the epoch: what Matrix calls a timestamp. */
GG_API int64_t gg_wall_ms(void);

/* A deadline is a gg_now_ms() value. */
#define GG_FOREVER INT64_MAX
static inline int64_t gg_deadline(int64_t ms_from_now)
{
    return gg_now_ms() + ms_from_now;
}

/* Cryptographically strong randomness; never fails (aborts if the kernel has none). */
GG_API void gg_random_bytes(void *out, size_t n);
/* n characters drawn evenly from alphabet, then a NUL: out holds n + 1 bytes. */
GG_API void gg_random_text(char *out, size_t n, const char *alphabet);
#define GG_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

#ifdef __cplusplus
}
#endif
#endif
