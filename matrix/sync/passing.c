/* matrix/sync/passing.c: all that passed between two positions as one list. */
#include "sync/passing.h"

#include "rooms/access.h"
#include "sync/changes.h"
#include "sync/sync.h"
#include "userdata/typing.h"

#include <ganglion/matrix/heads.h>

int mx_passing_rooms(struct mx_server *server, const struct mx_passing_query *q, struct gg_arena *arena, struct gg_str **out,
                     size_t *n_out, struct gg_error *err)
{
    const struct mx_user_room *rooms;
    struct mx_access access;
    size_t n;
    *n_out = 0;
    if (q->room_id.s != NULL) {
        int rc = mx_room_access(server, gg_str(q->requester->user_id), q->room_id, arena, &access, err);
        if (rc == GG_E_FORBIDDEN || (rc == 0 && !access.joined && !access.peeking))
            return gg_refuse(err, 403, "M_FORBIDDEN", "Non-joined access not allowed");
        *out = GG_NEW(arena, struct gg_str);
        (*out)[(*n_out)++] = q->room_id;
        return rc;
    }
    int rc = mx_heads_rooms_of(server, gg_str(q->requester->user_id), arena, &rooms, &n, err);
    if (rc != 0)
        return rc;
    *out = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    for (size_t i = 0; i < n; i++)
        if (gg_str_is(rooms[i].membership, "join"))
            (*out)[(*n_out)++] = rooms[i].room_id;
    return 0;
}

/* ---- events ---- */

/* Of the rooms; and the user's own memberships elsewhere: invites, and rooms that they left. */
static const struct gg_stmt read_events = {
    "(SELECT event_id, stream_ordering, instance_name, room_id FROM events WHERE room_id = ANY ($1::text[])"
    " AND stream_ordering > $2 AND stream_ordering <= $3 AND NOT outlier AND rejection_reason IS NULL"
    " ORDER BY stream_ordering LIMIT $5) UNION"
    " (SELECT e.event_id, e.stream_ordering, e.instance_name, e.room_id FROM room_memberships AS m JOIN events AS e USING (event_id)"
    " WHERE m.user_id = $4 AND m.event_stream_ordering > $2 AND m.event_stream_ordering <= $3 AND e.rejection_reason IS NULL"
    " AND $6 ORDER BY m.event_stream_ordering LIMIT $5) ORDER BY stream_ordering LIMIT $5", GG_LANE_SCAN};

static size_t changed_rooms(struct mx_server *server, const struct mx_passing_query *q, const struct gg_str *rooms, size_t n,
                            struct gg_str *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (mx_changes_after(mx_sync_room_changes(server), rooms[i], q->from.room.at.min))
            out[kept++] = rooms[i];
    return kept;
}

/* What the user may see of events [first, end), which lie in one room. */
static int see(struct mx_server *server, const struct mx_passing_query *q, const struct mx_event **events, size_t n,
               struct gg_arena *arena, bool *visible, struct gg_error *err)
{
    struct gg_str user_id = gg_str(q->requester->user_id);
    struct mx_access access;
    int rc = mx_room_access(server, user_id, events[0]->room_id, arena, &access, err);
    if (rc == 0)
        rc = mx_events_visible(server, user_id, &access, events, n, arena, visible, err);
    for (size_t i = 0; i < n; i++)
        visible[i] = (rc == 0 && visible[i]) ||
                     (gg_str_is(events[i]->type, "m.room.member") && gg_str_eq(events[i]->state_key, user_id));
    return rc == GG_E_FORBIDDEN || rc == GG_E_NOT_FOUND ? 0 : rc; /* an invite to a room that is not known here */
}

/* Room by room, as many looks as there are rooms. */
static int drop_unseen(struct mx_server *server, const struct mx_passing_query *q, struct mx_passed *out, struct gg_arena *arena,
                       struct gg_error *err)
{
    size_t n = 0;
    const struct mx_event **group = GG_NEW_ARRAY(arena, const struct mx_event *, out->n + 1);
    size_t *at = GG_NEW_ARRAY(arena, size_t, out->n + 1);
    bool *visible = GG_NEW_ARRAY(arena, bool, out->n + 1), *done = GG_NEW_ARRAY(arena, bool, out->n + 1);
    for (size_t i = 0; i < out->n; i++) {
        size_t m = 0;
        if (done[i] || out->events[i] == NULL)
            continue;
        for (size_t k = i; k < out->n; k++) {
            if (out->events[k] == NULL || !gg_str_eq(out->events[k]->room_id, out->events[i]->room_id))
                continue;
            done[k] = true;
            at[m] = k;
            group[m++] = out->events[k];
        }
        int rc = see(server, q, group, m, arena, visible, err);
        if (rc != 0)
            return rc;
        for (size_t k = 0; k < m; k++)
            if (!visible[k])
                out->events[at[k]] = NULL;
    }
    for (size_t i = 0; i < out->n; i++)
        if (out->events[i] != NULL && out->events[i]->meta.rejected.s == NULL && !out->events[i]->meta.soft_failed)
            out->events[n++] = out->events[i];
    out->n = n;
    return 0;
}

