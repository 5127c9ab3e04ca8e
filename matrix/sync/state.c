/* matrix/sync/state.c: the state that a room's part of an answer holds beside its timeline: all of it, what a gap hides,
 * or, where the client asks for the state after the timeline, what changed (MSC4222). */
#include "sync/sync.h"

#include "sync/lazy.h"

#include <ganglion/map.h>
#include <ganglion/matrix/store.h>

static bool in_timeline(const struct mx_sync_room *r, struct gg_str event_id)
{
    for (size_t i = 0; i < r->n_timeline; i++)
        if (gg_str_eq(r->timeline[i]->event_id, event_id))
            return true;
    return false;
}

/* State that a filter or the room's visibility keeps out of the timeline has to be told beside it. */
static bool hides_state(const struct mx_sync *sync, const struct mx_sync_room *r)
{
    bool untold = sync->query->state_after != MX_STATE_BEFORE;
    for (size_t i = 0; i < r->n_all; i++)
        if (r->all[i] != NULL && mx_event_is_state(r->all[i]) && (untold || !in_timeline(r, r->all[i]->event_id)))
            return true;
    return false;
}

/* Does the event give what stands now, and does the timeline not tell of it? */
static bool stands_unseen(const struct mx_sync_room *r, const struct mx_state *now, const struct mx_event *event)
{
    return gg_str_eq(mx_state_get(now, event->type, event->state_key), event->event_id) && !in_timeline(r, event->event_id);
}

/* What stands at the end of the timeline. */
static int state_at_end(struct mx_sync *sync, const struct mx_sync_room *r, const struct mx_state **out, struct gg_error *err)
{
    *out = r->kind == MX_SYNC_JOIN ? r->head->state : NULL;
    return *out != NULL ? 0 : mx_store_state_after(sync->server, r->room->event_id, sync->arena, out, err);
}

/* State at the first event that is shown, with its own change, which the timeline tells anyway (as Synapse has it): what
 * stands now, with the events since then taken back but for those that only the state can tell. */
static int state_at_start(struct mx_sync *sync, struct mx_sync_room *r, struct mx_state **out, struct gg_error *err)
{
    const struct mx_state *after;
    int rc = state_at_end(sync, r, &after, err);
    if (rc != 0)
        return rc;
    struct mx_state *state = mx_state_copy(after);
    for (size_t i = sync->query->state_after != MX_STATE_BEFORE ? 0 : r->n_all; i-- > 0;) {
        const struct mx_event *e = r->all[i];
        if (e == NULL || r->n_timeline == 0 || e->meta.stream_ordering <= r->timeline[0]->meta.stream_ordering)
            continue;
        if (!mx_event_is_state(e) || !gg_str_eq(mx_state_get(state, e->type, e->state_key), e->event_id) || stands_unseen(r, after, e))
            continue;
        struct gg_str old = mx_json_string(mx_json_get(e->unsigned_, "replaces_state"), sync->arena);
        if (old.s != NULL)
            mx_state_set(state, e->type, e->state_key, old);
        else
            mx_state_delete(state, e->type, e->state_key);
    }
    *out = state;
    return 0;
}

/* Is it the timeline that tells the client of this entry of the state? Never to one who takes state from the state. */
static bool told_by_timeline(const struct mx_sync *sync, const struct mx_sync_room *r, const struct mx_state_entry *entry)
{
    if (sync->query->state_after != MX_STATE_BEFORE)
        return false;
    for (size_t i = r->n_timeline; i-- > 0;) {
        const struct mx_event *e = r->timeline[i];
        if (mx_event_is_state(e) && gg_str_eq(e->state_key, entry->state_key) && gg_str_eq(e->type, entry->type))
            return gg_str_eq(e->event_id, entry->event_id);
    }
    return false;
}

struct id_list {
    struct gg_str *v;
    size_t n, cap;
};

static void add_id(struct mx_sync *sync, struct id_list *list, struct gg_str id)
{
    if (list->n == list->cap) {
        size_t cap = list->cap != 0 ? list->cap * 2 : 64;
        struct gg_str *v = GG_NEW_ARRAY(sync->arena, struct gg_str, cap);
        if (list->n > 0)
            memcpy(v, list->v, list->n * sizeof(*v));
        list->v = v;
        list->cap = cap;
    }
    list->v[list->n++] = gg_arena_str(sync->arena, id);
}

