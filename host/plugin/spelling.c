/* Route patterns written out into an arena; the writing out is the router's. */
#include "plugin/spelling.h"

#include "http/router.h"

#include <ganglion/buf.h>

int gg_path_spellings(struct gg_arena *arena, const char *pattern, const char ***out, size_t *n_out,
                      struct gg_error *err)
{
    char **spellings = gg_spellings(pattern, err);
    size_t n = 0;
    if (spellings == NULL)
        return err->code;
    while (spellings[n] != NULL)
        n++;
    *out = GG_NEW_ARRAY(arena, const char *, n + 1);
    *n_out = n;
    for (size_t i = 0; i < n; i++)
        (*out)[i] = gg_arena_strdup(arena, spellings[i]);
    gg_spellings_free(spellings);
    return 0;
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
