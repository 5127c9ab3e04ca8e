/* consent.c: the terms of use as a page, and the form by which a user agrees to them (facts http-api 3). */
#include <ganglion/matrix/id.h>
#include <openssl/crypto.h>

#include "accounts/consent.h"
#include "api/accounts.h"
#include "pages/pages.h"
#include "storage/accounts_registration.h"

/* Who has come by a link of their own; user_id s NULL: anybody, who may only read. */
struct reader {
    struct gg_str version, name, mac, user_id;
    struct mx_user user;
};

static int identify(struct gg_request *rq, struct reader *r, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    char want[65];
    if (!r->name.n)
        return 0;
    if (!mx_consent_mac(server->config, r->name, want) || !r->mac.s || r->mac.n != 64 ||
        CRYPTO_memcmp(want, r->mac.s, 64) != 0)
        return gg_refuse(err, 403, "M_FORBIDDEN", "HMAC incorrect");
    r->user_id = r->name.s[0] == '@'
                     ? r->name
                     : gg_str(gg_arena_printf(gg_request_arena(rq), "@%.*s:%s", GG_FMT(r->name), server->name));
    int status = mx_users_get(server, r->user_id, gg_request_arena(rq), &r->user, err);
    if (!status && !r->user.id.s)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Unknown user");
    return status;
}

static int reply_page(struct gg_request *rq, const struct reader *r, const char *name, struct gg_error *err)
{
    const struct mx_page_value values[] = {{"version", r->version},
                                           {"user", r->name},
                                           {"userhmac", r->mac},
                                           {"has_consented", r->user.consent_version.s &&
                                                                     gg_str_eq(r->user.consent_version, r->version)
                                                                 ? GG_STR("1")
                                                                 : GG_STR("")},
                                           {"public_version", r->user_id.s ? GG_STR("") : GG_STR("1")}};
    const char *page = mx_consent_page(mx_server_of_request(rq), name);
    struct gg_buf out = GG_BUF_INIT;
    if (!page)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Unknown policy version");
    int status = mx_page_render_text(gg_str(page), true, values, GG_COUNT(values), &out, err);
    gg_reply_header(rq, "X-Frame-Options", "DENY");
    gg_reply_header(rq, "Content-Security-Policy", "frame-ancestors 'none';");
    if (!status)
        status = gg_reply_text(rq, 200, "text/html; charset=utf-8", gg_buf_view(&out));
    gg_buf_done(&out);
    return status;
}

int mx_api_consent(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *current = mx_consent_version(mx_server_of_request(rq)->config), *v = gg_request_query(rq, "v");
    struct reader r = {.version = gg_str(v ? v : current ? current : ""),
                       .name = gg_str(gg_request_query(rq, "u")),
                       .mac = gg_str(gg_request_query(rq, "h"))};
    int status = identify(rq, &r, err);
    return status ? status : reply_page(rq, &r, r.version.s, err);
}

int mx_api_give_consent(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str body = gg_request_body(rq);
    struct reader r = {.version = mx_form_get(body, "v", arena),
                       .name = mx_form_get(body, "u", arena),
                       .mac = mx_form_get(body, "h", arena)};
    if (!r.version.n || !r.name.n || !r.mac.n)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing v, u or h");
    int status = identify(rq, &r, err);
    if (!status && !mx_consent_page(mx_server_of_request(rq), r.version.s))
        return gg_refuse(err, 404, "M_NOT_FOUND", "Unknown policy version");
    if (!status)
        status = mx_users_consent(mx_server_of_request(rq), r.user_id, r.version, err);
    return status ? status : reply_page(rq, &r, "success", err);
}
