/* Writes out the alternatives of route patterns. */
#include "plugin/spelling.h"

#include <ganglion/buf.h>
#include <stdlib.h>

/* Replaces the first group of each text by each of its alternatives, until none has a group. */
static int expand(struct gg_arena *arena, const char *text, const char **out, size_t *n, struct gg_error *err)
{
    const char *open = strchr(text, '('), *close = strchr(text, ')');
    if (open == NULL && close == NULL) {
        if (*n == GG_MAX_SPELLINGS)
            return gg_fail(err, GG_E_LIMIT, "the pattern %s has more than %d spellings", text, GG_MAX_SPELLINGS);
        out[(*n)++] = text;
        return 0;
    }
    if (open == NULL || close == NULL || close < open || memchr(open + 1, '(', (size_t)(close - open - 1)) != NULL)
        return gg_fail(err, GG_E_INVALID, "the pattern %s has parentheses that do not match", text);
    for (const char *from = open + 1; from <= close;) { /* depth is the number of groups, each used up by one level */
        size_t length = strcspn(from, "|)");
        int rc = expand(arena, gg_arena_printf(arena, "%.*s%.*s%s", (int)(open - text), text, (int)length, from,
                                               close + 1), out, n, err);
        if (rc < 0)
            return rc;
        from += length + 1;
    }
    return 0;
}

int gg_path_spellings(struct gg_arena *arena, const char *pattern, const char ***out, size_t *n_out,
                      struct gg_error *err)
{
    const char **list = GG_NEW_ARRAY(arena, const char *, GG_MAX_SPELLINGS);
    size_t n = 0;
    int rc = expand(arena, pattern, list, &n, err);
    *out = list;
    *n_out = n;
    return rc;
}

const char *gg_path_shape(struct gg_arena *arena, const char *spelling)
{
    struct gg_buf shape = GG_BUF_INIT;
    for (const char *c = spelling; *c != '\0'; c++) {
        gg_buf_char(&shape, *c);
        if (*c != '{')
            continue;
        c += strcspn(c, "}");
        gg_buf_char(&shape, '}');
        if (*c == '\0')
            break;
    }
    const char *copy = gg_arena_strdup(arena, shape.data);
    gg_buf_done(&shape);
    return copy;
}
