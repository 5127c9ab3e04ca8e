/* matrix/sync/sync.c: which rooms and which data an answer of /sync speaks of. */
#include "sync/parts.h"

#include "push/show.h"
#include "rooms/access.h"
#include "sync/changes.h"
#include "userdata/ignored.h"
#include "userdata/typing.h"

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
    if (room->forgotten || (q->has_since && !q->full_state))
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

static int choose_rooms(struct mx_sync *sync, const struct mx_user_room *rooms, size_t n, struct gg_error *err)
{
    const struct gg_str *ignored;
    size_t n_ignored;
    int rc = mx_ignored_users(sync->server, gg_str(sync->query->requester->user_id), sync->arena, &ignored, &n_ignored, err);
    if (rc != 0)
        return rc;
    sync->rooms = GG_NEW_ARRAY(sync->arena, struct mx_sync_room, n + 1);
    for (size_t i = 0; i < n; i++) {
        const struct mx_user_room *room = &rooms[i];
        bool shown = !sync->query->has_since || sync->query->full_state || happened_since(sync, room->stream_ordering);
        if (!mx_filter_room(&sync->query->rooms, room->room_id))
            continue;
        if (gg_str_is(room->membership, "join"))
            add_room(sync, room, MX_SYNC_JOIN);
        else if (gg_str_is(room->membership, "invite") && shown && !among(ignored, n_ignored, room->sender))
            add_room(sync, room, MX_SYNC_INVITE);
        else if (gg_str_is(room->membership, "knock") && shown)
            add_room(sync, room, MX_SYNC_KNOCK);
        else if ((gg_str_is(room->membership, "leave") || gg_str_is(room->membership, "ban")) && wanted_left(sync, room))
            add_room(sync, room, MX_SYNC_LEAVE);
    }
    return 0;
}

/* ---- rooms that were joined since: the client knows nothing of them, however much it has seen of others ---- */

static const struct gg_stmt membership_before = {
    "SELECT r.room_id, m.membership FROM unnest($2::text[]) AS r (room_id) CROSS JOIN LATERAL ("
    " SELECT membership FROM room_memberships WHERE user_id = $1 AND room_id = r.room_id AND event_stream_ordering <= $3"
    " ORDER BY event_stream_ordering DESC LIMIT 1) m", GG_LANE_POINT};

static bool was_in(const struct gg_rows *rows, struct gg_str room_id)
{
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        if (gg_str_eq(gg_rows_str(rows, i, 0), room_id))
            return gg_str_is(gg_rows_str(rows, i, 1), "join");
    return false;
}

static int find_newly_joined(struct mx_sync *sync, struct gg_error *err)
{
    if (!sync->query->has_since)
        return 0;
    struct gg_str *ids = GG_NEW_ARRAY(sync->arena, struct gg_str, sync->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < sync->n; i++)
        if ((sync->rooms[i].kind == MX_SYNC_JOIN || sync->rooms[i].kind == MX_SYNC_LEAVE) &&
            happened_since(sync, sync->rooms[i].room->stream_ordering))
            ids[n++] = sync->rooms[i].room->room_id;
    if (n == 0)
        return 0;
    struct gg_rows *rows;
    int rc = gg_db_read(sync->server->db, &membership_before,
                        GG_PARAMS(gg_p_text(sync->query->requester->user_id), gg_p_texts(ids, n), gg_p_i64(sync->query->since.room.at.min)),
                        sync->arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < sync->n; i++) {
        struct mx_sync_room *r = &sync->rooms[i];
        if (r->kind == MX_SYNC_INVITE || r->kind == MX_SYNC_KNOCK || !happened_since(sync, r->room->stream_ordering))
            continue;
        if (was_in(rows, r->room->room_id)) {
            r->newly_left = r->kind == MX_SYNC_LEAVE;
            continue;
        }
        r->full = r->changed = r->newly_joined = true;
        r->after = INT64_MIN;
    }
    return rc;
}

/* ---- data beside the events ---- */

static void give_room_data(struct mx_sync *sync, struct mx_data_row *rows, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        while (end < n && gg_str_eq(rows[end].room_id, rows[i].room_id))
            end++;
        for (size_t k = 0; k < sync->n; k++) {
            struct mx_sync_room *r = &sync->rooms[k];
            if ((r->kind == MX_SYNC_JOIN || r->kind == MX_SYNC_LEAVE) && gg_str_eq(r->room->room_id, rows[i].room_id)) {
                r->data = &rows[i];
                r->n_data = end - i;
            }
        }
        i = end;
    }
}

static int read_account_data(struct mx_sync *sync, struct gg_error *err)
{
    const struct mx_sync_query *q = sync->query;
    struct gg_str user_id = gg_str(q->requester->user_id);
    int64_t from = q->has_since && !q->full_state ? q->since.account_data : 0;
    bool any_full = false;
    for (size_t i = 0; i < sync->n; i++)
        any_full = any_full || sync->rooms[i].full;
    if (from != 0 && !any_full && !mx_account_data_changed(sync->server, user_id, from))
        return 0;
    struct mx_data_row *rows;
    size_t n, global = 0;
    int rc = mx_account_data_since(sync->server, user_id, from, sync->now.account_data, sync->arena, &rows, &n, err);
    if (rc != 0)
        return rc;
    while (global < n && rows[global].room_id.s == NULL)
        global++;
    sync->data = rows;
    sync->n_data = global;
    give_room_data(sync, rows + global, n - global);
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
        if (r->kind != MX_SYNC_JOIN || (!all && !mx_receipts_changed(sync->server, r->room->room_id, q->since.receipts.min)))
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
        r->typing = r->kind == MX_SYNC_JOIN && mx_typing_changed(sync->server, r->room->room_id, from);
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

int mx_sync_compute(struct mx_sync *sync, const struct mx_user_room *rooms, size_t n, struct gg_error *err)
{
    int rc = choose_rooms(sync, rooms, n, err);
    if (rc == 0)
        rc = find_newly_joined(sync, err);
    if (rc == 0)
        rc = mx_sync_fill_rooms(sync, err);
    if (rc == 0)
        rc = read_account_data(sync, err);
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
