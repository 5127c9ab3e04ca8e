/* delayed/send.c: a delayed event is sent, as its sender would send it now. */
#include "delayed/delayed.h"

#include <ganglion/log.h>
#include <ganglion/matrix/id.h>

#include "storage/accounts.h"

static struct gg_logger logger = {"ganglion.delayed"};

static int send_state_of_member(struct mx_server *server, const struct mx_requester *who, const struct mx_delayed *event,
                                int64_t at_ms, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str membership = mx_json_string(mx_json_get(event->content, "membership"), arena), event_id;
    const struct mx_membership_change change = {
        .room_id = event->room_id, .target = event->state_key, .membership = membership, .content = event->content,
        .action = gg_arena_strndup(arena, membership.s, membership.n), .origin_server_ts = at_ms};
    return mx_room_membership(server, who, &change, arena, &event_id, err);
}

static int send_as(struct mx_server *server, const struct mx_requester *who, const struct mx_delayed *event, int64_t at_ms,
                   struct gg_arena *arena, struct gg_error *err)
{
    struct mx_new_event new = {.room_id = event->room_id, .type = event->type, .state_key = event->state_key,
                               .content = event->content, .origin_server_ts = at_ms,
                               .delayed = true, .txn_id = gg_arena_strndup(arena, event->id.s, event->id.n)};
    struct gg_str event_id;
    if (event->state_key.s != NULL && gg_str_is(event->type, "m.room.member"))
        return send_state_of_member(server, who, event, at_ms, arena, err);
    if (gg_str_is(event->type, "m.room.redaction"))
        new.redacts = mx_json_string(mx_json_get(event->content, "redacts"), arena);
    return mx_room_send(server, who, &new, arena, &event_id, NULL, err);
}

int mx_delayed_send_claimed(struct mx_server *server, const struct mx_delayed *event, int64_t at_ms, struct gg_arena *arena,
                            struct gg_error *err)
{
    const char *user_id = gg_arena_printf(arena, "@%.*s:%s", GG_FMT(event->localpart), server->name);
    struct mx_user user;
    struct gg_error late = GG_ERROR_INIT;
    int rc = mx_users_get(server, gg_str(user_id), arena, &user, err);
    /* A token that is empty: it is the user who acts, and what limits users holds, though nobody asks just now. */
    const struct mx_requester who = {
        .user_id = user_id, .localpart = gg_arena_strndup(arena, event->localpart.s, event->localpart.n),
        .device_id = event->device_id.s != NULL ? gg_arena_strndup(arena, event->device_id.s, event->device_id.n) : NULL,
        .access_token = "", .guest = user.guest, .admin = user.admin, .suspended = user.suspended};
    if (rc == 0 && user.id.s != NULL && !user.deactivated && !user.shadow_banned)
        rc = send_as(server, &who, event, at_ms, arena, err);
    if (rc == GG_E_CANCELLED)
        return rc; /* the process ends: its successor sends it */
    if (mx_delayed_done(server, event->id, &late) != 0)
        gg_warn(&logger, "%.*s was sent, and stays all the same: %s", GG_FMT(event->id), late.message);
    return rc;
}
