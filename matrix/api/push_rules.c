/* matrix/api/push_rules.c: /pushrules (client-server API, "Push Rules: API"). Read anywhere, written by the writer of the
 * stream push_rules. */
#include "api/notifications.h"
#include "api/params.h"
#include "push/change.h"
#include "push/format.h"
#include "push/text.h"
#include "push/user_rules.h"

#include <ganglion/matrix/api.h>

enum { BODY_DEPTH = 100 };

static int unrecognised(struct gg_error *err)
{
    return gg_refuse(err, 400, "M_UNRECOGNIZED", "Unrecognized request");
}

/* ---- reading ---- */

static int read_rules(struct gg_request *rq, const struct mx_push_rules **out, struct gg_error *err)
{
    return mx_push_read_rules(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), gg_request_arena(rq), out, err);
}

/* A change that names no rule. */
static int names_no_rule(void *self, struct gg_request *rq, struct gg_error *err)
{
    return unrecognised(err);
}

static int get_all(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct mx_push_rules *rules;
    struct gg_buf out = GG_BUF_INIT;
    int rc = read_rules(rq, &rules, err);
    if (rc)
        return rc;
    mx_push_write_rules(&out, rules, gg_str(mx_requester_of(rq)->user_id), gg_request_arena(rq));
    return gg_reply_buf(rq, 200, &out);
}

static int no_slash(void *self, struct gg_request *rq, struct gg_error *err)
{
    return gg_refuse(err, 400, "M_UNRECOGNIZED", "Unrecognised request: You probably wanted a trailing slash");
}

static bool is_global(const struct gg_request *rq)
{
    return gg_str_is(mx_api_param(rq, "scope"), "global");
}

static int get_scope(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct mx_push_rules *rules;
    struct gg_buf out = GG_BUF_INIT;
    if (!is_global(rq))
        return unrecognised(err);
    int rc = read_rules(rq, &rules, err);
    if (rc)
        return rc;
    mx_push_write_global(&out, rules, gg_str(mx_requester_of(rq)->user_id), gg_request_arena(rq));
    return gg_reply_buf(rq, 200, &out);
}

static int get_kind(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct mx_push_rules *rules;
    struct gg_buf out = GG_BUF_INIT;
    int8_t class = mx_push_class_of(mx_api_param(rq, "kind"));
    if (!is_global(rq) || !class)
        return unrecognised(err);
    int rc = read_rules(rq, &rules, err);
    if (rc)
        return rc;
    mx_push_write_kind(&out, rules, class, gg_str(mx_requester_of(rq)->user_id), gg_request_arena(rq));
    return gg_reply_buf(rq, 200, &out);
}

static int write_one(struct gg_request *rq, struct gg_buf *out, struct gg_error *err)
{
    const struct mx_push_rules *rules;
    int8_t class = mx_push_class_of(mx_api_param(rq, "kind"));
    if (!is_global(rq) || !class)
        return unrecognised(err);
    int rc = read_rules(rq, &rules, err);
    if (rc == 0 && !mx_push_write_rule(out, rules, class, mx_api_param(rq, "rule_id"), gg_str(mx_requester_of(rq)->user_id),
                                       gg_request_arena(rq)))
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Not found.");
    return rc;
}

static int get_rule(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_buf out = GG_BUF_INIT;
    int rc = write_one(rq, &out, err);
    if (rc == 0)
        return gg_reply_buf(rq, 200, &out);
    gg_buf_done(&out);
    return rc;
}

/* Any member of the rule: {"enabled":true}, {"actions":[...]}. */
static int get_attribute(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_buf rule = GG_BUF_INIT, out = GG_BUF_INIT;
    struct gg_str name = mx_api_param(rq, "attribute"), value = {NULL, 0};
    int rc = write_one(rq, &rule, err);
    if (rc == 0 && !(value = mx_json_get_str(gg_buf_view(&rule), name)).s)
        rc = unrecognised(err);
    if (rc == 0) {
        gg_buf_char(&out, '{');
        gg_buf_json_string(&out, name);
        gg_buf_char(&out, ':');
        gg_buf_str(&out, value);
        gg_buf_char(&out, '}');
    }
    gg_buf_done(&rule);
    return rc ? rc : gg_reply_buf(rq, 200, &out);
}

