/* accounts_register.c: registering an account (client-server API, "POST /register"). */
#include <ctype.h>
#include <ganglion/config.h>
#include <ganglion/matrix/appservice.h>
#include <ganglion/matrix/id.h>

#include "accounts/password.h"
#include "accounts/signup.h"
#include "accounts/threepid.h"
#include "api/accounts.h"
#include "storage/accounts_registration.h"
#include "usage/usage.h"

enum { USERNAME_MAX = 1024 }; /* longer ones are no names; the rule for names says how long one may be */

static int check_open(const struct mx_server *server, struct gg_error *err)
{
    return gg_config_bool(server->config, "enable_registration")
               ? 0
               : gg_refuse(err, 403, "M_FORBIDDEN", "Registration has been disabled");
}

static bool fits_name(struct gg_str name)
{
    return name.s && name.n <= USERNAME_MAX;
}

/* A text member that may be absent; an empty one counts as given. */
static int optional_text(const json_t *body, const char *key, bool (*fits)(struct gg_str), struct gg_str *out,
                         struct gg_error *err)
{
    const json_t *v = json_object_get(body, key);
    *out = mx_text(body, key);
    return !v || json_is_null(v) || fits(*out) ? 0 : gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid %s", key);
}

static struct gg_str lower(struct gg_str s, struct gg_arena *arena)
{
    if (!s.s)
        return s;
    char *copy = gg_arena_strndup(arena, s.s, s.n);
    for (size_t i = 0; i < s.n; i++)
        copy[i] = (char)tolower((unsigned char)copy[i]);
    return gg_strn(copy, s.n);
}

struct request {
    struct mx_server *server;
    struct gg_request *rq;
    struct gg_arena *arena;
    json_t *body;
    struct gg_str username, password; /* s NULL: none in this request */
    struct gg_str guest;              /* the guest who becomes a user; s NULL: nobody */
    struct mx_uia_flow flows[MX_SIGNUP_FLOWS];
    struct mx_uia uia;
};

/* A guest may keep the name: it must be the token's own. */
static int check_guest(struct request *r, const json_t *params, struct gg_error *err)
{
    struct gg_str token = mx_text(params, "guest_access_token"), name = lower(mx_text(params, "username"), r->arena);
    r->guest = (struct gg_str){0};
    if (!token.s || !name.s)
        return 0;
    struct gg_str user_id = mx_guest_of_token(r->server, token, r->arena);
    if (!user_id.s || !gg_str_eq(mx_id_localpart(user_id), name))
        return gg_refuse(err, 403, "M_FORBIDDEN",
                         "Cannot register taken user ID without valid guest credentials for that user.");
    r->guest = user_id;
    return 0;
}

/* What can be said before the interactive part. */
static int check_request(struct request *r, struct gg_error *err)
{
    int status = optional_text(r->body, "password", mx_password_fits, &r->password, err);
    if (!status && r->password.s)
        status = mx_password_policy(r->server->config, r->password, err);
    if (!status)
        status = optional_text(r->body, "username", fits_name, &r->username, err);
    if (!status)
        status = mx_device_check(mx_device_wish(r->body), mx_text(r->body, "initial_device_display_name"), err);
    if (!status)
        status = check_open(r->server, err);
    if (!status)
        status = mx_uia_peek(r->server, r->rq, r->body, &r->uia, err);
    r->username = lower(r->username, r->arena);
    if (!status)
        status = check_guest(r, r->body, err);
    if (!status && !r->guest.s && r->username.s && !mx_uia_noted(&r->uia, "registered_user_id").s)
        status = mx_username_available(r->server, r->username,
                                       gg_config_bool(r->server->config, "inhibit_user_in_use_error"), r->arena, err);
    return status;
}

/* The client need not send its password again with the last stage: its hash waits with the session. */
static int hash_password(struct request *r, struct gg_str *hash_out, struct gg_error *err)
{
    const char *hash;
    struct gg_str password = r->password.s ? r->password : mx_text(r->uia.params, "password");
    *hash_out = mx_uia_noted(&r->uia, "password_hash");
    if (!password.n || hash_out->s) /* an empty password is none */
        return 0;
    int status = mx_password_hash(r->server->config, password, r->arena, &hash, err);
    if (!status)
        *hash_out = gg_str(hash);
    return status;
}

static int wait_for_stages(struct request *r, struct gg_error *err)
{
    struct gg_str hash, before = mx_uia_noted(&r->uia, "password_hash");
    int status = hash_password(r, &hash, err);
    if (!status && !before.s && hash.s)
        status = mx_uia_note_text(r->server, &r->uia, "password_hash", hash, err);
    return status ? status : mx_uia_answer(r->rq, &r->uia);
}

