/* matrix/sliding/timeline.c: the events that rooms of a sliding sync answer show: the newest of a room that is new to
 * the client in history order, else what came since, newest first until the limit is full. */
#include "sliding/sliding.h"

#include "rooms/access.h"

/* ---- which events: one statement for rooms that start afresh, one for the others ---- */

static const struct gg_stmt read_newest = {
    "SELECT r.i, e.event_id, e.topological_ordering, e.stream_ordering, e.instance_name"
    " FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) WITH ORDINALITY AS r (room_id, after, upto, n, "
    "i) CROSS JOIN LATERAL ("
    " SELECT event_id, topological_ordering, stream_ordering, instance_name FROM events WHERE room_id = r.room_id"
    " AND stream_ordering <= r.upto AND NOT outlier AND rejection_reason IS NULL"
    " ORDER BY topological_ordering DESC, stream_ordering DESC LIMIT r.n) e"
    " ORDER BY r.i, e.topological_ordering DESC, e.stream_ordering DESC",
    GG_LANE_SCAN};
static const struct gg_stmt read_since = {
    "SELECT r.i, e.event_id, e.topological_ordering, e.stream_ordering, e.instance_name"
    " FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) WITH ORDINALITY AS r (room_id, after, upto, n, "
    "i) CROSS JOIN LATERAL ("
    " SELECT event_id, topological_ordering, stream_ordering, instance_name FROM events WHERE room_id = r.room_id"
    " AND stream_ordering > r.after AND stream_ordering <= r.upto AND NOT outlier AND rejection_reason IS NULL"
    " ORDER BY stream_ordering DESC LIMIT r.n) e ORDER BY r.i, e.stream_ordering DESC",
    GG_LANE_SCAN};

struct job {
    struct mx_sliding_room **rooms;
    struct gg_str *ids;
    int64_t *after, *upto, *limits;
    size_t n;
};

static bool from_start(const struct mx_sliding_room *r)
{
    return r->initial || r->expanded;
}

static struct mx_position end_of(const struct mx_sliding *s, const struct mx_sliding_room *r)
{
    return mx_sliding_left(r->entry) ? (struct mx_position){.min = r->entry->room->stream_ordering} : s->now.room.at;
}

/* A position of several writers lets some events above its minimum pass: then more is read than is shown. */
static int64_t rows_for(const struct mx_sliding *s, const struct mx_sliding_room *r)
{
    int64_t limit = r->config->timeline_limit;
    return s->now.room.at.n_ahead > 0 ? 2 * limit + 1 : limit + 1;
}

static void add(const struct mx_sliding *s, struct job *job, struct mx_sliding_room *r)
{
    struct mx_position end = end_of(s, r);
    size_t i = job->n++;
    job->rooms[i] = r;
    job->ids[i] = r->entry->room->room_id;
    job->after[i] = from_start(r) ? 0 : r->from.min;
    job->upto[i] = mx_position_max(&end);
    job->limits[i] = rows_for(s, r);
}

static void job_make(struct mx_sliding *s, struct job *job)
{
    *job = (struct job){GG_NEW_ARRAY(s->arena, struct mx_sliding_room *, s->n_rooms + 1),
                        GG_NEW_ARRAY(s->arena, struct gg_str, s->n_rooms + 1),
                        GG_NEW_ARRAY(s->arena, int64_t, s->n_rooms + 1),
                        GG_NEW_ARRAY(s->arena, int64_t, s->n_rooms + 1),
                        GG_NEW_ARRAY(s->arena, int64_t, s->n_rooms + 1),
                        0};
}

static void choose_rooms(struct mx_sliding *s, struct job jobs[2])
{
    for (size_t i = 0; i < s->n_rooms; i++) {
        struct mx_sliding_room *r = s->rooms[i];
        if (r->config->timeline_limit <= 0 || mx_sliding_is(r->entry, "invite") || mx_sliding_is(r->entry, "knock"))
            continue;
        struct mx_position end = end_of(s, r);
        r->has_timeline = true;
        r->prev = (struct mx_room_token){.depth = -1, .at = from_start(r) ? end : r->from};
        if (from_start(r) || mx_sliding_moved(r->entry, r->from.min))
            add(s, &jobs[from_start(r)], r);
    }
}

static bool in_range(const struct mx_sliding *s, const struct mx_sliding_room *r, struct gg_str instance,
                     int64_t stream)
{
    const char *writer = instance.s != NULL ? instance.s : "master";
    struct mx_position end = end_of(s, r);
    if (!mx_position_includes(s->server, &end, writer, stream))
        return false;
    return from_start(r) || !mx_position_includes(s->server, &r->from, writer, stream);
}

/* Rows [first, end) of one room, newest first. */
static void take_room(struct mx_sliding *s, struct mx_sliding_room *r, const struct gg_rows *rows, size_t first,
                      size_t end, struct gg_str *ids, size_t *n_ids)
{
    size_t limit = (size_t)r->config->timeline_limit;
    r->limited = (int64_t)(end - first) >= 2 * r->config->timeline_limit;
    for (size_t i = first; i < end; i++) {
        int64_t stream = gg_rows_i64(rows, i, 3);
        if (!in_range(s, r, gg_rows_str(rows, i, 4), stream))
            continue;
        if (r->n_events == limit) {
            r->limited = true;
            break;
        }
        ids[(*n_ids)++] = gg_rows_str(rows, i, 1);
        r->n_events++;
        r->prev =
            (struct mx_room_token){.depth = from_start(r) ? gg_rows_i64(rows, i, 2) : -1, .at = {.min = stream - 1}};
    }
}

