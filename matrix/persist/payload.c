/* matrix/persist/payload.c: writes and reads the bodies of send_events and fed_send_events. Events stay text. */
#include "payload.h"

#include <ganglion/matrix/id.h>

#include "json/text.h"

/* ---- writing ---- */

static void add_key(struct gg_buf *out, const char *key)
{
    gg_buf_printf(out, ",\"%s\":", key);
}

static void add_text_or_null(struct gg_buf *out, const char *key, struct gg_str value)
{
    add_key(out, key);
    if (value.s)
        gg_buf_json_string(out, value);
    else
        gg_buf_lit(out, "null");
}

static void add_group(struct gg_buf *out, const char *key, int64_t group)
{
    add_key(out, key);
    if (group)
        gg_buf_i64(out, group);
    else
        gg_buf_lit(out, "null");
}

static void add_bool(struct gg_buf *out, const char *key, bool value)
{
    add_key(out, key);
    gg_buf_text(out, value ? "true" : "false");
}

/* [[type, state_key, event_id], ...]: the difference that the event makes. */
static void add_entries(struct gg_buf *out, const struct mx_persist_item *item)
{
    struct mx_state_entry e = {item->event->type, item->event->state_key, item->event->event_id};
    size_t i = 0, n = 0;
    bool more = item->delta ? mx_state_next(item->delta, &i, &e) : e.state_key.s != NULL;
    gg_buf_char(out, '[');
    while (more) {
        gg_buf_text(out, n++ ? ",[" : "[");
        gg_buf_json_string(out, e.type);
        gg_buf_char(out, ',');
        gg_buf_json_string(out, e.state_key);
        gg_buf_char(out, ',');
        gg_buf_json_string(out, e.event_id);
        gg_buf_char(out, ']');
        more = item->delta && mx_state_next(item->delta, &i, &e);
    }
    gg_buf_char(out, ']');
}

static void add_context(struct gg_buf *out, const struct mx_persist_item *item, const struct mx_requester *requester)
{
    const struct mx_event *event = item->event;
    bool moved = item->group_before && item->group && item->group != item->group_before && !event->meta.rejected.s;
    add_key(out, "context");
    gg_buf_lit(out, "{\"partial_state\":false");
    add_group(out, "state_group", item->group);
    add_group(out, "state_group_before_event", item->group_before ? item->group_before : item->group);
    add_text_or_null(out, "rejected", event->meta.rejected);
    add_text_or_null(out, "app_service_id", gg_str(requester ? requester->app_service : NULL));
    add_key(out, "state_group_deltas");
    gg_buf_char(out, '[');
    if (moved) {
        gg_buf_printf(out, "[%lld,%lld,", (long long)item->group_before, (long long)item->group);
        add_entries(out, item);
        gg_buf_char(out, ']');
    }
    gg_buf_char(out, ']');
    add_key(out, "state_delta_due_to_event");
    if (moved)
        add_entries(out, item);
    else
        gg_buf_lit(out, "null");
    gg_buf_char(out, '}');
}

static void add_requester(struct gg_buf *out, const struct mx_requester *r)
{
    add_key(out, "requester");
    gg_buf_lit(out, "{\"scope\":[]");
    add_text_or_null(out, "user_id", gg_str(r->user_id));
    add_group(out, "access_token_id", r->access_token_id);
    add_bool(out, "is_guest", r->guest);
    add_bool(out, "shadow_banned", r->shadow_banned);
    add_text_or_null(out, "device_id", gg_str(r->device_id));
    add_text_or_null(out, "app_server_id", gg_str(r->app_service));
    add_text_or_null(out, "authenticated_entity", gg_str(r->puppeted_by ? r->puppeted_by : r->user_id));
    gg_buf_char(out, '}');
}

static void add_event(struct gg_buf *out, struct mx_server *server, const struct mx_requester *requester,
                      const struct mx_persist_item *item)
{
    const struct mx_event *event = item->event;
    gg_buf_lit(out, "{\"event\":");
    gg_buf_str(out, event->json);
    add_text_or_null(out, "room_version", gg_str(event->version->id));
    add_key(out, "event_format_version");
    gg_buf_i64(out, event->version->format);
    add_key(out, "internal_metadata");
    mx_event_meta_json(event, out);
    add_bool(out, "outlier", event->meta.outlier);
    add_text_or_null(out, "rejected_reason", event->meta.rejected);
    add_context(out, item, requester);
    if (requester) {
        add_requester(out, requester);
        add_bool(out, "ratelimit", false);
        add_key(out, "extra_users");
        bool invites = mx_event_is(event, "m.room.member", NULL) && gg_str_is(event->membership, "invite") &&
                       mx_is_mine(server, event->state_key);
        gg_buf_char(out, '[');
        if (invites)
            gg_buf_json_string(out, event->state_key);
        gg_buf_char(out, ']');
    }
    gg_buf_char(out, '}');
}

void mx_payload_write(struct gg_buf *out, struct mx_server *server, const struct mx_requester *requester,
                      struct gg_str room_id, const struct mx_persist_item *items, size_t n)
{
    gg_buf_lit(out, "{\"events\":[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            gg_buf_char(out, ',');
        add_event(out, server, items[i].requester ? items[i].requester : requester, &items[i]);
    }
    gg_buf_char(out, ']');
    if (n && items[0].drafted)
        mx_payload_add_drafts(out, items, n);
    if (!requester) {
        add_bool(out, "backfilled", n && items[0].backfilled);
        add_text_or_null(out, "room_id", room_id);
    }
    gg_buf_char(out, '}');
}

