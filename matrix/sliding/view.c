/* matrix/sliding/view.c: the rooms that a user has, as sliding sync sees them: joined, invited, knocked, banned,
 * kicked; rooms that they left themselves only in the answers that tell so. */
#include "sliding/sliding.h"
#include "sync/moment.h"

#include <stdlib.h>

enum { MAX_TRIES = 5 };

/* `now`, and the rooms with their memberships at that moment. What goes on in them may be newer: it is told next time. */
static int fix_moment(struct mx_sliding *s, struct gg_error *err)
{
    for (int i = 0; i < MAX_TRIES; i++) {
        struct mx_user_rooms rooms;
        int rc = mx_moment(s->server, s->user_id, s->arena, &s->now, &rooms, err);
        if (rc == 0)
            rc = mx_roster_get(s->server, s->user_id, s->arena, &s->roster, err);
        if (rc != 0 || s->roster->base->rooms == rooms.v)
            return rc;
    }
    return 0;
}

static bool since(const struct mx_sliding *s, const struct mx_user_room *room)
{
    return s->has_from && room->stream_ordering > s->from.room.at.min &&
           room->stream_ordering <= mx_position_max(&s->now.room.at);
}

/* ---- what became of memberships since the client's token ---- */

/* Memberships since, and the one before, oldest first. */
static const struct gg_stmt select_memberships = {
    "SELECT r.room_id, m.membership, m.event_stream_ordering FROM unnest($2::text[]) AS r (room_id) CROSS JOIN LATERAL "
    "("
    " (SELECT membership, event_stream_ordering FROM room_memberships WHERE user_id = $1 AND room_id = r.room_id"
    " AND event_stream_ordering <= $3 ORDER BY event_stream_ordering DESC LIMIT 1) UNION ALL"
    " (SELECT membership, event_stream_ordering FROM room_memberships WHERE user_id = $1 AND room_id = r.room_id"
    " AND event_stream_ordering > $3 AND event_stream_ordering <= $4 ORDER BY event_stream_ordering DESC LIMIT 100)) m"
    " ORDER BY r.room_id, m.event_stream_ordering",
    GG_LANE_POINT};

/* The last change of rows of one room: s NULL: none, e.g. when somebody only took another name. */
static struct gg_str last_change(const struct gg_rows *rows, size_t first, size_t end, int64_t from)
{
    struct gg_str before = {0}, change = {0};
    for (size_t i = first; i < end; i++) {
        struct gg_str membership = gg_rows_str(rows, i, 1);
        if (gg_rows_i64(rows, i, 2) > from && !gg_str_eq(membership, before))
            change = membership;
        before = membership;
    }
    return change;
}

/* room id -> the membership that it changed to, of those that changed; NULL: none did. */
static int read_moves(struct mx_sliding *s, struct gg_map **out, struct gg_error *err)
{
    const struct mx_roster_base *base = s->roster->base;
    struct gg_str *ids = NULL;
    struct gg_rows *rows;
    size_t n = 0;
    *out = NULL;
    for (size_t i = 0; i < base->n; i++) {
        if (!since(s, &base->rooms[i]))
            continue;
        ids = ids != NULL ? ids : GG_NEW_ARRAY(s->arena, struct gg_str, base->n);
        ids[n++] = base->rooms[i].room_id;
    }
    if (n == 0)
        return 0;
    int rc = gg_db_read(s->server->db, &select_memberships,
                        GG_PARAMS(gg_p_str(s->user_id), gg_p_texts(ids, n), gg_p_i64(s->from.room.at.min),
                                  gg_p_i64(mx_position_max(&s->now.room.at))),
                        s->arena, &rows, err);
    *out = mx_text_set(s->arena);
    for (size_t i = 0, end; rc == 0 && i < gg_rows_count(rows); i = end) {
        struct gg_str room_id = gg_rows_str(rows, i, 0);
        for (end = i + 1; end < gg_rows_count(rows) && gg_str_eq(gg_rows_str(rows, end, 0), room_id);)
            end++;
        struct gg_str *to = GG_NEW(s->arena, struct gg_str);
        *to = last_change(rows, i, end, s->from.room.at.min);
        if (to->s != NULL)
            gg_map_put(*out, room_id, to);
    }
    return rc;
}

