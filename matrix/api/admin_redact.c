/* admin_redact.c: what a user sent is redacted (admin API, "Redact all the events of a user"). */
#include <ganglion/matrix/id.h>

#include "api/admin_server.h"
#include "purge/redact_user.h"

static int read_rooms(struct gg_request *rq, const json_t *body, struct gg_str user_id, json_t **out, struct gg_error *err)
{
    json_t *rooms = json_object_get(body, "rooms");
    if (!json_is_array(rooms))
        return gg_refuse(err, 400, "M_BAD_JSON", "rooms must be a list of room ids");
    for (size_t i = 0; i < json_array_size(rooms); i++)
        if (!json_is_string(json_array_get(rooms, i)))
            return gg_refuse(err, 400, "M_BAD_JSON", "rooms must be a list of room ids");
    *out = json_incref(rooms);
    if (json_array_size(rooms))
        return 0;
    json_decref(*out);
    return mx_redact_user_rooms(mx_server_of_request(rq), user_id, gg_request_arena(rq), out, err);
}

/* Members that the task keeps as they came: absent or of their type. */
static int copy_options(const json_t *body, json_t *params, struct gg_error *err)
{
    static const char *const numbers[] = {"limit", "before_ts", "after_ts"};
    json_t *reason = json_object_get(body, "reason");
    if (reason && !json_is_null(reason) && !json_is_string(reason))
        return gg_refuse(err, 400, "M_BAD_JSON", "reason must be a string");
    json_object_set_new(params, "reason", reason ? json_incref(reason) : json_null());
    for (size_t i = 0; i < GG_COUNT(numbers); i++) {
        json_t *v = json_object_get(body, numbers[i]);
        if (v && !json_is_null(v) && !json_is_integer(v))
            return gg_refuse(err, 400, "M_BAD_JSON", "%s must be an integer", numbers[i]);
        json_object_set_new(params, numbers[i], v ? json_incref(v) : json_null());
    }
    const json_t *limit = json_object_get(body, "limit");
    if (json_is_integer(limit) && json_integer_value(limit) <= 0)
        return gg_refuse(err, 400, "M_UNKNOWN", "If limit is provided it must be a non-negative integer greater than 0.");
    return 0;
}

int mx_admin_api_redact_user(void *self, struct gg_request *rq, struct gg_error *err)
{
    const json_t *body = gg_request_json(rq, err);
    struct gg_str user_id = gg_str(gg_request_param(rq, "user_id"));
    json_t *rooms = NULL, *params;
    char id[MX_TASK_ID + 1];
    bool use_admin;
    if (!mx_user_id_valid(user_id))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "%.*s is no user id", GG_FMT(user_id));
    int status = mx_admin_bool(body, "use_admin", false, &use_admin, err);
    if (!status)
        status = read_rooms(rq, body, user_id, &rooms, err);
    if (status)
        return status;
    params = json_pack("{so ss% sb}", "rooms", rooms, "user_id", user_id.s, user_id.n, "use_admin", (int)use_admin);
    status = copy_options(body, params, err);
    if (!status)
        status = mx_redact_user(mx_server_of_request(rq), user_id, mx_requester_of(rq), params, id, err);
    json_decref(params);
    return status ? status : gg_reply_json(rq, 200, json_pack("{ss}", "redact_id", id));
}

int mx_admin_api_redact_status(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *id = gg_request_param(rq, "redact_id");
    struct mx_task task;
    int status = mx_task_get(mx_server_of_request(rq), gg_str(id), gg_request_arena(rq), &task, err);
    if (!status && !gg_str_is(task.action, MX_REDACT_ALL_EVENTS))
        status = gg_refuse(err, 404, "M_NOT_FOUND", "redact id '%.100s' not found", id);
    if (status)
        return status;
    json_t *answer = json_pack("{ss}", "status", task.status.s);
    if (gg_str_is(task.status, "complete")) {
        json_t *result = task.result.s ? json_loadb(task.result.s, task.result.n, 0, NULL) : NULL;
        json_t *failed = json_object_get(result, "failed_redactions");
        json_object_set_new(answer, "failed_redactions", failed ? json_incref(failed) : json_object());
        json_decref(result);
    } else if (gg_str_is(task.status, "failed")) {
        json_object_set_new(answer, "error", json_string(task.error.s ? task.error.s : "Unknown error"));
    }
    return gg_reply_json(rq, 200, answer);
}
