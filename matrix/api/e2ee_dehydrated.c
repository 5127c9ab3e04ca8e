/* matrix/api/e2ee_dehydrated.c: org.matrix.msc3814.v1/dehydrated_device, where the configuration allows it. */
#include "api/e2ee.h"
#include "api/params.h"
#include "e2ee/dehydrated.h"
#include "e2ee/to_device.h"

#include <ganglion/config.h>

/* The user's dehydrated device. 404 M_NOT_FOUND: there is none. */
static int find(struct gg_request *rq, struct mx_dehydrated *out, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    int rc = mx_dehydrated_get(server, gg_str(mx_requester_of(rq)->user_id), gg_request_arena(rq), out, err);
    return rc == 0 && out->device_id.s == NULL ? gg_refuse(err, 404, "M_NOT_FOUND", "No dehydrated device available") : rc;
}

static int check_on(struct gg_request *rq, struct gg_error *err)
{
    if (gg_config_bool(mx_server_of_request(rq)->config, "experimental_features.msc3814_enabled"))
        return 0;
    return gg_refuse(err, 404, "M_UNRECOGNIZED", "Unrecognized request");
}

static int reply_id(struct gg_request *rq, struct gg_str device_id, const struct gg_str *device_data)
{
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_lit(&out, "{\"device_id\":");
    gg_buf_json_string(&out, device_id);
    if (device_data != NULL) {
        gg_buf_lit(&out, ",\"device_data\":");
        gg_buf_str(&out, *device_data);
    }
    gg_buf_char(&out, '}');
    return gg_reply_buf(rq, 200, &out);
}

int mx_api_dehydrated_get(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_dehydrated device;
    int rc = check_on(rq, err);
    if (rc == 0)
        rc = find(rq, &device, err);
    return rc != 0 ? rc : reply_id(rq, device.device_id, &device.device_data);
}

int mx_api_dehydrated_put(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str user_id = gg_str(mx_requester_of(rq)->user_id);
    struct mx_dehydrated device;
    struct mx_key_upload keys;
    int rc = check_on(rq, err);
    if (rc == 0)
        rc = mx_dehydrated_read(gg_request_body(rq), user_id, gg_request_arena(rq), &device, &keys, err);
    if (rc == 0)
        rc = mx_dehydrated_put(mx_server_of_request(rq), user_id, &device, &keys, err);
    return rc != 0 ? rc : reply_id(rq, device.device_id, NULL);
}

int mx_api_dehydrated_delete(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_dehydrated device;
    int rc = check_on(rq, err);
    if (rc == 0)
        rc = find(rq, &device, err);
    if (rc == 0)
        rc = mx_logout(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), &device.device_id, 1, (struct gg_str){0}, err);
    return rc != 0 ? rc : reply_id(rq, device.device_id, NULL);
}

/* ---- what was sent to it: read in pieces, never deleted: the device goes as a whole once it has been brought back ---- */

static int read_from(struct gg_request *rq, int64_t *from, struct gg_error *err)
{
    const json_t *body = gg_request_json(rq, err), *token = json_object_get(body, "next_batch");
    *from = 0;
    if (token == NULL || json_is_null(token))
        return 0;
    if (!json_is_string(token))
        return gg_refuse(err, 400, "M_BAD_JSON", "next_batch must be a string");
    *from = mx_dehydrated_token_read(gg_str(json_string_value(token)));
    return *from >= 0 ? 0 : gg_refuse(err, 400, "M_INVALID_PARAM", "next_batch has an invalid format");
}

static int check_own(struct gg_request *rq, struct gg_error *err)
{
    struct mx_dehydrated device;
    int rc = mx_dehydrated_get(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), gg_request_arena(rq), &device, err);
    if (rc == 0 && (device.device_id.s == NULL || !gg_str_eq(device.device_id, mx_api_param(rq, "device_id"))))
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "You may only fetch messages for your dehydrated device");
    return rc;
}

static int events(struct gg_request *rq, int64_t from, bool with_token, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str *messages;
    size_t n;
    int64_t reached;
    int rc = mx_to_device_after(server, gg_str(mx_requester_of(rq)->user_id), mx_api_param(rq, "device_id"), from,
                                gg_stream_upto(server->to_device), MX_TO_DEVICE_BATCH, gg_request_arena(rq), &messages, &n,
                                &reached, err);
    if (rc != 0)
        return rc;
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_lit(&out, "{\"events\":[");
    for (size_t i = 0; i < n; i++) {
        gg_buf_text(&out, i > 0 ? "," : "");
        gg_buf_str(&out, messages[i]);
    }
    gg_buf_char(&out, ']');
    if (with_token)
        gg_buf_printf(&out, ",\"next_batch\":\"d%lld\"", (long long)reached);
    gg_buf_char(&out, '}');
    return gg_reply_buf(rq, 200, &out);
}

int mx_api_dehydrated_events(void *self, struct gg_request *rq, struct gg_error *err)
{
    int64_t from = 0;
    bool post = strcmp(gg_request_method(rq), "POST") == 0;
    int rc = check_on(rq, err);
    if (rc == 0)
        rc = check_own(rq, err);
    if (rc == 0 && post)
        rc = read_from(rq, &from, err);
    return rc != 0 ? rc : events(rq, from, post, err);
}
