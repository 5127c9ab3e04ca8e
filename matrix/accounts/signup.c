/* signup.c: flows of registration by configuration. */
#include "accounts/signup.h"

#include <ganglion/config.h>

#include "accounts/captcha.h"
#include "accounts/threepid.h"

static void put_first(struct mx_uia_flow *flow, const char *stage)
{
    for (const char *const *s = flow->stages; *s; s++)
        if (strcmp(*s, stage) == 0)
            return;
    memmove(flow->stages + 1, flow->stages, sizeof flow->stages - sizeof flow->stages[0]);
    flow->stages[0] = stage;
}

/* A dummy stage stands where nothing else would: a client that has done what all flows begin with could not say
 * otherwise that it wants no more. */
size_t mx_signup_flows(const struct mx_signup_rules *rules, struct mx_uia_flow out[MX_SIGNUP_FLOWS])
{
    size_t n = 0;
    memset(out, 0, MX_SIGNUP_FLOWS * sizeof *out);
    if (!rules->require_mail)
        out[n++].stages[0] = "m.login.dummy";
    if (rules->mail)
        out[n++].stages[0] = "m.login.email.identity";
    if (rules->token_for_mail)
        out[n++].stages[0] = "m.login.registration_token";
    for (size_t i = 0; i < n; i++) {
        if (rules->require_consent)
            put_first(&out[i], "m.login.terms");
        if (rules->require_captcha)
            put_first(&out[i], MX_UIA_CAPTCHA);
        if (rules->require_token)
            put_first(&out[i], "m.login.registration_token");
    }
    return n;
}

static bool requires(const struct gg_config *config, const char *medium)
{
    size_t n;
    const char *const *media = gg_config_texts(config, "registrations_require_3pid", &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(media[i], medium) == 0)
            return true;
    return false;
}

void mx_signup_rules(const struct mx_server *server, struct mx_signup_rules *out)
{
    const struct gg_config *config = server->config;
    *out = (struct mx_signup_rules){
        .mail = mx_mail_enabled(config),
        .require_mail = requires(config, "email"),
        .require_token = gg_config_bool(config, "registration_requires_token"),
        .token_for_mail = gg_config_bool(config, "enable_registration_token_3pid_bypass"),
        .require_captcha = gg_config_bool(config, "enable_registration_captcha"),
        .require_consent = gg_config_bool(config, "user_consent.require_at_registration"),
    };
}
