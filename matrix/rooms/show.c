/* matrix/rooms/show.c: what clients are shown beside an event's stored bytes. */
#include "rooms/show.h"

/* ---- events that belong to events ---- */

struct wants {
    struct gg_str *ids;
    const struct mx_event ***slots;
    size_t n;
};

static void want(struct wants *w, struct gg_str id, const struct mx_event **slot)
{
    if (id.s == NULL)
        return;
    w->slots[w->n] = slot;
    w->ids[w->n++] = id;
}

int mx_show_read(struct mx_server *server, const struct mx_event *const *events, size_t n, struct gg_arena *arena,
                 struct mx_show *out, struct gg_error *err)
{
    *out = (struct mx_show){.events = events, .n = n};
    out->replaced = GG_NEW_ARRAY(arena, const struct mx_event *, n + 1);
    out->redactions = GG_NEW_ARRAY(arena, const struct mx_event *, n + 1);
    out->memberships = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    struct wants w = {GG_NEW_ARRAY(arena, struct gg_str, 2 * n + 1), GG_NEW_ARRAY(arena, const struct mx_event **, 2 * n + 1), 0};
    for (size_t i = 0; i < n; i++) {
        if (events[i] == NULL)
            continue;
        if (mx_event_is_state(events[i]) && !events[i]->meta.redacted)
            want(&w, mx_json_string(events[i]->replaces_state, arena), &out->replaced[i]);
        if (events[i]->meta.redacted)
            want(&w, mx_json_string(mx_json_get(events[i]->unsigned_, "redacted_by"), arena), &out->redactions[i]);
    }
    if (w.n == 0)
        return 0;
    const struct mx_event **found = GG_NEW_ARRAY(arena, const struct mx_event *, w.n);
    int rc = mx_store_events(server, w.ids, w.n, false, arena, found, err);
    for (size_t i = 0; rc == 0 && i < w.n; i++)
        *w.slots[i] = found[i];
    return rc;
}

/* ---- what the reader was ---- */

static const struct gg_stmt history = {
    "SELECT r.i, e.stream_ordering, m.membership FROM unnest($2::text[]) WITH ORDINALITY r (room_id, i)"
    " JOIN room_memberships m ON m.user_id = $1 AND m.room_id = r.room_id"
    " JOIN events e ON e.event_id = m.event_id AND NOT e.outlier AND e.rejection_reason IS NULL"
    " ORDER BY r.i, e.stream_ordering", GG_LANE_POINT};

/* Newest membership at or before the event, of rows [at, end) that ascend by stream ordering. */
static struct gg_str membership_at(const struct gg_rows *rows, size_t at, size_t end, int64_t stream)
{
    struct gg_str found = GG_STR("leave");
    for (; at < end && gg_rows_i64(rows, at, 1) <= stream; at++)
        found = gg_rows_str(rows, at, 2);
    return found;
}

/* True when every event of the room came after the membership of now began: then nothing need be read. */
static bool all_since(struct mx_show *show, const struct mx_show_room *room)
{
    bool all = room->membership.s != NULL;
    for (size_t i = room->first; i < room->first + room->n; i++) {
        if (show->events[i] == NULL)
            continue;
        show->memberships[i] = room->membership;
        all = all && show->events[i]->meta.stream_ordering >= room->since;
    }
    return all;
}

static int read_memberships(struct mx_server *server, struct gg_str user_id, const struct mx_show_room *rooms, size_t n,
                            struct mx_show *show, struct gg_arena *arena, struct gg_error *err)
{
    const struct mx_show_room **asked = GG_NEW_ARRAY(arena, const struct mx_show_room *, n + 1);
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    struct gg_rows *rows;
    size_t n_asked = 0;
    for (size_t i = 0; i < n; i++) {
        if (all_since(show, &rooms[i]))
            continue;
        ids[n_asked] = rooms[i].room_id;
        asked[n_asked++] = &rooms[i];
    }
    if (n_asked == 0)
        return 0;
    int rc = gg_db_read(server->db, &history, GG_PARAMS(gg_p_str(user_id), gg_p_texts(ids, n_asked)), arena, &rows, err);
    for (size_t k = 0, at = 0, end; rc == 0 && k < n_asked; k++, at = end) {
        for (end = at; end < gg_rows_count(rows) && gg_rows_i64(rows, end, 0) == (int64_t)k + 1;)
            end++;
        for (size_t i = asked[k]->first; i < asked[k]->first + asked[k]->n; i++)
            if (show->events[i] != NULL)
                show->memberships[i] = membership_at(rows, at, end, show->events[i]->meta.stream_ordering);
    }
    return rc;
}

