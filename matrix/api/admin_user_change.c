/* admin_user_change.c: single things that administrators change about an account. */
#include "api/admin.h"

#include <ganglion/matrix/id.h>

#include "accounts/password.h"
#include "accounts/session.h"
#include "storage/admin/users.h"

#define UNKNOWN "User not found"

/* ---- server administrators ---- */

#define ONLY_LOCAL_ADMINS "Only local users can be admins of this homeserver"

int mx_admin_api_get_admin(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str user_id;
    struct mx_user user;
    int status = mx_admin_target(rq, "user_id", ONLY_LOCAL_ADMINS, NULL, &user_id, err);
    if (!status)
        status = mx_users_get(mx_server_of_request(rq), user_id, gg_request_arena(rq), &user, err);
    if (!status && !user.id.s)
        return gg_refuse(err, 404, "M_NOT_FOUND", UNKNOWN);
    return status ? status : gg_reply_json(rq, 200, json_pack("{sb}", "admin", (int)user.admin));
}

int mx_admin_api_put_admin(void *self, struct gg_request *rq, struct gg_error *err)
{
    const json_t *body = gg_request_json(rq, err);
    struct gg_str user_id;
    bool on;
    if (!json_object_get(body, "admin"))
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: ['admin']");
    int status = mx_admin_target(rq, "user_id", ONLY_LOCAL_ADMINS, UNKNOWN, &user_id, err);
    if (!status)
        status = mx_admin_bool(body, "admin", false, &on, err);
    if (!status && !on && gg_str_is(user_id, mx_requester_of(rq)->user_id))
        status = gg_refuse(err, 400, "M_UNKNOWN", "You may not demote yourself.");
    if (!status)
        status = mx_admin_user_set_flag(mx_server_of_request(rq), user_id, MX_FLAG_ADMIN, on, err);
    return status ? status : gg_reply_empty_object(rq);
}

/* ---- shadow bans, suspensions ---- */

static int set_shadow_banned(struct gg_request *rq, bool on, struct gg_error *err)
{
    struct gg_str user_id;
    int status = mx_admin_target(rq, "user_id", "Only local users can be shadow-banned", UNKNOWN, &user_id, err);
    if (!status)
        status = mx_admin_user_set_flag(mx_server_of_request(rq), user_id, MX_FLAG_SHADOW_BANNED, on, err);
    return status ? status : gg_reply_empty_object(rq);
}

int mx_admin_api_shadow_ban(void *self, struct gg_request *rq, struct gg_error *err)
{
    return set_shadow_banned(rq, true, err);
}

int mx_admin_api_shadow_unban(void *self, struct gg_request *rq, struct gg_error *err)
{
    return set_shadow_banned(rq, false, err);
}

int mx_admin_api_suspend(void *self, struct gg_request *rq, struct gg_error *err)
{
    const json_t *body = gg_request_json(rq, err);
    struct gg_str user_id;
    bool on;
    int status = mx_admin_target(rq, "user_id", "Can only suspend local users", UNKNOWN, &user_id, err);
    if (!status && !json_object_get(body, "suspend"))
        status = gg_refuse(err, 400, "M_BAD_JSON", "Field required: suspend");
    if (!status)
        status = mx_admin_bool(body, "suspend", false, &on, err);
    if (!status)
        status = mx_admin_user_set_flag(mx_server_of_request(rq), user_id, MX_FLAG_SUSPENDED, on, err);
    if (status)
        return status;
    json_t *answer = json_object();
    json_object_set_new(answer, gg_arena_printf(gg_request_arena(rq), "user_%.*s_suspended", GG_FMT(user_id)), json_boolean(on));
    return gg_reply_json(rq, 200, answer);
}

/* ---- rate limits ---- */

#define ONLY_LOCAL_LIMITS "Only local users can be ratelimited"

int mx_admin_api_get_rate(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str user_id, json;
    int status = mx_admin_target(rq, "user_id", "Can only look up local users", UNKNOWN, &user_id, err);
    if (!status)
        status = mx_admin_ask(mx_server_of_request(rq), &mx_admin_user_rate_limit, GG_PARAMS(gg_p_str(user_id)),
                              gg_request_arena(rq), &json, err);
    return status ? status : mx_admin_reply(rq, json.s ? json : GG_STR("{}"), UNKNOWN, err);
}

static int read_rate(const json_t *body, const char *key, int64_t *out, struct gg_error *err)
{
    const json_t *v = json_object_get(body, key);
    *out = json_integer_value(v);
    if (v && (!json_is_integer(v) || *out < 0))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "%s parameter must be a positive int", key);
    return 0;
}

