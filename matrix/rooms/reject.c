/* matrix/rooms/reject.c: turning an invitation down where no member of this server is left to ask.
 *
 * The room's current state is gone with its last local member, so nothing can be built on it; the leave then stands on
 * the invite itself (facts database, out-of-band memberships). */
#include "rooms/reject.h"

int mx_reject_find(struct mx_server *server, const struct mx_requester *requester, struct gg_str room_id,
                   struct gg_arena *arena, const struct mx_event **out, struct gg_error *err)
{
    const struct mx_user_room *rooms;
    size_t n;
    int rc = mx_heads_rooms_of(server, gg_str(requester->user_id), arena, &rooms, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (gg_str_eq(rooms[i].room_id, room_id) &&
            (gg_str_is(rooms[i].membership, "invite") || gg_str_is(rooms[i].membership, "knock")))
            return mx_store_event(server, rooms[i].event_id, arena, out, err);
    return rc == 0 ? gg_refuse(err, 404, "M_UNKNOWN", "Not a known room") : rc;
}

static int build_leave(struct mx_server *server, const struct mx_requester *requester, const struct mx_event *invite,
                       struct gg_str content, struct gg_arena *arena, struct mx_event **out, struct gg_error *err)
{
    struct gg_str *auth = GG_NEW_ARRAY(arena, struct gg_str, invite->n_auth + 1), user_id = gg_str(requester->user_id);
    if (invite->n_auth > 0)
        memcpy(auth, invite->auth_events, invite->n_auth * sizeof(*auth));
    auth[invite->n_auth] = invite->event_id;
    struct gg_buf unsigned_ = GG_BUF_INIT;
    gg_buf_printf(&unsigned_, "{\"age_ts\":%lld,\"replaces_state\":", (long long)gg_wall_ms());
    gg_buf_json_string(&unsigned_, invite->event_id);
    gg_buf_char(&unsigned_, '}');
    struct mx_event_template t = {
        .version = invite->version, .room_id = invite->room_id, .type = GG_STR("m.room.member"), .sender = user_id,
        .state_key = user_id, .content = content, .origin_server_ts = gg_wall_ms(), .depth = mx_depth_after(invite->depth),
        .prev_events = &invite->event_id, .n_prev = 1, .auth_events = auth, .n_auth = invite->n_auth + 1,
        .unsigned_ = gg_buf_view(&unsigned_), .meta = {.outlier = true, .out_of_band = true}};
    if (requester->device_id != NULL)
        t.meta.device_id = gg_str(requester->device_id);
    int rc = mx_event_build(&t, server->name, &server->keys[0], out, err);
    gg_buf_done(&unsigned_);
    return rc;
}

int mx_reject_event(struct mx_server *server, const struct mx_requester *requester, const struct mx_event *event,
                    struct gg_str content, struct gg_arena *arena, struct gg_str *event_id_out, int64_t *stream_out,
                    struct gg_error *err)
{
    struct mx_event *leave;
    int64_t stream = 0;
    struct gg_str id;
    int rc = build_leave(server, requester, event, content, arena, &leave, err);
    if (rc != 0)
        return rc;
    struct mx_persist_item item = {.event = leave};
    rc = mx_persist_remote(server, requester, event->room_id, &item, 1, arena, &stream, &id, err);
    if (rc == 0)
        *event_id_out = gg_arena_str(arena, id);
    if (stream_out != NULL)
        *stream_out = stream;
    mx_event_unref(leave);
    return rc;
}