static int pass_events(struct mx_server *server, const struct mx_passing_query *q, const struct gg_str *rooms, size_t n_rooms,
                       struct gg_arena *arena, struct mx_passed *out, struct gg_error *err)
{
    struct gg_rows *rows;
    struct gg_str *changed = GG_NEW_ARRAY(arena, struct gg_str, n_rooms + 1), *ids;
    size_t n_changed = changed_rooms(server, q, rooms, n_rooms, changed);
    int rc = gg_db_read(server->db, &read_events,
                        GG_PARAMS(gg_p_texts(changed, n_changed), gg_p_i64(q->from.room.at.min),
                                  gg_p_i64(mx_position_max(&out->end.room.at)), gg_p_text(q->requester->user_id),
                                  gg_p_i64((int64_t)q->limit), gg_p_bool(q->room_id.s == NULL)), arena, &rows, err);
    if (rc != 0)
        return rc;
    ids = GG_NEW_ARRAY(arena, struct gg_str, gg_rows_count(rows) + 1);
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        struct gg_str writer = gg_rows_str(rows, i, 2);
        const char *name = writer.s != NULL ? writer.s : "master";
        int64_t stream = gg_rows_i64(rows, i, 1);
        if (mx_position_includes(server, &out->end.room.at, name, stream) &&
            !mx_position_includes(server, &q->from.room.at, name, stream))
            ids[out->n++] = gg_rows_str(rows, i, 0);
    }
    if (gg_rows_count(rows) == q->limit && q->limit > 0) /* there may be more: the next request goes on from the last one */
        out->end.room = (struct mx_room_token){.depth = -1, .at = {.min = gg_rows_i64(rows, gg_rows_count(rows) - 1, 1)}};
    out->events = GG_NEW_ARRAY(arena, const struct mx_event *, out->n + 1);
    rc = mx_store_events(server, ids, out->n, false, arena, out->events, err);
    return rc != 0 ? rc : drop_unseen(server, q, out, arena, err);
}

/* ---- the rest ---- */

static int pass_userdata(struct mx_server *server, const struct mx_passing_query *q, const struct gg_str *rooms, size_t n_rooms,
                         struct gg_arena *arena, struct mx_passed *out, struct gg_error *err)
{
    struct gg_str user_id = gg_str(q->requester->user_id);
    struct gg_str *read = GG_NEW_ARRAY(arena, struct gg_str, n_rooms + 1);
    int64_t typing_from = q->from.typing > out->end.typing ? 0 : q->from.typing; /* its writer has started afresh */
    int rc = 0;
    out->typing = GG_NEW_ARRAY(arena, struct gg_str, n_rooms + 1);
    for (size_t i = 0; i < n_rooms; i++) {
        if (mx_typing_changed(server, rooms[i], typing_from))
            out->typing[out->n_typing++] = rooms[i];
        if (mx_receipts_changed(server, rooms[i], q->from.receipts.min))
            read[out->n_receipts++] = rooms[i];
    }
    out->receipts = GG_NEW_ARRAY(arena, struct mx_room_receipts, out->n_receipts + 1);
    if (out->n_receipts > 0)
        rc = mx_receipts_since(server, user_id, read, out->n_receipts, &q->from.receipts, &out->end.receipts, arena, out->receipts, err);
    if (rc == 0 && mx_account_data_changed(server, user_id, q->from.account_data) && q->from.account_data > 0)
        rc = mx_account_data_since(server, user_id, q->from.account_data, out->end.account_data, arena, &out->data, &out->n_data, err);
    return rc;
}

/* Those who came into view: whoever joined, and where the user did, everybody who is there. */
static int add_new_faces(struct mx_server *server, const struct mx_passing_query *q, struct gg_arena *arena,
                         struct mx_passed *out, struct gg_error *err)
{
    for (size_t i = 0; i < out->n; i++) {
        const struct mx_event *e = out->events[i];
        const struct gg_str *users = &e->state_key;
        const struct mx_head *head;
        size_t n = 1;
        int rc = 0;
        if (!gg_str_is(e->type, "m.room.member") || !gg_str_is(e->membership, "join"))
            continue;
        if (gg_str_is(e->state_key, q->requester->user_id)) {
            rc = mx_heads_get(server, e->room_id, arena, &head, err);
            if (rc == 0)
                rc = mx_heads_joined(server, head, arena, &users, &n, err);
        }
        struct mx_presence_seen *faces, *all = GG_NEW_ARRAY(arena, struct mx_presence_seen, out->n_presence + n + 1);
        if (rc == 0)
            rc = mx_presence_get_all(server, users, n, arena, &faces, err);
        if (rc != 0)
            return rc;
        for (size_t k = 0; k < out->n_presence; k++)
            all[k] = out->presence[k];
        for (size_t k = 0; k < n; k++)
            all[out->n_presence++] = faces[k];
        out->presence = all;
    }
    return 0;
}

int mx_passing_read(struct mx_server *server, const struct mx_passing_query *q, const struct gg_str *rooms, size_t n_rooms,
                    struct gg_arena *arena, struct mx_passed *out, struct gg_error *err)
{
    memset(out, 0, sizeof(*out));
    int rc = mx_token_now(server, &out->end, err);
    if (rc == 0)
        rc = pass_events(server, q, rooms, n_rooms, arena, out, err);
    if (rc == 0)
        rc = pass_userdata(server, q, rooms, n_rooms, arena, out, err);
    if (rc == 0 && q->from.presence > 0)
        rc = mx_presence_since_peeking(server, gg_str(q->requester->user_id), q->room_id, q->from.presence, true, arena,
                                       &out->presence, &out->n_presence, err);
    return rc == 0 && mx_presence_enabled(server) ? add_new_faces(server, q, arena, out, err) : rc;
}

bool mx_passing_empty(const struct mx_passed *passed)
{
    bool receipts = false;
    for (size_t i = 0; i < passed->n_receipts; i++)
        receipts = receipts || passed->receipts[i].content.s != NULL;
    return passed->n + passed->n_presence + passed->n_typing + passed->n_data == 0 && !receipts;
}
