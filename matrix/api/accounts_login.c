/* accounts_login.c: logging in and out (client-server API, "Login", "Logout"). */
#include <ganglion/config.h>
#include <ganglion/matrix/appservice.h>

#include "accounts/access_token.h"
#include "accounts/jwt.h"
#include "accounts/password.h"
#include "accounts/uia.h"
#include "api/accounts.h"
#include "usage/usage.h"

#define SERVICE_LOGIN "m.login.application_service"
#define JWT_LOGIN "org.matrix.login.jwt"

static bool passwords_enabled(const struct gg_config *config)
{
    return strcmp(gg_config_text(config, "password_config.enabled"), "true") == 0 &&
           gg_config_bool(config, "password_config.localdb_enabled");
}

int mx_api_login_flows(void *self, struct gg_request *rq, struct gg_error *err)
{
    json_t *flows = json_array();
    const struct gg_config *config = mx_server_of_request(rq)->config;
    if (gg_config_bool(config, "jwt_config.enabled"))
        json_array_append_new(flows, json_pack("{ss}", "type", JWT_LOGIN));
    if (gg_config_bool(config, "login_via_existing_session.enabled"))
        json_array_append_new(flows, json_pack("{ss sb}", "type", "m.login.token", "get_login_token", 1));
    if (passwords_enabled(config))
        json_array_append_new(flows, json_pack("{ss}", "type", "m.login.password"));
    json_array_append_new(flows, json_pack("{ss}", "type", SERVICE_LOGIN));
    return gg_reply_json(rq, 200, json_pack("{so}", "flows", flows));
}

/* A new reference. */
static json_t *session_json(const struct mx_server *server, struct gg_str user_id, const struct mx_session *session)
{
    json_t *reply = json_pack("{ss# ss}", "user_id", user_id.s, (int)user_id.n, "home_server", server->name);
    if (session) {
        json_object_set_new(reply, "access_token", json_stringn(session->access_token.s, session->access_token.n));
        json_object_set_new(reply, "device_id", json_stringn(session->device_id.s, session->device_id.n));
        if (session->refresh_token.s)
            json_object_set_new(reply, "refresh_token", json_stringn(session->refresh_token.s, session->refresh_token.n));
        if (session->valid_until_ms)
            json_object_set_new(reply, "expires_in_ms", json_integer(session->valid_until_ms - gg_wall_ms()));
    }
    return reply;
}

int mx_reply_session(struct gg_request *rq, struct gg_str user_id, const struct mx_session *session)
{
    return gg_reply_json(rq, 200, session_json(mx_server_of_request(rq), user_id, session));
}

/* ---- kinds of login ---- */

static int by_password(struct gg_request *rq, const json_t *body, struct gg_str *user_out, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str password = mx_text(body, "password"), user;
    if (!passwords_enabled(server->config))
        return gg_refuse(err, 400, "M_UNKNOWN", "Password login has been disabled.");
    int status = mx_login_name(server, body, arena, &user, err);
    if (status)
        return status;
    if (!mx_password_fits(password))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Bad parameter: password");
    status = mx_login_password(server, rq, user, password, user_out, err);
    return status ? status : mx_limit(server, "rc_login.account", *user_out, NULL, true, err);
}

static int by_token(struct gg_request *rq, const json_t *body, struct gg_str *user_out, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str token = mx_text(body, "token");
    if (!token.s)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing 'token'");
    int status = mx_login_tokens_use(server, token, gg_request_arena(rq), user_out, err);
    if (!status && !user_out->s)
        return gg_refuse(err, 403, "M_FORBIDDEN", "Invalid login token");
    return status ? status : mx_limit(server, "rc_login.account", *user_out, NULL, true, err);
}

static int check_identifier(struct gg_request *rq, const json_t *body, struct gg_str *user_out, struct gg_error *err)
{
    const json_t *identifier = json_object_get(body, "identifier");
    struct gg_str user = mx_text(identifier, "user");
    if (!json_is_object(identifier))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid identifier in login submission");
    if (!gg_str_is(mx_text(identifier, "type"), "m.id.user"))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Unknown login identifier type");
    if (!user.n)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid user in identifier");
    *user_out = user.s[0] == '@' ? user
                                 : gg_str(gg_arena_printf(gg_request_arena(rq), "@%.*s:%s", GG_FMT(user),
                                                          mx_server_of_request(rq)->name));
    return 0;
}

