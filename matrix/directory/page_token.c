/* matrix/directory/page_token.c: paging tokens of the public list; the little of MessagePack that they need. */
#include "directory/page_token.h"

#include <ganglion/buf.h>
#include <ganglion/matrix/crypto.h>

enum { MAX_TOKEN = 2048 };

/* MessagePack's leading bytes (its specification, "Formats"). */
enum { FIXMAP = 0x80, FIXSTR = 0xa0, FALSE_ = 0xc2, TRUE_ = 0xc3, UINT8 = 0xcc, UINT64 = 0xcf, STR8 = 0xd9, STR16 = 0xda };

/* ---- reading ---- */

struct reader {
    const uint8_t *p, *end;
    bool bad;
};

static uint8_t take(struct reader *r)
{
    if (r->p == r->end) {
        r->bad = true;
        return 0;
    }
    return *r->p++;
}

static uint64_t take_number(struct reader *r, size_t bytes)
{
    uint64_t v = 0;
    while (bytes-- > 0)
        v = v << 8 | take(r);
    return v;
}

static struct gg_str take_text(struct reader *r)
{
    uint8_t head = take(r);
    size_t n = 0;
    if ((head & 0xe0) == FIXSTR)
        n = head & 0x1f;
    else if (head == STR8 || head == STR16)
        n = (size_t)take_number(r, head == STR8 ? 1 : 2);
    else
        r->bad = true;
    if (r->bad || (size_t)(r->end - r->p) < n) {
        r->bad = true;
        return (struct gg_str){0};
    }
    struct gg_str text = gg_strn((const char *)r->p, n);
    r->p += n;
    return text;
}

static int64_t take_count(struct reader *r)
{
    uint8_t head = take(r);
    if (head < 0x80)
        return head;
    if (head < UINT8 || head > UINT64) {
        r->bad = true;
        return 0;
    }
    uint64_t v = take_number(r, (size_t)1 << (head - UINT8));
    r->bad = r->bad || v > INT64_MAX;
    return (int64_t)v;
}

static void take_member(struct reader *r, struct mx_list_token *out, unsigned *seen)
{
    struct gg_str key = take_text(r);
    if (gg_str_is(key, "m")) {
        out->members = take_count(r);
        *seen |= 1;
    } else if (gg_str_is(key, "r")) {
        out->room_id = take_text(r);
        *seen |= 2;
    } else if (gg_str_is(key, "d")) {
        uint8_t v = take(r);
        r->bad = r->bad || (v != FALSE_ && v != TRUE_);
        out->forwards = v == TRUE_;
        *seen |= 4;
    } else {
        r->bad = true;
    }
}

int mx_list_token_parse(struct gg_str text, struct gg_arena *arena, struct mx_list_token *out, struct gg_error *err)
{
    uint8_t *bytes = gg_arena_alloc(arena, text.n + 1);
    int64_t n = text.n <= MAX_TOKEN ? mx_unbase64(text, bytes) : -1;
    struct reader r = {bytes, bytes + (n > 0 ? n : 0), n <= 0};
    unsigned seen = 0;
    memset(out, 0, sizeof(*out));
    uint8_t head = take(&r);
    for (int i = 0; i < 3 && !r.bad && head == (FIXMAP | 3); i++)
        take_member(&r, out, &seen);
    if (r.bad || seen != 7 || r.p != r.end || memchr(out->room_id.s, '\0', out->room_id.n) != NULL)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "The paging token is not one of this list");
    out->room_id = gg_arena_str(arena, out->room_id);
    return 0;
}

/* ---- writing ---- */

static void put_number(struct gg_buf *out, uint64_t v, size_t bytes)
{
    while (bytes-- > 0)
        gg_buf_char(out, (char)(uint8_t)(v >> (8 * bytes)));
}

static void put_count(struct gg_buf *out, int64_t v)
{
    unsigned power = v < 0x100 ? 0 : v < 0x10000 ? 1 : v < 0x100000000 ? 2 : 3;
    if (v >= 0x80)
        put_number(out, UINT8 + power, 1);
    put_number(out, (uint64_t)v, v < 0x80 ? 1 : (size_t)1 << power);
}

static void put_text(struct gg_buf *out, struct gg_str text)
{
    if (text.n < 32)
        put_number(out, FIXSTR | text.n, 1);
    else if (text.n < 0x100)
        put_number(out, (uint64_t)STR8 << 8 | text.n, 2);
    else
        put_number(out, (uint64_t)STR16 << 16 | text.n, 3);
    gg_buf_str(out, text);
}

struct gg_str mx_list_token_text(const struct mx_list_token *token, struct gg_arena *arena)
{
    struct gg_buf buf = GG_BUF_INIT;
    put_number(&buf, FIXMAP | 3, 1);
    put_text(&buf, GG_STR("m"));
    put_count(&buf, token->members);
    put_text(&buf, GG_STR("r"));
    put_text(&buf, token->room_id);
    put_text(&buf, GG_STR("d"));
    put_number(&buf, token->forwards ? TRUE_ : FALSE_, 1);
    char *text = gg_arena_alloc(arena, mx_base64_size(buf.n));
    size_t n = mx_base64(buf.data, buf.n, true, text);
    gg_buf_done(&buf);
    return gg_strn(text, n);
}
