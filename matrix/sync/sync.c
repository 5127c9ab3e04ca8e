/* matrix/sync/sync.c: which rooms and which data an answer of /sync speaks of. */
#include "sync/parts.h"

#include "push/show.h"
#include "rooms/access.h"
#include "sync/changes.h"
#include "userdata/ignored.h"
#include "userdata/typing.h"

#include <ganglion/config.h>
#include <stdlib.h>

static bool happened_since(const struct mx_sync *sync, int64_t stream_ordering)
{
    return stream_ordering > sync->query->since.room.at.min;
}

/* ---- which rooms ---- */

static bool wanted_left(const struct mx_sync *sync, const struct mx_user_room *room)
{
    const struct mx_sync_query *q = sync->query;
    if (q->has_since && happened_since(sync, room->stream_ordering))
        return true; /* that the room was left is told even if it has been forgotten since */
    if (room->forgotten || q->has_since) /* full_state is about rooms that they are in */
        return false;
    /* Without a token rooms that they left themselves are shown only to those who ask. */
    return q->include_leave || (!q->has_since && !gg_str_is(room->sender, q->requester->user_id));
}

static void add_room(struct mx_sync *sync, const struct mx_user_room *room, uint8_t kind)
{
    const struct mx_sync_query *q = sync->query;
    struct mx_sync_room *r = &sync->rooms[sync->n++];
    *r = (struct mx_sync_room){.room = room, .kind = kind, .upto = mx_position_max(&sync->now.room.at)};
    r->full = !q->has_since || q->full_state;
    r->after = q->has_since ? q->since.room.at.min : INT64_MIN;
    r->changed = !q->has_since || mx_changes_after(mx_sync_room_changes(sync->server), room->room_id, q->since.room.at.min);
    if (kind == MX_SYNC_LEAVE) {
        r->changed = true;
        if (room->stream_ordering < r->upto)
            r->upto = room->stream_ordering;
    }
}

static bool among(const struct gg_str *users, size_t n, struct gg_str user_id)
{
    for (size_t i = 0; i < n; i++)
        if (gg_str_eq(users[i], user_id))
            return true;
    return false;
}

/* Rooms that the operator keeps out of everybody's answers. */
static bool is_excluded(const struct mx_sync *sync, struct gg_str room_id)
{
    size_t n;
    const char *const *excluded = gg_config_texts(sync->server->config, "exclude_rooms_from_sync", &n);
    for (size_t i = 0; i < n; i++)
        if (gg_str_is(room_id, excluded[i]))
            return true;
    return false;
}

