/* pdu.c: events as servers exchange them (server-server "PDUs"). */
#include "internal.h"

void mx_event_write_pdu(struct gg_buf *out, const struct mx_event *event)
{
    int64_t age_ts;
    bool first = true;
    gg_buf_reserve(out, event->json.n + 32);
    gg_buf_char(out, '{');
    for (struct mx_json_iter it = mx_json_iter(event->json); mx_json_next(&it);) {
        if (mx_json_key_is(it.key, "unsigned"))
            continue;
        if (!first)
            gg_buf_char(out, ',');
        first = false;
        /* as it stands: from the quote before its key to the end of its value */
        gg_buf_add(out, it.key.s - 1, (size_t)(it.value.s + it.value.n - it.key.s) + 1);
    }
    /* all else in unsigned is our own view of the room */
    if (mx_json_i64(mx_json_get(event->unsigned_, "age_ts"), &age_ts)) {
        gg_buf_lit(out, ",\"unsigned\":{\"age\":");
        gg_buf_i64(out, gg_wall_ms() - age_ts);
        gg_buf_char(out, '}');
    }
    gg_buf_char(out, '}');
}
