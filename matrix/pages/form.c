/* form.c: bodies that browsers send. */
#include <ganglion/arena.h>
#include <unistr.h>

#include "pages/pages.h"

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* What is badly encoded stands for itself, as browsers read it. */
static struct gg_str decode(struct gg_str s, struct gg_arena *arena)
{
    char *out = gg_arena_alloc(arena, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool coded = s.s[i] == '%' && i + 2 < s.n && hex(s.s[i + 1]) >= 0 && hex(s.s[i + 2]) >= 0;
        out[n++] = coded ? (char)(hex(s.s[i + 1]) * 16 + hex(s.s[i + 2])) : s.s[i] == '+' ? ' ' : s.s[i];
        i += coded ? 2 : 0;
    }
    out[n] = 0;
    return gg_strn(out, n);
}

struct gg_str mx_form_get(struct gg_str body, const char *key, struct gg_arena *arena)
{
    const struct gg_str none = {0};
    while (body.n) {
        const char *amp = memchr(body.s, '&', body.n);
        struct gg_str pair = gg_strn(body.s, amp ? (size_t)(amp - body.s) : body.n);
        body = gg_strn(body.s + pair.n + (amp != NULL), body.n - pair.n - (amp != NULL));
        const char *equals = memchr(pair.s, '=', pair.n);
        if (!equals || !gg_str_is(decode(gg_strn(pair.s, (size_t)(equals - pair.s)), arena), key))
            continue;
        struct gg_str value = decode(gg_strn(equals + 1, pair.n - (size_t)(equals - pair.s) - 1), arena);
        return u8_check((const uint8_t *)value.s, value.n) || memchr(value.s, 0, value.n) ? none : value;
    }
    return none;
}
