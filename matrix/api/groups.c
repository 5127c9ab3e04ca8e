/* matrix/api/groups.c: communities of the client-server API (facts http-api.md, section 7). */
#include "api/groups_calls.h"
#include "api/params.h"

#include "accounts/accounts.h"
#include "federation/client.h"

#include <ganglion/config.h>
#include <ganglion/matrix/api.h>
#include <ganglion/matrix/id.h>

enum { MAX_USERS = 500 };

int mx_group_call_of(struct gg_request *rq, struct mx_group_call *out, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const char *method = gg_request_method(rq);
    *out = (struct mx_group_call){.server = server, .arena = gg_request_arena(rq), .group_id = mx_api_param(rq, "group_id"),
                                  .room_id = mx_api_param(rq, "room_id"), .user_id = mx_api_param(rq, "user_id"),
                                  .label = mx_api_param(rq, "label"), .key = mx_api_param(rq, "key")};
    if (!mx_groups_on(server))
        return gg_refuse(err, 404, "M_UNRECOGNIZED", "Unrecognized request");
    if (out->group_id.s != NULL && !mx_group_id_valid(out->group_id))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "%s is not a valid group ID", out->group_id.s);
    if (strcmp(method, "PUT") != 0 && strcmp(method, "POST") != 0)
        return 0;
    out->body = gg_request_json(rq, err);
    if (out->body == NULL)
        return err->code;
    return json_is_object(out->body) ? 0 : gg_refuse(err, 400, "M_BAD_JSON", "Content must be an object");
}

int mx_group_reply(struct gg_request *rq, int rc, json_t *answer)
{
    if (rc == 0)
        return gg_reply_json(rq, 200, answer);
    json_decref(answer);
    return rc;
}

/* ---- groups of any server ---- */

/* The path at the group's server: {name} is the request's. */
static const char *path_there(struct gg_request *rq, const struct mx_group_call *call, const char *pattern)
{
    struct gg_buf path = GG_BUF_INIT;
    gg_buf_lit(&path, "/_matrix/federation/v1/groups/");
    gg_buf_urlencode(&path, call->group_id);
    for (const char *p = pattern; *p != '\0'; p++) {
        const char *end = *p == '{' ? strchr(p, '}') : NULL;
        if (end == NULL) {
            gg_buf_char(&path, *p);
            continue;
        }
        gg_buf_urlencode(&path, mx_api_param(rq, gg_arena_strndup(call->arena, p + 1, (size_t)(end - p - 1))));
        p = end;
    }
    gg_buf_lit(&path, "?requester_user_id=");
    gg_buf_urlencode(&path, call->requester);
    const char *text = gg_arena_strndup(call->arena, path.data, path.n);
    gg_buf_done(&path);
    return text;
}

static int answer(struct gg_request *rq, const struct mx_group_route *route, json_t **out, struct gg_error *err)
{
    struct mx_group_call call;
    int rc = mx_group_call_of(rq, &call, err);
    if (rc != 0)
        return rc;
    call.requester = gg_str(mx_requester_of(rq)->user_id);
    call.kind = route->kind;
    if (mx_is_mine(call.server, call.group_id))
        return route->fn(&call, out, err);
    return mx_group_ask(call.server, mx_id_domain(call.group_id), route->fed_method, path_there(rq, &call, route->fed_path), call.body,
                        call.arena, out, err);
}

/* Whether the user shows the group is known to their own server alone. */
static int add_publicised(struct gg_request *rq, json_t *summary, struct gg_error *err)
{
    struct mx_group_membership own;
    bool found;
    json_t *user = json_object_get(summary, "user");
    int rc = mx_groups_membership(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), mx_api_param(rq, "group_id"),
                                  gg_request_arena(rq), &own, &found, err);
    if (rc == 0 && json_is_object(user))
        json_object_set_new(user, "is_publicised", json_boolean(found && own.publicised));
    return rc;
}

static int serve(struct gg_request *rq, const struct mx_group_route *route, struct gg_error *err)
{
    json_t *out = NULL;
    int rc = answer(rq, route, &out, err);
    if (rc == 0 && route->fn == mx_group_summary)
        rc = add_publicised(rq, out, err);
    return mx_group_reply(rq, rc, out);
}

#define HANDLER(name_, fn_, kind_, method_, path_, fed_method_, fed_path_) \
    static int call_##name_(void *self, struct gg_request *rq, struct gg_error *err) \
    { \
        return serve(rq, &(const struct mx_group_route){fn_, kind_, fed_method_, fed_path_}, err); \
    }
MX_GROUP_CALLS(HANDLER)

/* ---- oneself ---- */

static int serve_self(struct gg_request *rq, mx_group_fn *fn, struct gg_error *err)
{
    struct mx_group_call call;
    json_t *out = NULL;
    int rc = mx_group_call_of(rq, &call, err);
    call.requester = gg_str(mx_requester_of(rq)->user_id);
    if (rc == 0)
        rc = fn(&call, &out, err);
    return mx_group_reply(rq, rc, out);
}

