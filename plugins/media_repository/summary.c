/* summary.c: the words of a page in at most 500 characters. */
#include "summary.h"

#include <stdlib.h>

enum { LEAST = 200, MOST = 500 };

/* ---- white space ---- */

static const struct {
    uint32_t first, last;
} spaces[] = {{0x09, 0x0d},     {0x1c, 0x20},     {0x85, 0x85},     {0xa0, 0xa0},     {0x1680, 0x1680},
              {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}};

static bool is_space(uint32_t c)
{
    for (size_t i = 0; i < GG_COUNT(spaces); i++)
        if (c >= spaces[i].first && c <= spaces[i].last)
            return true;
    return false;
}

/* The code point at s (white space has at most three bytes, so longer ones need not be right) and its bytes. */
static uint32_t next(struct gg_str s, size_t *bytes)
{
    const unsigned char *p = (const unsigned char *)s.s;
    *bytes = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (*bytes > s.n)
        *bytes = s.n;
    return *bytes == 1 ? p[0] : *bytes == 2 ? (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu)
           : *bytes == 3 ? (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu) : 0x10000;
}

void page_plain_add(struct page_plain *plain, struct gg_str utf8)
{
    size_t bytes;
    for (; utf8.n > 0 && plain->text.n < PAGE_PLAIN_MAX; utf8.s += bytes, utf8.n -= bytes) {
        if (is_space(next(utf8, &bytes))) {
            plain->blank = plain->text.n > 0;
            continue;
        }
        if (plain->blank)
            gg_buf_char(&plain->text, ' ');
        plain->blank = false;
        gg_buf_add(&plain->text, utf8.s, bytes);
    }
}

void page_plain_clear(struct page_plain *plain)
{
    gg_buf_clear(&plain->text);
    plain->blank = false;
}

size_t page_utf8_count(struct gg_str utf8)
{
    size_t n = 0;
    for (size_t i = 0; i < utf8.n; i++)
        n += ((unsigned char)utf8.s[i] & 0xc0) != 0x80;
    return n;
}

/* ---- the summary ---- */

bool page_summary_wants(const struct page_summary *summary)
{
    return summary->chars < LEAST;
}

void page_summary_add(struct page_summary *summary, struct gg_str paragraph)
{
    if (paragraph.n == 0 || !page_summary_wants(summary))
        return;
    if (summary->text.n > 0)
        gg_buf_lit(&summary->text, "\n\n");
    gg_buf_str(&summary->text, paragraph);
    summary->chars = page_utf8_count(gg_buf_view(&summary->text));
}

/* Where a word (with what is before it) ends. */
static size_t word_end(struct gg_str s, size_t at)
{
    while (at < s.n && (s.s[at] == ' ' || s.s[at] == '\n'))
        at++;
    while (at < s.n && s.s[at] != ' ' && s.s[at] != '\n')
        at++;
    return at;
}

static size_t byte_of_char(struct gg_str s, size_t chars)
{
    size_t i = 0;
    for (; i < s.n && (chars > 0 || ((unsigned char)s.s[i] & 0xc0) == 0x80); i++)
        if (((unsigned char)s.s[i] & 0xc0) != 0x80)
            chars--;
    return i;
}

/* Words as long as they fit; a huge one is cut where there would be too little without it. */
static size_t cut(struct gg_str s)
{
    size_t end = 0, chars = 0;
    for (size_t after; (after = word_end(s, end)) > end; end = after) {
        size_t more = page_utf8_count(gg_strn(s.s + end, after - end));
        if (chars + more >= MOST && chars >= LEAST)
            return end;
        if (chars + more >= MOST)
            return byte_of_char(s, MOST);
        chars += more;
    }
    return end;
}

char *page_summary_take(struct page_summary *summary)
{
    struct gg_str all = gg_buf_view(&summary->text);
    size_t n;
    if (summary->chars > MOST) {
        struct gg_buf shorter = GG_BUF_INIT;
        gg_buf_add(&shorter, all.s, cut(all));
        gg_buf_lit(&shorter, "\xe2\x80\xa6");
        gg_buf_done(&summary->text);
        summary->text = shorter;
    }
    summary->chars = 0;
    return gg_buf_steal(&summary->text, &n);
}
