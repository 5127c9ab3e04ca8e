/* matrix/sliding/summary.c: what is told of a room beside its events: name, avatar, heroes, numbers of members, and the
 * stamp that clients sort by. */
#include "sliding/sliding.h"

enum { MAX_HEROES = 5 };

static bool joined(const struct mx_sliding_room *r)
{
    return mx_sliding_is(r->entry, "join");
}

/* ---- names and avatars: state events, read for all rooms at once ---- */

struct slots {
    struct gg_str *ids;
    const struct mx_event ***places;
    size_t n;
};

static void want(struct slots *w, const struct mx_sliding_room *r, const char *type, const struct mx_event **place)
{
    struct gg_str id = r->state != NULL ? mx_state_get(r->state, gg_str(type), GG_STR("")) : (struct gg_str){0};
    *place = NULL;
    if (id.s == NULL)
        return;
    w->places[w->n] = place;
    w->ids[w->n++] = id;
}

static int read_slots(struct mx_sliding *s, struct slots *w, struct gg_error *err)
{
    const struct mx_event **events = GG_NEW_ARRAY(s->arena, const struct mx_event *, w->n + 1);
    int rc = mx_store_events(s->server, w->ids, w->n, false, s->arena, events, err);
    for (size_t i = 0; rc == 0 && i < w->n; i++)
        *w->places[i] = events[i];
    return rc;
}

static struct gg_str text_in(struct mx_sliding *s, const struct mx_event *e, const char *key)
{
    return e != NULL ? mx_json_string(mx_json_get(e->content, key), s->arena) : (struct gg_str){0};
}

/* ---- heroes: who an unnamed room is named after ---- */

static const struct gg_stmt read_heroes = {
    "SELECT r.i, m.state_key, m.event_id, m.rank FROM unnest($1::text[]) WITH ORDINALITY AS r (room_id, i) CROSS JOIN "
    "LATERAL ("
    " SELECT state_key, event_id, event_stream_ordering, array_position('{join,invite,leave}', membership) AS rank"
    " FROM current_state_events WHERE room_id = r.room_id AND type = 'm.room.member' AND membership IS NOT NULL"
    " ORDER BY array_position('{join,invite,leave}', membership) NULLS LAST, event_stream_ordering LIMIT 6) m"
    " ORDER BY r.i, m.rank NULLS LAST, m.event_stream_ordering",
    GG_LANE_SCAN};

/* Rows [first, end) of one room: joined and invited members first; those who are gone only where there is nobody else.
 */
