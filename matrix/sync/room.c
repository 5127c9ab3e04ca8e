/* matrix/sync/room.c: timelines and state of the rooms of a sync, with a fixed number of reads however many rooms. */
#include "sync/sync.h"

#include "rooms/access.h"
#include "sync/lazy.h"

#include <ganglion/matrix/store.h>

enum { DEFAULT_LIMIT = 10, MAX_LIMIT = 100, MIN_FILTERED = 100, MAX_FILTERED = 300 };

static size_t timeline_limit(const struct mx_sync_query *q)
{
    int64_t limit = q->timeline.limit < 0 ? DEFAULT_LIMIT : q->timeline.limit;
    return limit > MAX_LIMIT ? MAX_LIMIT : (size_t)limit;
}

/* A filter may drop most of what is read: then more is read at once. */
static size_t rows_to_read(const struct mx_sync_query *q)
{
    const struct mx_filter *f = &q->timeline;
    bool filters = f->types.v || f->not_types.v || f->senders.v || f->not_senders.v || f->contains_url >= 0 ||
                   f->related_types.v || f->related_senders.v;
    size_t limit = timeline_limit(q), more = limit * 10;
    if (!filters || limit == 0)
        return limit + 1;
    return more < MIN_FILTERED ? MIN_FILTERED : more > MAX_FILTERED ? MAX_FILTERED : more;
}

/* ---- timelines ---- */

static const struct gg_stmt read_timelines = {
    "SELECT r.i, e.event_id, e.stream_ordering, e.instance_name"
    " FROM unnest($1::text[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS r (room_id, after, upto, i) CROSS JOIN LATERAL ("
    " SELECT event_id, stream_ordering, instance_name FROM events WHERE room_id = r.room_id AND stream_ordering > r.after"
    " AND stream_ordering <= r.upto AND NOT outlier AND rejection_reason IS NULL"
    " ORDER BY stream_ordering DESC LIMIT $4) e ORDER BY r.i, e.stream_ordering", GG_LANE_SCAN};

struct range_job {
    struct mx_sync_room **rooms;
    size_t n;
    size_t limit; /* rows of each room */
};

static struct range_job rooms_to_read(struct mx_sync *sync)
{
    struct range_job job = {GG_NEW_ARRAY(sync->arena, struct mx_sync_room *, sync->n + 1), 0, rows_to_read(sync->query)};
    for (size_t i = 0; i < sync->n; i++) {
        struct mx_sync_room *r = &sync->rooms[i];
        if ((r->kind == MX_SYNC_JOIN || r->kind == MX_SYNC_LEAVE) && (r->changed || r->full))
            job.rooms[job.n++] = r;
    }
    return job;
}

static int read_ranges(struct mx_sync *sync, const struct range_job *job, struct gg_rows **out, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(sync->arena, struct gg_str, job->n);
    int64_t *after = GG_NEW_ARRAY(sync->arena, int64_t, job->n), *upto = GG_NEW_ARRAY(sync->arena, int64_t, job->n);
    for (size_t i = 0; i < job->n; i++) {
        ids[i] = job->rooms[i]->room->room_id;
        /* Without a token: everything, history of before the join among it (INT64_MIN would be SQL's NULL here). */
        after[i] = job->rooms[i]->after == INT64_MIN ? INT64_MIN + 1 : job->rooms[i]->after;
        upto[i] = job->rooms[i]->upto;
    }
    return gg_db_read(sync->server->db, &read_timelines,
                      GG_PARAMS(gg_p_texts(ids, job->n), gg_p_i64s(after, job->n), gg_p_i64s(upto, job->n),
                                gg_p_i64((int64_t)job->limit)),
                      sync->arena, out, err);
}

/* Positions of several writers: an event above the minimum counts only where its writer's position says so. */
static bool in_range(struct mx_sync *sync, const struct mx_sync_room *r, struct gg_str instance, int64_t stream)
{
    const char *name = instance.s != NULL ? instance.s : "master";
    if (!mx_position_includes(sync->server, &sync->now.room.at, name, stream))
        return false;
    return r->after == INT64_MIN || !mx_position_includes(sync->server, &sync->query->since.room.at, name, stream);
}

