/* admin_notices.c: messages of the server to one of its users (facts http-api 5). */
#include "api/admin_server.h"
#include "api/params.h"
#include "api/rooms.h"

#include "rooms/notices.h"

#include <ganglion/matrix/id.h>
#include <ganglion/matrix/json.h>

static int check_user(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_user user;
    if (user_id.s == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "user_id is missing");
    if (!mx_user_id_valid(user_id) || !mx_is_mine(server, user_id))
        return gg_refuse(err, 400, "M_UNKNOWN", "Server notices can only be sent to local users");
    int rc = mx_users_get(server, user_id, arena, &user, err);
    return rc != 0 || user.id.s != NULL ? rc : gg_refuse(err, 404, "M_NOT_FOUND", "User not found");
}

/* The administrator and their transaction; s NULL: there is none. */
static struct gg_str key_of(struct gg_request *rq)
{
    const char *txn_id = gg_request_param(rq, "txn_id");
    return txn_id != NULL ? gg_str(gg_arena_printf(gg_request_arena(rq), "%s %s", mx_requester_of(rq)->user_id, txn_id))
                          : (struct gg_str){0};
}

int mx_admin_api_send_notice(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str body, event_id;
    int rc = mx_api_object_body(rq, &body, err);
    if (rc != 0)
        return rc;
    struct gg_str user_id = mx_json_string(mx_json_get(body, "user_id"), arena), type = mx_json_get(body, "type");
    struct mx_new_event event = {.content = mx_json_get(body, "content"), .state_key = mx_json_string(mx_json_get(body, "state_key"), arena),
                                 .type = type.s != NULL ? mx_json_string(type, arena) : GG_STR("m.room.message")};
    if (!mx_json_is_object(event.content))
        return gg_refuse(err, 400, "M_MISSING_PARAM", "content must be an object");
    if (event.type.s == NULL)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "type must be a string");
    if (!mx_notices_on(server))
        return gg_refuse(err, 400, "M_UNKNOWN", "Server notices are not enabled on this server");
    rc = check_user(server, user_id, arena, err);
    struct gg_str key = key_of(rq), before = rc == 0 && key.s != NULL ? mx_notice_sent(server, key) : (struct gg_str){0};
    if (before.s != NULL)
        return mx_api_reply_id(rq, "event_id", before);
    if (rc == 0)
        rc = mx_notice_send(server, user_id, &event, arena, &event_id, err);
    if (rc == 0 && key.s != NULL)
        mx_notice_keep(server, key, event_id);
    return rc != 0 ? rc : mx_api_reply_id(rq, "event_id", event_id);
}
