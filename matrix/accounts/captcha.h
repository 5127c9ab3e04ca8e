/* accounts/captcha.h: the stage m.login.recaptcha (client-server API, "Google ReCaptcha"; config enable_registration_captcha). */
#ifndef MX_ACCOUNTS_CAPTCHA_H
#define MX_ACCOUNTS_CAPTCHA_H

#include "accounts/uia.h"

#define MX_UIA_CAPTCHA "m.login.recaptcha"

/* A stage's functions. The answer of the captcha is asked of recaptcha_siteverify_api: 401 M_UNAUTHORIZED when it says no; 400
 * M_CAPTCHA_NEEDED without an answer; 502 when it cannot be asked. */
GG_YIELDS GG_CHECKED int mx_captcha_check(const struct mx_uia_try *attempt, json_t **result_out, bool *again_out, struct gg_error *err);
json_t *mx_captcha_params(struct mx_server *server);
/* Is there a key to ask with? Then it may be solved for any request, as with Synapse. */
bool mx_captcha_is_set_up(const struct mx_server *server);

#endif
