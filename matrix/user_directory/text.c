/* matrix/user_directory/text.c: see text.h. */
#include "user_directory/text.h"

#include <ganglion/buf.h>
#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>
#include <uniwbrk.h>

static void free_text(void *text)
{
    free(text);
}

static struct gg_str keep(struct gg_arena *arena, uint8_t *text, size_t n)
{
    gg_arena_defer(arena, free_text, text);
    return gg_strn((const char *)text, n);
}

struct gg_str mx_directory_fold(struct gg_str text, struct gg_arena *arena)
{
    size_t n;
    if (text.n == 0 || u8_check((const uint8_t *)text.s, text.n) != NULL)
        return text;
    uint8_t *lower = u8_tolower((const uint8_t *)text.s, text.n, NULL, NULL, NULL, &n);
    if (lower == NULL)
        return text;
    text = keep(arena, lower, n);
    uint8_t *normal = u8_normalize(UNINORM_NFKC, lower, n, NULL, &n);
    return normal != NULL ? keep(arena, normal, n) : text;
}

/* ---- words ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool separates(char c)
{
    return c == '@' || c == ':' || is_space(c);
}

static bool joins(char c)
{
    return c == '-' || c == '.' || c == '_';
}

/* Letters on both sides, as in Chinese: where such a text has words a dictionary would have to say, and PostgreSQL, which
 * cut the names, has none. */
static bool amid_letters(struct gg_str text, size_t at)
{
    const uint8_t *start = (const uint8_t *)text.s;
    ucs4_t left, right;
    return u8_prev(&left, start + at, start) != NULL && u8_mbtouc(&right, start + at, text.n - at) > 0 &&
           (left > 127 || right > 127) && uc_is_alpha(left) && uc_is_alpha(right);
}

/* Where the word at i ends: at a boundary that nothing bridges. */
static size_t word_end(struct gg_str text, const char *breaks, size_t i)
{
    size_t end = i + 1;
    while (end < text.n && !separates(text.s[end]) &&
           (!breaks[end] || joins(text.s[end]) || joins(text.s[end - 1]) || amid_letters(text, end)))
        end++;
    return end;
}

/* A word as to_tsquery wants it: in quotes, quotes and backslashes doubled. */
static void quote(struct gg_buf *out, struct gg_str word)
{
    gg_buf_char(out, '\'');
    for (size_t i = 0; i < word.n; i++) {
        if (word.s[i] == '\'' || word.s[i] == '\\')
            gg_buf_char(out, word.s[i]);
        gg_buf_char(out, word.s[i]);
    }
    gg_buf_char(out, '\'');
}

struct writing {
    struct gg_buf any, exact, prefix;
    size_t n;
};

static void add_word(struct writing *w, struct gg_str word)
{
    if (w->n++ > 0) {
        gg_buf_lit(&w->any, " & ");
        gg_buf_lit(&w->exact, " & ");
        gg_buf_lit(&w->prefix, " & ");
    }
    gg_buf_char(&w->any, '(');
    quote(&w->any, word);
    gg_buf_lit(&w->any, ":* | ");
    quote(&w->any, word);
    gg_buf_char(&w->any, ')');
    quote(&w->exact, word);
    quote(&w->prefix, word);
    gg_buf_lit(&w->prefix, ":*");
}

static struct gg_str finish(struct gg_buf *buf, struct gg_arena *arena)
{
    struct gg_str view = gg_buf_view(buf), copy = gg_arena_str(arena, view);
    gg_buf_done(buf);
    return copy;
}

void mx_directory_terms(struct gg_str term, struct gg_arena *arena, struct mx_directory_terms *out)
{
    struct writing w = {.any = GG_BUF_INIT, .exact = GG_BUF_INIT, .prefix = GG_BUF_INIT};
    struct gg_str text = mx_directory_fold(term, arena);
    char *breaks = gg_arena_alloc(arena, text.n + 1);
    memset(breaks, 1, text.n + 1);
    if (text.n > 0 && u8_check((const uint8_t *)text.s, text.n) == NULL)
        u8_wordbreaks((const uint8_t *)text.s, text.n, breaks);
    for (size_t i = 0; i < text.n && w.n < MX_DIRECTORY_WORDS;) {
        size_t end = separates(text.s[i]) ? i + 1 : word_end(text, breaks, i);
        if (!separates(text.s[i]) && text.s[i] != '\0')
            add_word(&w, gg_strn(text.s + i, end - i));
        i = end;
    }
    *out = (struct mx_directory_terms){
        .any = finish(&w.any, arena), .exact = finish(&w.exact, arena), .prefix = finish(&w.prefix, arena)};
}
