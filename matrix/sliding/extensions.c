/* matrix/sliding/extensions.c: what a client is told beside rooms: messages to its device, keys, account data,
 * receipts, typing. Account data and receipts of a room are remembered for the connection like the room itself: what
 * was not sent when it came is sent when the room is in sight again. */
#include "sliding/sliding.h"

#include "e2ee/device_lists.h"
#include "e2ee/key_counts.h"
#include "e2ee/to_device.h"
#include "push/show.h"
#include "sync/changes.h"
#include "userdata/typing.h"

/* ---- which rooms an extension is about ---- */

/* A scope of a request, resolved: which lists are meant, and which rooms. */
struct scope {
    bool all;
    uint64_t lists[2];
    const struct mx_texts *rooms;
};

static struct scope scope_of(const struct mx_sliding *s, const struct mx_sliding_scope *asked)
{
    struct scope scope = {.all = mx_texts_have(&asked->rooms, MX_ANY), .rooms = &asked->rooms};
    bool all_lists = mx_texts_have(&asked->lists, MX_ANY);
    for (size_t i = 0; i < s->request->n_lists; i++)
        if (all_lists || mx_texts_have(&asked->lists, s->request->lists[i].name))
            scope.lists[i / 64] |= UINT64_C(1) << i % 64;
    return scope;
}

static bool in_scope(const struct scope *scope, const struct mx_sliding_entry *e)
{
    return e->in_sight && (scope->all || (e->lists[0] & scope->lists[0]) != 0 || (e->lists[1] & scope->lists[1]) != 0 ||
                           mx_texts_have(scope->rooms, e->room->room_id));
}

/* ---- rooms by what was sent of them ---- */

/* Rooms in scope that were not sent up to the client's token; all others are "live". */
struct sorted {
    struct gg_str *initial, *previous;
    struct gg_str *since; /* of previous */
    size_t n_initial, n_previous;
};

static bool shown_afresh(const struct mx_sliding_entry *e)
{
    return e->answer != NULL && e->answer->shown && (e->answer->initial || e->answer->expanded);
}

static uint8_t status_of(const struct mx_sliding *s, const struct mx_sliding_entry *e, enum mx_sliding_stream stream)
{
    if (e->known == NULL || !s->has_from || (stream == MX_SLIDING_RECEIPTS && shown_afresh(e)))
        return MX_SLIDING_NEVER;
    return e->known->sent[stream].status;
}

