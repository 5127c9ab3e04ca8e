/* matrix/sync/answer.c: the JSON of /sync, stored event bytes spliced into one buffer. Empty parts are left out. */
#include "sync/parts.h"

#include "userdata/typing.h"

static struct mx_client_format format_of(const struct mx_sync *sync)
{
    const struct mx_requester *requester = sync->query->requester;
    bool federation = gg_str_is(sync->query->event_format, "federation");
    struct mx_client_format format = {.now_ms = gg_wall_ms(), .user_id = gg_str(requester->user_id),
                                      .without_room_id = !federation, .federation = federation,
                                      .fields = sync->query->event_fields, .n_fields = sync->query->n_event_fields};
    if (requester->device_id != NULL)
        format.device_id = gg_str(requester->device_id);
    return format;
}

/* Events [first, first + n) of sync->show. */
static void write_events(struct mx_sync *sync, struct gg_buf *out, size_t first, size_t n)
{
    struct mx_client_format format = format_of(sync);
    gg_buf_lit(out, "{\"events\":[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            gg_buf_char(out, ',');
        mx_show_write(out, &sync->show, first + i, &format);
    }
    gg_buf_char(out, ']');
}

/* ---- account data ---- */

static void write_data(struct gg_buf *out, const struct mx_data_row *rows, size_t n, const struct mx_filter *filter)
{
    bool first = true;
    gg_buf_lit(out, "{\"events\":[");
    for (size_t i = 0; i < n; i++) {
        if (!mx_filter_type(filter, rows[i].type))
            continue;
        if (!first)
            gg_buf_char(out, ',');
        first = false;
        gg_buf_lit(out, "{\"type\":");
        gg_buf_json_string(out, rows[i].type);
        gg_buf_lit(out, ",\"content\":");
        gg_buf_str(out, rows[i].content);
        gg_buf_char(out, '}');
    }
    gg_buf_lit(out, "]}");
}

/* The rows of rooms come with the global ones (sync.c), which are read already. */
static int gather_data(struct mx_sync *sync, void **out, struct gg_error *err)
{
    *out = sync->n_data > 0 ? sync : NULL;
    return 0;
}

static void write_global_data(const struct mx_sync *sync, const void *gathered, struct gg_buf *out)
{
    if (gathered == NULL)
        return;
    gg_buf_lit(out, ",\"account_data\":");
    write_data(out, sync->data, sync->n_data, &sync->query->global_data);
}

const struct mx_sync_part mx_sync_part_account_data = {.name = "account_data", .gather = gather_data,
                                                       .write = write_global_data};

/* ---- ephemeral ---- */

static void write_ephemeral(struct mx_sync *sync, const struct mx_sync_room *r, struct gg_buf *out)
{
    const struct mx_filter *f = &sync->query->ephemeral;
    bool typing = r->typing && mx_filter_type(f, GG_STR("m.typing"));
    bool receipts = r->receipts.s != NULL && mx_filter_type(f, GG_STR("m.receipt"));
    gg_buf_lit(out, ",\"ephemeral\":{\"events\":[");
    if (typing) {
        gg_buf_lit(out, "{\"type\":\"m.typing\",\"content\":{\"user_ids\":");
        mx_typing_write(sync->server, r->room->room_id, out);
        gg_buf_lit(out, "}}");
    }
    if (receipts) {
        gg_buf_text(out, typing ? "," : "");
        gg_buf_lit(out, "{\"type\":\"m.receipt\",\"content\":");
        gg_buf_str(out, r->receipts);
        gg_buf_char(out, '}');
    }
    gg_buf_lit(out, "]}");
}

/* ---- rooms ---- */

static void write_prev_batch(struct mx_sync *sync, const struct mx_sync_room *r, struct gg_buf *out)
{
    struct mx_token token = sync->now;
    bool whole = r->after == INT64_MIN && !r->limited;
    /* A timeline that starts afresh and is whole has nothing before it: like Synapse's, its token stands at its end, so
     * that a client which pages back from it sees the room once more and is told where it begins. */
    if (r->kind == MX_SYNC_LEAVE || (r->n_timeline > 0 && !whole))
        token.room = (struct mx_room_token){.depth = -1, .at = {.min = whole ? r->upto : r->prev_stream}};
    gg_buf_lit(out, ",\"prev_batch\":\"");
    mx_token_write(out, &token);
    gg_buf_printf(out, "\",\"limited\":%s}", r->limited ? "true" : "false");
}