/* ---- writing ---- */

static int bad_rule(struct gg_error *err, const char *why)
{
    return gg_refuse(err, 400, "M_UNKNOWN", "%s", why);
}

/* The rule that the path names: "global/room/!r:h". */
static int read_path(struct gg_request *rq, int8_t *class, struct gg_str *id, struct gg_error *err)
{
    struct gg_str kind = mx_api_param(rq, "kind"), rule_id = mx_api_param(rq, "rule_id");
    *class = mx_push_class_of(kind);
    if (!is_global(rq))
        return unrecognised(err);
    if (!*class)
        return gg_refuse(err, 400, "M_UNKNOWN", "Unknown template: %.*s", GG_FMT(kind));
    if (!rule_id.n || memchr(rule_id.s, '/', rule_id.n))
        return unrecognised(err);
    if (memchr(rule_id.s, '\\', rule_id.n))
        return bad_rule(err, "rule_id may not contain slashes");
    *id = gg_str(gg_arena_printf(gg_request_arena(rq), "global/%.*s/%.*s", GG_FMT(kind), GG_FMT(rule_id)));
    return 0;
}

static int read_body(struct gg_request *rq, struct gg_str *out, struct gg_error *err)
{
    *out = gg_request_body(rq);
    if (!out->n)
        return gg_refuse(err, 400, "M_NOT_JSON", "Content not JSON.");
    int rc = mx_json_check(*out, BODY_DEPTH, err);
    while (rc == 0 && out->n && strchr(" \t\r\n", out->s[0])) {
        out->s++;
        out->n--;
    }
    while (rc == 0 && out->n && strchr(" \t\r\n", out->s[out->n - 1]))
        out->n--;
    return rc;
}

static struct gg_str as_stored(struct gg_str json, struct gg_arena *arena)
{
    struct gg_buf out = GG_BUF_INIT;
    mx_push_write_json(&out, json, arena);
    struct gg_str text = gg_arena_str(arena, gg_buf_view(&out));
    gg_buf_done(&out);
    return text;
}

static bool is_action(struct gg_str action)
{
    static const char *const known[] = {"\"notify\"", "\"dont_notify\"", "\"coalesce\""};
    for (size_t i = 0; i < GG_COUNT(known); i++)
        if (gg_str_is(action, known[i]))
            return true;
    return mx_json_is_object(action) && mx_json_get(action, "set_tweak").s;
}

static int read_actions(struct gg_str actions, struct gg_arena *arena, struct gg_str *out, struct gg_error *err)
{
    struct mx_json_iter it = mx_json_iter(actions);
    if (!mx_json_is_array(actions))
        return bad_rule(err, "No actions found");
    while (mx_json_next(&it))
        if (!is_action(it.value))
            return gg_refuse(err, 400, "M_UNKNOWN", "Unrecognised action %.*s", it.value.n > 100 ? 100 : (int)it.value.n,
                             it.value.s);
    *out = as_stored(actions, arena);
    return 0;
}

/* Rules of three kinds are about one thing: their condition is made of it. */
static struct gg_str match_on(const char *key, struct gg_str pattern_json, struct gg_arena *arena)
{
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_printf(&out, "[{\"kind\":\"event_match\",\"key\":\"%s\",\"pattern\":", key);
    mx_push_write_json(&out, pattern_json, arena);
    gg_buf_lit(&out, "}]");
    struct gg_str text = gg_arena_str(arena, gg_buf_view(&out));
    gg_buf_done(&out);
    return text;
}

static struct gg_str quoted(struct gg_str text, struct gg_arena *arena)
{
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_json_string(&out, text);
    struct gg_str json = gg_arena_str(arena, gg_buf_view(&out));
    gg_buf_done(&out);
    return json;
}

static int listed_conditions(struct gg_str body, struct gg_arena *arena, struct gg_str *out, struct gg_error *err)
{
    struct gg_str conditions = mx_json_get(body, "conditions");
    struct mx_json_iter it = mx_json_iter(conditions);
    if (!conditions.s)
        return bad_rule(err, "Missing 'conditions'");
    if (!mx_json_is_array(conditions))
        return gg_refuse(err, 400, "M_BAD_JSON", "'conditions' must be a list");
    while (mx_json_next(&it))
        if (!mx_json_is_object(it.value) || !mx_json_get(it.value, "kind").s)
            return bad_rule(err, "Condition without 'kind'");
    *out = as_stored(conditions, arena);
    return 0;
}

