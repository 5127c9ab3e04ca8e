/* matrix/sliding/extensions.c: what a client is told beside rooms: messages to its device, keys, account data, receipts,
 * typing. Account data and receipts of a room are remembered for the connection like the room itself: what was not sent
 * when it came is sent when the room is in sight again. */
#include "sliding/sliding.h"

#include "e2ee/device_lists.h"
#include "e2ee/key_counts.h"
#include "e2ee/to_device.h"
#include "sync/changes.h"
#include "userdata/typing.h"

/* ---- which rooms an extension is about ---- */

static void add_window_rooms(struct gg_map *rooms, const struct mx_sliding_list_answer *list)
{
    for (size_t i = 0; i < list->n_windows; i++)
        for (size_t k = 0; k < list->windows[i].n; k++)
            mx_text_add(rooms, list->windows[i].entries[k]->room->room_id);
}

static struct gg_map *rooms_in_scope(struct mx_sliding *s, const struct mx_sliding_scope *scope)
{
    struct gg_map *rooms = mx_text_set(s->arena);
    bool all = mx_texts_have(&scope->rooms, MX_ANY), all_lists = mx_texts_have(&scope->lists, MX_ANY);
    for (size_t i = 0; all && i < s->n_rooms; i++)
        mx_text_add(rooms, s->rooms[i]->entry->room->room_id);
    for (size_t i = 0; !all && i < scope->rooms.n; i++)
        if (gg_map_has(s->rooms_by_id, scope->rooms.v[i]))
            mx_text_add(rooms, scope->rooms.v[i]);
    for (size_t i = 0; !all && i < s->request->n_lists; i++)
        if (all_lists || mx_texts_have(&scope->lists, s->lists[i].list->name))
            add_window_rooms(rooms, &s->lists[i]);
    return rooms;
}

/* ---- rooms by what was sent of them ---- */

struct sorted {
    struct gg_str *live, *initial, *previous;
    struct gg_str *since; /* of previous */
    size_t n_live, n_initial, n_previous;
};

static bool shown_afresh(const struct mx_sliding *s, struct gg_str room_id)
{
    const struct mx_sliding_room *r = gg_map_get(s->rooms_by_id, room_id);
    return r != NULL && r->shown && (r->initial || r->expanded);
}

static void sort_rooms(struct mx_sliding *s, const struct gg_map *rooms, enum mx_sliding_stream stream, struct sorted *out)
{
    struct gg_str **all[] = {&out->live, &out->initial, &out->previous, &out->since};
    struct gg_str room_id;
    void *value;
    *out = (struct sorted){0};
    for (size_t i = 0; i < GG_COUNT(all); i++)
        *all[i] = GG_NEW_ARRAY(s->arena, struct gg_str, gg_map_count(rooms) + 1);
    for (size_t i = 0; gg_map_next(rooms, &i, &room_id, &value);) {
        const struct mx_sliding_known *known = mx_connection_room(s->connection, room_id);
        uint8_t status = known != NULL && s->has_from ? known->sent[stream].status : MX_SLIDING_NEVER;
        if (status == MX_SLIDING_NEVER || (stream == MX_SLIDING_RECEIPTS && shown_afresh(s, room_id))) {
            out->initial[out->n_initial++] = room_id;
        } else if (status == MX_SLIDING_LIVE) {
            out->live[out->n_live++] = room_id;
        } else {
            out->since[out->n_previous] = known->sent[stream].last;
            out->previous[out->n_previous++] = room_id;
        }
    }
}

static void remember(struct mx_sliding *s, enum mx_sliding_stream stream, struct gg_str room_id, bool sent)
{
    const struct mx_sliding_known *known = gg_map_get(s->news_by_id, room_id);
    known = known != NULL ? known : mx_connection_room(s->connection, room_id);
    uint8_t status = known != NULL ? known->sent[stream].status : MX_SLIDING_NEVER;
    if (sent ? status == MX_SLIDING_LIVE : status != MX_SLIDING_LIVE)
        return;
    struct mx_sliding_sent *now = &mx_connection_change(&s->news, s->news_by_id, s->connection, room_id, s->arena)->sent[stream];
    *now = sent ? (struct mx_sliding_sent){.status = MX_SLIDING_LIVE}
                : (struct mx_sliding_sent){MX_SLIDING_PREVIOUSLY, mx_sliding_token_text(s, stream)};
}

