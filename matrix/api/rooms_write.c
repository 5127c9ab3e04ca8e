/* matrix/api/rooms_write.c: the client-server endpoints that make events (routes are in rooms_routes.c). */
#include "api/params.h"
#include "api/rooms.h"

#include "rooms/access.h"
#include "rooms/create.h"
#include "rooms/forget.h"
#include "storage/directory.h"

#include <ganglion/matrix/id.h>

/* ---- answers ---- */

static int reply_id(struct gg_request *rq, const char *key, struct gg_str id)
{
    struct gg_buf buf = GG_BUF_INIT;
    gg_buf_printf(&buf, "{\"%s\":", key);
    gg_buf_json_string(&buf, id);
    gg_buf_char(&buf, '}');
    return gg_reply_buf(rq, 200, &buf);
}

/* ---- createRoom ---- */

int mx_api_create_room(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str body, room_id, alias;
    int rc = gg_request_body(rq).n > 0 ? mx_api_object_body(rq, &body, err) : gg_refuse(err, 400, "M_NOT_JSON", "Content not JSON.");
    if (rc == 0)
        rc = mx_room_create(mx_server_of_request(rq), mx_requester_of(rq), body, gg_request_arena(rq), &room_id, &alias, err);
    if (rc != 0)
        return rc;
    return reply_id(rq, "room_id", room_id);
}

/* ---- sending ---- */

int mx_api_send(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_new_event e = {.room_id = mx_api_param(rq, "room_id"), .type = mx_api_param(rq, "event_type"),
                             .txn_id = gg_request_param(rq, "txn_id"), .ratelimit = true};
    struct gg_str event_id;
    if (gg_str_is(e.type, "m.room.redaction"))
        e.redacts = mx_json_string(mx_json_get(gg_request_body(rq), "redacts"), gg_request_arena(rq));
    int rc = mx_api_object_body(rq, &e.content, err);
    if (rc == 0)
        rc = mx_room_send(mx_server_of_request(rq), mx_requester_of(rq), &e, gg_request_arena(rq), &event_id, NULL, err);
    return rc != 0 ? rc : reply_id(rq, "event_id", event_id);
}

/* A member event takes the same way whichever endpoint it came by. */
static int put_member(struct gg_request *rq, struct gg_str room_id, struct gg_str target, struct gg_str content,
                      struct gg_str *event_id, struct gg_error *err)
{
    struct gg_str membership = mx_json_string(mx_json_get(content, "membership"), gg_request_arena(rq));
    if (membership.s == NULL)
        return gg_refuse(err, 400, "M_BAD_JSON", "Content of m.room.member needs a membership");
    struct mx_membership_change change = {.room_id = room_id, .target = target, .membership = membership,
                                          .content = content,
                                          .action = gg_arena_strndup(gg_request_arena(rq), membership.s, membership.n)};
    return mx_room_membership(mx_server_of_request(rq), mx_requester_of(rq), &change, gg_request_arena(rq), event_id, err);
}

int mx_api_put_state(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_new_event e = {.room_id = mx_api_param(rq, "room_id"), .type = mx_api_param(rq, "event_type"),
                             .state_key = mx_api_param(rq, "state_key"), .ratelimit = true};
    struct gg_str event_id;
    if (e.state_key.s == NULL)
        e.state_key = GG_STR("");
    int rc = mx_api_object_body(rq, &e.content, err);
    if (rc == 0 && gg_str_is(e.type, "m.room.member"))
        rc = put_member(rq, e.room_id, e.state_key, e.content, &event_id, err);
    else if (rc == 0)
        rc = mx_room_send(mx_server_of_request(rq), mx_requester_of(rq), &e, gg_request_arena(rq), &event_id, NULL, err);
    return rc != 0 ? rc : reply_id(rq, "event_id", event_id);
}