/* An address that was proved on the way must be allowed, and nobody else's. */
static int check_address(struct request *r, struct gg_error *err)
{
    const json_t *proof = json_object_get(r->uia.results, "m.login.email.identity");
    struct gg_str medium = mx_text(proof, "medium"), address = mx_text(proof, "address"), owner;
    if (!medium.s || !address.s)
        return 0;
    int status = mx_threepid_allowed(r->server, medium.s, address, true, err);
    if (!status)
        status = mx_users_by_address(r->server, medium, address, r->arena, &owner, err);
    if (!status && owner.s)
        return gg_refuse(err, 400, "M_THREEPID_IN_USE", "Email is already in use");
    return status;
}

static int make_user(struct request *r, struct gg_str hash, struct gg_str *user_id_out, struct gg_error *err)
{
    struct mx_registration registration = {.localpart = lower(mx_text(r->uia.params, "username"), r->arena),
                                           .password_hash = hash};
    const json_t *proof = json_object_get(r->uia.results, "m.login.email.identity");
    int status = mx_usage_check_new(r->server, mx_text(proof, "medium"), mx_text(proof, "address"), err);
    if (!status)
        status = check_guest(r, r->uia.params, err);
    if (status || !r->guest.s)
        return status ? status : mx_register(r->server, &registration, r->arena, user_id_out, err);
    *user_id_out = r->guest;
    return mx_users_upgrade(r->server, r->guest, hash, err);
}

static int create_account(struct request *r, struct gg_str *user_id_out, struct gg_error *err)
{
    struct gg_str hash, token = mx_uia_noted(&r->uia, MX_UIA_REGISTRATION_TOKEN);
    int status = hash_password(r, &hash, err);
    if (status)
        return status;
    if (!hash.s)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: password");
    status = check_address(r, err);
    if (!status)
        status = mx_limit(r->server, "rc_registration", gg_str(gg_request_address(r->rq)), NULL, true, err);
    if (!status)
        status = make_user(r, hash, user_id_out, err);
    if (!status)
        status = mx_uia_note_text(r->server, &r->uia, "registered_user_id", *user_id_out, err);
    return status || !token.s ? status : mx_registration_token_spend(r->server, token, err);
}

/* Once more with a session that has registered already: a second session of the same user. */
static int finish(struct request *r, struct gg_error *err)
{
    struct gg_str user_id = mx_uia_noted(&r->uia, "registered_user_id");
    bool is_new = !user_id.s;
    struct mx_session session;
    const json_t *params = r->uia.params;
    int status = is_new ? create_account(r, &user_id, err) : 0;
    if (status)
        return status;
    bool inhibit = json_is_true(json_object_get(params, "inhibit_login"));
    const struct mx_session_wish wish = {.user_id = user_id,
                                         .device_id = mx_device_wish(params),
                                         .display_name = mx_text(params, "initial_device_display_name"),
                                         .refresh = json_is_true(json_object_get(params, "refresh_token"))};
    if (!inhibit)
        status = mx_session_begin(r->server, &wish, r->arena, &session, err);
    if (!status && is_new)
        status = mx_registered(r->server, user_id, r->uia.results, inhibit ? NULL : session.access_token.s, err);
    return status ? status : mx_reply_session(r->rq, user_id, inhibit ? NULL : &session);
}

/* Guests need nothing but the wish. */
static int register_guest(struct gg_request *rq, const json_t *body, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    const struct mx_registration registration = {.guest = true};
    struct gg_str user_id;
    struct mx_session session;
    if (!gg_config_bool(server->config, "allow_guest_access"))
        return gg_refuse(err, 403, "M_GUEST_ACCESS_FORBIDDEN", "Guest access is disabled");
    int status = mx_limit(server, "rc_registration", gg_str(gg_request_address(rq)), NULL, true, err);
    if (!status)
        status = mx_usage_check_new(server, (struct gg_str){0}, (struct gg_str){0}, err);
    if (!status)
        status = mx_register(server, &registration, arena, &user_id, err);
    const struct mx_session_wish wish = {
        .user_id = user_id, .display_name = mx_text(body, "initial_device_display_name"), .guest = true};
    if (!status)
        status = mx_session_begin(server, &wish, arena, &session, err);
    return status ? status : mx_reply_session(rq, user_id, &session);
}

static int register_user(struct gg_request *rq, json_t *body, struct gg_error *err)
{
    struct request r = {
        .server = mx_server_of_request(rq), .rq = rq, .arena = gg_request_arena(rq), .body = body};
    struct mx_signup_rules rules;
    mx_signup_rules(r.server, &rules);
    r.uia = (struct mx_uia){.flows = r.flows,
                            .n_flows = mx_signup_flows(&rules, r.flows),
                            .description = "register a new account",
                            .may_change = true};
    int status = check_request(&r, err);
    if (!status)
        status = mx_uia_run(r.server, rq, r.body, &r.uia, err);
    if (status)
        return status;
    return r.uia.done ? finish(&r, err) : wait_for_stages(&r, err);
}

