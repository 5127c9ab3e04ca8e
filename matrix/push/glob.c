/* matrix/push/glob.c: patterns of push rules, without recursion and in about linear time.
 *
 * A pattern is runs of literal characters and '?' with '*' between them. Each run is put at its first place after the one
 * before: as '*' crosses no line feed, a later place can never reach further than the first. */
#include "push/glob.h"

#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <unistr.h>

#define NOWHERE SIZE_MAX

static struct gg_str lower_ascii(struct gg_str text, struct gg_arena *arena)
{
    char *out = gg_arena_strndup(arena, text.s, text.n);
    for (size_t i = 0; i < text.n; i++)
        if (out[i] >= 'A' && out[i] <= 'Z')
            out[i] = (char)(out[i] + 'a' - 'A');
    return gg_strn(out, text.n);
}

static bool is_ascii(struct gg_str text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.s[i] >= 0x80)
            return false;
    return true;
}

struct gg_str mx_push_lower(struct gg_str text, struct gg_arena *arena)
{
    if (is_ascii(text))
        return lower_ascii(text, arena);
    size_t n = 0;
    uint8_t *low = u8_tolower((const uint8_t *)text.s, text.n, NULL, NULL, NULL, &n);
    if (!low)
        return lower_ascii(text, arena);
    struct gg_str out = gg_arena_str(arena, gg_strn((const char *)low, n));
    free(low);
    return out;
}

/* The two i's of Turkish fold to themselves. */
static ucs4_t fold_char(ucs4_t c)
{
    return c == 0x130 || c == 0x131 ? c : uc_tolower(uc_toupper(c));
}

struct gg_str mx_push_fold(struct gg_str text, struct gg_arena *arena)
{
    if (is_ascii(text))
        return lower_ascii(text, arena);
    uint8_t *out = gg_arena_alloc(arena, text.n * 4 + 1); /* a folded character has at most four bytes */
    size_t n = 0;
    for (size_t i = 0; i < text.n;) {
        ucs4_t c;
        int in = u8_mbtoucr(&c, (const uint8_t *)text.s + i, text.n - i);
        int made = in > 0 ? u8_uctomb(out + n, fold_char(c), 4) : -1;
        if (made < 1)
            out[n] = (uint8_t)text.s[i]; /* a stray byte stays */
        n += made < 1 ? 1 : (size_t)made;
        i += in < 1 ? 1 : (size_t)in;
    }
    return gg_strn((const char *)out, n);
}

struct mx_push_pattern mx_push_pattern_of(struct gg_str text, struct gg_arena *arena)
{
    bool wild = text.n && (memchr(text.s, '*', text.n) || memchr(text.s, '?', text.n));
    return (struct mx_push_pattern){wild ? mx_push_fold(text, arena) : mx_push_lower(text, arena), wild};
}

/* ---- characters ---- */

/* Bytes of the character at `at`; a stray byte counts as one character. */
static size_t char_bytes(struct gg_str text, size_t at)
{
    size_t n = 1;
    while (at + n < text.n && ((unsigned char)text.s[at + n] & 0xc0) == 0x80)
        n++;
    return n;
}

static size_t char_before(struct gg_str text, size_t at)
{
    size_t n = 1;
    while (n < at && ((unsigned char)text.s[at - n] & 0xc0) == 0x80)
        n++;
    return at - n;
}

/* What belongs to words: Unicode's regular expressions (UTS 18, Annex C, \w). */
static bool is_word(struct gg_str text, size_t at)
{
    unsigned char c = (unsigned char)text.s[at];
    if (c < 0x80)
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    ucs4_t uc;
    if (u8_mbtoucr(&uc, (const uint8_t *)text.s + at, text.n - at) < 0)
        return false;
    return uc_is_property_alphabetic(uc) || uc_is_general_category_withtable(uc, UC_CATEGORY_MASK_M | UC_CATEGORY_MASK_Nd |
                                                                             UC_CATEGORY_MASK_Pc) ||
           uc_is_property_join_control(uc);
}

/* Not inside a word. */
static bool is_boundary(struct gg_str text, size_t at)
{
    return at == 0 || at >= text.n || !is_word(text, at) || !is_word(text, char_before(text, at));
}

static size_t line_end(struct gg_str text, size_t from)
{
    const char *lf = from < text.n ? memchr(text.s + from, '\n', text.n - from) : NULL;
    return lf ? (size_t)(lf - text.s) : text.n;
}

/* ---- runs: what stands between two '*' ---- */

struct run {
    struct gg_str text;
    bool wild; /* has a '?' */
};

