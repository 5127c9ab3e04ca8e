/* accounts_register.c: registering an account (client-server API, "POST /register"). */
#include <ctype.h>
#include <ganglion/config.h>

#include "accounts/password.h"
#include "accounts/uia.h"
#include "api/accounts.h"

static const struct mx_uia_flow flows[] = {{{"m.login.dummy", NULL}}};

static int check_open(const struct mx_server *server, struct gg_error *err)
{
    return gg_config_bool(server->config, "enable_registration")
               ? 0
               : gg_refuse(err, 403, "M_FORBIDDEN", "Registration has been disabled");
}

static int check_kind(struct gg_request *rq, struct gg_error *err)
{
    const char *kind = gg_request_query(rq, "kind");
    if (!kind || strcmp(kind, "user") == 0)
        return 0;
    if (strcmp(kind, "guest") == 0)
        return gg_refuse(err, 403, "M_GUEST_ACCESS_FORBIDDEN", "Guest access is disabled");
    return gg_refuse(err, 400, "M_UNRECOGNIZED", "Do not understand membership kind: %.60s", kind);
}

/* A text member that may be absent. */
static int optional_text(const json_t *body, const char *key, size_t max, struct gg_str *out, struct gg_error *err)
{
    const json_t *v = json_object_get(body, key);
    *out = mx_text(body, key);
    if (v && !json_is_null(v) && (!out->s || out->n > max))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid %s", key);
    return 0;
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
    struct mx_uia uia;
};

/* What can be said before the interactive part. */
static int check_request(struct request *r, struct gg_error *err)
{
    int status = optional_text(r->body, "password", MX_PASSWORD_MAX, &r->password, err);
    if (!status && r->password.s)
        status = mx_password_policy(r->server->config, r->password, err);
    if (!status)
        status = optional_text(r->body, "username", 255, &r->username, err);
    if (!status)
        status = mx_device_check(mx_text(r->body, "device_id"), mx_text(r->body, "initial_device_display_name"), err);
    if (!status)
        status = check_open(r->server, err);
    if (!status)
        status = mx_uia_peek(r->server, r->rq, r->body, &r->uia, err);
    r->username = lower(r->username, r->arena);
    if (!status && r->username.s && !mx_uia_noted(&r->uia, "registered_user_id").s)
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
    if (!password.s || hash_out->s)
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

static int create_account(struct request *r, struct gg_str *user_id_out, struct gg_error *err)
{
    struct gg_str hash;
    int status = hash_password(r, &hash, err);
    if (status)
        return status;
    if (!hash.s)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: password");
    struct mx_registration registration = {.localpart = lower(mx_text(r->uia.params, "username"), r->arena),
                                           .password_hash = hash};
    status = mx_limit(r->server, "rc_registration", gg_str(gg_request_address(r->rq)), NULL, true, err);
    if (!status)
        status = mx_register(r->server, &registration, r->arena, user_id_out, err);
    return status ? status : mx_uia_note_text(r->server, &r->uia, "registered_user_id", *user_id_out, err);
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
    if (!inhibit)
        status = mx_session_new(r->server, user_id, mx_text(params, "device_id"),
                                mx_text(params, "initial_device_display_name"), r->arena, &session, err);
    if (!status && is_new)
        status = mx_registered(r->server, user_id, inhibit ? NULL : session.access_token.s, err);
    return status ? status : mx_reply_session(r->rq, user_id, inhibit ? NULL : &session);
}

int mx_api_register(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct request r = {.server = mx_server_of_request(rq),
                        .rq = rq,
                        .arena = gg_request_arena(rq),
                        .body = gg_request_json(rq, err),
                        .uia = {.flows = flows,
                                .n_flows = GG_COUNT(flows),
                                .description = "register a new account",
                                .may_change = true}};
    int status = check_kind(rq, err);
    if (!status)
        status = mx_limit(r.server, "rc_registration", gg_str(gg_request_address(rq)), NULL, false, err);
    if (!status)
        status = check_request(&r, err);
    if (!status)
        status = mx_uia_run(r.server, rq, r.body, &r.uia, err);
    if (status)
        return status;
    return r.uia.done ? finish(&r, err) : wait_for_stages(&r, err);
}

int mx_api_register_available(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const char *name = gg_request_query(rq, "username");
    int status = check_open(server, err);
    if (!status && !name)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing string query parameter 'username'");
    if (!status)
        status =
            mx_username_available(server, gg_str(name), gg_config_bool(server->config, "inhibit_user_in_use_error"),
                                  gg_request_arena(rq), err);
    return status ? status : gg_reply_json(rq, 200, json_pack("{sb}", "available", 1));
}
