/* scan.h: finding the ends of strings and values in JSON text that is known to be valid.
 *
 * The hot loop of everything that splices. On text that is not valid JSON the
 * functions return some position inside the text, never one outside it. */
#ifndef MX_JSON_SCAN_H
#define MX_JSON_SCAN_H

#include <ganglion/base.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static inline const char *mx_scan_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* The next '"' or '\\' at or after p; end if there is none. */
static inline const char *mx_scan_quote(const char *p, const char *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        int hit = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));
        if (hit)
            return p + __builtin_ctz((unsigned)hit);
    }
#endif
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* The next '"', bracket or brace at or after p; end if there is none. */
static inline const char *mx_scan_structure(const char *p, const char *end)
{
#if defined(__SSE2__)
    /* '[' and '{' (']' and '}') differ in bit 0x20 only, and that bit turns no other ASCII sign into them */
    const __m128i quote = _mm_set1_epi8('"'), open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}');
    const __m128i fold = _mm_set1_epi8(0x20);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p), w = _mm_or_si128(v, fold);
        __m128i brackets = _mm_or_si128(_mm_cmpeq_epi8(w, open), _mm_cmpeq_epi8(w, close));
        int hit = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, quote), brackets));
        if (hit)
            return p + __builtin_ctz((unsigned)hit);
    }
#endif
    while (p < end && *p != '"' && (*p | 0x20) != '{' && (*p | 0x20) != '}')
        p++;
    return p;
}

/* p stands behind the opening quote. Returns the position of the closing one (or end); *escaped is set when a
 * backslash was seen and left alone otherwise. */
static inline const char *mx_scan_string(const char *p, const char *end, bool *escaped)
{
    for (;;) {
        p = mx_scan_quote(p, end);
        if (p >= end || *p == '"')
            return p;
        *escaped = true;
        p = end - p > 2 ? p + 2 : end;
    }
}

/* p stands on the first byte of a value. Returns the position behind its last one. */
static inline const char *mx_scan_value(const char *p, const char *end)
{
    bool escaped = false;
    if (p >= end)
        return end;
    if (*p == '"') {
        p = mx_scan_string(p + 1, end, &escaped);
        return p < end ? p + 1 : end;
    }
    if (*p != '{' && *p != '[') {
        while (p < end && *p != ',' && *p != '}' && *p != ']' && (unsigned char)*p > ' ')
            p++;
        return p;
    }
    for (size_t depth = 0; p < end;) {
        char c = *p++;
        if (c == '"') {
            p = mx_scan_string(p, end, &escaped);
            p = p < end ? p + 1 : end;
        } else if ((c | 0x20) == '{') {
            depth++;
        } else if ((c | 0x20) == '}' && --depth == 0) {
            return p;
        }
        p = mx_scan_structure(p, end);
    }
    return end;
}

#endif