static void remember_sorted(struct mx_sliding *s, enum mx_sliding_stream stream, const struct sorted *sorted)
{
    for (size_t i = 0; i < sorted->n_initial; i++)
        remember(s, stream, sorted->initial[i], true);
    for (size_t i = 0; i < sorted->n_previous; i++)
        remember(s, stream, sorted->previous[i], true);
}

/* ---- messages to the device ---- */

static int tell_to_device(struct mx_sliding *s, struct gg_error *err)
{
    const struct mx_sliding_request *q = s->request;
    struct mx_sliding_extensions *x = &s->ext;
    int64_t since = q->to_device_since, limit = q->to_device_limit < 0 ? 0 : q->to_device_limit;
    x->to_device_next = s->now.to_device;
    if (s->requester->device_id == NULL)
        return 0;
    if (since > s->now.to_device) { /* from a worker that is ahead, or made up: nothing is acknowledged by it */
        x->to_device_next = since;
        return 0;
    }
    struct gg_str device_id = gg_str(s->requester->device_id);
    int rc = since > 0 ? mx_to_device_acknowledge(s->server, s->user_id, device_id, since, err) : 0;
    return rc != 0 ? rc : mx_to_device_after(s->server, s->user_id, device_id, since, s->now.to_device,
                                             limit < MX_TO_DEVICE_BATCH ? (size_t)limit : MX_TO_DEVICE_BATCH, s->arena,
                                             &x->to_device, &x->n_to_device, &x->to_device_next, err);
}

/* ---- keys ---- */

static int tell_e2ee(struct mx_sliding *s, struct gg_error *err)
{
    struct mx_sliding_extensions *x = &s->ext;
    struct mx_device_lists lists = {0};
    const struct mx_user_room *rooms;
    size_t n;
    int rc = 0;
    if (s->has_from) {
        rc = mx_heads_rooms_of(s->server, s->user_id, s->arena, &rooms, &n, err);
        if (rc == 0)
            rc = mx_device_lists_between(s->server, s->user_id, rooms, n, &s->from, &s->now, s->arena, &lists, err);
        x->has_device_lists = true;
        x->changed = lists.changed;
        x->n_changed = lists.n_changed;
        x->left = lists.left;
        x->n_left = lists.n_left;
    }
    if (rc == 0 && s->requester->device_id != NULL)
        rc = mx_key_counts(s->server, s->user_id, gg_str(s->requester->device_id), s->arena, &x->key_counts, &x->fallback_types, err);
    return rc;
}

/* ---- account data ---- */

static void add_room_data(struct mx_sliding *s, struct gg_str room_id, const struct mx_data_row *rows, size_t n)
{
    s->ext.data[s->ext.n_data++] = (struct mx_sliding_room_data){room_id, rows, n};
}

/* Rows by room, for those of the set. */
static void give_room_data(struct mx_sliding *s, const struct mx_data_row *rows, size_t n, const struct gg_map *rooms)
{
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && gg_str_eq(rows[end].room_id, rows[i].room_id);)
            end++;
        if (gg_map_has(rooms, rows[i].room_id))
            add_room_data(s, rows[i].room_id, &rows[i], end - i);
    }
}

static struct gg_map *set_of(struct mx_sliding *s, const struct gg_str *texts, size_t n)
{
    struct gg_map *set = mx_text_set(s->arena);
    for (size_t i = 0; i < n; i++)
        mx_text_add(set, texts[i]);
    return set;
}

/* Rooms whose account data the client has never been sent are told even where there is none. */
static int tell_initial_data(struct mx_sliding *s, const struct sorted *sorted, struct gg_error *err)
{
    struct mx_data_row *rows;
    size_t n, kept = 0;
    if (sorted->n_initial == 0)
        return 0;
    int rc = mx_account_data_of_rooms(s->server, s->user_id, sorted->initial, sorted->n_initial, 0, s->now.account_data, s->arena,
                                      &rows, &n, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n; i++) /* who starts afresh need not hear of what was deleted */
        if (!gg_str_is(rows[i].content, "{}") && !gg_str_is(rows[i].content, "{\"tags\":{}}"))
            rows[kept++] = rows[i];
    size_t first = s->ext.n_data;
    give_room_data(s, rows, kept, set_of(s, sorted->initial, sorted->n_initial));
    struct gg_map *told = mx_text_set(s->arena);
    for (size_t i = first; i < s->ext.n_data; i++)
        mx_text_add(told, s->ext.data[i].room_id);
    for (size_t i = 0; i < sorted->n_initial; i++)
        if (!gg_map_has(told, sorted->initial[i]))
            add_room_data(s, sorted->initial[i], NULL, 0);
    return 0;
}