int mx_admin_api_set_rate(void *self, struct gg_request *rq, struct gg_error *err)
{
    const json_t *body = gg_request_json(rq, err);
    struct gg_str user_id;
    int64_t per_second, burst;
    int status = mx_admin_target(rq, "user_id", ONLY_LOCAL_LIMITS, UNKNOWN, &user_id, err);
    if (!status)
        status = read_rate(body, "messages_per_second", &per_second, err);
    if (!status)
        status = read_rate(body, "burst_count", &burst, err);
    if (!status)
        status = mx_admin_user_set_rate(mx_server_of_request(rq), user_id, per_second, burst, err);
    return status ? status
                  : gg_reply_json(rq, 200, json_pack("{sI sI}", "messages_per_second", (json_int_t)per_second,
                                                     "burst_count", (json_int_t)burst));
}

int mx_admin_api_delete_rate(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str user_id;
    int status = mx_admin_target(rq, "user_id", ONLY_LOCAL_LIMITS, UNKNOWN, &user_id, err);
    if (!status)
        status = mx_admin_user_no_rate(mx_server_of_request(rq), user_id, err);
    return status ? status : gg_reply_empty_object(rq);
}

/* ---- acting as somebody ---- */

int mx_admin_api_login_as(void *self, struct gg_request *rq, struct gg_error *err)
{
    const json_t *valid = json_object_get(gg_request_json(rq, err), "valid_until_ms");
    const struct mx_requester *who = mx_requester_of(rq);
    struct gg_str user_id, token;
    int status = mx_admin_target(rq, "user_id", "Only local users can be logged in as", UNKNOWN, &user_id, err);
    if (!status && valid && !json_is_null(valid) && (!json_is_integer(valid) || json_integer_value(valid) < 0))
        status = gg_refuse(err, 400, "M_UNKNOWN", "'valid_until_ms' parameter must be an int");
    if (!status && gg_str_is(user_id, who->user_id))
        status = gg_refuse(err, 400, "M_UNKNOWN", "Cannot use admin API to login as self");
    if (!status)
        status = mx_session_puppet(mx_server_of_request(rq), gg_str(who->user_id), user_id, json_integer_value(valid),
                                   gg_request_arena(rq), &token, err);
    return status ? status : gg_reply_json(rq, 200, json_pack("{ss%}", "access_token", token.s, token.n));
}

/* ---- experimental features ---- */

/* Features that Synapse 1.163.2 lets administrators switch for one user. */
static const char *const features[] = {"msc3881", "msc3575", "msc4222"};

int mx_admin_api_get_features(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str user_id, json;
    int status = mx_admin_target(rq, "user_id", "User must be local to check what experimental features are enabled.", NULL,
                                 &user_id, err);
    if (!status)
        status = mx_admin_ask(mx_server_of_request(rq), &mx_admin_user_features, GG_PARAMS(gg_p_str(user_id)),
                              gg_request_arena(rq), &json, err);
    if (status)
        return status;
    json_t *stored = json_loadb(json.s, json.n, 0, NULL), *all = json_object();
    for (size_t i = 0; i < GG_COUNT(features); i++)
        json_object_set_new(all, features[i],
                            json_boolean(json_is_true(json_object_get(json_object_get(stored, "features"), features[i]))));
    json_decref(stored);
    return gg_reply_json(rq, 200, json_pack("{so}", "features", all));
}

static bool known_feature(const char *name)
{
    for (size_t i = 0; i < GG_COUNT(features); i++)
        if (strcmp(features[i], name) == 0)
            return true;
    return false;
}

int mx_admin_api_put_features(void *self, struct gg_request *rq, struct gg_error *err)
{
    json_t *wanted = json_object_get(gg_request_json(rq, err), "features"), *value;
    const char *name;
    struct gg_str user_id;
    int status = mx_admin_target(rq, "user_id", "User must be local to enable experimental features.", NULL, &user_id, err);
    if (!status && !json_is_object(wanted))
        status = gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: ['features']");
    json_object_foreach (wanted, name, value)
        if (!status && (!known_feature(name) || !json_is_boolean(value)))
            status = gg_refuse(err, 400, "M_UNKNOWN", "'%.100s' is not recognised as a valid experimental feature.", name);
    json_object_foreach (wanted, name, value)
        if (!status)
            status = mx_admin_user_set_feature(mx_server_of_request(rq), user_id, gg_str(name), json_is_true(value), err);
    return status ? status : gg_reply_empty_object(rq);
}

/* ---- cross-signing keys ---- */

int mx_admin_api_allow_new_keys(void *self, struct gg_request *rq, struct gg_error *err)
{
    int64_t until;
    int status = mx_admin_user_allow_new_keys(mx_server_of_request(rq), gg_str(gg_request_param(rq, "user_id")), &until, err);
    if (!status && !until)
        status = gg_refuse(err, 404, "M_NOT_FOUND", "User has no master cross-signing key");
    return status ? status
                  : gg_reply_json(rq, 200, json_pack("{sI}", "updatable_without_uia_before_ms", (json_int_t)until));
}
