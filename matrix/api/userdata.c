/* matrix/api/userdata.c: account data, receipts and typing of the client-server API. */
#include "api/params.h"
#include "api/userdata.h"

#include "presence/presence.h"
#include "push/show.h"
#include "rooms/access.h"
#include "storage/relations.h"
#include "userdata/account_data.h"
#include "userdata/receipts.h"
#include "userdata/typing.h"

#include <ganglion/matrix/api.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/json.h>
#include <ganglion/topology.h>

int mx_api_only_oneself(struct gg_request *rq, const char *what, struct gg_error *err)
{
    if (gg_str_is(mx_api_param(rq, "user_id"), mx_requester_of(rq)->user_id))
        return 0;
    return gg_refuse(err, 403, "M_FORBIDDEN", "Cannot %s other users.", what);
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

int mx_api_set_account_data(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_str type,
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

/* Of the caller's own, and of what can be a room. */
static int check_owner(struct gg_request *rq, const char *what, struct gg_error *err)
{
    struct gg_str room_id = mx_api_param(rq, "room_id");
    int rc = mx_api_only_oneself(rq, what, err);
    if (rc == 0 && room_id.s != NULL && !mx_room_id_valid(room_id))
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "%s is not a valid room ID", room_id.s);
    return rc;
}

/* Who ignores themselves would no longer see what they write (client-server API, "Ignoring Users"). */
static int check_content(const struct gg_request *rq, const json_t *content, struct gg_error *err)
{
    const char *user_id = mx_requester_of(rq)->user_id;
    bool ignoring = mx_api_param(rq, "room_id").s == NULL && gg_str_is(mx_api_param(rq, "type"), "m.ignored_user_list");
    return ignoring && json_object_get(json_object_get(content, "ignored_users"), user_id) != NULL
               ? gg_refuse(err, 400, "M_INVALID_PARAM", "You cannot ignore yourself")
               : 0;
}

static int put_account_data(void *self, struct gg_request *rq, struct gg_error *err)
{
    json_t *content = mx_api_json(rq, err);
    if (content == NULL)
        return err->code;
    if (!json_is_object(content))
        return gg_refuse(err, 400, "M_BAD_JSON", "Account data must be an object");
    int rc = check_owner(rq, "add account data for", err);
    if (rc == 0)
        rc = check_type(mx_api_param(rq, "type"), err);
    if (rc == 0)
        rc = check_content(rq, content, err);
    if (rc == 0)
        rc = mx_api_set_account_data(mx_server_of_request(rq), mx_api_param(rq, "user_id"), mx_api_param(rq, "room_id"), mx_api_param(rq, "type"), content,
                               gg_request_body(rq), err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

static int get_account_data(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str content, user_id = mx_api_param(rq, "user_id"), room_id = mx_api_param(rq, "room_id"), type = mx_api_param(rq, "type");
    int rc = check_owner(rq, "get account data for", err);
    if (rc == 0 && room_id.s == NULL && gg_str_is(type, "m.push_rules")) /* kept elsewhere, told as account data */
        rc = mx_push_rules_content(mx_server_of_request(rq), user_id, gg_request_arena(rq), &content, err);
    else if (rc == 0)
        rc = mx_account_data_get(mx_server_of_request(rq), user_id, room_id, type, gg_request_arena(rq), &content, err);
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
    {"add_tag", 3, 0, mx_method_add_tag, "account_data", "a tag of a room"},
    {"remove_tag", 3, 0, mx_method_remove_tag, "account_data", "a tag of a room taken away"},
    {0},
};

/* ---- receipts ---- */

static int read_thread(struct gg_request *rq, struct gg_str *out, struct gg_error *err)
{
    json_t *body = mx_api_json(rq, err);
    *out = (struct gg_str){0};
    if (body == NULL)
        return err->code;
    json_t *thread = json_object_get(body, "thread_id");
    if (thread == NULL)
        return 0;
    if (!json_is_string(thread) || json_string_length(thread) == 0)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "thread_id field must be a non-empty string");
    *out = gg_arena_str(gg_request_arena(rq), gg_strn(json_string_value(thread), json_string_length(thread)));
    return 0;
}

static const struct gg_stmt is_later = {
    "SELECT coalesce((SELECT (a.topological_ordering, a.stream_ordering) > (b.topological_ordering, b.stream_ordering)"
    " FROM events a, events b WHERE a.event_id = $2 AND b.event_id = $3), true),"
    " EXISTS (SELECT FROM events WHERE event_id = $2 AND room_id = $1)", GG_LANE_POINT};

/* The fully-read marker only moves forward (client-server API, "Fully read markers"). */
static int marker_moves(struct gg_request *rq, const struct mx_receipt *receipt, bool *moves, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str content = GG_STR("{}");
    struct gg_rows *rows;
    *moves = false;
    int rc = mx_account_data_get(mx_server_of_request(rq), receipt->user_id, receipt->room_id, receipt->type, arena, &content, err);
    if (rc == GG_E_NOT_FOUND)
        *err = (struct gg_error)GG_ERROR_INIT; /* no marker yet */
    else if (rc != 0)
        return rc;
    struct gg_str before = mx_json_string(mx_json_get(content, "event_id"), arena);
    rc = gg_db_read(mx_server_of_request(rq)->db, &is_later,
                    GG_PARAMS(gg_p_str(receipt->room_id), gg_p_str(receipt->event_id), gg_p_str(before)), arena, &rows, err);
    if (rc != 0)
        return rc;
    if (!gg_rows_bool(rows, 0, 1))
        return gg_refuse(err, 404, "M_UNKNOWN", "Could not find event %.*s in room %.*s", GG_FMT(receipt->event_id), GG_FMT(receipt->room_id));
    *moves = gg_rows_bool(rows, 0, 0);
    return 0;
}

static int set_marker(struct gg_request *rq, const struct mx_receipt *receipt, struct gg_error *err)
{
    bool moves;
    int rc = marker_moves(rq, receipt, &moves, err);
    if (rc != 0 || !moves)
        return rc;
    json_t *content = json_pack("{s:s%}", "event_id", receipt->event_id.s, receipt->event_id.n);
    char *text = json_dumps(content, JSON_COMPACT);
    rc = text == NULL ? gg_refuse(err, 400, "M_INVALID_PARAM", "Not an event id")
                      : mx_api_set_account_data(mx_server_of_request(rq), receipt->user_id, receipt->room_id, receipt->type, content,
                                                gg_str(text), err);
    free(text);
    json_decref(content);
    return rc;
}

/* m.fully_read is account data of the room; the others are receipts. */
static int mark(struct gg_request *rq, struct mx_receipt *receipt, struct gg_error *err)
{
    return gg_str_is(receipt->type, "m.fully_read") ? set_marker(rq, receipt, err) : mx_receipt_set(mx_server_of_request(rq), receipt, err);
}

static const char *const receipt_types[] = {"m.fully_read", "m.read", "m.read.private"};

static bool known_receipt(struct gg_str type)
{
    for (size_t i = 0; i < GG_COUNT(receipt_types); i++)
        if (gg_str_is(type, receipt_types[i]))
            return true;
    return false;
}

static int check_thread(struct gg_request *rq, const struct mx_receipt *r, struct gg_error *err)
{
    bool fits = true;
    int rc = r->thread_id.s != NULL ? mx_relations_in_thread(mx_server_of_request(rq), r->event_id, r->thread_id, &fits, err) : 0;
    if (rc == 0 && !fits)
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "event_id %.*s is not related to thread %.*s", GG_FMT(r->event_id), GG_FMT(r->thread_id));
    return rc;
}

static int post_receipt(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str user_id = gg_str(mx_requester_of(rq)->user_id);
    struct mx_receipt receipt = {.room_id = mx_api_param(rq, "room_id"), .type = mx_api_param(rq, "type"), .user_id = user_id,
                                 .event_id = mx_api_param(rq, "event_id"), .ts = gg_wall_ms()};
    struct mx_access access;
    if (!known_receipt(receipt.type))
        return gg_refuse(err, 400, "M_UNKNOWN", "Receipt type must be m.read.private, m.read, m.fully_read");
    if (receipt.event_id.s[0] != '$')
        return gg_refuse(err, 400, "M_UNKNOWN", "A valid room ID and event ID must be specified");
    int rc = read_thread(rq, &receipt.thread_id, err);
    if (rc == 0 && receipt.thread_id.s != NULL && gg_str_is(receipt.type, "m.fully_read"))
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "thread_id is not compatible with m.fully_read receipts.");
    if (rc == 0)
        rc = mx_room_access_joined(mx_server_of_request(rq), user_id, receipt.room_id, gg_request_arena(rq), &access, err);
    if (rc == 0)
        rc = check_thread(rq, &receipt, err);
    if (rc == 0)
        rc = mark(rq, &receipt, err);
    if (rc == 0)
        mx_presence_bump_requester(mx_server_of_request(rq), mx_requester_of(rq));
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

int mx_api_read_markers(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str user_id = gg_str(mx_requester_of(rq)->user_id);
    struct mx_access access;
    json_t *body = mx_api_json(rq, err);
    if (body == NULL)
        return err->code;
    int rc = mx_room_access_joined(mx_server_of_request(rq), user_id, mx_api_param(rq, "room_id"), gg_request_arena(rq), &access, err);
    for (size_t i = 0; rc == 0 && i < GG_COUNT(receipt_types); i++) {
        const json_t *event_id = json_object_get(body, receipt_types[i]);
        if (event_id == NULL)
            continue;
        if (!json_is_string(event_id))
            return gg_refuse(err, 400, "M_INVALID_PARAM", "%s must be an event id", receipt_types[i]);
        struct mx_receipt receipt = {.room_id = mx_api_param(rq, "room_id"), .type = gg_str(receipt_types[i]), .user_id = user_id,
                                     .event_id = gg_str(json_string_value(event_id)), .ts = gg_wall_ms()};
        rc = mark(rq, &receipt, err);
    }
    if (rc == 0)
        mx_presence_bump_requester(mx_server_of_request(rq), mx_requester_of(rq));
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

/* ---- typing ---- */

static int put_typing(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct mx_access access;
    json_t *body = mx_api_json(rq, err);
    if (body == NULL)
        return err->code;
    if (!gg_str_is(mx_api_param(rq, "user_id"), mx_requester_of(rq)->user_id))
        return gg_refuse(err, 400, "M_FORBIDDEN", "Cannot set another user's typing state");
    int rc = mx_room_access_joined(server, mx_api_param(rq, "user_id"), mx_api_param(rq, "room_id"), gg_request_arena(rq), &access, err);
    if (rc != 0)
        return rc;
    json_t *types = json_object_get(body, "typing"), *timeout = json_object_get(body, "timeout");
    if (!json_is_boolean(types))
        return gg_refuse(err, 400, types == NULL ? "M_MISSING_PARAM" : "M_BAD_JSON", "typing must be true or false");
    int64_t ms = json_is_integer(timeout) ? json_integer_value(timeout) : 30000;
    if (!mx_requester_of(rq)->shadow_banned) /* they are told that it was heard */
        mx_typing_set(server, mx_api_param(rq, "room_id"), mx_api_param(rq, "user_id"), json_is_true(types), ms < 0 ? 0 : ms > 120000 ? 120000 : ms);
    mx_presence_bump_requester(server, mx_requester_of(rq));
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
    {.method = "POST", .path = "/_matrix/client/(r0|v3|unstable)/rooms/{room_id}/read_markers", .handler = mx_api_read_markers,
     .resource = "client", .auth = GG_AUTH_USER, .flags = GG_ROUTE_JSON, .writer = "receipts", .doc = "read up to events"},
    {.method = "GET", .path = USER "/rooms/{room_id}/tags", .handler = mx_api_get_tags, .resource = "client",
     .auth = GG_AUTH_USER, .flags = GG_ROUTE_CANCELLABLE, .doc = "the user's tags of a room"},
    {.method = "PUT", .path = USER "/rooms/{room_id}/tags/{tag}", .handler = mx_api_put_tag, .resource = "client",
     .auth = GG_AUTH_USER, .flags = GG_ROUTE_JSON, .doc = "tag a room"},
    {.method = "DELETE", .path = USER "/rooms/{room_id}/tags/{tag}", .handler = mx_api_delete_tag, .resource = "client",
     .auth = GG_AUTH_USER, .doc = "take a tag away"},
    {.method = "PUT", .path = "/_matrix/client/(api/v1|r0|v3|unstable)/rooms/{room_id}/typing/{user_id}", .handler = put_typing,
     .resource = "client", .auth = GG_AUTH_USER, .flags = GG_ROUTE_JSON, .writer = "typing", .doc = "start or stop typing"},
    {0},
};
