/* matrix/ids/glob.c: one text against one pattern. */
#include "ids/glob.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool same(char pattern, char c, int flags)
{
    return pattern == c || (pattern == '?' && (flags & MX_GLOB_ONE)) || ((flags & MX_GLOB_FOLD) && lower(pattern) == lower(c));
}

/* The last star takes a byte more whenever what follows it does not fit. */
bool mx_glob(struct gg_str pattern, struct gg_str text, int flags)
{
    size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;
    while (t < text.n) {
        if (p < pattern.n && pattern.s[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.n && same(pattern.s[p], text.s[t], flags)) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.s[p] == '*')
        p++;
    return p == pattern.n;
}
