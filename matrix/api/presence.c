/* matrix/api/presence.c: presence of the client-server API, and what other processes tell the one that decides. */
#include "api/params.h"

#include "accounts/accounts.h"
#include "presence/presence.h"

#include <ganglion/matrix/api.h>
#include <ganglion/matrix/id.h>

/* ---- clients ---- */

static int get_status(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str reader = gg_str(mx_requester_of(rq)->user_id), user_id = mx_api_param(rq, "user_id");
    struct mx_presence_state state = {0};
    struct gg_buf out = GG_BUF_INIT;
    bool allowed;
    if (!mx_user_id_valid(user_id))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "%s is not a user ID", user_id.s);
    if (!mx_presence_tracked(server)) {
        mx_presence_write(&out, &state, gg_wall_ms());
        return gg_reply_buf(rq, 200, &out);
    }
    int rc = mx_presence_may_see(server, reader, user_id, gg_request_arena(rq), &allowed, err);
    if (rc == 0 && !allowed)
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "You are not allowed to see their presence.");
    if (rc == 0)
        rc = mx_presence_get(server, user_id, gg_request_arena(rq), &state, err);
    if (rc != 0)
        return rc;
    mx_presence_write(&out, &state, gg_wall_ms());
    return gg_reply_buf(rq, 200, &out);
}

/* Members of a state that a client or another process sets. Borrowed from body. */
static int read_wish(const struct mx_server *server, const json_t *body, struct mx_presence_wish *wish, struct gg_error *err)
{
    const json_t *presence = json_object_get(body, "presence"), *status = json_object_get(body, "status_msg");
    int kind = json_is_string(presence)
                   ? mx_presence_kind_of(gg_strn(json_string_value(presence), json_string_length(presence))) : -1;
    if (presence == NULL)
        return gg_refuse(err, 400, "M_UNKNOWN", "Unable to parse state");
    if (kind < 0 || (kind == MX_BUSY && !mx_presence_busy_known(server)))
        return gg_refuse(err, 400, "M_UNKNOWN", "Invalid presence state");
    wish->kind = (uint8_t)kind;
    wish->status_msg = (struct gg_str){0};
    if (json_is_string(status))
        wish->status_msg = gg_strn(json_string_value(status), json_string_length(status));
    else if (status != NULL && !json_is_null(status))
        return gg_refuse(err, 400, "M_UNKNOWN", "status_msg must be a string.");
    return 0;
}

static int check_members(const json_t *body, struct gg_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)body, key, value)
        if (strcmp(key, "presence") != 0 && strcmp(key, "status_msg") != 0)
            return gg_refuse(err, 400, "M_UNKNOWN", "Unable to parse state");
    return 0;
}

static int put_status(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const struct mx_principal *principal = gg_request_principal(rq);
    struct gg_str user_id = gg_str(principal->requester.user_id);
    struct mx_presence_wish wish = {0};
    const json_t *body = gg_request_json(rq, err);
    if (body == NULL)
        return err->code;
    if (!gg_str_eq(mx_api_param(rq, "user_id"), user_id))
        return gg_refuse(err, 403, "M_FORBIDDEN", "Can only set your own presence state");
    int rc = mx_limit(server, "rc_presence.per_user", user_id, principal, true, err);
    if (rc == 0)
        rc = read_wish(server, body, &wish, err);
    if (rc == 0)
        rc = check_members(body, err);
    if (rc == 0)
        rc = mx_presence_set(server, user_id, gg_str(principal->requester.device_id), &wish, err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

const struct gg_route mx_routes_presence[] = {
    {.method = "GET", .path = "/_matrix/client/(api/v1|r0|v3|unstable)/presence/{user_id}/status", .handler = get_status,
     .resource = "client", .auth = GG_AUTH_USER, .flags = GG_ROUTE_CANCELLABLE, .doc = "is a user there?"},
    {.method = "PUT", .path = "/_matrix/client/(api/v1|r0|v3|unstable)/presence/{user_id}/status", .handler = put_status,
     .resource = "client", .auth = GG_AUTH_USER, .flags = GG_ROUTE_JSON, .doc = "say whether one is there"},
    {0},
};

/* ---- other processes ---- */

static struct gg_str device_of(const struct gg_call *call)
{
    const json_t *device = json_object_get(call->body, "device_id");
    return json_is_string(device) ? gg_strn(json_string_value(device), json_string_length(device)) : (struct gg_str){0};
}

static int set_state(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err)
{
    struct mx_presence_wish wish = {0};
    int rc = read_wish(self, json_object_get(call->body, "state"), &wish, err);
    if (rc != 0)
        return rc;
    wish.by_sync = json_is_true(json_object_get(call->body, "is_sync"));
    wish.force_notify = json_is_true(json_object_get(call->body, "force_notify"));
    rc = mx_presence_decide(self, gg_str(call->args[0]), device_of(call), &wish, err);
    *answer = rc == 0 ? json_object() : NULL;
    return rc;
}

static int bump(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err)
{
    int rc = mx_presence_decide_active(self, gg_str(call->args[0]), device_of(call), err);
    *answer = rc == 0 ? json_object() : NULL;
    return rc;
}

const struct gg_method mx_methods_presence[] = {
    {"presence_set_state", 1, 0, set_state, "presence", "A user's device says whether they are there."},
    {"bump_presence_active_time", 1, 0, bump, "presence", "A user did something."},
    {0},
};