static int take_heroes(struct mx_sliding *s, struct mx_sliding_room *r, const struct gg_rows *rows, size_t first,
                       size_t end, struct gg_error *err)
{
    struct gg_str ids[MAX_HEROES];
    size_t n = 0, present = 0;
    for (size_t i = first; i < end; i++)
        present += !gg_str_eq(gg_rows_str(rows, i, 1), s->user_id) && !gg_rows_null(rows, i, 3) &&
                   gg_rows_i64(rows, i, 3) <= 2;
    for (size_t i = first; i < end && n < MAX_HEROES; i++) {
        bool here = !gg_rows_null(rows, i, 3) && gg_rows_i64(rows, i, 3) <= 2;
        if (!gg_str_eq(gg_rows_str(rows, i, 1), s->user_id) && here == (present > 0))
            ids[n++] = gg_rows_str(rows, i, 2);
    }
    r->heroes = GG_NEW_ARRAY(s->arena, const struct mx_event *, n + 1);
    int rc = mx_store_events(s->server, ids, n, false, s->arena, r->heroes, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (r->heroes[i] != NULL)
            r->heroes[r->n_heroes++] = r->heroes[i];
    return rc;
}

static int find_heroes(struct mx_sliding *s, struct mx_sliding_room **rooms, size_t n, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(s->arena, struct gg_str, n + 1);
    struct gg_rows *rows;
    for (size_t i = 0; i < n; i++)
        ids[i] = rooms[i]->entry->room->room_id;
    if (n == 0)
        return 0;
    int rc = gg_db_read(s->server->db, &read_heroes, GG_PARAMS(gg_p_texts(ids, n)), s->arena, &rows, err);
    for (size_t i = 0, end; rc == 0 && i < gg_rows_count(rows); i = end) {
        int64_t k = gg_rows_i64(rows, i, 0);
        for (end = i + 1; end < gg_rows_count(rows) && gg_rows_i64(rows, end, 0) == k;)
            end++;
        rc = take_heroes(s, rooms[k - 1], rows, i, end, err);
    }
    return rc;
}

/* Whoever is sent the avatar's event is told the avatar. */
static bool tells_avatar(const struct mx_sliding_room *r)
{
    bool tells = r->initial || r->avatar_changed;
    for (size_t i = 0; i < r->n_required && !tells; i++)
        tells = mx_event_is(r->required[i], "m.room.avatar", "");
    return tells;
}

static int name_rooms(struct mx_sliding *s, struct gg_error *err)
{
    struct slots w = {GG_NEW_ARRAY(s->arena, struct gg_str, 2 * s->n_rooms + 1),
                      GG_NEW_ARRAY(s->arena, const struct mx_event **, 2 * s->n_rooms + 1), 0};
    const struct mx_event **names = GG_NEW_ARRAY(s->arena, const struct mx_event *, s->n_rooms + 1);
    const struct mx_event **avatars = GG_NEW_ARRAY(s->arena, const struct mx_event *, s->n_rooms + 1);
    struct mx_sliding_room **unnamed = GG_NEW_ARRAY(s->arena, struct mx_sliding_room *, s->n_rooms + 1);
    size_t n_unnamed = 0;
    for (size_t i = 0; i < s->n_rooms; i++) {
        struct mx_sliding_room *r = s->rooms[i];
        if ((r->initial || r->name_changed || r->members_changed))
            want(&w, r, "m.room.name", &names[i]);
        if (tells_avatar(r))
            want(&w, r, "m.room.avatar", &avatars[i]);
    }
    int rc = read_slots(s, &w, err);
    for (size_t i = 0; rc == 0 && i < s->n_rooms; i++) {
        struct mx_sliding_room *r = s->rooms[i];
        struct gg_str name = text_in(s, names[i], "name");
        r->name = r->initial || r->name_changed ? name : (struct gg_str){0};
        r->avatar = text_in(s, avatars[i], "url");
        if (joined(r) && name.n == 0 && (r->initial || r->members_changed))
            unnamed[n_unnamed++] = r;
    }
    return rc != 0 ? rc : find_heroes(s, unnamed, n_unnamed, err);
}

/* ---- the stamp ---- */

/* Events that bring a room to the top of a client's list (MSC4186, "bump_stamp"). */
static const char *const bump_types[] = {"m.room.create", "m.room.message", "m.room.encrypted", "m.sticker",
                                         "m.call.invite", "m.poll.start",   "m.beacon_info"};

static bool bumps(const struct mx_event *e)
{
    for (size_t i = 0; i < GG_COUNT(bump_types); i++)
        if (gg_str_is(e->type, bump_types[i]) && e->meta.stream_ordering > 0)
            return true;
    return false;
}

static const struct gg_stmt read_bump = {
    "SELECT max(stream_ordering) FROM events WHERE room_id = $1 AND stream_ordering <= $2 AND stream_ordering > 0"
    " AND type = ANY ($3::text[]) AND NOT outlier AND rejection_reason IS NULL",
    GG_LANE_SCAN};

/* The room's row is ahead of this answer. */
static int bump_before(struct mx_sliding *s, struct mx_sliding_room *r, struct gg_error *err)
{
    struct gg_str types[GG_COUNT(bump_types)];
    struct gg_rows *rows;
    for (size_t i = 0; i < GG_COUNT(bump_types); i++)
        types[i] = gg_str(bump_types[i]);
    int rc = gg_db_read(
        s->server->db, &read_bump,
        GG_PARAMS(gg_p_str(r->entry->room->room_id), gg_p_i64(s->now.room.at.min), gg_p_texts(types, GG_COUNT(types))),
        s->arena, &rows, err);
    if (rc == 0 && gg_rows_count(rows) > 0 && !gg_rows_null(rows, 0, 0))
        r->bump_stamp = gg_rows_i64(rows, 0, 0);
    return rc;
}

static int stamp(struct mx_sliding *s, struct mx_sliding_room *r, struct gg_error *err)
{
    int64_t newest = r->entry->facts.bump_stamp;
    bool always = !joined(r) || !r->has_timeline || r->limited || r->initial;
    int rc = 0;
    for (size_t i = r->n_timeline; joined(r) && r->bump_stamp < 0 && i-- > 0;)
        if (bumps(r->timeline[i]))
            r->bump_stamp = r->timeline[i]->meta.stream_ordering;
    if (joined(r) && r->bump_stamp < 0 && always && newest > 0) {
        if (newest <= s->now.room.at.min)
            r->bump_stamp = newest;
        else
            rc = bump_before(s, r, err);
    }
    if (r->bump_stamp < 0 && always) /* a stamp of history from before this server came is below zero */
        r->bump_stamp = r->entry->room->stream_ordering > 0 ? r->entry->room->stream_ordering : 0;
    return rc;
}

/* ---- all of it ---- */

static bool says_something(const struct mx_sliding_room *r)
{
    return r->initial || r->name.s != NULL || r->avatar.s != NULL || r->n_heroes > 0 || r->counted ||
           r->n_required > 0 || r->n_timeline > 0 || r->membership != NULL;
}

/* Why state was redacted; what it replaced is not shown with it. */
static int read_redactions(struct mx_sliding *s, size_t first, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(s->arena, struct gg_str, s->show.n - first + 1);
    size_t *places = GG_NEW_ARRAY(s->arena, size_t, s->show.n - first + 1), n = 0;
    for (size_t i = first; i < s->show.n; i++) {
        struct gg_str id = s->show.events[i]->meta.redacted
                               ? mx_json_string(mx_json_get(s->show.events[i]->unsigned_, "redacted_by"), s->arena)
                               : (struct gg_str){0};
        if (id.s == NULL)
            continue;
        places[n] = i;
        ids[n++] = id;
    }
    const struct mx_event **found = GG_NEW_ARRAY(s->arena, const struct mx_event *, n + 1);
    int rc = mx_store_events(s->server, ids, n, false, s->arena, found, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        s->show.redactions[places[i]] = found[i];
    return rc;
}

/* The timelines of all rooms, then their state: events, and which room's they are. */
static void list_shown(struct mx_sliding *s, const struct mx_event **events, struct mx_show_room *rooms,
                       size_t *n_rooms, size_t *n_timelines)
{
    size_t at = 0;
    *n_rooms = 0;
    for (size_t i = 0; i < s->n_rooms; i++) {
        struct mx_sliding_room *r = s->rooms[i];
        const struct mx_user_room *room = r->entry->room;
        if (!r->shown)
            continue;
        rooms[(*n_rooms)++] =
            (struct mx_show_room){room->room_id, room->membership, room->stream_ordering, at, r->n_timeline};
        r->timeline_at = at;
        for (size_t k = 0; k < r->n_timeline; k++)
            events[at++] = r->timeline[k];
    }
    *n_timelines = at;
    for (size_t i = 0; i < s->n_rooms; i++) {
        s->rooms[i]->required_at = at;
        for (size_t k = 0; s->rooms[i]->shown && k < s->rooms[i]->n_required; k++)
            events[at++] = s->rooms[i]->required[k];
    }
}

/* What stands beside the stored bytes of events of all rooms. */
static int read_beside(struct mx_sliding *s, struct gg_error *err)
{
    struct mx_show timelines;
    size_t n = 0, n_rooms, n_timelines;
    for (size_t i = 0; i < s->n_rooms; i++)
        n += s->rooms[i]->shown ? s->rooms[i]->n_timeline + s->rooms[i]->n_required : 0;
    const struct mx_event **events = GG_NEW_ARRAY(s->arena, const struct mx_event *, n + 1);
    struct mx_show_room *rooms = GG_NEW_ARRAY(s->arena, struct mx_show_room, s->n_rooms + 1);
    list_shown(s, events, rooms, &n_rooms, &n_timelines);
    int rc = mx_show_read(s->server, events, n_timelines, s->arena, &timelines, err);
    if (rc == 0)
        rc = mx_show_memberships(s->server, s->user_id, rooms, n_rooms, &timelines, s->arena, err);
    if (rc != 0)
        return rc;
    s->show = (struct mx_show){.events = events, .n = n};
    s->show.replaced = GG_NEW_ARRAY(s->arena, const struct mx_event *, n + 1);
    s->show.redactions = GG_NEW_ARRAY(s->arena, const struct mx_event *, n + 1);
    s->show.memberships = GG_NEW_ARRAY(s->arena, struct gg_str, n + 1);
    memcpy(s->show.replaced, timelines.replaced, n_timelines * sizeof(*timelines.replaced));
    memcpy(s->show.redactions, timelines.redactions, n_timelines * sizeof(*timelines.redactions));
    memcpy(s->show.memberships, timelines.memberships, n_timelines * sizeof(*timelines.memberships));
    return read_redactions(s, n_timelines, err);
}

int mx_sliding_summaries(struct mx_sliding *s, struct gg_error *err)
{
    int rc = name_rooms(s, err);
    for (size_t i = 0; rc == 0 && i < s->n_rooms; i++) {
        struct mx_sliding_room *r = s->rooms[i];
        r->counted = joined(r) && (r->initial || r->members_changed);
        if (mx_sliding_is(r->entry, "invite") || mx_sliding_is(r->entry, "knock"))
            rc = mx_store_event(s->server, r->entry->room->event_id, s->arena, &r->membership, err);
        if (rc == 0)
            rc = stamp(s, r, err);
        r->shown = !s->has_from || says_something(r);
    }
    return rc != 0 ? rc : read_beside(s, err);
}
