/* matrix/federation/x_matrix.c: reads `X-Matrix origin="a",destination="b",key="ed25519:1",sig="..."`. */
#include "federation/x_matrix.h"

#include <ganglion/matrix/id.h>
#include <strings.h>

static const char scheme[] = "X-Matrix";

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void skip_blanks(struct gg_str *rest)
{
    while (rest->n && is_blank(*rest->s))
        rest->s++, rest->n--;
}

static bool take_char(struct gg_str *rest, char c)
{
    if (!rest->n || *rest->s != c)
        return false;
    rest->s++;
    rest->n--;
    return true;
}

bool mx_x_matrix_is(struct gg_str header)
{
    size_t n = sizeof(scheme) - 1;
    return header.n > n && strncasecmp(header.s, scheme, n) == 0 && is_blank(header.s[n]);
}

/* What stands before `end` (a character outside of a bare value) or a blank or the end of the header. */
static struct gg_str take_bare(struct gg_str *rest, char end)
{
    struct gg_str out = gg_strn(rest->s, 0);
    while (rest->n && *rest->s != end && *rest->s != ',' && *rest->s != '"' && !is_blank(*rest->s))
        rest->s++, rest->n--, out.n++;
    return out;
}

/* After the opening quote; a backslash makes the next character plain (RFC 9110, 5.6.4). */
static bool take_quoted(struct gg_str *rest, struct gg_arena *arena, struct gg_str *out)
{
    char *text = gg_arena_alloc(arena, rest->n + 1);
    size_t n = 0;
    while (rest->n && *rest->s != '"') {
        if (*rest->s == '\\' && rest->n > 1)
            rest->s++, rest->n--;
        text[n++] = *rest->s++;
        rest->n--;
    }
    text[n] = '\0';
    *out = gg_strn(text, n);
    return take_char(rest, '"');
}

static bool take_parameter(struct gg_str *rest, struct gg_arena *arena, struct gg_str *name, struct gg_str *value)
{
    *name = take_bare(rest, '=');
    skip_blanks(rest);
    if (!name->n || !take_char(rest, '='))
        return false;
    skip_blanks(rest);
    if (take_char(rest, '"'))
        return take_quoted(rest, arena, value);
    *value = take_bare(rest, ',');
    return true;
}

static bool is_named(struct gg_str name, const char *wanted)
{
    return name.n == strlen(wanted) && strncasecmp(name.s, wanted, name.n) == 0;
}

static void keep(struct mx_x_matrix *out, struct gg_str name, struct gg_str value)
{
    if (is_named(name, "origin"))
        out->origin = value;
    else if (is_named(name, "key"))
        out->key_id = value;
    else if (is_named(name, "sig"))
        out->signature = value;
    else if (is_named(name, "destination"))
        out->destination = value;
}

bool mx_x_matrix_parse(struct gg_str header, struct gg_arena *arena, struct mx_x_matrix *out)
{
    struct gg_str rest = header, name, value;
    *out = (struct mx_x_matrix){0};
    if (!mx_x_matrix_is(header))
        return false;
    rest.s += sizeof(scheme) - 1;
    rest.n -= sizeof(scheme) - 1;
    do {
        skip_blanks(&rest);
        if (!take_parameter(&rest, arena, &name, &value))
            return false;
        keep(out, name, value);
        skip_blanks(&rest);
    } while (take_char(&rest, ','));
    return rest.n == 0 && out->origin.s && mx_server_name_valid(out->origin) && out->key_id.n && out->signature.n;
}
