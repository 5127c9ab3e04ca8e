/* matrix/storage/events/rows.c: writes and reads rows of the events and backfill streams. */
#include "rows.h"

/* ---- reading ---- */

static bool next_text(struct mx_json_iter *it, struct gg_arena *arena, struct gg_str *out)
{
    if (!mx_json_next(it))
        return false;
    *out = mx_json_string(it->value, arena);
    return true;
}

static bool next_bool(struct mx_json_iter *it, bool *out)
{
    if (!mx_json_next(it))
        return false;
    *out = mx_json_true(it->value);
    return true;
}

static bool parse_ev(struct gg_str fields, struct gg_arena *arena, bool live, struct mx_event_row *out)
{
    struct mx_json_iter it = mx_json_iter(fields);
    struct gg_str *texts[] = {&out->event_id, &out->room_id,    &out->type,      &out->state_key,
                              &out->redacts,  &out->relates_to, &out->membership};
    for (size_t i = 0; i < (live ? GG_COUNT(texts) : GG_COUNT(texts) - 1); i++)
        if (!next_text(&it, arena, texts[i]))
            return false;
    if (live && (!next_bool(&it, &out->rejected) || !next_bool(&it, &out->outlier)))
        return false;
    return out->event_id.s && out->room_id.s && out->type.s;
}

static bool parse_state(struct gg_str fields, struct gg_arena *arena, struct mx_event_row *out)
{
    struct mx_json_iter it = mx_json_iter(fields);
    return next_text(&it, arena, &out->room_id) && next_text(&it, arena, &out->type) &&
           next_text(&it, arena, &out->state_key) && next_text(&it, arena, &out->event_id) && out->room_id.s &&
           out->type.s && out->state_key.s;
}

bool mx_event_row_parse(struct gg_str row, struct gg_arena *arena, struct mx_event_row *out)
{
    memset(out, 0, sizeof(*out));
    struct mx_json_iter it = mx_json_iter(row);
    struct gg_str kind;
    if (!next_text(&it, arena, &kind) || !kind.s || !mx_json_next(&it))
        return false;
    if (gg_str_is(kind, "ev")) {
        out->kind = MX_ROW_EV;
        return parse_ev(it.value, arena, true, out);
    }
    if (gg_str_is(kind, "state")) {
        out->kind = MX_ROW_STATE;
        return parse_state(it.value, arena, out);
    }
    if (gg_str_is(kind, "state-all")) {
        out->kind = MX_ROW_STATE_ALL;
        struct mx_json_iter fields = mx_json_iter(it.value);
        return next_text(&fields, arena, &out->room_id) && out->room_id.s;
    }
    return false;
}

bool mx_backfill_row_parse(struct gg_str row, struct gg_arena *arena, struct mx_event_row *out)
{
    memset(out, 0, sizeof(*out));
    out->kind = MX_ROW_EV;
    return parse_ev(row, arena, false, out);
}

/* ---- writing ---- */

static void add_text(struct gg_buf *out, struct gg_str s)
{
    gg_buf_char(out, ',');
    if (s.s)
        gg_buf_json_string(out, s);
    else
        gg_buf_lit(out, "null");
}

static void add_bool(struct gg_buf *out, bool b)
{
    gg_buf_text(out, b ? ",true" : ",false");
}

static void add_event(struct gg_buf *out, const struct mx_event *event, struct gg_str relates_to)
{
    gg_buf_json_string(out, event->event_id);
    add_text(out, event->room_id);
    add_text(out, event->type);
    add_text(out, event->state_key);
    /* From the tables that only accepted events have rows in. */
    add_text(out, event->meta.rejected.s ? gg_strn(NULL, 0) : event->redacts);
    add_text(out, event->meta.rejected.s ? gg_strn(NULL, 0) : relates_to);
}

void mx_event_row_ev(struct gg_buf *out, const struct mx_event *event, struct gg_str relates_to)
{
    bool rejected = event->meta.rejected.s != NULL;
    gg_buf_lit(out, "[\"ev\",[");
    add_event(out, event, relates_to);
    add_text(out, rejected ? gg_strn(NULL, 0) : event->membership);
    add_bool(out, rejected);
    add_bool(out, event->meta.outlier);
    gg_buf_lit(out, "]]");
}

void mx_event_row_state(struct gg_buf *out, struct gg_str room_id, struct gg_str type, struct gg_str state_key,
                        struct gg_str event_id)
{
    gg_buf_lit(out, "[\"state\",[");
    gg_buf_json_string(out, room_id);
    add_text(out, type);
    add_text(out, state_key);
    add_text(out, event_id);
    gg_buf_lit(out, "]]");
}

void mx_event_row_backfill(struct gg_buf *out, const struct mx_event *event, struct gg_str relates_to)
{
    gg_buf_char(out, '[');
    add_event(out, event, relates_to);
    gg_buf_char(out, ']');
}