static int tell_previous_data(struct mx_sliding *s, const struct sorted *sorted, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sorted->n_previous; i++) {
        struct mx_position since;
        struct mx_data_row *rows;
        size_t n;
        rc = mx_sliding_token_read(s, MX_SLIDING_ACCOUNT_DATA, sorted->since[i], &since, err);
        if (rc == 0)
            rc = mx_account_data_of_rooms(s->server, s->user_id, &sorted->previous[i], 1, since.min, s->now.account_data, s->arena,
                                          &rows, &n, err);
        if (rc == 0 && n > 0)
            add_room_data(s, sorted->previous[i], rows, n);
    }
    return rc;
}

static int tell_account_data(struct mx_sliding *s, struct gg_error *err)
{
    struct mx_sliding_extensions *x = &s->ext;
    struct mx_data_row *rows = NULL;
    struct sorted sorted;
    size_t n = 0;
    int rc = 0;
    if (!s->has_from || mx_account_data_changed(s->server, s->user_id, s->from.account_data))
        rc = mx_account_data_since(s->server, s->user_id, s->has_from ? s->from.account_data : 0, s->now.account_data, s->arena,
                                   &rows, &n, err);
    while (rc == 0 && x->n_global < n && rows[x->n_global].room_id.s == NULL)
        x->n_global++;
    x->global = rows;
    struct gg_map *rooms = rooms_in_scope(s, &s->request->account_data);
    if (rc != 0 || gg_map_count(rooms) == 0)
        return rc;
    sort_rooms(s, rooms, MX_SLIDING_ACCOUNT_DATA, &sorted);
    x->data = GG_NEW_ARRAY(s->arena, struct mx_sliding_room_data, gg_map_count(rooms) + 1);
    if (s->has_from)
        give_room_data(s, rows + x->n_global, n - x->n_global, set_of(s, sorted.live, sorted.n_live));
    for (size_t i = x->n_global; s->has_from && i < n; i++)
        if (!gg_map_has(rooms, rows[i].room_id))
            remember(s, MX_SLIDING_ACCOUNT_DATA, rows[i].room_id, false);
    rc = tell_initial_data(s, &sorted, err);
    if (rc == 0)
        rc = tell_previous_data(s, &sorted, err);
    remember_sorted(s, MX_SLIDING_ACCOUNT_DATA, &sorted);
    return rc;
}

/* ---- receipts ---- */

static void keep_receipts(struct mx_sliding *s, const struct mx_room_receipts *receipts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (receipts[i].content.s != NULL)
            s->ext.receipts[s->ext.n_receipts++] = receipts[i];
}

static int tell_live_receipts(struct mx_sliding *s, const struct sorted *sorted, struct gg_error *err)
{
    struct gg_str *moved = GG_NEW_ARRAY(s->arena, struct gg_str, sorted->n_live + 1);
    struct mx_room_receipts *out = GG_NEW_ARRAY(s->arena, struct mx_room_receipts, sorted->n_live + 1);
    size_t n = 0;
    for (size_t i = 0; i < sorted->n_live; i++)
        if (mx_receipts_changed(s->server, sorted->live[i], s->from.receipts.min))
            moved[n++] = sorted->live[i];
    int rc = n > 0 ? mx_receipts_since(s->server, s->user_id, moved, n, &s->from.receipts, &s->now.receipts, s->arena, out, err) : 0;
    if (rc == 0)
        keep_receipts(s, out, n);
    return rc;
}

static int tell_previous_receipts(struct mx_sliding *s, const struct sorted *sorted, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sorted->n_previous; i++) {
        struct mx_position since;
        struct mx_room_receipts out;
        rc = mx_sliding_token_read(s, MX_SLIDING_RECEIPTS, sorted->since[i], &since, err);
        if (rc == 0)
            rc = mx_receipts_since(s->server, s->user_id, &sorted->previous[i], 1, &since, &s->now.receipts, s->arena, &out, err);
        if (rc == 0)
            keep_receipts(s, &out, 1);
    }
    return rc;
}