static void add_entry(struct mx_sync *sync, const struct mx_sync_room *r, const struct mx_state_entry *entry, struct id_list *ids)
{
    if (mx_filter_type(&sync->query->state, entry->type) && !told_by_timeline(sync, r, entry))
        add_id(sync, ids, entry->event_id);
}

/* Whose member event a client with lazy members is told: its own, and those of who sent what the timeline shows; each once. */
static void add_lazy_members(struct mx_sync *sync, const struct mx_sync_room *r, const struct mx_state *state, struct id_list *ids)
{
    struct mx_state_entry entry = {.type = GG_STR("m.room.member")};
    struct gg_map *seen = gg_map_new(NULL);
    for (size_t i = 0; i <= r->n_timeline; i++) {
        entry.state_key = i < r->n_timeline ? r->timeline[i]->sender : gg_str(sync->query->requester->user_id);
        entry.event_id = mx_state_get(state, entry.type, entry.state_key);
        if (entry.event_id.s == NULL || gg_map_has(seen, entry.state_key))
            continue;
        gg_map_put(seen, entry.state_key, NULL);
        add_entry(sync, r, &entry, ids);
    }
    gg_map_free(seen);
}

/* Of members who are not told none is looked at: a room may have very many. */
static void add_full_state(struct mx_sync *sync, struct mx_sync_room *r, const struct mx_state *state, struct id_list *ids)
{
    bool lazy = sync->query->state.lazy_members;
    struct mx_state_entry entry;
    for (size_t i = 0; mx_state_next(state, &i, &entry);) {
        if (!lazy || !gg_str_is(entry.type, "m.room.member")) {
            add_entry(sync, r, &entry, ids);
            continue;
        }
        add_lazy_members(sync, r, state, ids);
        i = mx_state_after(state, entry.type);
    }
}

/* What changed since the client's token and is not shown in the timeline. */
static const struct gg_stmt changed_state = {
    "SELECT DISTINCT ON (type, state_key) type, state_key, event_id FROM events WHERE room_id = $1 AND stream_ordering > $2"
    " AND stream_ordering <= $3 AND state_key IS NOT NULL AND NOT outlier AND rejection_reason IS NULL"
    " AND NOT event_id = ANY ($4::text[]) ORDER BY type, state_key, stream_ordering DESC", GG_LANE_SCAN};

/* All that changed, whether or not the timeline shows it, also what state resolution changed. */
static const struct gg_stmt state_deltas = {
    "SELECT DISTINCT type, state_key FROM current_state_delta_stream WHERE room_id = $1 AND stream_id > $2 AND stream_id <= $3",
    GG_LANE_SCAN};

static int read_changed(struct mx_sync *sync, const struct mx_sync_room *r, struct gg_rows **rows, struct gg_error *err)
{
    struct gg_param room = gg_p_str(r->room->room_id), after = gg_p_i64(r->after), upto = gg_p_i64(r->upto);
    if (sync->query->state_after != MX_STATE_BEFORE)
        return gg_db_read(sync->server->db, &state_deltas, GG_PARAMS(room, after, upto), sync->arena, rows, err);
    struct gg_str *told = GG_NEW_ARRAY(sync->arena, struct gg_str, r->n_timeline + 1);
    for (size_t i = 0; i < r->n_timeline; i++)
        told[i] = r->timeline[i]->event_id;
    return gg_db_read(sync->server->db, &changed_state, GG_PARAMS(room, after, upto, gg_p_texts(told, r->n_timeline)),
                      sync->arena, rows, err);
}

static int add_gap_state(struct mx_sync *sync, struct mx_sync_room *r, const struct mx_state *state, struct id_list *ids,
                         struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = read_changed(sync, r, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++) {
        struct mx_state_entry entry = {.type = gg_rows_str(rows, i, 0), .state_key = gg_rows_str(rows, i, 1)};
        entry.event_id = mx_state_get(state, entry.type, entry.state_key);
        if (entry.event_id.s != NULL && mx_filter_type(&sync->query->state, entry.type) && !told_by_timeline(sync, r, &entry))
            add_id(sync, ids, entry.event_id);
    }
    return rc;
}

static void add_senders(struct mx_sync *sync, struct mx_sync_room *r, const struct mx_state *state, struct id_list *ids)
{
    for (size_t i = 0; i < r->n_timeline; i++) {
        struct mx_state_entry entry = {.type = GG_STR("m.room.member"), .state_key = r->timeline[i]->sender};
        entry.event_id = mx_state_get(state, entry.type, entry.state_key);
        bool have = entry.event_id.s == NULL || told_by_timeline(sync, r, &entry);
        for (size_t k = 0; k < ids->n && !have; k++)
            have = gg_str_eq(ids->v[k], entry.event_id);
        if (!have)
            add_id(sync, ids, entry.event_id);
    }
}

