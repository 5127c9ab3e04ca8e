/* The Authorization header of other servers: taken or refused, and what is taken says the same when it is written anew. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <ganglion/buf.h>

#include "federation/x_matrix.h"

static void quoted(struct gg_buf *out, const char *name, struct gg_str value)
{
    gg_buf_printf(out, "%s=\"", name);
    for (size_t i = 0; i < value.n; i++) {
        if (value.s[i] == '"' || value.s[i] == '\\')
            gg_buf_char(out, '\\');
        gg_buf_char(out, value.s[i]);
    }
    gg_buf_char(out, '"');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_buf text = GG_BUF_INIT;
    struct mx_x_matrix first, again;
    if (mx_x_matrix_parse(gg_strn((const char *)data, size), arena, &first)) {
        gg_buf_lit(&text, "X-Matrix ");
        quoted(&text, "origin", first.origin);
        quoted(&text, ",key", first.key_id);
        quoted(&text, ",sig", first.signature);
        if (first.destination.s)
            quoted(&text, ",destination", first.destination);
        if (!mx_x_matrix_parse(gg_buf_view(&text), arena, &again) || !gg_str_eq(first.origin, again.origin) ||
            !gg_str_eq(first.key_id, again.key_id) || !gg_str_eq(first.signature, again.signature) ||
            !gg_str_eq(first.destination, again.destination))
            abort();
    }
    gg_buf_done(&text);
    gg_arena_free(arena);
    return 0;
}