static int read_conditions(struct gg_request *rq, int8_t class, struct gg_str body, struct gg_str *out,
                           struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str pattern = mx_json_get(body, "pattern");
    switch (class) {
    case MX_PUSH_POSTCONTENT:
        return gg_refuse(err, 400, "M_INVALID_PARAM", "user-defined rules using `postcontent` are not accepted");
    case MX_PUSH_ROOM:
        *out = match_on("room_id", quoted(mx_api_param(rq, "rule_id"), arena), arena);
        return 0;
    case MX_PUSH_SENDER:
        *out = match_on("user_id", quoted(mx_api_param(rq, "rule_id"), arena), arena);
        return 0;
    case MX_PUSH_CONTENT:
        if (!pattern.s)
            return bad_rule(err, "Content rule missing 'pattern'");
        if (!mx_json_is_string(pattern))
            return gg_refuse(err, 400, "M_BAD_JSON", "'pattern' must be a string");
        *out = match_on("content.body", pattern, arena);
        return 0;
    default:
        return listed_conditions(body, arena, out, err);
    }
}

static struct gg_str sibling(struct gg_request *rq, const char *key)
{
    const char *id = gg_request_query(rq, key);
    if (!id || !id[0])
        return gg_strn(NULL, 0);
    return gg_str(gg_arena_printf(gg_request_arena(rq), "global/%.*s/%s", GG_FMT(mx_api_param(rq, "kind")), id));
}

static bool is_reserved(struct gg_str rule_id)
{
    return rule_id.n && rule_id.s[0] == '.';
}

static int put_rule(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_push_new_rule rule = {.before = sibling(rq, "before"), .after = sibling(rq, "after")};
    struct gg_str body;
    int rc = read_path(rq, &rule.class, &rule.id, err);
    if (rc == 0)
        rc = read_body(rq, &body, err);
    if (rc == 0 && is_reserved(mx_api_param(rq, "rule_id")))
        rc = bad_rule(err, "cannot add new rule_ids that start with '.'");
    if (rc == 0 && !mx_json_is_object(body))
        rc = gg_refuse(err, 400, "M_BAD_JSON", "A push rule must be an object");
    if (rc == 0)
        rc = read_conditions(rq, rule.class, body, &rule.conditions, err);
    if (rc == 0)
        rc = read_actions(mx_json_get(body, "actions"), gg_request_arena(rq), &rule.actions, err);
    if (rc == 0)
        rc = mx_push_add_rule(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), &rule, err);
    return rc ? rc : gg_reply_empty_object(rq);
}

static int set_enabled(struct gg_request *rq, struct gg_str id, struct gg_str body, struct gg_error *err)
{
    /* Many clients send the bare value. */
    struct gg_str value = mx_json_is_object(body) ? mx_json_get(body, "enabled") : body;
    bool on = gg_str_is(value, "true");
    if (!on && !gg_str_is(value, "false"))
        return bad_rule(err, "Value for 'enabled' must be boolean");
    return mx_push_enable_rule(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), id, on, err);
}

static int set_actions(struct gg_request *rq, struct gg_str id, struct gg_str body, struct gg_error *err)
{
    struct gg_str actions;
    if (!mx_json_is_object(body))
        return bad_rule(err, "Value must be a dict");
    if (!mx_json_is_array(mx_json_get(body, "actions")))
        return bad_rule(err, "Value for 'actions' must be dict");
    int rc = read_actions(mx_json_get(body, "actions"), gg_request_arena(rq), &actions, err);
    return rc ? rc : mx_push_set_actions(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), id, actions, err);
}

