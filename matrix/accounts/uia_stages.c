/* uia_stages.c: the stages of interactive authentication, one entry each. */
#include <ganglion/config.h>
#include <ganglion/http.h>

#include "accounts/password.h"
#include "accounts/uia.h"

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
    if (!status && (!secret.s || secret.n > MX_PASSWORD_MAX))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Bad parameter: password");
    if (!status)
        status = mx_login_password(attempt->server, attempt->rq, named, secret, &user_id, err);
    *again_out = status && err->http_status == 403;
    if (status)
        return status;
    if (!gg_str_eq(user_id, attempt->user_id))
        return gg_refuse(err, 403, "M_FORBIDDEN", "The password is not that of the user who asks");
    *result_out = json_stringn(user_id.s, user_id.n);
    return 0;
}

static const struct mx_uia_stage stages[] = {
    {"m.login.dummy", nothing, NULL},
    {"m.login.password", password, NULL},
};

const struct mx_uia_stage *mx_uia_stage_find(struct gg_str name)
{
    for (size_t i = 0; i < GG_COUNT(stages); i++)
        if (gg_str_is(name, stages[i].name))
            return &stages[i];
    return NULL;
}
