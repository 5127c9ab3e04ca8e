/* uia_stages.c: the stages of interactive authentication, one entry each. */
#include <ganglion/config.h>
#include <ganglion/http.h>

#include "accounts/captcha.h"
#include "accounts/consent.h"
#include "accounts/password.h"
#include "accounts/threepid.h"
#include "accounts/uia.h"
#include "storage/accounts_registration.h"

/* Nothing to prove; the session alone counts. */
static int nothing(const struct mx_uia_try *attempt, json_t **result_out, bool *again_out, struct gg_error *err)
{
    *result_out = json_true();
    return 0;
}

/* The password must be that of who asks, not only of anybody. */
static int password(const struct mx_uia_try *attempt, json_t **result_out, bool *again_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(attempt->rq);
    struct gg_str named, user_id, secret = mx_text(attempt->auth, "password");
    int status = mx_login_name(attempt->server, attempt->auth, arena, &named, err);
    if (!status && !mx_password_fits(secret))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Bad parameter: password");
    if (!status)
        status = mx_login_password(attempt->server, attempt->rq, named, secret, &user_id, err);
    *again_out = status && err->http_status == 403;
    if (status)
        return status;
    if (!gg_str_eq(user_id, attempt->uia->user_id))
        return gg_refuse(err, 403, "M_FORBIDDEN", "The password is not that of the user who asks");
    *result_out = json_stringn(user_id.s, user_id.n);
    return 0;
}

/* ---- the terms of use ---- */

static json_t *terms_params(struct mx_server *server)
{
    struct gg_arena *arena = gg_arena_new();
    const char *version = mx_consent_version(server->config), *name = mx_consent_name(server->config);
    struct gg_buf url = GG_BUF_INIT;
    gg_buf_printf(&url, "%s_matrix/consent?v=", mx_public_baseurl(server, arena));
    gg_buf_urlencode(&url, gg_str(version));
    json_t *params = json_pack("{s{s{ss s{ss ss}}}}", "policies", "privacy_policy", "version", version, "en", "name",
                               name, "url", url.data);
    gg_buf_done(&url);
    gg_arena_free(arena);
    return params;
}

/* ---- mail addresses ---- */

static int unproved(struct gg_error *err)
{
    return gg_refuse(err, 401, "M_UNAUTHORIZED", "Unable to get validated threepid");
}

static int mail(const struct mx_uia_try *attempt, json_t **result_out, bool *again_out, struct gg_error *err)
{
    const json_t *creds = json_object_get(attempt->auth, "threepid_creds");
    struct gg_str sid = mx_text(creds, "sid"), secret = mx_text(creds, "client_secret");
    struct mx_validation v;
    if (!json_is_object(creds))
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing param threepid_creds");
    if (!sid.s || !secret.s)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing sid or client_secret in threepid_creds");
    int status = mx_validation_result(attempt->server, sid, secret, gg_request_arena(attempt->rq), &v, err);
    if (status)
        return status;
    *again_out = !v.session_id.s;
    if (!v.session_id.s)
        return unproved(err);
    if ((status = mx_validations_delete(attempt->server, v.session_id, err))) /* one proof, one use */
        return status;
    *result_out = json_pack("{ss# ss# sI s{ss# ss#}}", "medium", v.medium.s, (int)v.medium.n, "address", v.address.s,
                            (int)v.address.n, "validated_at", (json_int_t)v.validated_at, "threepid_creds", "sid", sid.s,
                            (int)sid.n, "client_secret", secret.s, (int)secret.n);
    return 0;
}

/* ---- registration tokens ---- */

/* A session takes one use of a token, however often it tries. */
static int registration_token(const struct mx_uia_try *attempt, json_t **result_out, bool *again_out,
                              struct gg_error *err)
{
    struct gg_str token = mx_text(attempt->auth, "token");
    bool valid = false;
    *again_out = true;
    if (!json_object_get(attempt->auth, "token"))
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing registration token");
    if (!token.s || memchr(token.s, 0, token.n))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Registration token must be a string");
    if (mx_uia_noted(attempt->uia, MX_UIA_REGISTRATION_TOKEN).s &&
        gg_str_eq(mx_uia_noted(attempt->uia, MX_UIA_REGISTRATION_TOKEN), token)) {
        *result_out = json_stringn(token.s, token.n);
        return 0;
    }
    int status = mx_registration_token_reserve(attempt->server, token, &valid, err);
    if (!status && valid)
        status = mx_uia_note_text(attempt->server, attempt->uia, MX_UIA_REGISTRATION_TOKEN, token, err);
    *again_out = !status;
    if (status)
        return status;
    if (!valid)
        return gg_refuse(err, 401, "M_UNAUTHORIZED", "Invalid registration token");
    *result_out = json_stringn(token.s, token.n);
    return 0;
}

static const struct mx_uia_stage stages[] = {
    {"m.login.dummy", nothing, NULL},
    {"m.login.password", password, NULL},
    {MX_UIA_CAPTCHA, mx_captcha_check, mx_captcha_params, mx_captcha_is_set_up},
    {"m.login.terms", nothing, terms_params},
    {"m.login.email.identity", mail, NULL},
    {MX_UIA_REGISTRATION_TOKEN, registration_token, NULL},
};

const struct mx_uia_stage *mx_uia_stage_find(struct gg_str name)
{
    for (size_t i = 0; i < GG_COUNT(stages); i++)
        if (gg_str_is(name, stages[i].name))
            return &stages[i];
    return NULL;
}