static void sort_rooms(struct mx_sliding *s, const struct scope *scope, enum mx_sliding_stream stream,
                       struct sorted *out)
{
    *out = (struct sorted){0};
    for (size_t i = 0; i < s->n_in_sight; i++) {
        const struct mx_sliding_entry *e = s->in_sight[i];
        uint8_t status = status_of(s, e, stream);
        if (status == MX_SLIDING_LIVE || !in_scope(scope, e))
            continue;
        if (out->initial == NULL) {
            out->initial = GG_NEW_ARRAY(s->arena, struct gg_str, s->n_in_sight);
            out->previous = GG_NEW_ARRAY(s->arena, struct gg_str, s->n_in_sight);
            out->since = GG_NEW_ARRAY(s->arena, struct gg_str, s->n_in_sight);
        }
        if (status == MX_SLIDING_NEVER) {
            out->initial[out->n_initial++] = e->room->room_id;
        } else {
            out->since[out->n_previous] = e->known->sent[stream].last;
            out->previous[out->n_previous++] = e->room->room_id;
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
    struct mx_sliding_sent *now =
        &mx_connection_change(&s->news, s->news_by_id, s->connection, room_id, s->arena)->sent[stream];
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
    return rc != 0 ? rc
                   : mx_to_device_after(s->server, s->user_id, device_id, since, s->now.to_device,
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
        rc = mx_key_counts(s->server, s->user_id, gg_str(s->requester->device_id), s->arena, &x->key_counts,
                           &x->fallback_types, err);
    return rc;
}

/* ---- account data ---- */

static void add_room_data(struct mx_sliding *s, struct gg_str room_id, const struct mx_data_row *rows, size_t n)
{
    s->ext.data[s->ext.n_data++] = (struct mx_sliding_room_data){room_id, rows, n};
}

static size_t end_of_room(const struct mx_data_row *rows, size_t first, size_t n)
{
    size_t end = first + 1;
    while (end < n && gg_str_eq(rows[end].room_id, rows[first].room_id))
        end++;
    return end;
}

/* What came since the client's token: told for rooms that were sent up to it; what is out of scope is to be told later.
 */
static void tell_live_data(struct mx_sliding *s, const struct scope *scope, const struct mx_data_row *rows, size_t n)
{
    for (size_t i = 0, end; s->has_from && i < n; i = end) {
        const struct mx_sliding_entry *e = mx_sliding_find(s, rows[i].room_id);
        end = end_of_room(rows, i, n);
        if (e == NULL || !in_scope(scope, e))
            remember(s, MX_SLIDING_ACCOUNT_DATA, rows[i].room_id, false);
        else if (status_of(s, e, MX_SLIDING_ACCOUNT_DATA) == MX_SLIDING_LIVE)
            add_room_data(s, rows[i].room_id, &rows[i], end - i);
    }
}

/* Rooms whose account data the client has never been sent are told even where there is none. */
static int tell_initial_data(struct mx_sliding *s, const struct sorted *sorted, struct gg_error *err)
{
    struct mx_data_row *rows;
    size_t n, kept = 0;
    if (sorted->n_initial == 0)
        return 0;
    int rc = mx_account_data_of_rooms(s->server, s->user_id, sorted->initial, sorted->n_initial, 0, s->now.account_data,
                                      s->arena, &rows, &n, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n; i++) /* who starts afresh need not hear of what was deleted */
        if (!gg_str_is(rows[i].content, "{}") && !gg_str_is(rows[i].content, "{\"tags\":{}}"))
            rows[kept++] = rows[i];
    struct gg_map *told = mx_text_set(s->arena);
    for (size_t i = 0, end; i < kept; i = end) {
        end = end_of_room(rows, i, kept);
        add_room_data(s, rows[i].room_id, &rows[i], end - i);
        mx_text_add(told, rows[i].room_id);
    }
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
            rc = mx_account_data_of_rooms(s->server, s->user_id, &sorted->previous[i], 1, since.min,
                                          s->now.account_data, s->arena, &rows, &n, err);
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
        rc = mx_account_data_since(s->server, s->user_id, s->has_from ? s->from.account_data : 0, s->now.account_data,
                                   s->arena, &rows, &n, err);
    while (rc == 0 && x->n_global < n && rows[x->n_global].room_id.s == NULL)
        x->n_global++;
    x->global = rows;
    struct scope scope = scope_of(s, &s->request->account_data);
    if (rc == 0 && x->push_rules.s == NULL &&
        (!s->has_from || mx_push_rules_changed(s->server, s->user_id, s->from.push_rules)))
        rc = mx_push_rules_content(s->server, s->user_id, s->arena, &x->push_rules, err);
    if (rc != 0 || s->n_in_sight == 0)
        return rc;
    sort_rooms(s, &scope, MX_SLIDING_ACCOUNT_DATA, &sorted);
    x->data =
        GG_NEW_ARRAY(s->arena, struct mx_sliding_room_data, n - x->n_global + sorted.n_initial + sorted.n_previous + 1);
    if (n > x->n_global)
        tell_live_data(s, &scope, rows + x->n_global, n - x->n_global);
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

/* Rooms with receipts since the client's token. */
struct moved {
    struct mx_sliding *s;
    const struct scope *scope;
    struct gg_str *ids;
    size_t n;
};

/* One that is out of scope is to be told later, if it was told so far. */
static void look_at_moved(struct moved *m, struct mx_sliding_entry *e)
{
    if (in_scope(m->scope, e)) {
        if (status_of(m->s, e, MX_SLIDING_RECEIPTS) == MX_SLIDING_LIVE)
            m->ids[m->n++] = e->room->room_id;
    } else if (e->known != NULL && e->known->sent[MX_SLIDING_RECEIPTS].status == MX_SLIDING_LIVE) {
        remember(m->s, MX_SLIDING_RECEIPTS, e->room->room_id, false);
    }
}

static void take_moved(void *arg, struct gg_str room_id)
{
    struct moved *m = arg;
    struct mx_sliding_entry *e = mx_sliding_find(m->s, room_id);
    if (e != NULL)
        look_at_moved(m, e);
}

static int tell_live_receipts(struct mx_sliding *s, const struct scope *scope, struct gg_error *err)
{
    struct moved m = {s, scope, GG_NEW_ARRAY(s->arena, struct gg_str, s->n_in_sight + 1), 0};
    bool known = mx_changes_each_after(s->server->receipt_changes, s->from.receipts.min, take_moved, &m);
    for (size_t i = 0; !known && i < s->roster->base->n; i++)
        if (s->by_place[i] != NULL &&
            mx_receipts_changed(s->server, s->by_place[i]->room->room_id, s->from.receipts.min))
            look_at_moved(&m, s->by_place[i]);
    if (m.n == 0)
        return 0;
    struct mx_room_receipts *out = GG_NEW_ARRAY(s->arena, struct mx_room_receipts, m.n);
    int rc =
        mx_receipts_since(s->server, s->user_id, m.ids, m.n, &s->from.receipts, &s->now.receipts, s->arena, out, err);
    if (rc == 0)
        keep_receipts(s, out, m.n);
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
            rc = mx_receipts_since(s->server, s->user_id, &sorted->previous[i], 1, &since, &s->now.receipts, s->arena,
                                   &out, err);
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
        const struct mx_sliding_room *r = mx_sliding_find(s, sorted->initial[i])->answer;
        n += r != NULL && r->shown ? r->n_timeline : 0;
    }
    struct gg_str *events = GG_NEW_ARRAY(s->arena, struct gg_str, n + 1);
    for (size_t i = 0; i < sorted->n_initial; i++) {
        const struct mx_sliding_room *r = mx_sliding_find(s, sorted->initial[i])->answer;
        for (size_t k = 0; r != NULL && r->shown && k < r->n_timeline; k++)
            events[n_events++] = r->timeline[k]->event_id;
    }
    struct mx_room_receipts *out = GG_NEW_ARRAY(s->arena, struct mx_room_receipts, sorted->n_initial + 1);
    int rc = mx_receipts_at_events(s->server, s->user_id, sorted->initial, sorted->n_initial, events, n_events,
                                   &s->now.receipts, s->arena, out, err);
    if (rc == 0)
        keep_receipts(s, out, sorted->n_initial);
    return rc;
}

static int tell_receipts(struct mx_sliding *s, struct gg_error *err)
{
    struct scope scope = scope_of(s, &s->request->receipts);
    struct sorted sorted;
    if (s->roster == NULL)
        return 0;
    sort_rooms(s, &scope, MX_SLIDING_RECEIPTS, &sorted);
    s->ext.receipts = GG_NEW_ARRAY(s->arena, struct mx_room_receipts, s->n_in_sight + 1);
    int rc = s->has_from ? tell_live_receipts(s, &scope, err) : 0;
    if (rc == 0)
        rc = tell_previous_receipts(s, &sorted, err);
    if (rc == 0)
        rc = tell_initial_receipts(s, &sorted, err);
    remember_sorted(s, MX_SLIDING_RECEIPTS, &sorted);
    return rc;
}

/* ---- typing ---- */

static void take_typing(void *arg, struct gg_str room_id)
{
    struct moved *m = arg;
    const struct mx_sliding_entry *e = mx_sliding_find(m->s, room_id);
    if (e != NULL && in_scope(m->scope, e))
        m->ids[m->n++] = e->room->room_id;
}

static void tell_typing(struct mx_sliding *s)
{
    struct scope scope = scope_of(s, &s->request->typing);
    /* A token from before a restart of the writer is above what it counts now: then everything is news. */
    int64_t since = s->has_from && s->from.typing <= s->now.typing ? s->from.typing : 0;
    struct moved m = {s, &scope, GG_NEW_ARRAY(s->arena, struct gg_str, s->n_in_sight + 1), 0};
    if (s->has_from && s->from.typing == s->now.typing)
        return;
    mx_typing_each_changed(s->server, since, take_typing, &m);
    s->ext.typing = m.ids;
    s->ext.n_typing = m.n;
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
    return x->n_to_device > 0 || x->n_changed > 0 || x->n_left > 0 || x->n_global > 0 || x->push_rules.s != NULL ||
           x->n_data > 0 || x->n_receipts > 0 || x->n_typing > 0;
}