static int load_ranges(struct mx_sync *sync, const struct range_job *job, const struct gg_rows *rows, struct gg_error *err)
{
    size_t n = gg_rows_count(rows), kept = 0;
    struct gg_str *ids = GG_NEW_ARRAY(sync->arena, struct gg_str, n + 1);
    size_t *owner = GG_NEW_ARRAY(sync->arena, size_t, n + 1), *read = GG_NEW_ARRAY(sync->arena, size_t, job->n + 1);
    const struct mx_event **events = GG_NEW_ARRAY(sync->arena, const struct mx_event *, n + 1);
    for (size_t i = 0; i < n; i++) {
        size_t k = (size_t)gg_rows_i64(rows, i, 0) - 1;
        read[k]++;
        if (!in_range(sync, job->rooms[k], gg_rows_str(rows, i, 3), gg_rows_i64(rows, i, 2)))
            continue;
        owner[kept] = k;
        ids[kept++] = gg_rows_str(rows, i, 1);
    }
    int rc = mx_store_events(sync->server, ids, kept, false, sync->arena, events, err);
    for (size_t i = 0; rc == 0 && i < kept; i++) {
        struct mx_sync_room *r = job->rooms[owner[i]];
        if (r->n_all == 0)
            r->all = &events[i];
        r->n_all++;
    }
    for (size_t k = 0; k < job->n; k++)
        job->rooms[k]->limited = job->rooms[k]->more = read[k] >= job->limit;
    return rc;
}

static bool shown(const struct mx_sync *sync, const struct mx_event *e)
{
    return e != NULL && e->meta.rejected.s == NULL && !e->meta.soft_failed && mx_filter_event(&sync->query->timeline, e);
}

/* What the user may see of a room that they are (or were) in. */
static int access_for(struct mx_sync *sync, struct mx_sync_room *r, struct mx_access *access, struct gg_error *err)
{
    if (r->kind == MX_SYNC_LEAVE)
        return mx_room_access_left(sync->server, gg_str(sync->query->requester->user_id), r->room, sync->arena, access, err);
    memset(access, 0, sizeof(*access));
    access->head = r->head;
    access->state = r->head->state;
    access->membership = GG_STR("join");
    access->joined = access->ever_joined = true;
    access->until = INT64_MAX;
    return 0;
}

/* Newest first until the limit is full; what is older makes the timeline limited. */
static void cut_timeline(struct mx_sync *sync, struct mx_sync_room *r, const bool *visible)
{
    size_t limit = timeline_limit(sync->query), first = r->n_all, n = 0;
    if (limit == 0 && sync->query->has_since && !r->full)
        limit = 1; /* as Synapse does: a client that asks for no events still hears that there are some */
    for (size_t i = r->n_all; i-- > 0;) {
        if (r->all[i] == NULL || !visible[i])
            continue;
        if (n == limit) {
            r->limited = true;
            break;
        }
        first = i;
        n++;
    }
    r->timeline = GG_NEW_ARRAY(sync->arena, const struct mx_event *, n + 1);
    for (size_t i = first; i < r->n_all; i++)
        if (r->all[i] != NULL && visible[i])
            r->timeline[r->n_timeline++] = r->all[i];
    r->prev_stream = r->n_timeline > 0 ? r->timeline[0]->meta.stream_ordering - 1 : r->upto;
}

/* State that stands is shown whatever history visibility says of its event: the member must know it anyway, and a
 * client looks for it in the timeline first. */
static void show_current_state(const struct mx_sync_room *r, const struct mx_event *const *candidates, bool *visible)
{
    for (size_t i = 0; r->kind == MX_SYNC_JOIN && i < r->n_all; i++) {
        const struct mx_event *e = candidates[i];
        if (e != NULL && mx_event_is_state(e) && gg_str_eq(mx_state_get(r->head->state, e->type, e->state_key), e->event_id))
            visible[i] = true;
    }
}

/* A leave outside the room's history is all that there is to say. */
static void show_alone(struct mx_sync *sync, struct mx_sync_room *r, const struct mx_event *leave)
{
    r->timeline = GG_NEW_ARRAY(sync->arena, const struct mx_event *, 1);
    r->timeline[0] = leave;
    r->n_timeline = 1;
    r->prev_stream = leave->meta.stream_ordering - 1;
    r->alone = true;
    r->full = r->limited = false;
}

static int make_timeline(struct mx_sync *sync, struct mx_sync_room *r, struct gg_error *err)
{
    struct mx_access access;
    const struct mx_event **candidates = GG_NEW_ARRAY(sync->arena, const struct mx_event *, r->n_all + 1);
    bool *visible = GG_NEW_ARRAY(sync->arena, bool, r->n_all + 1);
    for (size_t i = 0; i < r->n_all; i++)
        candidates[i] = shown(sync, r->all[i]) ? r->all[i] : NULL;
    int rc = mx_relations_filter(sync->server, &sync->query->timeline, candidates, r->n_all, sync->arena, err);
    if (rc == 0)
        rc = access_for(sync, r, &access, err);
    if (rc == 0 && access.out_of_band != NULL) {
        show_alone(sync, r, access.out_of_band);
        return 0;
    }
    if (rc == 0 && (!access.ever_joined || r->stays_out)) { /* an invite that was turned down, say: nothing but the leave */
        for (size_t i = 0; i < r->n_all; i++)
            visible[i] = candidates[i] != NULL && gg_str_eq(candidates[i]->event_id, r->room->event_id);
        r->full = r->limited = r->newly_joined = false;
        r->alone = true;
    } else if (rc == 0) {
        rc = mx_events_visible(sync->server, gg_str(sync->query->requester->user_id), &access, candidates, r->n_all,
                               sync->arena, visible, err);
    }
    if (rc != 0)
        return rc;
    show_current_state(r, candidates, visible);
    cut_timeline(sync, r, visible);
    r->limited = r->limited || r->newly_joined;
    return 0;
}

