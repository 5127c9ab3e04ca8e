/* matrix/sliding/answer.c: the JSON of sliding sync (MSC4186), stored event bytes spliced into one buffer. */
#include "sliding/sliding.h"

#include "e2ee/sync_parts.h"
#include "userdata/typing.h"

/* Opens one more member: a comma unless it is the first. */
static void next(struct gg_buf *out, bool *first)
{
    if (!*first)
        gg_buf_char(out, ',');
    *first = false;
}

static void write_key(struct gg_buf *out, bool *first, struct gg_str key)
{
    next(out, first);
    gg_buf_json_string(out, key);
    gg_buf_char(out, ':');
}

static void write_text(struct gg_buf *out, const char *key, struct gg_str text)
{
    if (text.s == NULL)
        return;
    gg_buf_printf(out, ",\"%s\":", key);
    gg_buf_json_string(out, text);
}

/* ---- lists ---- */

static void write_window(struct gg_buf *out, const struct mx_sliding_window *w)
{
    bool first = true;
    gg_buf_printf(out, "{\"op\":\"SYNC\",\"range\":[%lld,%lld],\"room_ids\":[", (long long)w->first,
                  (long long)w->last);
    for (size_t i = 0; i < w->n; i++) {
        next(out, &first);
        gg_buf_json_string(out, w->entries[i]->room->room_id);
    }
    gg_buf_lit(out, "]}");
}

static void write_lists(const struct mx_sliding *s, struct gg_buf *out)
{
    bool first = true;
    if (s->request->n_lists == 0 || !s->computed)
        return;
    gg_buf_lit(out, ",\"lists\":{");
    for (size_t i = 0; i < s->request->n_lists; i++) {
        bool first_window = true;
        write_key(out, &first, s->lists[i].list->name);
        gg_buf_printf(out, "{\"count\":%zu,\"ops\":[", s->lists[i].count);
        for (size_t k = 0; k < s->lists[i].n_windows; k++) {
            next(out, &first_window);
            write_window(out, &s->lists[i].windows[k]);
        }
        gg_buf_lit(out, "]}");
    }
    gg_buf_char(out, '}');
}

/* ---- rooms ---- */

static struct mx_client_format format_of(const struct mx_sliding *s)
{
    struct mx_client_format format = {.now_ms = gg_wall_ms(),
                                      .user_id = s->user_id,
                                      .without_room_id = true,
                                      .token_id = s->requester->access_token_id};
    if (s->requester->device_id != NULL)
        format.device_id = gg_str(s->requester->device_id);
    return format;
}

static void write_events(const struct mx_sliding *s, const char *key, size_t first, size_t n, struct gg_buf *out)
{
    struct mx_client_format format = format_of(s);
    if (n == 0)
        return;
    gg_buf_printf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            gg_buf_char(out, ',');
        mx_show_write(out, &s->show, first + i, &format);
    }
    gg_buf_char(out, ']');
}

static void write_heroes(const struct mx_sliding *s, const struct mx_sliding_room *r, struct gg_buf *out)
{
    for (size_t i = 0; i < r->n_heroes; i++) {
        gg_buf_text(out, i == 0 ? ",\"heroes\":[{\"user_id\":" : ",{\"user_id\":");
        gg_buf_json_string(out, r->heroes[i]->state_key);
        write_text(out, "displayname", mx_json_string(mx_json_get(r->heroes[i]->content, "displayname"), s->arena));
        write_text(out, "avatar_url", mx_json_string(mx_json_get(r->heroes[i]->content, "avatar_url"), s->arena));
        gg_buf_char(out, '}');
    }
    if (r->n_heroes > 0)
        gg_buf_char(out, ']');
}