/* ---- users of application services ---- */

static int check_service_login(const struct mx_appservice *service, bool inhibit, struct gg_error *err)
{
    return service->manages_devices && !inhibit
               ? gg_refuse(err, 400, "M_APPSERVICE_LOGIN_UNSUPPORTED",
                           "This appservice has MSC4190 enabled, so the inhibit_login parameter must be set to true.")
               : 0;
}

static int find_service(struct gg_request *rq, const struct mx_appservice **out, struct gg_error *err)
{
    struct gg_str token;
    int status = mx_request_token(rq, &token, err);
    if (status)
        return status;
    if (!token.s)
        return gg_refuse(err, 400, "M_UNKNOWN",
                         "Appservice token must be provided when using a type of m.login.application_service");
    *out = mx_appservice_by_token(mx_server_of_request(rq), token);
    if (*out)
        return 0;
    status = gg_refuse(err, 401, "M_UNKNOWN_TOKEN", "Invalid access token passed.");
    gg_error_extra(err, "soft_logout", "false");
    return status;
}

static int register_ghost(struct gg_request *rq, const json_t *body, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const struct mx_appservice *service = NULL;
    struct gg_str name, user_id;
    struct mx_session session;
    bool inhibit = json_is_true(json_object_get(body, "inhibit_login"));
    int status = optional_text(body, "username", fits_name, &name, err);
    if (!status)
        status = find_service(rq, &service, err);
    if (!status && !name.s)
        status = gg_refuse(err, 400, "M_UNKNOWN", "Desired Username is missing or not a string");
    if (!status)
        status = check_service_login(service, inhibit, err);
    if (!status)
        status = mx_device_check(mx_device_wish(body), mx_text(body, "initial_device_display_name"), err);
    if (!status)
        status = mx_register_ghost(server, service, name, gg_request_arena(rq), &user_id, err);
    const struct mx_session_wish wish = {.user_id = user_id,
                                         .device_id = mx_device_wish(body),
                                         .display_name = mx_text(body, "initial_device_display_name"),
                                         .refresh = json_is_true(json_object_get(body, "refresh_token")),
                                         .ghost = true};
    if (!status && !inhibit)
        status = mx_session_begin(server, &wish, gg_request_arena(rq), &session, err);
    return status ? status : mx_reply_session(rq, user_id, inhibit ? NULL : &session);
}

/* A token on the way to an account is a mistake that had better be told. */
static int check_no_token(struct gg_request *rq, struct gg_error *err)
{
    struct gg_str token;
    int status = mx_request_token(rq, &token, err);
    return status || !token.s ? status
                              : gg_refuse(err, 400, "M_UNKNOWN",
                                          "An access token should not be provided on requests to /register (except if "
                                          "type is m.login.application_service)");
}

int mx_api_register(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const char *kind = gg_request_query(rq, "kind");
    json_t *body = gg_request_json(rq, err);
    int status = mx_limit(server, "rc_registration", gg_str(gg_request_address(rq)), NULL, false, err);
    if (status)
        return status;
    if (kind && strcmp(kind, "guest") == 0)
        return register_guest(rq, body, err);
    if (kind && strcmp(kind, "user") != 0)
        return gg_refuse(err, 400, "M_UNRECOGNIZED", "Do not understand membership kind: %.60s", kind);
    if (gg_str_is(mx_text(body, "type"), "m.login.application_service"))
        return register_ghost(rq, body, err);
    status = check_no_token(rq, err);
    return status ? status : register_user(rq, body, err);
}

/* Asked for each key that is typed, perhaps; a limit by address keeps tokens from being guessed. */
int mx_api_registration_token(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const char *token = gg_request_query(rq, "token");
    bool valid = false;
    int status =
        mx_limit(server, "rc_registration_token_validity", gg_str(gg_request_address(rq)), NULL, true, err);
    if (!status)
        status = check_open(server, err);
    if (!status && !token)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing string query parameter 'token'");
    if (!status)
        status = mx_registration_token_valid(server, gg_str(token), &valid, err);
    return status ? status : gg_reply_json(rq, 200, json_pack("{sb}", "valid", valid));
}

int mx_api_register_available(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const char *name = gg_request_query(rq, "username");
    int status = check_open(server, err);
    if (!status && !name)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing string query parameter 'username'");
    if (!status && !gg_config_bool(server->config, "inhibit_user_in_use_error")) /* else nothing is told of any name */
        status = mx_username_available(server, gg_str(name), false, gg_request_arena(rq), err);
    return status ? status : gg_reply_json(rq, 200, json_pack("{sb}", "available", 1));
}
