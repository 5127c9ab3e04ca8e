/* matrix/rooms/access.c: who may read what of a room (client-server API, "Room History Visibility"). */
#include "rooms/access.h"

#include "rooms/retention.h"

#include "userdata/ignored.h"

/* ---- the room as a whole ---- */

static int visibility_of(struct mx_server *server, const struct mx_state *state, struct gg_arena *arena, struct gg_str *out,
                         const struct mx_event **event_out, struct gg_error *err)
{
    *out = GG_STR("shared"); /* the default where the room does not say */
    *event_out = NULL;
    struct gg_str id = mx_state_get(state, GG_STR("m.room.history_visibility"), GG_STR(""));
    if (id.s == NULL)
        return 0;
    int rc = mx_store_event(server, id, arena, event_out, err);
    if (rc != 0)
        return rc;
    struct gg_str value = mx_json_string(mx_json_get((*event_out)->content, "history_visibility"), arena);
    if (gg_str_is(value, "world_readable") || gg_str_is(value, "invited") || gg_str_is(value, "joined"))
        *out = value;
    return 0;
}

/* The current state of a room that everybody has left is not kept: the user's own row is what remains. */
static const struct gg_stmt last_membership = {
    "SELECT c.event_id, c.membership, m.forgotten, EXISTS (SELECT 1 FROM room_memberships j WHERE j.user_id = $1 AND j.room_id = $2"
    " AND j.membership = 'join') FROM local_current_membership c JOIN room_memberships m USING (event_id)"
    " WHERE c.user_id = $1 AND c.room_id = $2", GG_LANE_POINT};

static int up_to_leave(struct mx_server *server, struct gg_str leave_id, struct gg_arena *arena, struct mx_access *access,
                       struct gg_error *err)
{
    const struct mx_event *leave;
    int rc = mx_store_event(server, leave_id, arena, &leave, err);
    if (rc != 0)
        return rc;
    access->until = leave->meta.stream_ordering;
    if (leave->meta.outlier) { /* an invite turned down when the server had left the room: nothing is known around it */
        access->out_of_band = leave;
        access->ever_joined = false;
        return 0;
    }
    return mx_store_state_after(server, leave_id, arena, &access->state, err);
}

/* Those who left see the room as it was when they left, unless they were banned or have forgotten it. */
static int former_member(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct mx_access *access,
                         struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &last_membership, GG_PARAMS(gg_p_str(user_id), gg_p_str(access->head->room_id)), arena, &rows, err);
    if (rc != 0 || gg_rows_count(rows) == 0)
        return rc;
    access->membership = gg_rows_str(rows, 0, 1);
    if (!gg_str_is(access->membership, "leave") || gg_rows_i64(rows, 0, 2) != 0 || !gg_rows_bool(rows, 0, 3))
        return 0;
    access->ever_joined = true;
    return up_to_leave(server, gg_rows_str(rows, 0, 0), arena, access, err);
}

static const struct gg_stmt joined_before = {
    "SELECT 1 FROM room_memberships WHERE user_id = $1 AND room_id = $2 AND membership = 'join' LIMIT 1", GG_LANE_POINT};

int mx_room_access_left(struct mx_server *server, struct gg_str user_id, const struct mx_user_room *room,
                        struct gg_arena *arena, struct mx_access *out, struct gg_error *err)
{
    struct gg_rows *rows;
    memset(out, 0, sizeof(*out));
    out->membership = room->membership;
    int rc = gg_db_read(server->db, &joined_before, GG_PARAMS(gg_p_str(user_id), gg_p_str(room->room_id)), arena, &rows, err);
    if (rc == 0)
        rc = mx_heads_get(server, room->room_id, arena, &out->head, err);
    if (rc != 0)
        return rc;
    out->ever_joined = gg_rows_count(rows) > 0;
    return up_to_leave(server, room->event_id, arena, out, err);
}

static int forbidden(struct gg_str user_id, struct gg_str room_id, struct gg_error *err)
{
    return gg_refuse(err, 403, "M_FORBIDDEN", "User %.*s not in room %.*s, and room previews are disabled", GG_FMT(user_id),
                     GG_FMT(room_id));
}

