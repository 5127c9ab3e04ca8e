/* accounts_devices.c: a user's own devices (client-server API, "Device Management"). */
#include "accounts/uia.h"
#include "api/accounts.h"

static json_t *text_or_null(struct gg_str s)
{
    return s.s ? json_stringn(s.s, s.n) : json_null();
}

static json_t *device_json(const char *user_id, const struct mx_device *d)
{
    return json_pack("{ss so so so so}", "user_id", user_id, "device_id", text_or_null(d->device_id), "display_name",
                     text_or_null(d->display_name), "last_seen_ts",
                     d->last_seen ? json_integer(d->last_seen) : json_null(), "last_seen_ip", text_or_null(d->ip));
}

int mx_api_devices(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *user_id = mx_requester_of(rq)->user_id;
    struct mx_device *devices;
    size_t n;
    int status = mx_devices_list(mx_server_of_request(rq), gg_str(user_id), gg_request_arena(rq), &devices, &n, err);
    if (status)
        return status;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, device_json(user_id, &devices[i]));
    return gg_reply_json(rq, 200, json_pack("{so}", "devices", list));
}

int mx_api_device(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *user_id = mx_requester_of(rq)->user_id;
    struct mx_device device;
    int status = mx_devices_get(mx_server_of_request(rq), gg_str(user_id), gg_str(gg_request_param(rq, "device_id")),
                                gg_request_arena(rq), &device, err);
    if (status)
        return status;
    if (!device.device_id.s)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Not found");
    return gg_reply_json(rq, 200, device_json(user_id, &device));
}

/* An application service makes the devices that it has use for. */
static int make_device(struct gg_request *rq, struct gg_str device_id, struct gg_str name, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str user_id = gg_str(mx_requester_of(rq)->user_id);
    bool is_new = false;
    int status = mx_device_check(device_id, name, err);
    if (!status)
        status = mx_devices_register(server, user_id, device_id, name, &is_new, err);
    if (!status && !is_new && name.s)
        status = mx_devices_rename(server, user_id, device_id, name, err);
    if (!status && is_new)
        status = mx_device_made(server, user_id, device_id, err);
    else if (!status && name.s)
        status = mx_devices_changed(server, user_id, &device_id, 1, err);
    return status ? status : gg_reply_json(rq, is_new ? 201 : 200, json_object());
}

int mx_api_rename_device(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str user_id = gg_str(mx_requester_of(rq)->user_id), device_id = gg_str(gg_request_param(rq, "device_id"));
    const json_t *body = gg_request_json(rq, err), *value = json_object_get(body, "display_name");
    struct gg_str name = mx_text(body, "display_name");
    if (value && !json_is_null(value) && !name.s)
        return gg_refuse(err, 400, "M_BAD_JSON", "display_name must be a string");
    int status = mx_device_check((struct gg_str){0}, name, err);
    if (status)
        return status;
    if (mx_requester_of(rq)->app_service)
        return make_device(rq, device_id, name, err);
    struct mx_device device;
    if (!name.s) { /* nothing to change, but the device must exist */
        status = mx_devices_get(server, user_id, device_id, gg_request_arena(rq), &device, err);
        if (status || device.device_id.s)
            return status ? status : gg_reply_empty_object(rq);
    }
    status = mx_devices_rename(server, user_id, device_id, name, err);
    if (!status)
        status = mx_devices_changed(server, user_id, &device_id, 1, err);
    return status ? status : gg_reply_empty_object(rq);
}

/* ---- deleting: asks for the password once more ---- */

static int delete_devices(struct gg_request *rq, const struct gg_str *ids, size_t n, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct mx_uia uia = {.description = "remove device(s) from your account"};
    int status = mx_uia_unless_service(server, rq, gg_request_json(rq, err), true, &uia, err);
    if (status || !uia.done)
        return status ? status : mx_uia_answer(rq, &uia);
    status = mx_logout(server, uia.user_id, ids, n, (struct gg_str){0}, err);
    return status ? status : gg_reply_empty_object(rq);
}

int mx_api_delete_device(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str id = gg_str(gg_request_param(rq, "device_id"));
    return delete_devices(rq, &id, 1, err);
}

int mx_api_device_ids(struct gg_request *rq, const json_t *list, struct gg_str **out, struct gg_error *err)
{
    size_t n = json_array_size(list);
    *out = GG_NEW_ARRAY(gg_request_arena(rq), struct gg_str, n + 1);
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_array_get(list, i);
        if (!json_is_string(id))
            return gg_refuse(err, 400, "M_BAD_JSON", "devices must be a list of device ids");
        (*out)[i] = gg_strn(json_string_value(id), json_string_length(id));
    }
    return 0;
}

int mx_api_delete_devices(void *self, struct gg_request *rq, struct gg_error *err)
{
    const json_t *list = json_object_get(gg_request_json(rq, err), "devices");
    size_t n = json_array_size(list);
    if (!json_is_array(list))
        return gg_refuse(err, 400, list ? "M_BAD_JSON" : "M_MISSING_PARAM", "devices must be a list");
    struct gg_str *ids;
    int status = mx_api_device_ids(rq, list, &ids, err);
    return status ? status : delete_devices(rq, ids, n, err);
}
