/* Writes a route pattern with alternations out into its plain spellings. */
#include "http/router.h"

#include <ganglion/buf.h>
#include <ganglion/log.h>
#include <stdlib.h>
#include <string.h>

struct spellings {
    char **list;
    size_t n, cap;
};

static void push(struct spellings *s, char *text)
{
    if (s->n + 2 > s->cap) {
        s->cap = s->cap != 0 ? s->cap * 2 : 8;
        s->list = realloc(s->list, s->cap * sizeof(*s->list));
        GG_ASSERT(s->list != NULL);
    }
    s->list[s->n++] = text;
    s->list[s->n] = NULL;
}

void gg_spellings_free(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        free(list[i]);
    free(list);
}

/* before + alternative + after */
static char *splice(const char *before, size_t n_before, const char *mid, size_t n_mid, const char *after)
{
    struct gg_buf buf = GG_BUF_INIT;
    gg_buf_add(&buf, before, n_before);
    gg_buf_add(&buf, mid, n_mid);
    gg_buf_text(&buf, after);
    return gg_buf_steal(&buf, NULL);
}

/* Replaces text (list[at]), whose first alternation opens at open, by one text
 * for each alternative; false: brackets do not match, nest, or are too many. */
static bool expand(struct spellings *s, size_t at, const char *open)
{
    char *text = s->list[at];
    const char *close = strchr(open, ')');
    if (close == NULL || memchr(open + 1, '(', (size_t)(close - open - 1)) != NULL)
        return false;
    bool first = true;
    for (const char *from = open + 1; from <= close;) {
        const char *to = memchr(from, '|', (size_t)(close - from));
        to = to != NULL ? to : close;
        char *spelled = splice(text, (size_t)(open - text), from, (size_t)(to - from), close + 1);
        if (first)
            s->list[at] = spelled;
        else
            push(s, spelled);
        first = false;
        from = to + 1;
    }
    free(text);
    return s->n <= GG_ROUTER_MAX_SPELLINGS;
}

char **gg_spellings(const char *pattern, struct gg_error *err)
{
    struct spellings s = {0};
    push(&s, splice(pattern, strlen(pattern), "", 0, ""));
    for (size_t at = 0; at < s.n;) {
        const char *open = strchr(s.list[at], '(');
        if (open == NULL) {
            at++;
        } else if (!expand(&s, at, open)) {
            gg_spellings_free(s.list);
            gg_fail(err, GG_E_INVALID, "the route pattern %s has unmatched, nested or too many alternatives", pattern);
            return NULL;
        }
    }
    return s.list;
}