int mx_room_access(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_arena *arena,
                   struct mx_access *out, struct gg_error *err)
{
    memset(out, 0, sizeof(*out));
    out->until = INT64_MAX;
    int rc = mx_heads_get(server, room_id, arena, &out->head, err);
    if (rc == GG_E_NOT_FOUND)
        return forbidden(user_id, room_id, err);
    if (rc == 0)
        rc = mx_heads_membership(server, out->head, user_id, arena, &out->membership, err);
    if (rc != 0)
        return rc;
    out->state = out->head->state;
    out->joined = out->ever_joined = gg_str_is(out->membership, "join");
    if (out->joined)
        return 0;
    if (out->membership.s == NULL || gg_str_is(out->membership, "leave")) {
        rc = former_member(server, user_id, arena, out, err);
        if (rc != 0 || out->ever_joined)
            return rc;
    }
    struct gg_str visibility;
    const struct mx_event *event;
    rc = visibility_of(server, out->head->state, arena, &visibility, &event, err);
    if (rc != 0)
        return rc;
    out->peeking = gg_str_is(visibility, "world_readable");
    out->state = out->head->state;
    out->until = INT64_MAX;
    return out->peeking ? 0 : forbidden(user_id, room_id, err);
}

int mx_room_access_joined(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_arena *arena,
                          struct mx_access *out, struct gg_error *err)
{
    int rc = mx_room_access(server, user_id, room_id, arena, out, err);
    if (rc == 0 && !out->joined)
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "User %.*s not in room %.*s", GG_FMT(user_id), GG_FMT(room_id));
    return rc;
}

/* ---- one event ---- */

/* The most that a pair of memberships (before and after the user's own member event) allows. */
static bool any_is(struct gg_str a, struct gg_str b, const char *what)
{
    return gg_str_is(a, what) || gg_str_is(b, what);
}

struct at_event {
    struct gg_str visibility, visibility_before;
    struct gg_str membership, membership_before;
};

/* A member of the content that a state event replaced; *out s NULL: none. */
static int previous(struct mx_server *server, const struct mx_event *event, const char *key, struct gg_arena *arena,
                    struct gg_str *out, struct gg_error *err)
{
    struct gg_str id = mx_json_string(mx_json_get(event->unsigned_, "replaces_state"), arena);
    const struct mx_event *old;
    int rc = id.s != NULL ? mx_store_events(server, &id, 1, false, arena, &old, err) : 0;
    *out = (struct gg_str){0};
    if (rc == 0 && id.s != NULL && old != NULL)
        *out = mx_json_string(mx_json_get(old->content, key), arena);
    return rc;
}

static int look_at(struct mx_server *server, struct gg_str user_id, const struct mx_event *event, struct gg_arena *arena,
                   struct at_event *at, struct gg_error *err)
{
    memset(at, 0, sizeof(*at));
    const struct mx_state *state;
    const struct mx_event *visibility, *member;
    int rc = mx_store_state_after(server, event->event_id, arena, &state, err);
    if (rc == 0)
        rc = visibility_of(server, state, arena, &at->visibility, &visibility, err);
    if (rc != 0)
        return rc;
    struct gg_str id = mx_state_get(state, GG_STR("m.room.member"), user_id);
    if (id.s != NULL) {
        rc = mx_store_event(server, id, arena, &member, err);
        if (rc != 0)
            return rc;
        at->membership = member->membership;
    }
    if (mx_event_is(event, "m.room.history_visibility", ""))
        rc = previous(server, event, "history_visibility", arena, &at->visibility_before, err);
    if (mx_event_is(event, "m.room.history_visibility", "") && at->visibility_before.s == NULL)
        at->visibility_before = GG_STR("shared"); /* the default: what held before it */
    if (rc == 0 && gg_str_is(event->type, "m.room.member") && gg_str_eq(event->state_key, user_id))
        rc = previous(server, event, "membership", arena, &at->membership_before, err);
    return rc;
}

static bool may_see(const struct mx_access *access, const struct at_event *at)
{
    if (any_is(at->visibility, at->visibility_before, "world_readable") || any_is(at->membership, at->membership_before, "join"))
        return true;
    if (any_is(at->visibility, at->visibility_before, "shared") && access->ever_joined && !access->own_time)
        return true;
    return any_is(at->visibility, at->visibility_before, "invited") && any_is(at->membership, at->membership_before, "invite") &&
           access->ever_joined;
}