/* ---- what users who are gone, erased, said: only for those who were there ---- */

static const struct gg_stmt erased_among = {
    "SELECT w.place FROM unnest($1::text[]) WITH ORDINALITY w(id, place) JOIN erased_users e ON e.user_id = w.id", GG_LANE_POINT};

static void unref_event(void *event)
{
    mx_event_unref(event);
}

static int prune_erased(struct mx_server *server, struct mx_show *show, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str *senders = GG_NEW_ARRAY(arena, struct gg_str, show->n + 1);
    size_t *places = GG_NEW_ARRAY(arena, size_t, show->n + 1), n = 0;
    struct gg_rows *rows;
    for (size_t i = 0; i < show->n; i++) {
        if (show->events[i] == NULL || show->memberships[i].s == NULL || gg_str_is(show->memberships[i], "join"))
            continue;
        places[n] = i;
        senders[n++] = show->events[i]->sender;
    }
    int rc = n > 0 ? gg_db_read(server->db, &erased_among, GG_PARAMS(gg_p_texts(senders, n)), arena, &rows, err) : 0;
    if (rc != 0 || n == 0 || gg_rows_count(rows) == 0)
        return rc;
    const struct mx_event **events = GG_NEW_ARRAY(arena, const struct mx_event *, show->n);
    memcpy(events, show->events, show->n * sizeof(*events));
    for (size_t k = 0; k < gg_rows_count(rows); k++) {
        size_t i = places[gg_rows_i64(rows, k, 0) - 1];
        struct mx_event *pruned = mx_event_redacted(events[i], (struct gg_str){0});
        gg_arena_defer(arena, unref_event, pruned);
        events[i] = pruned;
    }
    show->events = events;
    return 0;
}

int mx_show_memberships(struct mx_server *server, struct gg_str user_id, const struct mx_show_room *rooms, size_t n,
                        struct mx_show *show, struct gg_arena *arena, struct gg_error *err)
{
    int rc = read_memberships(server, user_id, rooms, n, show, arena, err);
    return rc != 0 ? rc : prune_erased(server, show, arena, err);
}

int mx_show_relations(struct mx_server *server, struct gg_str user_id, struct mx_show *show, struct gg_arena *arena,
                      struct gg_error *err)
{
    show->bundles = GG_NEW_ARRAY(arena, const struct mx_bundle *, show->n + 1);
    return mx_relations_bundle(server, user_id, show->events, show->n, arena, show->bundles, err);
}

/* ---- writing ---- */

static void write_with_bundle(struct gg_buf *out, const struct mx_show *show, size_t i, struct mx_client_format *format)
{
    struct gg_buf extra = GG_BUF_INIT;
    gg_buf_str(&extra, format->extra_unsigned);
    gg_buf_text(&extra, format->extra_unsigned.n > 0 ? "," : "");
    mx_bundle_write(&extra, show->bundles[i], format);
    format->extra_unsigned = gg_buf_view(&extra);
    mx_event_write_client(out, show->events[i], format);
    gg_buf_done(&extra);
}

void mx_show_write(struct gg_buf *out, const struct mx_show *show, size_t i, const struct mx_client_format *format)
{
    struct mx_client_format one = *format;
    one.replaced = show->replaced[i];
    one.redaction = show->redactions[i];
    one.membership = show->memberships[i];
    if (show->bundles != NULL && show->bundles[i] != NULL)
        write_with_bundle(out, show, i, &one);
    else
        mx_event_write_client(out, show->events[i], &one);
}
