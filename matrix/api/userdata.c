/* matrix/api/userdata.c: account data, receipts and typing of the client-server API. */
#include "api/params.h"
#include "rooms/access.h"
#include "userdata/account_data.h"
#include "userdata/receipts.h"
#include "userdata/typing.h"

#include <ganglion/matrix/api.h>
#include <ganglion/matrix/json.h>
#include <ganglion/topology.h>

static int only_oneself(struct gg_request *rq, const char *what, struct gg_error *err)
{
    if (gg_str_is(mx_api_param(rq, "user_id"), mx_requester_of(rq)->user_id))
        return 0;
    return gg_refuse(err, 403, "M_FORBIDDEN", "Cannot %s other users", what);
}

/* ---- account data ---- */

/* What has endpoints of its own must not be set past them. */
static const char *const managed[] = {"m.fully_read", "m.push_rules"};

static int check_type(struct gg_str type, struct gg_error *err)
{
    for (size_t i = 0; i < GG_COUNT(managed); i++)
        if (gg_str_is(type, managed[i]))
            return gg_refuse(err, 405, "M_BAD_JSON", "Cannot set %s through this API.", managed[i]);
    return 0;
}

static int set_here_or_there(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_str type,
                             json_t *content, struct gg_str text, struct gg_error *err)
{
    int64_t stream_id;
    if (gg_stream_is_writer(server->account_data))
        return mx_account_data_set(server, user_id, room_id, type, text, &stream_id, err);
    size_t n;
    const char *const *writers = gg_stream_writers(server->account_data, &n);
    const char *const global[] = {user_id.s, type.s, NULL}, *const room[] = {user_id.s, room_id.s, type.s, NULL};
    json_t *body = json_pack("{s:O}", "content", content), *answer = NULL;
    int rc = gg_repl_call(server->host, writers[0], room_id.s != NULL ? "add_room_account_data" : "add_user_account_data",
                          room_id.s != NULL ? room : global, body, &answer, err);
    json_decref(body);
    json_decref(answer);
    return rc;
}