static void choose_room(struct mx_sync *sync, const struct mx_user_room *room, const struct mx_sync_names *ignored)
{
    bool shown = !sync->query->has_since || sync->query->full_state || happened_since(sync, room->stream_ordering);
    if (!mx_filter_room(&sync->query->rooms, room->room_id) || is_excluded(sync, room->room_id))
        return;
    if (gg_str_is(room->membership, "join"))
        add_room(sync, room, MX_SYNC_JOIN);
    else if (gg_str_is(room->membership, "invite") && shown && !among(ignored->v, ignored->n, room->sender))
        add_room(sync, room, MX_SYNC_INVITE);
    else if (gg_str_is(room->membership, "knock") && shown)
        add_room(sync, room, MX_SYNC_KNOCK);
    else if ((gg_str_is(room->membership, "leave") || gg_str_is(room->membership, "ban")) && wanted_left(sync, room))
        add_room(sync, room, MX_SYNC_LEAVE);
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

struct moved {
    bool *marks;  /* of each room of the user */
    uint32_t *at; /* places of those that are marked */
    size_t n;
};

static void mark_room(struct moved *moved, size_t i)
{
    if (moved->marks[i])
        return;
    moved->marks[i] = true;
    moved->at[moved->n++] = (uint32_t)i;
}

/* The rooms that may have news, in their order: what nobody touched since the token costs nothing, however many rooms the
 * user has. */
static struct moved find_moved(struct mx_sync *sync, const struct mx_user_rooms *rooms)
{
    const struct mx_sync_query *q = sync->query;
    int64_t typing_from = q->since.typing > sync->now.typing ? 0 : q->since.typing; /* its writer has started afresh */
    struct moved moved = {GG_NEW_ARRAY(sync->arena, bool, rooms->n + 1), GG_NEW_ARRAY(sync->arena, uint32_t, rooms->n + 1), 0};
    mx_changes_mark(mx_sync_room_changes(sync->server), rooms, q->since.room.at.min, moved.marks, moved.at, &moved.n);
    mx_receipts_mark(sync->server, rooms, q->since.receipts.min, moved.marks, moved.at, &moved.n);
    mx_typing_mark(sync->server, rooms, typing_from, moved.marks, moved.at, &moved.n);
    for (size_t i = 0; i < rooms->n && happened_since(sync, rooms->v[rooms->newest[i]].stream_ordering); i++)
        mark_room(&moved, rooms->newest[i]);
    for (size_t i = 0; i < sync->n_room_data; i++) {
        const struct mx_user_room *room = mx_user_rooms_find(rooms, sync->room_data[i].room_id);
        if (room != NULL)
            mark_room(&moved, (size_t)(room - rooms->v));
    }
    qsort(moved.at, moved.n, sizeof(*moved.at), by_number);
    return moved;
}

static int choose_rooms(struct mx_sync *sync, struct gg_error *err)
{
    const struct gg_str *ignored_users;
    struct mx_sync_names ignored = {0};
    struct gg_str user_id = gg_str(sync->query->requester->user_id);
    struct mx_user_rooms rooms = sync->user_rooms;
    int rc = mx_ignored_users(sync->server, user_id, sync->arena, &ignored_users, &ignored.n, err);
    if (rc != 0)
        return rc;
    ignored.v = (struct gg_str *)(uintptr_t)ignored_users;
    bool all = !sync->query->has_since || sync->query->full_state;
    struct moved moved = all ? (struct moved){.n = rooms.n} : find_moved(sync, &rooms);
    sync->rooms = GG_NEW_ARRAY(sync->arena, struct mx_sync_room, moved.n + 1);
    for (size_t i = 0; i < moved.n; i++)
        choose_room(sync, &rooms.v[all ? i : moved.at[i]], &ignored);
    return 0;
}

/* ---- rooms that were joined since: the client knows nothing of them, however much it has seen of others ---- */

static const struct gg_stmt membership_before = {
    "SELECT r.i, m.membership = 'join', EXISTS (SELECT 1 FROM room_memberships AS l WHERE l.user_id = $1 AND l.room_id = r.room_id"
    " AND l.event_stream_ordering > $3 AND l.event_stream_ordering <= $4 AND l.membership <> 'join'),"
    " EXISTS (SELECT 1 FROM room_memberships AS l WHERE l.user_id = $1 AND l.room_id = r.room_id"
    " AND l.event_stream_ordering > $3 AND l.event_stream_ordering <= $4 AND l.membership = 'join')"
    " FROM unnest($2::text[]) WITH ORDINALITY AS r (room_id, i) CROSS JOIN LATERAL ("
    " SELECT membership FROM room_memberships WHERE user_id = $1 AND room_id = r.room_id AND event_stream_ordering <= $3"
    " ORDER BY event_stream_ordering DESC LIMIT 1) m", GG_LANE_POINT};

static bool is_new(const struct mx_sync *sync, const struct mx_sync_room *r)
{
    return (r->kind == MX_SYNC_JOIN || r->kind == MX_SYNC_LEAVE) && happened_since(sync, r->room->stream_ordering);
}

static int find_newly_joined(struct mx_sync *sync, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(sync->arena, struct gg_str, sync->n + 1);
    struct mx_sync_room **new = GG_NEW_ARRAY(sync->arena, struct mx_sync_room *, sync->n + 1);
    struct gg_rows *rows;
    size_t n = 0;
    for (size_t i = 0; sync->query->has_since && i < sync->n; i++) {
        if (!is_new(sync, &sync->rooms[i]))
            continue;
        new[n] = &sync->rooms[i];
        ids[n++] = sync->rooms[i].room->room_id;
    }
    if (n == 0)
        return 0;
    int rc = gg_db_read(sync->server->db, &membership_before,
                        GG_PARAMS(gg_p_text(sync->query->requester->user_id), gg_p_texts(ids, n), gg_p_i64(sync->query->since.room.at.min),
                                  gg_p_i64(mx_position_max(&sync->now.room.at))),
                        sync->arena, &rows, err);
    if (rc != 0)
        return rc;
    bool *known = GG_NEW_ARRAY(sync->arena, bool, n + 1);
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        size_t k = (size_t)gg_rows_i64(rows, i, 0) - 1;
        bool was_in = gg_rows_bool(rows, i, 1), was_out = gg_rows_bool(rows, i, 2), came = gg_rows_bool(rows, i, 3);
        bool leave = new[k]->kind == MX_SYNC_LEAVE;
        new[k]->newly_left = leave && was_in;
        new[k]->stays_out = leave && !was_in && !came;
        /* Who left and came back begins anew: what happened meanwhile was not for them. */
        known[k] = leave ? was_in || !came : was_in && !was_out;
    }
    for (size_t i = 0; i < n; i++) {
        if (known[i])
            continue;
        new[i]->full = new[i]->changed = new[i]->newly_joined = true;
        new[i]->after = INT64_MIN;
    }
    return 0;
}