/* Version 11 moved redacts into the content; both places are filled in where the version wants them (mx_event_build). */
int mx_api_redact(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    struct mx_new_event e = {.room_id = mx_api_param(rq, "room_id"), .type = GG_STR("m.room.redaction"),
                             .redacts = mx_api_param(rq, "event_id"), .txn_id = gg_request_param(rq, "txn_id"), .ratelimit = true};
    struct gg_str event_id;
    int rc = mx_api_object_body(rq, &e.content, err);
    if (rc == 0)
        rc = mx_room_send(server, mx_requester_of(rq), &e, arena, &event_id, NULL, err);
    return rc != 0 ? rc : reply_id(rq, "event_id", event_id);
}

/* ---- membership ---- */

static const struct {
    const char *action, *membership;
    bool names_target;
} actions[] = {{"join", "join", false}, {"leave", "leave", false}, {"invite", "invite", true},
               {"kick", "leave", true}, {"ban", "ban", true},      {"unban", "leave", true}};

static int read_target(struct gg_request *rq, struct gg_str body, struct gg_str *target, struct gg_error *err)
{
    *target = mx_json_string(mx_json_get(body, "user_id"), gg_request_arena(rq));
    if (target->s == NULL && mx_json_get(body, "medium").s != NULL)
        return gg_refuse(err, 403, "M_FORBIDDEN", "Invites by third-party identifier are not offered by this server");
    return target->s != NULL ? 0 : gg_refuse(err, 400, "M_MISSING_PARAM", "Missing required key: user_id");
}

/* whole_body: all of the body goes into the event, as it does with POST /join/{room}; else only the reason. */
static int change_membership(struct gg_request *rq, const char *action, struct gg_str room_id, bool whole_body,
                             struct gg_error *err)
{
    struct mx_membership_change change = {.room_id = room_id, .target = gg_str(mx_requester_of(rq)->user_id), .action = action};
    struct gg_str body, event_id;
    int rc = mx_api_object_body(rq, &body, err);
    for (size_t i = 0; rc == 0 && i < GG_COUNT(actions); i++) {
        if (strcmp(actions[i].action, action) != 0)
            continue;
        change.membership = gg_str(actions[i].membership);
        if (actions[i].names_target)
            rc = read_target(rq, body, &change.target, err);
    }
    if (rc != 0)
        return rc;
    if (whole_body)
        change.content = body;
    change.reason = mx_json_string(mx_json_get(body, "reason"), gg_request_arena(rq));
    return mx_room_membership(mx_server_of_request(rq), mx_requester_of(rq), &change, gg_request_arena(rq), &event_id, err);
}

#define ACTION(name_)                                                                        \
    int mx_api_##name_(void *self, struct gg_request *rq, struct gg_error *err)              \
    {                                                                                        \
        int rc = change_membership(rq, #name_, mx_api_param(rq, "room_id"), false, err);            \
        return rc != 0 ? rc : gg_reply_empty_object(rq);                                     \
    }
ACTION(leave)
ACTION(invite)
ACTION(kick)
ACTION(ban)
ACTION(unban)

int mx_api_join_room(void *self, struct gg_request *rq, struct gg_error *err)
{
    int rc = change_membership(rq, "join", mx_api_param(rq, "room_id"), false, err);
    return rc != 0 ? rc : reply_id(rq, "room_id", mx_api_param(rq, "room_id"));
}

int mx_api_join(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str name = mx_api_param(rq, "room_identifier"), room_id = name;
    struct gg_arena *arena = gg_request_arena(rq);
    int rc = 0;
    if (mx_room_alias_valid(name)) {
        rc = mx_directory_find_alias(mx_server_of_request(rq), name, arena, &room_id, err);
        if (rc == 0 && room_id.s == NULL)
            rc = gg_refuse(err, 404, "M_NOT_FOUND", "Room alias %.*s not found", GG_FMT(name));
    } else if (!mx_room_id_valid(name)) {
        rc = gg_refuse(err, 400, "M_UNKNOWN", "%.*s was not legal room ID or room alias", GG_FMT(name));
    }
    if (rc == 0)
        rc = change_membership(rq, "join", room_id, true, err);
    return rc != 0 ? rc : reply_id(rq, "room_id", room_id);
}

int mx_api_forget(void *self, struct gg_request *rq, struct gg_error *err)
{
    int rc = mx_room_forget(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), mx_api_param(rq, "room_id"), err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}
