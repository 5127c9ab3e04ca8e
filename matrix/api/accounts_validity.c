/* accounts_validity.c: renewing accounts that expire: the mail, its link, and administrators (no part of the
 * specification; docs/config.md account_validity; main process). */
#include <ganglion/config.h>

#include "accounts/validity.h"
#include "api/accounts.h"
#include "api/admin.h"
#include "pages/pages.h"
#include "storage/accounts_validity.h"

/* ---- the mail ---- */

int mx_api_send_renewal(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    int status = mx_authenticate(server, rq, MX_AUTH_EXPIRED, err); /* it may be too late already */
    if (status)
        return status;
    struct gg_str user_id = gg_str(mx_requester_of(rq)->user_id);
    status = mx_limit(server, "rc_3pid_validation", user_id, gg_request_principal(rq), true, err);
    if (!status)
        status = mx_validity_mail(server, user_id, err);
    return status ? status : gg_reply_empty_object(rq);
}

/* ---- its link ---- */

static bool is_letters(struct gg_str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!((text.s[i] >= 'a' && text.s[i] <= 'z') || (text.s[i] >= 'A' && text.s[i] <= 'Z')))
            return false;
    return text.n > 0;
}

int mx_api_renew(void *self, struct gg_request *rq, struct gg_error *err)
{
    static const struct {
        int status;
        const char *page;
    } pages[] = {[MX_RENEWED] = {200, "account_renewed.html"},
                 [MX_RENEWED_BEFORE] = {200, "account_previously_renewed.html"},
                 [MX_RENEWAL_UNKNOWN] = {404, "invalid_token.html"}};
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str token = gg_str(gg_request_query(rq, "token"));
    int outcome = MX_RENEWAL_UNKNOWN, status = 0;
    int64_t end = 0;
    if (!token.s)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing string query parameter 'token'");
    if (mx_validity_enabled(server->config) && is_letters(token))
        status = mx_validity_renew(server, token, mx_validity_end(server->config), &outcome, &end, err);
    if (status)
        return status;
    json_t *values = json_pack("{sI}", "expiration_ts", (json_int_t)end);
    status = mx_page_reply_values(rq, server->accounts->pages, pages[outcome].status, pages[outcome].page, values);
    json_decref(values);
    return status;
}

/* ---- administrators ---- */

static int read_end(struct mx_server *server, const json_t *body, int64_t *out, struct gg_error *err)
{
    const json_t *v = json_object_get(body, "expiration_ts");
    bool given = v && !json_is_null(v);
    if (given && (!json_is_integer(v) || json_integer_value(v) < 0))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "'expiration_ts' must be a time in milliseconds");
    if (!given && !mx_validity_enabled(server->config))
        return gg_refuse(err, 400, "M_UNKNOWN", "Accounts do not expire on this server");
    *out = given ? json_integer_value(v) : mx_validity_end(server->config);
    return 0;
}

int mx_admin_api_validity(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const json_t *body = gg_request_json(rq, err);
    struct gg_str user_id = mx_text(body, "user_id");
    int64_t end = 0;
    bool mails;
    if (!json_object_get(body, "user_id"))
        return gg_refuse(err, 400, "M_UNKNOWN", "Missing property 'user_id' in the request body");
    if (!user_id.s || memchr(user_id.s, '\0', user_id.n))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "'user_id' must be a user ID");
    int status = read_end(server, body, &end, err);
    if (!status)
        status = mx_admin_bool(body, "enable_renewal_emails", true, &mails, err);
    if (!status)
        status = mx_validity_set(server, user_id, end, !mails, err);
    return status ? status : gg_reply_json(rq, 200, json_pack("{sI}", "expiration_ts", (json_int_t)end));
}