/* Heroes are of no use to a client that does not know their names. */
static void add_heroes(struct mx_sync *sync, const struct mx_sync_room *r, struct id_list *ids)
{
    for (size_t i = 0; i < r->n_heroes; i++) {
        struct gg_str id = mx_state_get(r->head->state, GG_STR("m.room.member"), r->heroes[i]);
        bool have = id.s == NULL;
        for (size_t k = 0; k < r->n_timeline && !have; k++)
            have = gg_str_eq(r->timeline[k]->event_id, id);
        for (size_t k = 0; k < ids->n && !have; k++)
            have = gg_str_eq(ids->v[k], id);
        if (!have)
            add_id(sync, ids, id);
    }
}

static bool is_member(const struct mx_event *e)
{
    return gg_str_is(e->type, "m.room.member");
}

/* A member event that the device has had before is left out, unless it asks for those too. */
static bool redundant(struct mx_sync *sync, const struct mx_event *e)
{
    const struct mx_filter *f = &sync->query->state;
    return f->lazy_members && !f->redundant_members && sync->query->has_since && is_member(e) &&
           mx_lazy_sent(sync->server->lazy_members, sync->device, e->event_id, sync->query->since.room.at.min);
}

static void note_sent(struct mx_sync *sync, const struct mx_event *const *events, size_t n)
{
    for (size_t i = 0; i < n && sync->query->state.lazy_members; i++)
        if (is_member(events[i]))
            mx_lazy_note(sync->server->lazy_members, sync->device, events[i]->event_id, sync->query->since.room.at.min);
}

static int load_shown_state(struct mx_sync *sync, struct mx_sync_room *r, const struct id_list *ids, struct gg_error *err)
{
    r->state = GG_NEW_ARRAY(sync->arena, const struct mx_event *, ids->n);
    int rc = mx_store_events(sync->server, ids->v, ids->n, false, sync->arena, r->state, err);
    for (size_t i = 0; rc == 0 && i < ids->n; i++)
        if (r->state[i] != NULL && !gg_str_is(r->state[i]->type, "m.room.aliases") &&
            mx_filter_event(&sync->query->state, r->state[i]) && !redundant(sync, r->state[i]))
            r->state[r->n_state++] = r->state[i];
    return rc;
}

static int make_state(struct mx_sync *sync, struct mx_sync_room *r, struct gg_error *err)
{
    if (r->alone)
        return 0;
    bool gap = !r->full && (r->limited || hides_state(sync, r));
    if (!r->full && !gap && !(sync->query->state.lazy_members && r->n_timeline > 0))
        return 0;
    struct id_list ids = {0};
    struct mx_state *state;
    int rc = state_at_start(sync, r, &state, err);
    if (rc != 0)
        return rc;
    if (r->full)
        add_full_state(sync, r, state, &ids);
    else if (gap)
        rc = add_gap_state(sync, r, state, &ids, err);
    if (rc == 0 && !r->full && sync->query->state.lazy_members)
        add_senders(sync, r, state, &ids);
    mx_state_unref(state);
    return rc != 0 || ids.n == 0 ? rc : load_shown_state(sync, r, &ids, err);
}

/* The summary looks at the state that is shown, and its heroes then add to it. */
static int make_summary(struct mx_sync *sync, struct mx_sync_room *r, struct gg_error *err)
{
    struct id_list ids = {0};
    int rc = mx_sync_summarise(sync, r, err);
    if (rc != 0 || r->n_heroes == 0)
        return rc;
    for (size_t i = 0; i < r->n_state; i++)
        add_id(sync, &ids, r->state[i]->event_id);
    size_t before = ids.n;
    add_heroes(sync, r, &ids);
    if (ids.n == before)
        return 0;
    r->n_state = 0;
    return load_shown_state(sync, r, &ids, err);
}

int mx_sync_make_state(struct mx_sync *sync, struct mx_sync_room *r, struct gg_error *err)
{
    int rc = make_state(sync, r, err);
    if (rc == 0)
        rc = make_summary(sync, r, err);
    if (rc == 0) {
        note_sent(sync, r->state, r->n_state);
        note_sent(sync, r->timeline, r->n_timeline);
    }
    return rc;
}