/* Client-server API, "Stripped state": what came with an invite or knock, and that event itself. */
static void write_stripped(const struct mx_event *e, struct gg_buf *out)
{
    bool invite = gg_str_is(e->membership, "invite");
    struct gg_str given = mx_json_get(e->unsigned_, invite ? "invite_room_state" : "knock_room_state");
    struct mx_json_iter it = mx_json_iter(given);
    gg_buf_lit(out, ",\"invite_state\":[");
    while (mx_json_is_array(given) && mx_json_next(&it)) {
        gg_buf_str(out, it.value);
        gg_buf_char(out, ',');
    }
    gg_buf_lit(out, "{\"type\":");
    gg_buf_json_string(out, e->type);
    write_text(out, "state_key", e->state_key);
    write_text(out, "sender", e->sender);
    gg_buf_lit(out, ",\"content\":");
    gg_buf_str(out, e->content);
    gg_buf_lit(out, "}]");
}

static void write_timeline(const struct mx_sliding *s, const struct mx_sliding_room *r, struct gg_buf *out)
{
    struct mx_token token = s->now;
    token.room = r->prev;
    write_events(s, "timeline", r->timeline_at, r->n_timeline, out);
    if (!r->has_timeline)
        return;
    gg_buf_printf(out, ",\"limited\":%s,\"num_live\":%zu,\"prev_batch\":\"", r->limited ? "true" : "false",
                  r->num_live);
    mx_token_write(out, &token);
    gg_buf_char(out, '"');
}

static void write_room(const struct mx_sliding *s, const struct mx_sliding_room *r, struct gg_buf *out)
{
    gg_buf_printf(out, "{\"notification_count\":%lld,\"highlight_count\":%lld", (long long)r->notifications,
                  (long long)r->highlights);
    if (r->bump_stamp >= 0)
        gg_buf_printf(out, ",\"bump_stamp\":%lld", (long long)r->bump_stamp);
    if (r->counted)
        gg_buf_printf(out, ",\"joined_count\":%zu,\"invited_count\":%zu", r->head->n_joined, r->head->n_invited);
    write_text(out, "name", r->name.n > 0 ? r->name : (struct gg_str){0});
    write_text(out, "avatar", r->avatar.n > 0 ? r->avatar : (struct gg_str){0});
    write_heroes(s, r, out);
    gg_buf_text(out, r->initial ? ",\"initial\":true" : "");
    gg_buf_text(out, r->expanded ? ",\"unstable_expanded_timeline\":true" : "");
    write_events(s, "required_state", r->required_at, r->n_required, out);
    write_timeline(s, r, out);
    gg_buf_text(out, mx_room_is_direct(s->roster->base->labels, r->entry->room->room_id) ? ",\"is_dm\":true" : "");
    if (r->membership != NULL)
        write_stripped(r->membership, out);
    gg_buf_char(out, '}');
}

static void write_rooms(const struct mx_sliding *s, struct gg_buf *out)
{
    bool first = true;
    gg_buf_lit(out, ",\"rooms\":{");
    for (size_t i = 0; i < s->n_rooms; i++) {
        if (!s->rooms[i]->shown)
            continue;
        write_key(out, &first, s->rooms[i]->entry->room->room_id);
        write_room(s, s->rooms[i], out);
    }
    gg_buf_char(out, '}');
}

/* ---- extensions ---- */

static void write_to_device(const struct mx_sliding *s, struct gg_buf *out)
{
    const struct mx_sliding_extensions *x = &s->ext;
    gg_buf_printf(out, "{\"next_batch\":\"%lld\",\"events\":[", (long long)x->to_device_next);
    for (size_t i = 0; i < x->n_to_device; i++) {
        if (i > 0)
            gg_buf_char(out, ',');
        gg_buf_str(out, x->to_device[i]);
    }
    gg_buf_lit(out, "]}");
}

static void write_e2ee(const struct mx_sliding *s, struct gg_buf *out)
{
    const struct mx_sliding_extensions *x = &s->ext;
    gg_buf_lit(out, "{\"device_one_time_keys_count\":");
    gg_buf_str(out, x->key_counts.s != NULL ? x->key_counts : GG_STR("{}"));
    gg_buf_lit(out, ",\"device_unused_fallback_key_types\":");
    gg_buf_str(out, x->fallback_types.s != NULL ? x->fallback_types : GG_STR("[]"));
    if (x->has_device_lists) {
        gg_buf_lit(out, ",\"device_lists\":{\"changed\":");
        mx_write_names(out, x->changed, x->n_changed);
        gg_buf_lit(out, ",\"left\":");
        mx_write_names(out, x->left, x->n_left);
        gg_buf_char(out, '}');
    }
    gg_buf_char(out, '}');
}