/* All receipts of a room can be very many: who starts afresh gets those at the events that they see, and their own. */
static int tell_initial_receipts(struct mx_sliding *s, const struct sorted *sorted, struct gg_error *err)
{
    size_t n = 0, n_events = 0;
    if (sorted->n_initial == 0)
        return 0;
    for (size_t i = 0; i < sorted->n_initial; i++) {
        const struct mx_sliding_room *r = gg_map_get(s->rooms_by_id, sorted->initial[i]);
        n += r != NULL && r->shown ? r->n_timeline : 0;
    }
    struct gg_str *events = GG_NEW_ARRAY(s->arena, struct gg_str, n + 1);
    for (size_t i = 0; i < sorted->n_initial; i++) {
        const struct mx_sliding_room *r = gg_map_get(s->rooms_by_id, sorted->initial[i]);
        for (size_t k = 0; r != NULL && r->shown && k < r->n_timeline; k++)
            events[n_events++] = r->timeline[k]->event_id;
    }
    struct mx_room_receipts *out = GG_NEW_ARRAY(s->arena, struct mx_room_receipts, sorted->n_initial + 1);
    int rc = mx_receipts_at_events(s->server, s->user_id, sorted->initial, sorted->n_initial, events, n_events, &s->now.receipts,
                                   s->arena, out, err);
    if (rc == 0)
        keep_receipts(s, out, sorted->n_initial);
    return rc;
}

static int tell_receipts(struct mx_sliding *s, struct gg_error *err)
{
    struct gg_map *rooms = rooms_in_scope(s, &s->request->receipts);
    const struct mx_sliding_known *known;
    struct sorted sorted;
    sort_rooms(s, rooms, MX_SLIDING_RECEIPTS, &sorted);
    s->ext.receipts = GG_NEW_ARRAY(s->arena, struct mx_room_receipts, gg_map_count(rooms) + 1);
    int rc = tell_live_receipts(s, &sorted, err);
    if (rc == 0)
        rc = tell_previous_receipts(s, &sorted, err);
    if (rc == 0)
        rc = tell_initial_receipts(s, &sorted, err);
    remember_sorted(s, MX_SLIDING_RECEIPTS, &sorted);
    for (size_t i = 0; s->has_from && mx_connection_next(s->connection, &i, &known);)
        if (known->sent[MX_SLIDING_RECEIPTS].status == MX_SLIDING_LIVE && !gg_map_has(rooms, known->room_id) &&
            mx_receipts_changed(s->server, known->room_id, s->from.receipts.min))
            remember(s, MX_SLIDING_RECEIPTS, known->room_id, false);
    return rc;
}

/* ---- typing ---- */

static void tell_typing(struct mx_sliding *s)
{
    struct gg_map *rooms = rooms_in_scope(s, &s->request->typing);
    /* A token from before a restart of the writer is above what it counts now: then everything is news. */
    int64_t since = s->has_from && s->from.typing <= s->now.typing ? s->from.typing : 0;
    struct gg_str room_id;
    void *value;
    s->ext.typing = GG_NEW_ARRAY(s->arena, struct gg_str, gg_map_count(rooms) + 1);
    for (size_t i = 0; gg_map_next(rooms, &i, &room_id, &value);)
        if (mx_typing_changed(s->server, room_id, since))
            s->ext.typing[s->ext.n_typing++] = room_id;
}

/* ---- all of them ---- */

int mx_sliding_extend(struct mx_sliding *s, struct gg_error *err)
{
    const struct mx_sliding_request *q = s->request;
    int rc = q->to_device ? tell_to_device(s, err) : 0;
    if (rc == 0 && q->e2ee)
        rc = tell_e2ee(s, err);
    if (rc == 0 && q->account_data.enabled)
        rc = tell_account_data(s, err);
    if (rc == 0 && q->receipts.enabled)
        rc = tell_receipts(s, err);
    if (rc == 0 && q->typing.enabled)
        tell_typing(s);
    return rc;
}

bool mx_sliding_extended(const struct mx_sliding *s)
{
    const struct mx_sliding_extensions *x = &s->ext;
    return x->n_to_device > 0 || x->n_changed > 0 || x->n_left > 0 || x->n_global > 0 || x->push_rules.s != NULL || x->n_data > 0 ||
           x->n_receipts > 0 || x->n_typing > 0 || x->threads.s != NULL;
}
