/* matrix/sliding/view.c: the rooms that a user has, as sliding sync sees them: joined, invited, knocked, banned, kicked;
 * rooms that they left themselves only in the answers that tell so. */
#include "sliding/sliding.h"

#include "userdata/ignored.h"

static bool since(const struct mx_sliding *s, const struct mx_user_room *room)
{
    return s->has_from && room->stream_ordering > s->from.room.at.min && room->stream_ordering <= mx_position_max(&s->now.room.at);
}

/* ---- what became of memberships since the client's token ---- */

/* Memberships since, and the one before, oldest first. */
static const struct gg_stmt select_memberships = {
    "SELECT r.room_id, m.membership, m.event_stream_ordering FROM unnest($2::text[]) AS r (room_id) CROSS JOIN LATERAL ("
    " (SELECT membership, event_stream_ordering FROM room_memberships WHERE user_id = $1 AND room_id = r.room_id"
    " AND event_stream_ordering <= $3 ORDER BY event_stream_ordering DESC LIMIT 1) UNION ALL"
    " (SELECT membership, event_stream_ordering FROM room_memberships WHERE user_id = $1 AND room_id = r.room_id"
    " AND event_stream_ordering > $3 AND event_stream_ordering <= $4 ORDER BY event_stream_ordering DESC LIMIT 100)) m"
    " ORDER BY r.room_id, m.event_stream_ordering", GG_LANE_POINT};

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

struct moves {
    struct gg_map *to; /* room id -> the membership that it changed to, of those that changed */
};

static int read_moves(struct mx_sliding *s, const struct mx_user_room *rooms, size_t n, struct moves *out, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(s->arena, struct gg_str, n + 1);
    struct gg_rows *rows;
    size_t n_ids = 0;
    out->to = mx_text_set(s->arena);
    for (size_t i = 0; i < n; i++)
        if (since(s, &rooms[i]))
            ids[n_ids++] = rooms[i].room_id;
    if (n_ids == 0)
        return 0;
    int rc = gg_db_read(s->server->db, &select_memberships,
                        GG_PARAMS(gg_p_str(s->user_id), gg_p_texts(ids, n_ids), gg_p_i64(s->from.room.at.min),
                                  gg_p_i64(mx_position_max(&s->now.room.at))), s->arena, &rows, err);
    for (size_t i = 0, end; rc == 0 && i < gg_rows_count(rows); i = end) {
        struct gg_str room_id = gg_rows_str(rows, i, 0);
        for (end = i + 1; end < gg_rows_count(rows) && gg_str_eq(gg_rows_str(rows, end, 0), room_id);)
            end++;
        struct gg_str *to = GG_NEW(s->arena, struct gg_str);
        *to = last_change(rows, i, end, s->from.room.at.min);
        if (to->s != NULL)
            gg_map_put(out->to, room_id, to);
    }
    return rc;
}

static bool moved_to(const struct moves *moves, const struct mx_user_room *room, const char *membership)
{
    const struct gg_str *to = gg_map_get(moves->to, room->room_id);
    return to != NULL && gg_str_is(*to, membership);
}

/* ---- entries ---- */

static bool among(const struct gg_str *users, size_t n, struct gg_str user_id)
{
    for (size_t i = 0; i < n; i++)
        if (gg_str_eq(users[i], user_id))
            return true;
    return false;
}

/* May the room stand in lists? */
static bool listed(const struct mx_sliding *s, const struct mx_user_room *room, bool newly_left, const struct gg_str *ignored,
                   size_t n_ignored)
{
    if (room->version == NULL)
        return false;
    if (newly_left)
        return true; /* told even if the room has been forgotten since */
    if (room->forgotten || (gg_str_is(room->membership, "leave") && gg_str_eq(room->sender, s->user_id)))
        return false;
    return !gg_str_is(room->membership, "invite") || !among(ignored, n_ignored, room->sender);
}

static int fill_facts(struct mx_sliding *s, bool with_names, struct gg_error *err)
{
    const struct mx_user_room **rooms = GG_NEW_ARRAY(s->arena, const struct mx_user_room *, s->n_entries + 1);
    struct mx_room_facts *facts = GG_NEW_ARRAY(s->arena, struct mx_room_facts, s->n_entries + 1);
    for (size_t i = 0; i < s->n_entries; i++)
        rooms[i] = s->entries[i].room;
    int rc = mx_room_facts(s->server, s->user_id, rooms, s->n_entries, with_names, s->arena, facts, err);
    for (size_t i = 0; rc == 0 && i < s->n_entries; i++)
        s->entries[i].facts = facts[i];
    return rc;
}

/* Rooms that are subscribed to and stand in no list: what the user has left long ago. */
static void add_subscribed(struct mx_sliding *s, const struct mx_user_room *rooms, size_t n)
{
    struct gg_map *wanted = mx_text_set(s->arena);
    for (size_t i = 0; i < s->request->n_subscriptions; i++)
        if (!gg_map_has(s->by_id, s->request->subscriptions[i].room_id))
            mx_text_add(wanted, s->request->subscriptions[i].room_id);
    for (size_t i = 0; gg_map_count(wanted) > 0 && i < n; i++) {
        if (rooms[i].forgotten || rooms[i].version == NULL || !gg_map_has(wanted, rooms[i].room_id))
            continue;
        struct mx_sliding_entry *entry = GG_NEW(s->arena, struct mx_sliding_entry);
        entry->room = &rooms[i];
        entry->facts.activity = rooms[i].stream_ordering;
        gg_map_put(s->by_id, rooms[i].room_id, entry);
    }
}

static bool filters_by_name(const struct mx_sliding_request *request)
{
    bool names = false;
    for (size_t i = 0; i < request->n_lists; i++)
        names = names || request->lists[i].filters.room_name_like.s != NULL;
    return names;
}

int mx_sliding_view(struct mx_sliding *s, struct gg_error *err)
{
    const struct mx_user_room *rooms;
    const struct gg_str *ignored;
    size_t n, n_ignored;
    struct moves moves;
    int rc = mx_heads_rooms_of(s->server, s->user_id, s->arena, &rooms, &n, err);
    if (rc == 0)
        rc = mx_ignored_users(s->server, s->user_id, s->arena, &ignored, &n_ignored, err);
    if (rc == 0)
        rc = mx_room_labels(s->server, s->user_id, s->arena, &s->labels, err);
    if (rc == 0)
        rc = read_moves(s, rooms, n, &moves, err);
    if (rc != 0)
        return rc;
    s->by_id = mx_text_set(s->arena);
    s->entries = GG_NEW_ARRAY(s->arena, struct mx_sliding_entry, n + 1);
    for (size_t i = 0; i < n; i++) {
        bool newly_left = moved_to(&moves, &rooms[i], "leave");
        if (!listed(s, &rooms[i], newly_left, ignored, n_ignored))
            continue;
        struct mx_sliding_entry *entry = &s->entries[s->n_entries++];
        *entry = (struct mx_sliding_entry){.room = &rooms[i], .newly_left = newly_left,
                                           .newly_joined = moved_to(&moves, &rooms[i], "join")};
        gg_map_put(s->by_id, rooms[i].room_id, entry);
    }
    add_subscribed(s, rooms, n);
    return fill_facts(s, filters_by_name(s->request), err);
}