static void write_datum(struct gg_buf *out, bool *first, struct gg_str type, struct gg_str content)
{
    next(out, first);
    gg_buf_lit(out, "{\"type\":");
    gg_buf_json_string(out, type);
    gg_buf_lit(out, ",\"content\":");
    gg_buf_str(out, content);
    gg_buf_char(out, '}');
}

static void write_account_data(const struct mx_sliding *s, struct gg_buf *out)
{
    const struct mx_sliding_extensions *x = &s->ext;
    bool first = true;
    gg_buf_lit(out, "{\"global\":[");
    if (x->push_rules.s != NULL)
        write_datum(out, &first, GG_STR("m.push_rules"), x->push_rules);
    for (size_t i = 0; i < x->n_global; i++)
        write_datum(out, &first, x->global[i].type, x->global[i].content);
    gg_buf_lit(out, "],\"rooms\":{");
    first = true;
    for (size_t i = 0; i < x->n_data; i++) {
        bool first_row = true;
        write_key(out, &first, x->data[i].room_id);
        gg_buf_char(out, '[');
        for (size_t k = 0; k < x->data[i].n; k++)
            write_datum(out, &first_row, x->data[i].rows[k].type, x->data[i].rows[k].content);
        gg_buf_char(out, ']');
    }
    gg_buf_lit(out, "}}");
}

static void write_receipts(const struct mx_sliding *s, struct gg_buf *out)
{
    bool first = true;
    gg_buf_lit(out, "{\"rooms\":{");
    for (size_t i = 0; i < s->ext.n_receipts; i++) {
        write_key(out, &first, s->ext.receipts[i].room_id);
        gg_buf_lit(out, "{\"type\":\"m.receipt\",\"content\":");
        gg_buf_str(out, s->ext.receipts[i].content);
        gg_buf_char(out, '}');
    }
    gg_buf_lit(out, "}}");
}

static void write_typing(const struct mx_sliding *s, struct gg_buf *out)
{
    bool first = true;
    gg_buf_lit(out, "{\"rooms\":{");
    for (size_t i = 0; i < s->ext.n_typing; i++) {
        write_key(out, &first, s->ext.typing[i]);
        gg_buf_lit(out, "{\"type\":\"m.typing\",\"content\":{\"user_ids\":");
        mx_typing_write(s->server, s->ext.typing[i], out);
        gg_buf_lit(out, "}}");
    }
    gg_buf_lit(out, "}}");
}

static void write_extensions(const struct mx_sliding *s, struct gg_buf *out)
{
    const struct mx_sliding_request *q = s->request;
    const struct {
        const char *name;
        bool on;
        void (*write)(const struct mx_sliding *s, struct gg_buf *out);
    } parts[] = {{"to_device", q->to_device, write_to_device},
                 {"e2ee", q->e2ee, write_e2ee},
                 {"account_data", q->account_data.enabled, write_account_data},
                 {"receipts", q->receipts.enabled, write_receipts},
                 {"typing", q->typing.enabled, write_typing}};
    bool first = true;
    gg_buf_lit(out, ",\"extensions\":{");
    for (size_t i = 0; i < GG_COUNT(parts); i++) {
        if (!parts[i].on || !s->computed)
            continue;
        write_key(out, &first, gg_str(parts[i].name));
        parts[i].write(s, out);
    }
    gg_buf_char(out, '}');
}

void mx_sliding_write(struct mx_sliding *s, struct gg_buf *out)
{
    gg_buf_printf(out, "{\"pos\":\"%lld/", (long long)s->position);
    mx_token_write(out, &s->now);
    gg_buf_char(out, '"');
    write_lists(s, out);
    write_rooms(s, out);
    write_extensions(s, out);
    gg_buf_char(out, '}');
}