/* ---- invites and knocks: the member event with the stripped state that it carries ---- */

static int load_memberships(struct mx_sync *sync, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sync->n; i++) {
        struct mx_sync_room *r = &sync->rooms[i];
        if (r->kind == MX_SYNC_INVITE || r->kind == MX_SYNC_KNOCK)
            rc = mx_store_event(sync->server, r->room->event_id, sync->arena, &r->membership, err);
    }
    return rc;
}

/* A client that starts afresh has forgotten what it was sent. */
static void name_device(struct mx_sync *sync)
{
    const struct mx_requester *requester = sync->query->requester;
    sync->device = gg_str(gg_arena_printf(sync->arena, "%s\n%s", requester->user_id,
                                          requester->device_id != NULL ? requester->device_id : ""));
    if (sync->query->state.lazy_members && !sync->query->has_since)
        mx_lazy_forget(sync->server->lazy_members, sync->device);
}

/* ---- what is shown beside the stored events, of all rooms at once ---- */

static int read_beside(struct mx_sync *sync, struct gg_error *err)
{
    size_t n = 0, at = 0;
    for (size_t i = 0; i < sync->n; i++)
        n += sync->rooms[i].n_timeline + sync->rooms[i].n_state;
    const struct mx_event **events = GG_NEW_ARRAY(sync->arena, const struct mx_event *, n + 1);
    struct mx_show_room *rooms = GG_NEW_ARRAY(sync->arena, struct mx_show_room, sync->n + 1);
    for (size_t i = 0; i < sync->n; i++) {
        struct mx_sync_room *r = &sync->rooms[i];
        rooms[i] = (struct mx_show_room){r->room->room_id, r->room->membership, r->room->stream_ordering, at, r->n_timeline};
        r->shown_at = at;
        for (size_t k = 0; k < r->n_timeline; k++)
            events[at++] = r->timeline[k];
        for (size_t k = 0; k < r->n_state; k++)
            events[at++] = r->state[k];
    }
    int rc = mx_show_read(sync->server, events, n, sync->arena, &sync->show, err);
    if (rc == 0)
        rc = mx_show_memberships(sync->server, gg_str(sync->query->requester->user_id), rooms, sync->n, &sync->show, sync->arena, err);
    return rc != 0 ? rc : mx_show_relations(sync->server, gg_str(sync->query->requester->user_id), &sync->show, sync->arena, err);
}

static int make_timelines(struct mx_sync *sync, const struct range_job *job, struct gg_error *err)
{
    struct gg_rows *rows;
    if (job->n == 0)
        return 0;
    for (size_t i = 0; i < job->n; i++)
        job->rooms[i]->n_all = job->rooms[i]->n_timeline = 0;
    int rc = read_ranges(sync, job, &rows, err);
    if (rc == 0)
        rc = load_ranges(sync, job, rows, err);
    for (size_t i = 0; rc == 0 && i < job->n; i++)
        rc = make_timeline(sync, job->rooms[i], err);
    return rc;
}

/* Rooms of which so much may not be seen that their timeline is short although there is more: read once more, further. */
static int read_further(struct mx_sync *sync, const struct range_job *job, struct gg_error *err)
{
    struct range_job again = {GG_NEW_ARRAY(sync->arena, struct mx_sync_room *, job->n + 1), 0, MAX_FILTERED};
    for (size_t i = 0; i < job->n; i++)
        if (job->rooms[i]->more && job->rooms[i]->n_timeline < timeline_limit(sync->query) && job->limit < again.limit)
            again.rooms[again.n++] = job->rooms[i];
    return make_timelines(sync, &again, err);
}

int mx_sync_fill_rooms(struct mx_sync *sync, struct gg_error *err)
{
    struct range_job job = rooms_to_read(sync);
    name_device(sync);
    int rc = load_memberships(sync, err);
    for (size_t i = 0; rc == 0 && i < job.n; i++)
        if (job.rooms[i]->kind == MX_SYNC_JOIN)
            rc = mx_heads_get(sync->server, job.rooms[i]->room->room_id, sync->arena, &job.rooms[i]->head, err);
    if (rc == 0)
        rc = make_timelines(sync, &job, err);
    if (rc == 0)
        rc = read_further(sync, &job, err);
    for (size_t i = 0; rc == 0 && i < job.n; i++) {
        rc = mx_sync_make_state(sync, job.rooms[i], err);
    }
    return rc != 0 ? rc : read_beside(sync, err);
}