static bool moved_to(const struct gg_map *moves, const struct mx_user_room *room, const char *membership)
{
    const struct gg_str *to = moves != NULL ? gg_map_get(moves, room->room_id) : NULL;
    return to != NULL && gg_str_is(*to, membership);
}

/* ---- entries ---- */

static void add_entry(struct mx_sliding *s, size_t place, const struct gg_map *moves)
{
    const struct mx_user_room *room = &s->roster->base->rooms[place];
    struct mx_sliding_entry *entry = &s->entries[s->n_entries++];
    entry->room = room;
    entry->facts = s->roster->facts[place];
    entry->newly_joined = moved_to(moves, room, "join");
    entry->newly_left = moved_to(moves, room, "leave");
    s->by_place[place] = entry;
}

static int by_activity(const void *a, const void *b)
{
    const struct mx_sliding_entry *x = a, *y = b;
    return (x->facts.activity < y->facts.activity) - (x->facts.activity > y->facts.activity);
}

/* Rooms that the user has left since are told once more, even where they have been forgotten since. */
static int add_left(struct mx_sliding *s, const struct gg_map *moves, struct gg_error *err)
{
    const struct mx_roster_base *base = s->roster->base;
    const struct mx_user_room **rooms = GG_NEW_ARRAY(s->arena, const struct mx_user_room *, base->n + 1);
    size_t first = s->n_entries;
    for (size_t i = 0; i < base->n; i++) {
        if (s->by_place[i] != NULL || base->rooms[i].version == NULL || !moved_to(moves, &base->rooms[i], "leave"))
            continue;
        rooms[s->n_entries - first] = &base->rooms[i];
        add_entry(s, i, moves);
    }
    size_t n = s->n_entries - first;
    if (n == 0)
        return 0;
    struct mx_room_facts *facts = GG_NEW_ARRAY(s->arena, struct mx_room_facts, n);
    int rc = mx_room_facts(s->server, s->user_id, rooms, n, false, s->arena, facts, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        s->entries[first + i].facts = facts[i];
    qsort(s->entries, s->n_entries, sizeof(*s->entries), by_activity);
    return rc;
}

/* Rooms that are subscribed to and stand in no list: what the user has left long ago. */
static void add_subscribed(struct mx_sliding *s)
{
    for (size_t i = 0; i < s->request->n_subscriptions; i++) {
        size_t place;
        const struct mx_user_room *room = mx_roster_room(s->roster, s->request->subscriptions[i].room_id, &place);
        if (room == NULL || s->by_place[place] != NULL || room->forgotten || room->version == NULL)
            continue;
        struct mx_sliding_entry *entry = GG_NEW(s->arena, struct mx_sliding_entry);
        entry->room = room;
        entry->facts.activity = room->stream_ordering;
        s->by_place[place] = entry;
    }
}

/* No yield in it: what is aligned is the connection's for others, too. */
static void add_known(struct mx_sliding *s)
{
    const struct mx_roster_base *base = s->roster->base;
    const struct mx_sliding_known *const *known = mx_connection_aligned(s->connection, base->id, base->places, base->n);
    for (size_t i = 0; i < base->n; i++)
        if (s->by_place[i] != NULL)
            s->by_place[i]->known = known[i];
}

int mx_sliding_view(struct mx_sliding *s, struct gg_error *err)
{
    struct gg_map *moves;
    int rc = fix_moment(s, err);
    if (rc == 0)
        rc = read_moves(s, &moves, err);
    if (rc != 0)
        return rc;
    s->by_place = GG_NEW_ARRAY(s->arena, struct mx_sliding_entry *, s->roster->base->n + 1);
    s->entries = GG_NEW_ARRAY(s->arena, struct mx_sliding_entry, s->roster->base->n + 1);
    for (size_t i = 0; i < s->roster->n_order; i++)
        add_entry(s, s->roster->order[i], moves);
    rc = moves != NULL ? add_left(s, moves, err) : 0;
    for (size_t i = 0; rc == 0 && moves != NULL && i < s->n_entries; i++) /* they were sorted */
        s->by_place[s->entries[i].room - s->roster->base->rooms] = &s->entries[i];
    add_subscribed(s);
    add_known(s);
    return rc;
}

struct mx_sliding_entry *mx_sliding_find(const struct mx_sliding *s, struct gg_str room_id)
{
    size_t place;
    if (s->roster == NULL || mx_roster_room(s->roster, room_id, &place) == NULL)
        return NULL;
    return s->by_place[place];
}