/* A service logs its users in by its own token. */
static int by_service(struct gg_request *rq, const json_t *body, struct gg_str *user_out, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    int status = mx_authenticate(server, rq, 0, err);
    if (status)
        return status;
    const struct mx_appservice *service = mx_appservice_of(server, mx_requester_of(rq));
    if (!service) {
        status = gg_refuse(err, 401, "M_UNKNOWN_TOKEN", "This login method is only valid for application services");
        gg_error_extra(err, "soft_logout", "false");
        return status;
    }
    if (service->manages_devices)
        return gg_refuse(err, 400, "M_APPSERVICE_LOGIN_UNSUPPORTED",
                         "This appservice has MSC4190 enabled, so appservice login cannot be used.");
    if (service->rate_limited)
        status = mx_limit(server, "rc_login.address", gg_str(gg_request_address(rq)), NULL, true, err);
    if (!status)
        status = check_identifier(rq, body, user_out, err);
    if (!status && (!mx_appservice_has_user(service, *user_out) || !mx_is_mine(server, *user_out)))
        status = gg_refuse(err, 403, "M_FORBIDDEN", "Invalid access_token");
    if (!status && service->rate_limited)
        status = mx_limit(server, "rc_login.account", *user_out, NULL, true, err);
    return status || gg_str_is(*user_out, service->sender)
               ? status
               : mx_login_check(server, *user_out, gg_request_arena(rq), err);
}

/* Whom the token names; who is not there yet is registered. */
static int user_of_claims(struct mx_server *server, const json_t *claims, struct gg_arena *arena, struct gg_str *user_out,
                          struct gg_error *err)
{
    struct gg_str name = mx_text(claims, gg_config_text(server->config, "jwt_config.subject_claim"));
    const char *shown = gg_config_text(server->config, "jwt_config.display_name_claim");
    if (!name.n)
        return gg_refuse(err, 403, "M_FORBIDDEN", "Invalid JWT");
    name = gg_arena_str(arena, name);
    struct gg_str user_id = gg_str(gg_arena_printf(arena, "@%.*s:%s", GG_FMT(name), server->name));
    int status = mx_limit(server, "rc_login.account", user_id, NULL, true, err);
    if (!status)
        status = mx_login_find(server, user_id, arena, user_out, err);
    if (status || user_out->s)
        return status;
    const struct mx_registration who = {.localpart = name, .display_name = shown ? mx_text(claims, shown) : (struct gg_str){0}};
    status = mx_usage_check_new(server, (struct gg_str){0}, (struct gg_str){0}, err);
    return status ? status : mx_register(server, &who, arena, user_out, err);
}

/* Another system vouches for the user (config jwt_config). */
static int by_jwt(struct gg_request *rq, const json_t *body, struct gg_str *user_out, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const struct gg_config *config = server->config;
    struct gg_str token = mx_text(body, "token");
    const char *why = NULL;
    size_t n;
    const char *const *audiences = gg_config_texts(config, "jwt_config.audiences", &n);
    if (!gg_config_bool(config, "jwt_config.enabled"))
        return gg_refuse(err, 400, "M_UNKNOWN", "Unknown login type %s", JWT_LOGIN);
    if (!token.s)
        return gg_refuse(err, 403, "M_FORBIDDEN", "Token field for JWT is missing");
    json_t *claims =
        mx_jwt_open(token, gg_config_text(config, "jwt_config.algorithm"), gg_config_text(config, "jwt_config.secret"), &why);
    if (claims)
        why = mx_jwt_judge(claims, gg_config_text(config, "jwt_config.issuer"), audiences, n, gg_wall_ms() / 1000);
    int status = why ? gg_refuse(err, 403, "M_FORBIDDEN", "JWT validation failed: %s", why)
                     : user_of_claims(server, claims, gg_request_arena(rq), user_out, err);
    json_decref(claims);
    return status;
}

static const struct {
    const char *type;
    int (*run)(struct gg_request *rq, const json_t *body, struct gg_str *user_out, struct gg_error *err);
} kinds[] = {
    {"m.login.password", by_password},
    {"m.login.token", by_token},
    {JWT_LOGIN, by_jwt},
    {SERVICE_LOGIN, by_service},
};

static int identify(struct gg_request *rq, const json_t *body, struct gg_str *user_out, struct gg_error *err)
{
    struct gg_str type = mx_text(body, "type");
    if (!json_object_get(body, "type"))
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing JSON keys.");
    if (!type.s)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Bad parameter: type");
    for (size_t i = 0; i < GG_COUNT(kinds); i++)
        if (gg_str_is(type, kinds[i].type))
            return kinds[i].run(rq, body, user_out, err);
    return gg_refuse(err, 400, "M_UNKNOWN", "Unknown login type %.*s", (int)(type.n < 64 ? type.n : 64), type.s);
}