static int put_account_data(void *self, struct gg_request *rq, struct gg_error *err)
{
    json_t *content = gg_request_json(rq, err);
    if (content == NULL)
        return err->code;
    if (!json_is_object(content))
        return gg_refuse(err, 400, "M_BAD_JSON", "Account data must be an object");
    int rc = only_oneself(rq, "add account data for", err);
    if (rc == 0)
        rc = check_type(mx_api_param(rq, "type"), err);
    if (rc == 0)
        rc = set_here_or_there(mx_server_of_request(rq), mx_api_param(rq, "user_id"), mx_api_param(rq, "room_id"), mx_api_param(rq, "type"), content,
                               gg_request_body(rq), err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

static int get_account_data(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str content;
    int rc = only_oneself(rq, "get account data for", err);
    if (rc == 0)
        rc = mx_account_data_get(mx_server_of_request(rq), mx_api_param(rq, "user_id"), mx_api_param(rq, "room_id"), mx_api_param(rq, "type"),
                                 gg_request_arena(rq), &content, err);
    return rc != 0 ? rc : gg_reply_text(rq, 200, "application/json", content);
}

/* What another process hands to the writer (facts replication 8.4): the content as JSON text. */
static int call_set(struct mx_server *server, const struct gg_call *call, struct gg_str room_id, const char *type,
                    json_t **answer, struct gg_error *err)
{
    int64_t stream_id;
    char *text = json_dumps(json_object_get(call->body, "content"), JSON_COMPACT);
    if (text == NULL)
        return gg_refuse(err, 400, "M_BAD_JSON", "content is missing");
    int rc = mx_account_data_set(server, gg_str(call->args[0]), room_id, gg_str(type), gg_str(text), &stream_id, err);
    free(text);
    if (rc == 0)
        *answer = json_pack("{s:I}", "max_stream_id", (json_int_t)gg_stream_upto(server->account_data));
    return rc;
}

static int add_user_account_data(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err)
{
    return call_set(self, call, (struct gg_str){0}, call->args[1], answer, err);
}

static int add_room_account_data(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err)
{
    return call_set(self, call, gg_str(call->args[1]), call->args[2], answer, err);
}

const struct gg_method mx_methods_userdata[] = {
    {"add_user_account_data", 2, 0, add_user_account_data, "account_data", "global account data"},
    {"add_room_account_data", 3, 0, add_room_account_data, "account_data", "account data of a room"},
    {0},
};

/* ---- receipts ---- */

static int read_thread(struct gg_request *rq, struct gg_str *out, struct gg_error *err)
{
    json_t *body = gg_request_json(rq, err);
    *out = (struct gg_str){0};
    if (body == NULL)
        return err->code;
    json_t *thread = json_object_get(body, "thread_id");
    if (thread == NULL)
        return 0;
    if (!json_is_string(thread) || json_string_length(thread) == 0)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "thread_id must be a non-empty string");
    *out = gg_arena_str(gg_request_arena(rq), gg_strn(json_string_value(thread), json_string_length(thread)));
    return 0;
}

static int post_receipt(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str user_id = gg_str(mx_requester_of(rq)->user_id);
    struct mx_receipt receipt = {.room_id = mx_api_param(rq, "room_id"), .type = mx_api_param(rq, "type"), .user_id = user_id,
                                 .event_id = mx_api_param(rq, "event_id"), .ts = gg_wall_ms()};
    struct mx_access access;
    if (!gg_str_is(receipt.type, "m.read") && !gg_str_is(receipt.type, "m.read.private") && !gg_str_is(receipt.type, "m.fully_read"))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Receipt type must be one of m.read, m.read.private, m.fully_read");
    int rc = read_thread(rq, &receipt.thread_id, err);
    if (rc == 0)
        rc = mx_room_access_joined(server, user_id, receipt.room_id, gg_request_arena(rq), &access, err);
    if (rc != 0)
        return rc;
    if (gg_str_is(receipt.type, "m.fully_read")) {
        json_t *content = json_pack("{s:s%}", "event_id", receipt.event_id.s, receipt.event_id.n);
        char *text = json_dumps(content, JSON_COMPACT);
        rc = set_here_or_there(server, user_id, receipt.room_id, GG_STR("m.fully_read"), content, gg_str(text), err);
        free(text);
        json_decref(content);
    } else {
        rc = mx_receipt_set(server, &receipt, err);
    }
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

/* ---- typing ---- */

static int put_typing(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct mx_access access;
    json_t *body = gg_request_json(rq, err);
    if (body == NULL)
        return err->code;
    int rc = only_oneself(rq, "set typing state of", err);
    if (rc == 0)
        rc = mx_room_access_joined(server, mx_api_param(rq, "user_id"), mx_api_param(rq, "room_id"), gg_request_arena(rq), &access, err);
    if (rc != 0)
        return rc;
    json_t *types = json_object_get(body, "typing"), *timeout = json_object_get(body, "timeout");
    if (!json_is_boolean(types))
        return gg_refuse(err, 400, types == NULL ? "M_MISSING_PARAM" : "M_BAD_JSON", "typing must be true or false");
    int64_t ms = json_is_integer(timeout) ? json_integer_value(timeout) : 30000;
    mx_typing_set(server, mx_api_param(rq, "room_id"), mx_api_param(rq, "user_id"), json_is_true(types), ms < 0 ? 0 : ms > 120000 ? 120000 : ms);
    return gg_reply_empty_object(rq);
}

#define USER "/_matrix/client/(r0|v3|unstable)/user/{user_id}"

const struct gg_route mx_routes_userdata[] = {
    {.method = "PUT", .path = USER "/account_data/{type}", .handler = put_account_data, .resource = "client", .auth = GG_AUTH_USER,
     .flags = GG_ROUTE_JSON, .max_body = 512 * 1024, .doc = "set global account data"},
    {.method = "GET", .path = USER "/account_data/{type}", .handler = get_account_data, .resource = "client", .auth = GG_AUTH_USER,
     .flags = GG_ROUTE_CANCELLABLE, .doc = "read global account data"},
    {.method = "PUT", .path = USER "/rooms/{room_id}/account_data/{type}", .handler = put_account_data, .resource = "client",
     .auth = GG_AUTH_USER, .flags = GG_ROUTE_JSON, .max_body = 512 * 1024, .doc = "set account data of a room"},
    {.method = "GET", .path = USER "/rooms/{room_id}/account_data/{type}", .handler = get_account_data, .resource = "client",
     .auth = GG_AUTH_USER, .flags = GG_ROUTE_CANCELLABLE, .doc = "read account data of a room"},
    {.method = "POST", .path = "/_matrix/client/(r0|v3|unstable)/rooms/{room_id}/receipt/{type}/{event_id}", .handler = post_receipt,
     .resource = "client", .auth = GG_AUTH_USER, .flags = GG_ROUTE_JSON, .writer = "receipts", .doc = "read up to an event"},
    {.method = "PUT", .path = "/_matrix/client/(api/v1|r0|v3|unstable)/rooms/{room_id}/typing/{user_id}", .handler = put_typing,
     .resource = "client", .auth = GG_AUTH_USER, .flags = GG_ROUTE_JSON, .writer = "typing", .doc = "start or stop typing"},
    {0},
};