static int read_job(struct mx_sliding *s, struct job *job, const struct gg_stmt *stmt, struct gg_error *err)
{
    struct gg_rows *rows;
    size_t n_ids = 0, at = 0, kept = 0;
    if (job->n == 0)
        return 0;
    int rc = gg_db_read(s->server->db, stmt,
                        GG_PARAMS(gg_p_texts(job->ids, job->n), gg_p_i64s(job->after, job->n),
                                  gg_p_i64s(job->upto, job->n), gg_p_i64s(job->limits, job->n)),
                        s->arena, &rows, err);
    if (rc != 0)
        return rc;
    struct gg_str *ids = GG_NEW_ARRAY(s->arena, struct gg_str, gg_rows_count(rows) + 1);
    for (size_t i = 0, end; i < gg_rows_count(rows); i = end) {
        int64_t k = gg_rows_i64(rows, i, 0);
        for (end = i + 1; end < gg_rows_count(rows) && gg_rows_i64(rows, end, 0) == k;)
            end++;
        take_room(s, job->rooms[k - 1], rows, i, end, ids, &n_ids);
    }
    const struct mx_event **events = GG_NEW_ARRAY(s->arena, const struct mx_event *, n_ids + 1);
    rc = mx_store_events(s->server, ids, n_ids, false, s->arena, events, err);
    for (size_t k = 0; rc == 0 && k < job->n; k++, at += kept) {
        struct mx_sliding_room *r = job->rooms[k];
        kept = r->n_events;
        r->events = GG_NEW_ARRAY(s->arena, const struct mx_event *, kept + 1);
        for (size_t i = 0; i < kept; i++)
            r->events[i] = events[at + kept - 1 - i];
    }
    return rc;
}

/* ---- what of it is shown ---- */

static bool passes(const struct mx_event *e)
{
    return e != NULL && e->meta.rejected.s == NULL && !e->meta.soft_failed &&
           !gg_str_is(e->type, "org.matrix.dummy_event");
}

static void joined_access(const struct mx_sliding_room *r, struct mx_access *access)
{
    *access = (struct mx_access){.head = r->head,
                                 .state = r->head->state,
                                 .membership = GG_STR("join"),
                                 .joined = true,
                                 .ever_joined = true,
                                 .until = INT64_MAX};
}

static void count_live(struct mx_sliding *s, struct mx_sliding_room *r)
{
    for (size_t i = r->n_timeline; s->has_from && i-- > 0; r->num_live++) {
        const struct mx_event_meta *meta = &r->timeline[i]->meta;
        if (mx_position_includes(s->server, &s->from.room.at, meta->instance.s != NULL ? meta->instance.s : "master",
                                 meta->stream_ordering))
            break;
    }
}

static int show(struct mx_sliding *s, struct mx_sliding_room *r, const struct mx_access *access, struct gg_error *err)
{
    bool *visible = GG_NEW_ARRAY(s->arena, bool, r->n_events + 1);
    int rc = 0;
    for (size_t i = 0; i < r->n_events; i++)
        if (!passes(r->events[i]))
            r->events[i] = NULL;
    if (!access->ever_joined) { /* an invite that was turned down: nothing but the user's own memberships */
        for (size_t i = 0; i < r->n_events; i++)
            visible[i] = r->events[i] != NULL && gg_str_is(r->events[i]->type, "m.room.member") &&
                         gg_str_eq(r->events[i]->state_key, s->user_id);
    } else {
        rc = mx_events_visible(s->server, s->user_id, access, r->events, r->n_events, s->arena, visible, err);
    }
    r->timeline = GG_NEW_ARRAY(s->arena, const struct mx_event *, r->n_events + 1);
    for (size_t i = 0; rc == 0 && i < r->n_events; i++)
        if (visible[i])
            r->timeline[r->n_timeline++] = r->events[i];
    count_live(s, r);
    return rc;
}

/* The room as the user may see it, and what of its newest events they may see. */
static int look_at_room(struct mx_sliding *s, struct mx_sliding_room *r, struct gg_error *err)
{
    struct mx_access access;
    int rc;
    if (mx_sliding_left(r->entry)) {
        rc = mx_room_access_left(s->server, s->user_id, r->entry->room, s->arena, &access, err);
        r->head = access.head;
        r->state = access.state;
        access.own_time = true; /* as Synapse has it here, unlike in /sync */
        if (rc == 0 && access.out_of_band != NULL)
            r->n_events = 0;
    } else {
        rc = mx_heads_get(s->server, r->entry->room->room_id, s->arena, &r->head, err);
        if (rc == GG_E_NOT_FOUND && !mx_sliding_is(r->entry, "join"))
            return 0; /* an invite to a room that nobody here knows */
        r->state = rc == 0 ? r->head->state : NULL;
    }
    if (rc != 0 || r->n_events == 0)
        return rc;
    if (mx_sliding_is(r->entry, "join"))
        joined_access(r, &access);
    return show(s, r, &access, err);
}

int mx_sliding_timelines(struct mx_sliding *s, struct gg_error *err)
{
    struct job jobs[2];
    job_make(s, &jobs[0]);
    job_make(s, &jobs[1]);
    choose_rooms(s, jobs);
    int rc = read_job(s, &jobs[1], &read_newest, err);
    if (rc == 0)
        rc = read_job(s, &jobs[0], &read_since, err);
    for (size_t i = 0; rc == 0 && i < s->n_rooms; i++)
        if (rc == 0)
            rc = look_at_room(s, s->rooms[i], err);
    return rc;
}