static int self_join(void *self, struct gg_request *rq, struct gg_error *err)
{
    return serve_self(rq, mx_group_self_join, err);
}

static int self_accept(void *self, struct gg_request *rq, struct gg_error *err)
{
    return serve_self(rq, mx_group_self_accept, err);
}

static int self_leave(void *self, struct gg_request *rq, struct gg_error *err)
{
    return serve_self(rq, mx_group_self_leave, err);
}

static int self_publicise(void *self, struct gg_request *rq, struct gg_error *err)
{
    return serve_self(rq, mx_group_self_publicise, err);
}

static int create(void *self, struct gg_request *rq, struct gg_error *err)
{
    if (!mx_requester_of(rq)->admin && !gg_config_bool(mx_server_of_request(rq)->config, "enable_group_creation"))
        return gg_refuse(err, 403, "M_FORBIDDEN", "Only a server admin can create groups on this server");
    return serve_self(rq, mx_group_create, err);
}

/* ---- lists: also where there are no groups, since clients of old ask at each start ---- */

static int joined(void *self, struct gg_request *rq, struct gg_error *err)
{
    json_t *out = NULL;
    int rc = mx_groups_joined(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), gg_request_arena(rq), &out, err);
    return mx_group_reply(rq, rc, out);
}

static int publicised_of_one(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct gg_str user_id = mx_api_param(rq, "user_id");
    json_t *users = NULL, *out = NULL;
    if (!mx_user_id_valid(user_id))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "%s is not a valid user ID", user_id.s);
    int rc = mx_groups_publicised_of(mx_server_of_request(rq), &user_id, 1, true, gg_request_arena(rq), &users, err);
    if (rc == 0)
        out = json_pack("{s:O}", "groups", json_object_get(json_object_get(users, "users"), user_id.s));
    json_decref(users);
    return mx_group_reply(rq, rc, out);
}

int mx_api_publicised(struct gg_request *rq, bool ask_others, struct gg_error *err)
{
    const json_t *body = gg_request_json(rq, err), *list, *id;
    json_t *out = NULL;
    size_t i, n = 0;
    if (body == NULL)
        return err->code;
    list = json_object_get(body, "user_ids");
    if (!json_is_array(list) || json_array_size(list) > MAX_USERS)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "user_ids must be a list of at most %d user ids", MAX_USERS);
    struct gg_str *users = GG_NEW_ARRAY(gg_request_arena(rq), struct gg_str, json_array_size(list) + 1);
    json_array_foreach(list, i, id)
        if (json_is_string(id) && mx_user_id_valid(users[n] = gg_strn(json_string_value(id), json_string_length(id))))
            n++;
    int rc = mx_groups_publicised_of(mx_server_of_request(rq), users, n, ask_others, gg_request_arena(rq), &out, err);
    return mx_group_reply(rq, rc, out);
}

static int publicised(void *self, struct gg_request *rq, struct gg_error *err)
{
    return mx_api_publicised(rq, true, err);
}

#define CLIENT "/_matrix/client/(api/v1|r0|v3|unstable)"
#define GROUP CLIENT "/groups/{group_id}"
#define ROUTE(name_, fn_, kind_, method_, path_, fed_method_, fed_path_) \
    {.method = method_, .path = GROUP path_, .handler = call_##name_, .resource = "client", .auth = GG_AUTH_USER, \
     .flags = method_[0] == 'P' ? GG_ROUTE_JSON : 0, .writer = MX_GROUP_WRITER(method_), .doc = "groups: " #name_},
#define SELF(path_, handler_, ...) \
    {.method = "PUT", .path = GROUP "/self/" path_, .handler = handler_, .resource = "client", .auth = GG_AUTH_USER, \
     .flags = GG_ROUTE_JSON, .writer = GG_WRITER_MAIN, __VA_ARGS__}

const struct gg_route mx_routes_groups[] = {
    MX_GROUP_CALLS(ROUTE)
    SELF("join", self_join, .doc = "join an open group"),
    SELF("accept_invite", self_accept, .doc = "take up an invite to a group"),
    SELF("leave", self_leave, .doc = "leave a group, or reject an invite to it"),
    SELF("update_publicity", self_publicise, .doc = "show a group on one's own profile, or not"),
    {.method = "POST", .path = CLIENT "/create_group", .handler = create, .resource = "client", .auth = GG_AUTH_USER,
     .flags = GG_ROUTE_JSON, .writer = GG_WRITER_MAIN, .doc = "make a group"},
    {.method = "GET", .path = CLIENT "/joined_groups", .handler = joined, .resource = "client", .auth = GG_AUTH_USER,
     .doc = "groups that the caller is in"},
    {.method = "GET", .path = CLIENT "/publicised_groups/{user_id}", .handler = publicised_of_one, .resource = "client",
     .auth = GG_AUTH_USER, .doc = "groups that a user shows"},
    {.method = "POST", .path = CLIENT "/publicised_groups", .handler = publicised, .resource = "client", .auth = GG_AUTH_USER,
     .flags = GG_ROUTE_JSON, .doc = "groups that users show"},
    {0},
};