/* ---- data beside the events ---- */

static int by_room(const void *key, const void *room)
{
    return gg_str_cmp(*(const struct gg_str *)key, ((const struct mx_sync_room *)room)->room->room_id);
}

/* The rows are by room, and so are the rooms. */
static void give_room_data(struct mx_sync *sync)
{
    const struct mx_data_row *rows = sync->room_data;
    for (size_t i = 0, end; i < sync->n_room_data && sync->n > 0; i = end) {
        for (end = i + 1; end < sync->n_room_data && gg_str_eq(rows[end].room_id, rows[i].room_id);)
            end++;
        struct mx_sync_room *r = bsearch(&rows[i].room_id, sync->rooms, sync->n, sizeof(*r), by_room);
        if (r == NULL || (r->kind != MX_SYNC_JOIN && r->kind != MX_SYNC_LEAVE))
            continue;
        r->data = &rows[i];
        r->n_data = end - i;
    }
}

/* What is not an event has no sender: a filter that names senders wants none of it. What no filter lets through must not
 * wake a client, or it would come again and again. */
static bool wants(const struct mx_filter *filter, struct gg_str type, struct gg_str room_id)
{
    return filter->senders.v == NULL && mx_filter_type(filter, type) && (room_id.s == NULL || mx_filter_room(filter, room_id));
}

static size_t keep_wanted(struct mx_data_row *rows, size_t n, const struct mx_filter *filter)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (wants(filter, rows[i].type, (struct gg_str){0}))
            rows[kept++] = rows[i];
    return kept;
}

/* Before the rooms are chosen: a room may have nothing new but its data. */
static int read_account_data(struct mx_sync *sync, struct gg_error *err)
{
    const struct mx_sync_query *q = sync->query;
    struct gg_str user_id = gg_str(q->requester->user_id);
    int64_t from = q->has_since && !q->full_state ? q->since.account_data : 0;
    struct mx_data_row *rows;
    size_t n;
    sync->n_data = sync->n_room_data = 0;
    if (from != 0 && !mx_account_data_changed(sync->server, user_id, from))
        return 0;
    int rc = mx_account_data_since(sync->server, user_id, from, sync->now.account_data, sync->arena, &rows, &n, err);
    if (rc != 0)
        return rc;
    sync->data = rows;
    while (sync->n_data < n && rows[sync->n_data].room_id.s == NULL)
        sync->n_data++;
    sync->room_data = rows + sync->n_data;
    sync->n_room_data = keep_wanted(rows + sync->n_data, n - sync->n_data, &q->room_data);
    sync->n_data = keep_wanted(rows, sync->n_data, &q->global_data);
    return 0;
}

/* Push rules are no account data, but are told as such. */
static int read_push_rules(struct mx_sync *sync, struct gg_error *err)
{
    const struct mx_sync_query *q = sync->query;
    struct gg_str user_id = gg_str(q->requester->user_id), type = GG_STR("m.push_rules"), content;
    bool all = !q->has_since || q->full_state;
    if (!mx_filter_type(&q->global_data, type) ||
        (!all && !mx_push_rules_changed(sync->server, user_id, q->since.push_rules)))
        return 0;
    int rc = mx_push_rules_content(sync->server, user_id, sync->arena, &content, err);
    if (rc != 0)
        return rc;
    struct mx_data_row *rows = GG_NEW_ARRAY(sync->arena, struct mx_data_row, sync->n_data + 1);
    for (size_t i = 0; i < sync->n_data; i++)
        rows[i] = sync->data[i];
    rows[sync->n_data++] = (struct mx_data_row){.type = type, .content = content};
    sync->data = rows;
    return 0;
}

