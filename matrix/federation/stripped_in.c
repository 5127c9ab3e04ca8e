/* matrix/federation/stripped_in.c: what other servers tell of a room that one of our users stands before. */
#include "federation/stripped_in.h"

#include "json/text.h"
#include "rooms/membership.h"

static void write_entry(struct gg_buf *out, struct gg_str entry, struct gg_arena *arena)
{
    struct mx_event shown = {.type = mx_json_string(mx_json_get(entry, "type"), arena),
                             .state_key = mx_json_string(mx_json_get(entry, "state_key"), arena),
                             .sender = mx_json_string(mx_json_get(entry, "sender"), arena),
                             .content = mx_json_get(entry, "content")};
    if (mx_storable(shown.type).s == NULL || mx_storable(shown.state_key).s == NULL || mx_storable(shown.sender).s == NULL || !mx_json_is_object(shown.content))
        return;
    if (out->n > 1)
        gg_buf_char(out, ',');
    mx_stripped_write(out, &shown);
}

struct gg_str mx_stripped_clean(struct gg_str list, struct gg_arena *arena)
{
    struct gg_buf buf = GG_BUF_INIT;
    size_t n = 0;
    gg_buf_char(&buf, '[');
    if (list.s != NULL && mx_json_is_array(list))
        for (struct mx_json_iter it = mx_json_iter(list); n < MX_STRIPPED_MAX && mx_json_next(&it); n++)
            write_entry(&buf, it.value, arena);
    gg_buf_char(&buf, ']');
    struct gg_str text = gg_arena_str(arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return text;
}