int mx_api_login(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const json_t *body = gg_request_json(rq, err), *device = json_object_get(body, "device_id");
    const json_t *refresh = json_object_get(body, "refresh_token");
    struct gg_str user_id;
    struct mx_session session;
    if (device && !json_is_string(device) && !json_is_null(device))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "device_id must be a string");
    if (refresh && !json_is_boolean(refresh))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "`refresh_token` should be true or false.");
    int status = 0;
    if (!gg_str_is(mx_text(body, "type"), SERVICE_LOGIN)) /* whether services are limited is their registrations' affair */
        status = mx_limit(server, "rc_login.address", gg_str(gg_request_address(rq)), NULL, true, err);
    if (!status)
        status = identify(rq, body, &user_id, err);
    const struct mx_session_wish wish = {.user_id = user_id,
                                         .device_id = mx_device_wish(body),
                                         .display_name = mx_text(body, "initial_device_display_name"),
                                         .refresh = json_is_true(refresh)};
    if (!status)
        status = mx_session_begin(server, &wish, gg_request_arena(rq), &session, err);
    if (status)
        return status;
    json_t *reply = session_json(server, user_id, &session), *well_known = mx_well_known_client(server);
    if (well_known)
        json_object_set_new(reply, "well_known", well_known);
    return gg_reply_json(rq, 200, reply);
}

int mx_api_refresh(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const json_t *body = gg_request_json(rq, err);
    struct gg_str token = mx_text(body, "refresh_token");
    struct mx_session session;
    if (!mx_refreshable(server->config))
        return gg_refuse(err, 404, "M_UNRECOGNIZED", "Unrecognized request");
    if (!json_object_get(body, "refresh_token"))
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: refresh_token");
    if (!token.s)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid param: refresh_token");
    int status = mx_session_refresh(server, token, gg_request_arena(rq), &session, err);
    if (status)
        return status;
    return gg_reply_json(rq, 200,
                         json_pack("{ss# ss# sI}", "access_token", session.access_token.s, (int)session.access_token.n,
                                   "refresh_token", session.refresh_token.s, (int)session.refresh_token.n,
                                   "expires_in_ms", (json_int_t)(session.valid_until_ms - gg_wall_ms())));
}

/* A stub of before refresh tokens, which clients of old still find. */
int mx_api_token_refresh(void *self, struct gg_request *rq, struct gg_error *err)
{
    return gg_refuse(err, 403, "M_FORBIDDEN", "tokenrefresh is no longer supported.");
}

/* A token for another device of the same user, spent by one login. */
int mx_api_get_login_token(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct mx_uia uia = {.description = "issue a new access token for your account", .done = true};
    if (!gg_config_bool(server->config, "login_via_existing_session.enabled"))
        return gg_refuse(err, 404, "M_UNRECOGNIZED", "Unrecognized request");
    int status = 0;
    if (gg_config_bool(server->config, "login_via_existing_session.require_ui_auth")) {
        uia.done = false;
        status = mx_uia_confirm(server, rq, gg_request_json(rq, err), false, &uia, err);
    }
    if (status || !uia.done)
        return status ? status : mx_uia_answer(rq, &uia);
    /* One a minute: each lets somebody in. */
    status = mx_limit_rate(server, "get_login_token", (struct mx_rate){1.0 / 60, 1},
                           gg_str(mx_requester_of(rq)->user_id), true, err);
    if (status)
        return status;
    int64_t life = gg_config_int(server->config, "login_via_existing_session.token_timeout");
    const char *token = mx_login_token_new(gg_request_arena(rq));
    status = mx_login_tokens_add(server, gg_str(token), gg_str(mx_requester_of(rq)->user_id), gg_wall_ms() + life, err);
    if (status)
        return status;
    /* The second number is what clients of before the stable name read. */
    return gg_reply_json(rq, 200, json_pack("{ss sI sI}", "login_token", token, "expires_in_ms", (json_int_t)life,
                                            "expires_in", (json_int_t)(life / 1000)));
}

/* Also for accounts that are locked and tokens that have expired, so the route itself asks for nobody. */
static int log_out(struct gg_request *rq, bool everywhere, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    int status = mx_authenticate(server, rq, MX_AUTH_LOCKED | MX_AUTH_EXPIRED, err); /* no table holds guests' tokens */
    if (status)
        return status;
    const struct mx_requester *who = mx_requester_of(rq);
    const struct mx_principal *principal = gg_request_principal(rq);
    struct gg_str device = gg_str(who->device_id),
                  token = who->device_id ? (struct gg_str){0} : gg_str(who->access_token);
    status = everywhere ? mx_logout(server, gg_str(who->user_id), NULL, 0, token, err)
                        : mx_logout(server, gg_str(principal->token_owner), &device, device.s != NULL, token, err);
    return status ? status : gg_reply_empty_object(rq);
}

int mx_api_logout(void *self, struct gg_request *rq, struct gg_error *err)
{
    return log_out(rq, false, err);
}

int mx_api_logout_all(void *self, struct gg_request *rq, struct gg_error *err)
{
    return log_out(rq, true, err);
}

int mx_api_whoami(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct mx_requester *who = mx_requester_of(rq);
    json_t *reply = json_pack("{ss sb}", "user_id", who->user_id, "is_guest", who->guest);
    if (who->device_id)
        json_object_set_new(reply, "device_id", json_string(who->device_id));
    return gg_reply_json(rq, 200, reply);
}