/* The run at *rest, which moves past it and its '*'; *last: there is none after it. */
static struct run take_run(struct gg_str *rest, bool *last)
{
    const char *star = rest->n ? memchr(rest->s, '*', rest->n) : NULL;
    struct gg_str text = gg_strn(rest->s, star ? (size_t)(star - rest->s) : rest->n);
    *last = !star;
    *rest = star ? gg_strn(star + 1, rest->n - text.n - 1) : gg_strn("", 0);
    return (struct run){text, text.n && memchr(text.s, '?', text.n)};
}

/* Where the run ends if it stands at `at`. */
static size_t wild_end(const struct run *run, struct gg_str text, size_t at)
{
    for (size_t i = 0; i < run->text.n; i++) {
        if (at >= text.n)
            return NOWHERE;
        if (run->text.s[i] == '?') {
            if (text.s[at] == '\n')
                return NOWHERE;
            at += char_bytes(text, at);
        } else if (text.s[at++] != run->text.s[i]) {
            return NOWHERE;
        }
    }
    return at;
}

static size_t run_end(const struct run *run, struct gg_str text, size_t at, uint64_t *budget)
{
    if (!run->wild)
        return run->text.n <= text.n - at && memcmp(text.s + at, run->text.s, run->text.n) == 0 ? at + run->text.n
                                                                                                : NOWHERE;
    if (*budget < run->text.n)
        return NOWHERE;
    *budget -= run->text.n;
    return wild_end(run, text, at);
}

/* The first place at or after `from` and not after `until` where the run stands; *end: where it ends. */
static size_t find_run(const struct run *run, struct gg_str text, size_t from, size_t until, size_t *end,
                       uint64_t *budget)
{
    if (!run->wild && run->text.n) {
        size_t room = text.n - from, most = until - from + run->text.n;
        const char *at = memmem(text.s + from, most < room ? most : room, run->text.s, run->text.n);
        *end = at ? (size_t)(at - text.s) + run->text.n : NOWHERE;
        return at ? (size_t)(at - text.s) : NOWHERE;
    }
    for (size_t at = from; at <= until; at += at < text.n ? char_bytes(text, at) : 1)
        if ((*end = run_end(run, text, at, budget)) != NOWHERE)
            return at;
    return NOWHERE;
}

/* ---- the whole text ---- */

/* Where the last run begins, if it ends with the text. */
static size_t last_place(const struct run *run, struct gg_str text)
{
    size_t at = text.n;
    for (size_t i = run->text.n; i > 0 && at > 0; i--)
        if (((unsigned char)run->text.s[i - 1] & 0xc0) != 0x80) /* one character of the run, one of the text */
            at = char_before(text, at);
    return at;
}

/* A look at all of the text, which is what a pattern without '?' costs. */
static bool pay(struct gg_str text, uint64_t *budget)
{
    if (*budget < text.n)
        return false;
    *budget -= text.n;
    return true;
}

bool mx_push_glob(struct gg_str pattern, struct gg_str text, uint64_t *budget)
{
    bool last;
    if (!pay(text, budget))
        return false;
    struct run run = take_run(&pattern, &last);
    size_t end = run_end(&run, text, 0, budget);
    if (last || end == NOWHERE)
        return end == text.n;
    for (;;) {
        run = take_run(&pattern, &last);
        size_t until = line_end(text, end);
        if (last) {
            size_t at = last_place(&run, text);
            return at >= end && at <= until && run_end(&run, text, at, budget) == text.n;
        }
        if (find_run(&run, text, end, until, &end, budget) == NOWHERE)
            return false;
    }
}

/* ---- a part of the text ---- */

/* The runs after the first, which ended at `from`; the last one ends at a boundary. */
static bool match_rest(struct gg_str pattern, struct gg_str text, size_t from, uint64_t *budget)
{
    for (bool last = false;;) {
        struct run run = take_run(&pattern, &last);
        size_t until = line_end(text, from), end, at = find_run(&run, text, from, until, &end, budget);
        while (last && at != NOWHERE && !is_boundary(text, end))
            at = at < until ? find_run(&run, text, at + char_bytes(text, at), until, &end, budget) : NOWHERE;
        if (at == NOWHERE || last)
            return at != NOWHERE;
        from = end;
    }
}

bool mx_push_glob_word(struct gg_str pattern, struct gg_str text, uint64_t *budget)
{
    bool last;
    if (!pay(text, budget))
        return false;
    struct run first = take_run(&pattern, &last);
    size_t end, useless = 0; /* runs that end before this were found to lead nowhere: they share their line's rest */
    for (size_t at = find_run(&first, text, 0, text.n, &end, budget); at != NOWHERE;
         at = at < text.n ? find_run(&first, text, at + char_bytes(text, at), text.n, &end, budget) : NOWHERE) {
        if (!is_boundary(text, at))
            continue;
        if (last && is_boundary(text, end))
            return true;
        if (last || end < useless)
            continue;
        if (match_rest(pattern, text, end, budget))
            return true;
        if ((useless = line_end(text, end) + 1) > text.n)
            return false;
    }
    return false;
}