static int put_attribute(void *self, struct gg_request *rq, struct gg_error *err)
{
    static const struct {
        const char *name;
        int (*set)(struct gg_request *rq, struct gg_str id, struct gg_str body, struct gg_error *err);
    } attributes[] = {{"enabled", set_enabled}, {"actions", set_actions}};
    struct gg_str id, body;
    int8_t class;
    int rc = read_path(rq, &class, &id, err);
    if (rc == 0)
        rc = read_body(rq, &body, err);
    for (size_t i = 0; rc == 0 && i < GG_COUNT(attributes); i++) {
        if (!gg_str_is(mx_api_param(rq, "attribute"), attributes[i].name))
            continue;
        if (is_reserved(mx_api_param(rq, "rule_id")) && mx_push_base_find(id) < 0)
            return gg_refuse(err, 404, "M_NOT_FOUND", "Unknown rule");
        rc = attributes[i].set(rq, id, body, err);
        return rc ? rc : gg_reply_empty_object(rq);
    }
    return rc ? rc : unrecognised(err);
}

static int delete_rule(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str kind = mx_api_param(rq, "kind"), rule_id = mx_api_param(rq, "rule_id");
    if (!is_global(rq) || !rule_id.n)
        return unrecognised(err);
    struct gg_str id = gg_str(gg_arena_printf(gg_request_arena(rq), "global/%.*s/%.*s", GG_FMT(kind), GG_FMT(rule_id)));
    int rc = mx_push_delete_rule(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), id, err);
    return rc ? rc : gg_reply_empty_object(rq);
}

/* ---- between processes ---- */

static int copy_push_rules(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err)
{
    int rc = mx_push_copy_room(self, gg_str(call->args[0]), gg_str(call->args[1]), gg_str(call->args[2]), err);
    if (rc == 0)
        *answer = json_object();
    return rc;
}

const struct gg_method mx_methods_push[] = {
    {"copy_push_rules", 3, 0, copy_push_rules, "push_rules", "a user's rules for a room hold for the one after it"},
    {0},
};

#define RULES "/_matrix/client/(api/v1|r0|v3|unstable)/pushrules"
#define RULE RULES "/{scope}/{kind}/{rule_id}"
#define READ(path_, handler_, doc_)                                                                                  \
    {.method = "GET", .path = path_, .handler = handler_, .resource = "client", .auth = GG_AUTH_USER,                \
     .flags = GG_ROUTE_CANCELLABLE, .doc = doc_}
#define WRITE(method_, path_, handler_, doc_)                                                                        \
    {.method = method_, .path = path_, .handler = handler_, .resource = "client", .auth = GG_AUTH_USER,              \
     .writer = "push_rules", .doc = doc_}

#define NO_RULE(path_)                                                                                               \
    {.method = "PUT", .path = path_, .handler = names_no_rule, .resource = "client", .auth = GG_AUTH_USER,           \
     .doc = "names no push rule"},                                                                                   \
    {.method = "DELETE", .path = path_, .handler = names_no_rule, .resource = "client", .auth = GG_AUTH_USER,        \
     .doc = "names no push rule"}

const struct gg_route mx_routes_push[] = {
    READ(RULES "/", get_all, "all push rules"),
    READ(RULES "/{scope}", no_slash, "wants a slash"),
    READ(RULES "/{scope}/", get_scope, "the push rules of a scope"),
    READ(RULES "/{scope}/{kind}", no_slash, "wants a slash"),
    READ(RULES "/{scope}/{kind}/", get_kind, "the push rules of a kind"),
    READ(RULE, get_rule, "a push rule"),
    READ(RULE "/{attribute}", get_attribute, "whether a push rule is enabled, what it does"),
    WRITE("PUT", RULE, put_rule, "add or replace a push rule"),
    WRITE("PUT", RULE "/", put_rule, "the same in another spelling"),
    WRITE("PUT", RULE "/{attribute}", put_attribute, "enable a push rule, set what it does"),
    WRITE("DELETE", RULE, delete_rule, "delete a push rule"),
    NO_RULE(RULES "/"),
    NO_RULE(RULES "/{scope}"),
    NO_RULE(RULES "/{scope}/"),
    NO_RULE(RULES "/{scope}/{kind}"),
    NO_RULE(RULES "/{scope}/{kind}/"),
    READ("/_matrix/client/(r0|v3|unstable)/notifications", mx_api_notifications, "what notified the user"),
    {0},
};