/* ---- reading ---- */

static void unref_event(void *event)
{
    mx_event_unref(event);
}

static void unref_state(void *state)
{
    mx_state_unref(state);
}

static int read_event(struct gg_str e, struct gg_arena *arena, const struct mx_event **out, struct gg_error *err)
{
    struct gg_str id = mx_json_string(mx_json_get(e, "room_version"), arena);
    const struct mx_room_version *version = id.s ? mx_room_version_find(id) : NULL;
    if (!version)
        return gg_refuse(err, 400, "M_UNSUPPORTED_ROOM_VERSION", "Room version is not supported");
    struct mx_event *parsed, *event;
    int status = mx_event_parse(mx_json_get(e, "event"), version, gg_strn(NULL, 0), &parsed, err);
    if (status)
        return status;
    status = mx_event_load(parsed->json, version, parsed->event_id, mx_json_get(e, "internal_metadata"), &event, err);
    mx_event_unref(parsed);
    if (status)
        return status;
    struct mx_event_meta meta = event->meta;
    meta.outlier = mx_json_true(mx_json_get(e, "outlier"));
    /* Of an event that is new Synapse says so in the context alone. */
    meta.rejected = mx_json_string(mx_json_get(mx_json_get(e, "context"), "rejected"), arena);
    if (!meta.rejected.s)
        meta.rejected = mx_json_string(mx_json_get(e, "rejected_reason"), arena);
    if (meta.outlier || meta.rejected.s) {
        struct mx_event *with = mx_event_with_meta(event, &meta);
        mx_event_unref(event);
        event = with;
    }
    gg_arena_defer(arena, unref_event, event);
    *out = event;
    return 0;
}

/* [[type, state_key, event_id], ...], all of which becomes rows. */
static int read_entries(struct gg_str list, struct gg_arena *arena, struct mx_state *out, struct gg_error *err)
{
    struct mx_json_iter entries = mx_json_iter(list);
    while (mx_json_next(&entries)) {
        struct gg_str v[3] = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
        struct mx_json_iter parts = mx_json_iter(entries.value);
        for (size_t i = 0; i < GG_COUNT(v) && mx_json_next(&parts); i++)
            v[i] = mx_storable(mx_json_string(parts.value, arena));
        if (!v[0].s || !v[1].s || !v[2].s)
            return gg_refuse(err, 400, "M_BAD_JSON", "A change of state is not what it should be");
        mx_state_set(out, v[0], v[1], v[2]);
    }
    return 0;
}

/* The entries of the delta that leads from group_before to group, if it is there. */
static int read_delta(struct gg_str deltas, struct gg_arena *arena, struct mx_persist_item *item, struct gg_error *err)
{
    struct mx_json_iter each = mx_json_iter(deltas);
    while (mx_json_is_array(deltas) && mx_json_next(&each)) {
        struct mx_json_iter d = mx_json_iter(each.value);
        int64_t from, to;
        if (!mx_json_next(&d) || !mx_json_i64(d.value, &from) || !mx_json_next(&d) || !mx_json_i64(d.value, &to) ||
            from != item->group_before || to != item->group || !mx_json_next(&d))
            continue;
        struct mx_state *state = mx_state_new();
        gg_arena_defer(arena, unref_state, state);
        item->delta = state;
        return read_entries(d.value, arena, state, err);
    }
    return 0;
}

static int read_item(struct gg_str e, bool backfilled, struct gg_arena *arena, struct mx_persist_item *item,
                     struct gg_error *err)
{
    struct gg_str context = mx_json_get(e, "context");
    int status = read_event(e, arena, &item->event, err);
    if (status)
        return status;
    if (mx_json_true(mx_json_get(context, "partial_state")))
        return gg_refuse(err, 501, "M_UNRECOGNIZED", "Rooms with partial state are not supported by this persister");
    (void)mx_json_i64(mx_json_get(context, "state_group"), &item->group);
    (void)mx_json_i64(mx_json_get(context, "state_group_before_event"), &item->group_before);
    if (item->event->meta.outlier)
        item->group = item->group_before = 0;
    else if (item->event->meta.rejected.s && item->group_before)
        item->group = item->group_before;
    item->backfilled = backfilled;
    return read_delta(mx_json_get(context, "state_group_deltas"), arena, item, err);
}

int mx_payload_read(struct mx_server *server, struct gg_str body, struct gg_arena *arena, struct gg_str *room_id,
                    struct mx_persist_item **items_out, size_t *n_out, struct gg_error *err)
{
    int status = mx_json_check(body, 1000, err);
    if (status)
        return status;
    struct gg_str list = mx_json_get(body, "events");
    bool backfilled = mx_json_true(mx_json_get(body, "backfilled"));
    if (!mx_json_is_array(list))
        return gg_refuse(err, 400, "M_BAD_JSON", "events is missing");
    struct mx_persist_item *items = GG_NEW_ARRAY(arena, struct mx_persist_item, mx_json_length(list) + 1);
    struct mx_json_iter it = mx_json_iter(list);
    size_t n = 0;
    while (mx_json_next(&it)) {
        if ((status = read_item(it.value, backfilled, arena, &items[n], err)))
            return status;
        if (n && !gg_str_eq(items[n].event->room_id, items[0].event->room_id))
            return gg_refuse(err, 400, "M_BAD_JSON", "The events are not all of one room");
        n++;
    }
    *room_id = n ? items[0].event->room_id : gg_strn(NULL, 0);
    *items_out = items;
    *n_out = n;
    return mx_payload_read_drafts(body, arena, items, n, err);
}