/* In most rooms history has been "shared" (or better) from the first day: then a member may see everything, and no
 * state need be read. The first history_visibility event replaces nothing; before it the default is "shared" too. */
static int all_visible(struct mx_server *server, const struct mx_access *access, struct gg_arena *arena, bool *all,
                       struct gg_error *err)
{
    struct gg_str visibility;
    const struct mx_event *event;
    *all = false;
    if (!access->joined)
        return 0;
    int rc = visibility_of(server, access->head->state, arena, &visibility, &event, err);
    if (rc == 0 && (gg_str_is(visibility, "shared") || gg_str_is(visibility, "world_readable")))
        *all = event == NULL || mx_json_get(event->unsigned_, "replaces_state").s == NULL;
    return rc;
}

/* Whom the user ignores says nothing to them; what such a user makes of the room's state is seen all the same. */
static int drop_ignored(struct mx_server *server, struct gg_str user_id, const struct mx_event *const *events, size_t n,
                        struct gg_arena *arena, bool *visible, struct gg_error *err)
{
    const struct gg_str *ignored;
    size_t n_ignored;
    int rc = mx_ignored_users(server, user_id, arena, &ignored, &n_ignored, err);
    for (size_t k = 0; rc == 0 && k < n_ignored; k++)
        for (size_t i = 0; i < n; i++)
            if (visible[i] && !mx_event_is_state(events[i]) && gg_str_eq(events[i]->sender, ignored[k]))
                visible[i] = false;
    return rc;
}

/* Events that no client is shown: those that only tie loose ends of a room together, and those that named aliases, which
 * servers cannot take back by redaction (Synapse keeps them from clients, too). */
static bool is_hidden(const struct mx_event *event)
{
    return gg_str_is(event->type, "m.room.aliases") || gg_str_is(event->type, "org.matrix.dummy_event");
}

/* What came after the user had left is not theirs to read, unless it is everybody's. */
static bool in_time(const struct mx_access *access, const struct mx_event *event, const struct at_event *at)
{
    return event->meta.stream_ordering <= access->until || any_is(at->visibility, at->visibility_before, "world_readable");
}

/* Messages that the room's retention policy lets live no longer, whether or not they have been purged yet. */
static int drop_expired(struct mx_server *server, struct gg_str room_id, const struct mx_event *const *events, size_t n,
                        bool *visible, struct gg_error *err)
{
    int64_t max_ms;
    int rc = mx_retention_of(server, room_id, &max_ms, err);
    for (size_t i = 0; rc == 0 && max_ms > 0 && i < n; i++)
        if (events[i] != NULL && !mx_event_is_state(events[i]) && events[i]->origin_server_ts < gg_wall_ms() - max_ms)
            visible[i] = false;
    return rc;
}

int mx_room_access_admin(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena, struct mx_access *out,
                         struct gg_error *err)
{
    *out = (struct mx_access){.joined = true, .ever_joined = true, .until = INT64_MAX, .admin = true};
    int rc = mx_heads_get(server, room_id, arena, &out->head, err);
    if (rc == GG_E_NOT_FOUND)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Room not found");
    out->state = rc == 0 ? out->head->state : NULL;
    return rc;
}

int mx_events_visible(struct mx_server *server, struct gg_str user_id, const struct mx_access *access,
                      const struct mx_event *const *events, size_t n, struct gg_arena *arena, bool *visible,
                      struct gg_error *err)
{
    bool all;
    for (size_t i = 0; access->admin && i < n; i++)
        visible[i] = events[i] != NULL;
    if (access->admin)
        return 0;
    int rc = all_visible(server, access, arena, &all, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        bool candidate = events[i] != NULL && !is_hidden(events[i]);
        visible[i] = all && candidate;
        if (all || !candidate)
            continue;
        struct at_event at;
        rc = look_at(server, user_id, events[i], arena, &at, err);
        visible[i] = rc == 0 && in_time(access, events[i], &at) && may_see(access, &at);
    }
    if (rc == 0 && n > 0)
        rc = drop_expired(server, access->head->room_id, events, n, visible, err);
    return rc != 0 ? rc : drop_ignored(server, user_id, events, n, arena, visible, err);
}
