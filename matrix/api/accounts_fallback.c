/* accounts_fallback.c: stages of interactive authentication as pages, for clients that do not know them (client-server
 * API, "Fallback"). */
#include <ganglion/config.h>

#include "accounts/captcha.h"
#include "accounts/consent.h"
#include "accounts/uia.h"
#include "api/accounts.h"
#include "pages/pages.h"

static const struct fallback {
    const char *stage, *page, *title;
} fallbacks[] = {
    {"m.login.terms", "terms.html", "Terms of use"},
    {MX_UIA_CAPTCHA, "recaptcha.html", "Are you a person?"},
    {MX_UIA_REGISTRATION_TOKEN, "registration_token.html", "Registration token"},
};

static int find(const struct gg_request *rq, const struct fallback **out, struct gg_error *err)
{
    const char *stage = gg_request_param(rq, "stage");
    for (size_t i = 0; i < GG_COUNT(fallbacks); i++) {
        *out = &fallbacks[i];
        if (strcmp(stage, fallbacks[i].stage) == 0)
            return 0;
    }
    return gg_refuse(err, 404, "M_UNRECOGNIZED", "Unknown auth stage type");
}

static int reply_page(struct gg_request *rq, const struct fallback *f, int status, struct gg_str session,
                      const char *problem)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    const char *version = mx_consent_version(server->config);
    const char *terms = gg_arena_printf(arena, "%s_matrix/consent?v=%s", mx_public_baseurl(server, arena),
                                        version ? version : "");
    const struct mx_page_value values[] = {{"title", gg_str(f->title)},
                                           {"session", session},
                                           {"myurl", gg_str(gg_request_path(rq))},
                                           {"terms_url", gg_str(terms)},
                                           {"sitekey", gg_str(gg_config_text(server->config, "recaptcha_public_key"))},
                                           {"error", gg_str(problem)}};
    return mx_page_reply(rq, server->accounts->pages, status, f->page, values, GG_COUNT(values));
}

int mx_api_fallback(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct fallback *f;
    const char *session = gg_request_query(rq, "session");
    int status = find(rq, &f, err);
    if (!status && !session)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "No session supplied");
    return status ? status : reply_page(rq, f, 200, gg_str(session), "");
}

int mx_api_submit_fallback(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str session = mx_form_get(gg_request_body(rq), "session", arena);
    struct gg_str token = mx_form_get(gg_request_body(rq), "token", arena);
    struct gg_str response = mx_form_get(gg_request_body(rq), "g-recaptcha-response", arena);
    const struct mx_page_value title[] = {{"title", GG_STR("Done")}};
    const struct fallback *f;
    bool again = false;
    int status = find(rq, &f, err);
    if (status)
        return status;
    if (!session.s)
        session = gg_str(gg_request_query(rq, "session"));
    if (!session.s)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "No session supplied");
    json_t *auth = json_pack("{ss ss# ss# ss#}", "type", f->stage, "session", session.s, (int)session.n, "token",
                             token.s ? token.s : "", (int)token.n, "response", response.s ? response.s : "", (int)response.n);
    status = mx_uia_fallback(mx_server_of_request(rq), rq, session, f->stage, auth, &again, err);
    json_decref(auth);
    if (status && again)
        return reply_page(rq, f, err->http_status, session, err->message);
    return status ? status
                  : mx_page_reply(rq, mx_server_of_request(rq)->accounts->pages, 200, "auth_success.html", title, 1);
}
