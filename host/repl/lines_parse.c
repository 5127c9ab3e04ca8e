/* repl/lines_parse.c: from the text of a line to its parts. */
#include "repl/lines_parse.h"

static struct gg_str word(struct gg_str *rest)
{
    const char *space = rest->n > 0 ? memchr(rest->s, ' ', rest->n) : NULL;
    struct gg_str w = gg_strn(rest->s, space != NULL ? (size_t)(space - rest->s) : rest->n);
    *rest = space != NULL ? gg_strn(space + 1, rest->n - w.n - 1) : gg_strn(rest->s + rest->n, 0);
    return w;
}

static bool number(struct gg_str text, int64_t *out)
{
    int64_t value = 0;
    if (text.n == 0 || text.n > 19)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (text.s[i] < '0' || text.s[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, text.s[i] - '0', &value))
            return false;
    *out = value;
    return true;
}

static bool name_of(struct gg_str *rest, struct gg_str *out)
{
    *out = word(rest);
    return out->n > 0 && out->n <= GG_LINE_MAX_WORD && memchr(out->s, '\0', out->n) == NULL;
}

static bool parse_rdata(struct gg_str rest, struct gg_line *out)
{
    struct gg_str token = word(&rest);
    out->kind = GG_LINE_RDATA;
    out->row = rest;
    out->batch = gg_str_is(token, "batch");
    return rest.n > 0 && (out->batch || number(token, &out->token));
}

static bool parse_position(struct gg_str rest, struct gg_line *out)
{
    out->kind = GG_LINE_POSITION;
    struct gg_str prev = word(&rest), next = word(&rest);
    return rest.n == 0 && number(prev, &out->prev) && number(next, &out->token);
}

bool gg_line_parse(struct gg_str text, struct gg_line *out)
{
    *out = (struct gg_line){.rest = text};
    if (text.n == 0 || !name_of(&out->rest, &out->name))
        return false;
    bool rdata = gg_str_is(out->name, "RDATA");
    if (!rdata && !gg_str_is(out->name, "POSITION"))
        return true;
    struct gg_str rest = out->rest;
    if (!name_of(&rest, &out->stream) || !name_of(&rest, &out->instance))
        return false;
    return rdata ? parse_rdata(rest, out) : parse_position(rest, out);
}