static const char *const state_names[] = {"state", "state_after", "org.matrix.msc4222.state_after"};

static void write_room(struct mx_sync *sync, const struct mx_sync_room *r, struct gg_buf *out)
{
    gg_buf_json_string(out, r->room->room_id);
    gg_buf_lit(out, ":{\"timeline\":");
    write_events(sync, out, r->shown_at, r->n_timeline);
    write_prev_batch(sync, r, out);
    gg_buf_printf(out, ",\"%s\":", state_names[sync->query->state_after]);
    write_events(sync, out, r->shown_at + r->n_timeline, r->n_state);
    gg_buf_lit(out, "},\"account_data\":");
    write_data(out, r->data, r->n_data, &sync->query->room_data);
    if (r->kind == MX_SYNC_JOIN) {
        write_ephemeral(sync, r, out);
        mx_push_write_counts(sync->server, &r->unread, sync->query->timeline.unread_threads, out);
        mx_sync_write_summary(sync, r, out);
    }
    gg_buf_char(out, '}');
}

static void write_member(struct gg_buf *out, const char *key, struct gg_str text)
{
    gg_buf_printf(out, "\"%s\":", key);
    gg_buf_json_string(out, text);
    gg_buf_char(out, ',');
}

/* Client-server API, "Stripped state": no more than this of an event of a room that one is not in. */
static void write_stripped_event(struct gg_buf *out, const struct mx_event *e)
{
    gg_buf_char(out, '{');
    write_member(out, "type", e->type);
    write_member(out, "state_key", e->state_key);
    write_member(out, "sender", e->sender);
    gg_buf_lit(out, "\"content\":");
    gg_buf_str(out, e->content);
    gg_buf_char(out, '}');
}

/* An invited user sees the stripped state that came with the invite, and the invite itself last. */
static void write_stripped(const struct mx_sync_room *r, struct gg_buf *out)
{
    bool invite = r->kind == MX_SYNC_INVITE;
    struct gg_str given = mx_json_get(r->membership->unsigned_, invite ? "invite_room_state" : "knock_room_state");
    struct mx_json_iter it = mx_json_iter(given);
    gg_buf_json_string(out, r->room->room_id);
    gg_buf_printf(out, ":{\"%s\":{\"events\":[", invite ? "invite_state" : "knock_state");
    while (mx_json_is_array(given) && mx_json_next(&it)) {
        gg_buf_str(out, it.value);
        gg_buf_char(out, ',');
    }
    write_stripped_event(out, r->membership);
    gg_buf_lit(out, "]}}");
}

static const struct {
    uint8_t kind;
    const char *name;
} sections[] = {{MX_SYNC_JOIN, "join"}, {MX_SYNC_INVITE, "invite"}, {MX_SYNC_KNOCK, "knock"}, {MX_SYNC_LEAVE, "leave"}};

static void write_rooms(struct mx_sync *sync, struct gg_buf *out)
{
    bool first_section = true;
    for (size_t s = 0; s < GG_COUNT(sections); s++) {
        bool first = true;
        for (size_t i = 0; i < sync->n; i++) {
            const struct mx_sync_room *r = &sync->rooms[i];
            if (r->kind != sections[s].kind)
                continue;
            if (first)
                gg_buf_printf(out, "%s\"%s\":{", first_section ? "" : ",", sections[s].name);
            else
                gg_buf_char(out, ',');
            first = first_section = false;
            if (r->membership != NULL)
                write_stripped(r, out);
            else
                write_room(sync, r, out);
        }
        if (!first)
            gg_buf_char(out, '}');
    }
}

void mx_sync_write(struct mx_sync *sync, struct gg_buf *out)
{
    gg_buf_lit(out, "{\"next_batch\":\"");
    mx_token_write(out, &sync->now);
    gg_buf_char(out, '"');
    mx_sync_write_parts(sync, out);
    if (sync->n > 0) {
        gg_buf_lit(out, ",\"rooms\":{");
        write_rooms(sync, out);
        gg_buf_char(out, '}');
    }
    gg_buf_char(out, '}');
}
