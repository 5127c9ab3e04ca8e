/* captcha.c: is it a person who registers? Somebody else's service says so. */
#include "accounts/captcha.h"

#include <ganglion/client.h>
#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.accounts"};

enum { TIMEOUT_MS = 20000, ANSWER_MAX = 65536, RESPONSE_MAX = 16384 };

json_t *mx_captcha_params(struct mx_server *server)
{
    return json_pack("{ss?}", "public_key", gg_config_text(server->config, "recaptcha_public_key"));
}

bool mx_captcha_is_set_up(const struct mx_server *server)
{
    return gg_config_text(server->config, "recaptcha_private_key") != NULL;
}

static void add_field(struct gg_buf *form, const char *name, struct gg_str value)
{
    gg_buf_printf(form, "%s%s=", form->n > 0 ? "&" : "", name);
    gg_buf_urlencode(form, value);
}

static int ask(const struct mx_uia_try *attempt, struct gg_str response, struct gg_client_answer *out, struct gg_error *err)
{
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    const struct mx_server *server = attempt->server;
    struct gg_buf form = GG_BUF_INIT;
    add_field(&form, "secret", gg_str(gg_config_text(server->config, "recaptcha_private_key")));
    add_field(&form, "response", response);
    add_field(&form, "remoteip", gg_str(gg_request_address(attempt->rq)));
    const struct gg_client_request request = {.method = "POST", .url = gg_config_text(server->config, "recaptcha_siteverify_api"),
                                              .headers = headers, .body = gg_buf_view(&form), .max_answer = ANSWER_MAX,
                                              .proxied = true, .insecure = mx_trusts_anybody(server)};
    int64_t own = gg_deadline(TIMEOUT_MS), before = gg_get_deadline();
    (void)gg_set_deadline(own < before ? own : before);
    int status = gg_client_fetch(server->host, &request, gg_request_arena(attempt->rq), out, err);
    (void)gg_set_deadline(before);
    gg_buf_done(&form);
    return status;
}

static bool says_yes(const struct gg_client_answer *answer)
{
    json_t *body = json_loadb(answer->body.s, answer->body.n, 0, NULL);
    bool yes = json_is_true(json_object_get(body, "success"));
    json_decref(body);
    return yes;
}

int mx_captcha_check(const struct mx_uia_try *attempt, json_t **result_out, bool *again_out, struct gg_error *err)
{
    struct gg_str response = mx_text(attempt->auth, "response");
    struct gg_client_answer answer;
    *again_out = true;
    if (!response.n || response.n > RESPONSE_MAX)
        return gg_refuse(err, 400, "M_CAPTCHA_NEEDED", "Captcha response is required");
    int status = ask(attempt, response, &answer, err);
    if (status == GG_E_CANCELLED)
        return status;
    if (status || answer.status / 100 != 2) {
        gg_warn(&logger, "the captcha service: %s", status ? err->message : "it did not say whether an answer is right");
        return gg_refuse(err, 502, "M_UNKNOWN", "The captcha could not be checked");
    }
    if (!says_yes(&answer))
        return gg_refuse(err, 401, "M_UNAUTHORIZED", "Captcha authentication failed");
    *result_out = json_true();
    return 0;
}
