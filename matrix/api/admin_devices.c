/* admin_devices.c: devices of any local user, for administrators. */
#include "api/accounts.h"
#include "api/admin.h"
#include "storage/admin/users.h"

static int target(struct gg_request *rq, struct gg_str *user_id, struct gg_error *err)
{
    return mx_admin_target(rq, "user_id", "Can only lookup local users", "Unknown user", user_id, err);
}

int mx_admin_api_devices(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str user_id;
    int status = target(rq, &user_id, err);
    return status ? status : mx_admin_answer(rq, &mx_admin_user_devices, GG_PARAMS(gg_p_str(user_id)), "Unknown user", err);
}

int mx_admin_api_add_device(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const json_t *body = gg_request_json(rq, err);
    struct gg_str user_id, device_id = mx_text(body, "device_id");
    bool is_new;
    int status = target(rq, &user_id, err);
    if (!status && !json_object_get(body, "device_id"))
        status = gg_refuse(err, 400, "M_UNKNOWN", "Missing device_id");
    if (!status && !device_id.s)
        status = gg_refuse(err, 400, "M_UNKNOWN", "device_id must be a string");
    if (!status)
        status = mx_device_check(device_id, (struct gg_str){0}, err);
    if (!status)
        status = mx_devices_register(server, user_id, device_id, (struct gg_str){0}, &is_new, err);
    if (!status && is_new)
        status = mx_device_made(server, user_id, device_id, err);
    return status ? status : gg_reply_json(rq, 201, json_object());
}

static json_t *text_or_null(struct gg_str s)
{
    return s.s ? json_stringn(s.s, s.n) : json_null();
}

int mx_admin_api_device(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str user_id;
    struct mx_device d;
    int status = target(rq, &user_id, err);
    if (!status)
        status = mx_devices_get(mx_server_of_request(rq), user_id, gg_str(gg_request_param(rq, "device_id")),
                                gg_request_arena(rq), &d, err);
    if (!status && !d.device_id.s)
        status = gg_refuse(err, 404, "M_NOT_FOUND", "No device found");
    return status ? status
                  : gg_reply_json(rq, 200,
                                  json_pack("{so so so so so so}", "device_id", text_or_null(d.device_id), "user_id",
                                            text_or_null(user_id), "display_name", text_or_null(d.display_name),
                                            "last_seen_ip", text_or_null(d.ip), "last_seen_user_agent",
                                            text_or_null(d.agent), "last_seen_ts",
                                            d.last_seen ? json_integer(d.last_seen) : json_null()));
}

int mx_admin_api_put_device(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const json_t *body = gg_request_json(rq, err), *given = json_object_get(body, "display_name");
    struct gg_str user_id, name = mx_text(body, "display_name"), device_id = gg_str(gg_request_param(rq, "device_id"));
    int status = target(rq, &user_id, err);
    if (!status && given && !json_is_null(given) && !name.s)
        status = gg_refuse(err, 400, "M_BAD_JSON", "display_name must be a string");
    if (!status)
        status = mx_device_check((struct gg_str){0}, name, err);
    if (!status && name.s)
        status = mx_devices_rename(server, user_id, device_id, name, err);
    if (!status && name.s)
        status = mx_devices_changed(server, user_id, &device_id, 1, err);
    return status ? status : gg_reply_empty_object(rq);
}

static int delete(struct gg_request *rq, const struct gg_str *ids, size_t n, struct gg_error *err)
{
    struct gg_str user_id;
    int status = target(rq, &user_id, err);
    if (!status && n)
        status = mx_logout(mx_server_of_request(rq), user_id, ids, n, (struct gg_str){0}, err);
    return status ? status : gg_reply_empty_object(rq);
}

int mx_admin_api_delete_device(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str id = gg_str(gg_request_param(rq, "device_id"));
    return delete(rq, &id, 1, err);
}

int mx_admin_api_delete_devices(void *self, struct gg_request *rq, struct gg_error *err)
{
    const json_t *list = json_object_get(gg_request_json(rq, err), "devices");
    size_t n = json_array_size(list);
    if (!json_is_array(list))
        return list ? gg_refuse(err, 400, "M_BAD_JSON", "devices must be a list of device ids")
                    : gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: ['devices']");
    struct gg_str *ids;
    int status = mx_api_device_ids(rq, list, &ids, err);
    return status ? status : delete(rq, ids, n, err);
}