static int read_receipts(struct mx_sync *sync, struct gg_error *err)
{
    const struct mx_sync_query *q = sync->query;
    struct gg_str *ids[2];
    struct mx_sync_room **places[2];
    size_t n[2] = {0, 0};
    for (int k = 0; k < 2; k++) {
        ids[k] = GG_NEW_ARRAY(sync->arena, struct gg_str, sync->n + 1);
        places[k] = GG_NEW_ARRAY(sync->arena, struct mx_sync_room *, sync->n + 1);
    }
    for (size_t i = 0; i < sync->n; i++) {
        struct mx_sync_room *r = &sync->rooms[i];
        bool all = !q->has_since || r->newly_joined; /* full_state is about state alone */
        if (r->kind != MX_SYNC_JOIN || !wants(&q->ephemeral, GG_STR("m.receipt"), r->room->room_id) || (!all && !mx_receipts_changed(sync->server, r->room->room_id, q->since.receipts.min)))
            continue;
        places[all][n[all]] = r;
        ids[all][n[all]++] = r->room->room_id;
    }
    for (int full = 0; full < 2; full++) {
        struct mx_room_receipts *out = GG_NEW_ARRAY(sync->arena, struct mx_room_receipts, n[full] + 1);
        int rc = n[full] == 0 ? 0 : mx_receipts_since(sync->server, gg_str(q->requester->user_id), ids[full], n[full],
                                                      full ? NULL : &q->since.receipts, &sync->now.receipts, sync->arena, out, err);
        if (rc != 0)
            return rc;
        for (size_t i = 0; i < n[full]; i++)
            places[full][i]->receipts = out[i].content;
    }
    return 0;
}

static void look_at_typing(struct mx_sync *sync)
{
    const struct mx_sync_query *q = sync->query;
    for (size_t i = 0; i < sync->n; i++) {
        struct mx_sync_room *r = &sync->rooms[i];
        /* A token from before a restart of the writer is above what it counts now: then everything is news. */
        bool all = !q->has_since || r->newly_joined || q->since.typing > sync->now.typing;
        int64_t from = all ? 0 : q->since.typing;
        r->typing = r->kind == MX_SYNC_JOIN && wants(&q->ephemeral, GG_STR("m.typing"), r->room->room_id) &&
                    mx_typing_changed(sync->server, r->room->room_id, from);
    }
}

/* ---- all of it ---- */

static bool says_something(const struct mx_sync_room *r)
{
    if (r->kind != MX_SYNC_JOIN)
        return true;
    return r->full || r->n_timeline > 0 || r->n_state > 0 || r->n_data > 0 || r->receipts.s != NULL || r->typing || r->limited;
}

static void drop_silent_rooms(struct mx_sync *sync)
{
    size_t n = 0;
    for (size_t i = 0; i < sync->n; i++)
        if (says_something(&sync->rooms[i]))
            sync->rooms[n++] = sync->rooms[i];
    sync->n = n;
}

int mx_sync_compute(struct mx_sync *sync, struct gg_error *err)
{
    sync->n = 0;
    int rc = read_account_data(sync, err);
    if (rc == 0)
        rc = choose_rooms(sync, err);
    if (rc == 0)
        rc = find_newly_joined(sync, err);
    if (rc == 0)
        rc = mx_sync_fill_rooms(sync, err);
    if (rc == 0)
        give_room_data(sync);
    if (rc == 0)
        rc = read_push_rules(sync, err);
    if (rc == 0)
        rc = read_receipts(sync, err);
    if (rc != 0)
        return rc;
    look_at_typing(sync);
    mx_sync_find_people(sync);
    drop_silent_rooms(sync);
    rc = mx_sync_count_unread(sync, err);
    return rc != 0 ? rc : mx_sync_gather_parts(sync, err);
}

bool mx_sync_empty(const struct mx_sync *sync)
{
    return sync->n == 0 && !mx_sync_parts_have_news(sync);
}
