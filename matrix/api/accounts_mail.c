/* accounts_mail.c: asking for mails that prove an address, and the pages that their links lead to (client-server API,
 * "Adding Account Administrative Contact Information"; main process). */
#include <ganglion/config.h>
#include <strings.h>

#include "accounts/mail.h"
#include "accounts/threepid.h"
#include "api/accounts.h"

/* ---- asking ---- */

struct purpose {
    enum mx_mail_purpose purpose;
    const char *disabled_code, *disabled;
    bool must_be_known; /* the address must be somebody's; else it must be nobody's */
};

struct wish {
    struct gg_str secret, address, next_link;
    int64_t attempt;
};

static int next_link_refused(struct gg_error *err)
{
    return gg_refuse(err, 400, "M_INVALID_PARAM", "'next_link' domain not included in whitelist, or not http(s)");
}

/* Where a browser may be sent to afterwards: http or https, and of a listed domain if there is a list. */
static int check_next_link(const struct gg_config *config, struct gg_str link, struct gg_error *err)
{
    size_t n;
    const char *const *allowed = gg_config_texts(config, "next_link_domain_whitelist", &n);
    size_t scheme = gg_str_starts(link, GG_STR("https://")) ? 8 : gg_str_starts(link, GG_STR("http://")) ? 7 : 0;
    if (!scheme || memchr(link.s, '\r', link.n) || memchr(link.s, '\n', link.n) || memchr(link.s, 0, link.n))
        return next_link_refused(err);
    if (!gg_config_set(config, "next_link_domain_whitelist"))
        return 0;
    struct gg_str host = gg_strn(link.s + scheme, link.n - scheme);
    for (size_t i = 0; i < host.n; i++)
        if (strchr("/?#", host.s[i]))
            host.n = i;
    if (memchr(host.s, '@', host.n) || memchr(host.s, '\\', host.n)) /* a name in front of the host hides the host */
        return next_link_refused(err);
    const char *port = memchr(host.s, ':', host.n);
    if (port)
        host.n = (size_t)(port - host.s);
    for (size_t i = 0; i < n; i++)
        if (strlen(allowed[i]) == host.n && strncasecmp(allowed[i], host.s, host.n) == 0)
            return 0;
    return next_link_refused(err);
}

static int read_wish(struct gg_request *rq, struct wish *out, struct gg_error *err)
{
    const json_t *body = gg_request_json(rq, err), *attempt = json_object_get(body, "send_attempt");
    const json_t *next = json_object_get(body, "next_link");
    static const char *const texts[] = {"client_secret", "email"};
    for (size_t i = 0; i < GG_COUNT(texts); i++) {
        if (!json_object_get(body, texts[i]))
            return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: %s", texts[i]);
        if (!mx_text(body, texts[i]).s)
            return gg_refuse(err, 400, "M_BAD_JSON", "%s must be a string", texts[i]);
    }
    if (!attempt)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: send_attempt");
    if (!json_is_integer(attempt) || json_integer_value(attempt) < 0)
        return gg_refuse(err, 400, "M_BAD_JSON", "send_attempt must be a whole number");
    if (next && !json_is_null(next) && !json_is_string(next))
        return gg_refuse(err, 400, "M_BAD_JSON", "next_link must be a string");
    *out = (struct wish){.secret = mx_text(body, "client_secret"),
                         .next_link = mx_text(body, "next_link"),
                         .attempt = json_integer_value(attempt)};
    int status = mx_client_secret_check(out->secret, err);
    if (!status)
        status = mx_mail_canonical(mx_text(body, "email"), gg_request_arena(rq), &out->address, err);
    return status || !out->next_link.n ? status
                                       : check_next_link(mx_server_of_request(rq)->config, out->next_link, err);
}

/* Counted by who asks and by whom it would reach: nobody's mailbox is to be filled. */
static int limit(struct gg_request *rq, const struct wish *wish, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    int status = mx_limit(server, "rc_3pid_validation", gg_str(gg_request_address(rq)), NULL, true, err);
    return status ? status : mx_limit(server, "rc_3pid_validation", wish->address, NULL, true, err);
}

/* A session that looks like a real one and leads nowhere: who asks shall not learn whose address it is. */
static int reply_nothing(struct gg_request *rq)
{
    char sid[17];
    gg_random_text(sid, 16, GG_LETTERS);
    return gg_reply_json(rq, 200, json_pack("{ss}", "sid", sid));
}

/* *done_out: answered. */
static int check_owner(struct gg_request *rq, const struct purpose *p, const struct wish *wish, bool *done_out,
                       struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str owner;
    bool hide = gg_config_bool(server->config, "request_token_inhibit_3pid_errors");
    *done_out = false;
    int status = mx_users_by_address(server, GG_STR("email"), wish->address, gg_request_arena(rq), &owner, err);
    if (status || (owner.s != NULL) == p->must_be_known)
        return status;
    if (!hide && p->must_be_known)
        return gg_refuse(err, 400, "M_THREEPID_NOT_FOUND", "Email not found");
    if (!hide)
        return gg_refuse(err, 400, "M_THREEPID_IN_USE", "Email is already in use");
    *done_out = true;
    if (p->purpose == MX_MAIL_REGISTER)
        status = mx_mail_send(server, "already_in_use", "email.subjects.email_already_in_use", wish->address, NULL, 0, err);
    return status ? status : reply_nothing(rq);
}

static int request_token(struct gg_request *rq, const struct purpose *p, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct wish wish;
    struct gg_str sid;
    bool done;
    if (!mx_mail_enabled(server->config))
        return gg_refuse(err, 400, p->disabled_code, "%s", p->disabled);
    int status = read_wish(rq, &wish, err);
    if (!status)
        status = mx_threepid_allowed(server, "email", wish.address, p->purpose == MX_MAIL_REGISTER, err);
    if (!status)
        status = limit(rq, &wish, err);
    if (!status)
        status = check_owner(rq, p, &wish, &done, err);
    if (status || done)
        return status;
    status = mx_validation_request(server, p->purpose, wish.address, wish.secret, wish.attempt, wish.next_link,
                                   gg_request_arena(rq), &sid, err);
    return status ? status : gg_reply_json(rq, 200, json_pack("{ss#}", "sid", sid.s, (int)sid.n));
}

int mx_api_register_mail(void *self, struct gg_request *rq, struct gg_error *err)
{
    static const struct purpose p = {MX_MAIL_REGISTER, "M_UNKNOWN", "Email-based registration has been disabled on this server", false};
    return request_token(rq, &p, err);
}

int mx_api_password_mail(void *self, struct gg_request *rq, struct gg_error *err)
{
    static const struct purpose p = {MX_MAIL_PASSWORD, "M_UNKNOWN", "Email-based password resets have been disabled on this server",
                                     true};
    return request_token(rq, &p, err);
}

int mx_api_threepid_mail(void *self, struct gg_request *rq, struct gg_error *err)
{
    static const struct purpose p = {MX_MAIL_ADD, "M_THREEPID_MEDIUM_NOT_SUPPORTED",
                                     "Adding an email to your account is disabled on this server", false};
    if (!gg_config_bool(mx_server_of_request(rq)->config, "enable_3pid_changes"))
        return gg_refuse(err, 403, "M_FORBIDDEN", "3PID changes are disabled on this server");
    return request_token(rq, &p, err);
}

int mx_api_no_phone(void *self, struct gg_request *rq, struct gg_error *err)
{
    return gg_refuse(err, 400, "M_THREEPID_MEDIUM_NOT_SUPPORTED", "Phone numbers are not supported by this homeserver");
}

/* ---- the link ---- */

struct link_params {
    struct gg_str token, secret, sid;
};

static int reply_page(struct gg_request *rq, int status, const char *name, const char *title, const char *reason)
{
    const struct mx_page_value values[] = {{"title", gg_str(title)}, {"failure_reason", gg_str(reason)}};
    return mx_page_reply(rq, mx_server_of_request(rq)->accounts->pages, status, name, values, GG_COUNT(values));
}

static int redirect(struct gg_request *rq, struct gg_str to)
{
    gg_reply_header(rq, "Location", gg_arena_strndup(gg_request_arena(rq), to.s, to.n));
    return gg_reply_text(rq, 302, "text/plain; charset=utf-8", GG_STR(""));
}

/* kind: the beginning of the names of the two pages. */
static int prove(struct gg_request *rq, const struct link_params *p, const char *kind, struct gg_error *err)
{
    static const char *const reasons[] = {
        [MX_VALIDATED] = NULL,
        [MX_VALIDATION_UNKNOWN] = "This link is not known, or not complete.",
        [MX_VALIDATION_EXPIRED] = "This link has expired.",
    };
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str next_link = {0};
    int outcome = MX_VALIDATION_UNKNOWN;
    int status = p->token.s && p->secret.s && p->sid.s
                     ? mx_validations_prove(server, p->sid, p->secret, p->token, arena, &outcome, &next_link, err)
                     : 0;
    if (status)
        return status;
    if (outcome != MX_VALIDATED)
        return reply_page(rq, 400, gg_arena_printf(arena, "%s_failure.html", kind), "Not confirmed", reasons[outcome]);
    struct gg_error link_error = GG_ERROR_INIT; /* the row may have been written under other rules */
    if (next_link.n && check_next_link(server->config, next_link, &link_error) == 0)
        return redirect(rq, next_link);
    return reply_page(rq, 200, gg_arena_printf(arena, "%s_success.html", kind), "Confirmed", "");
}

static struct link_params of_query(const struct gg_request *rq)
{
    return (struct link_params){.token = gg_str(gg_request_query(rq, "token")),
                                .secret = gg_str(gg_request_query(rq, "client_secret")),
                                .sid = gg_str(gg_request_query(rq, "sid"))};
}

int mx_api_register_link(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct link_params p = of_query(rq);
    return prove(rq, &p, "registration", err);
}

int mx_api_threepid_link(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct link_params p = of_query(rq);
    return prove(rq, &p, "add_threepid", err);
}

/* The link alone proves nothing here: what scans mails for danger opens links, too. */
int mx_api_password_link(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct link_params p = of_query(rq);
    const struct mx_page_value values[] = {{"title", GG_STR("Reset your password")},
                                           {"myurl", gg_str(gg_request_path(rq))},
                                           {"token", p.token},
                                           {"sid", p.sid},
                                           {"client_secret", p.secret}};
    if (!p.token.s || !p.sid.s || !p.secret.s)
        return prove(rq, &p, "password_reset", err);
    return mx_page_reply(rq, mx_server_of_request(rq)->accounts->pages, 200, "password_reset_confirmation.html", values,
                         GG_COUNT(values));
}

int mx_api_password_confirm(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str body = gg_request_body(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    const struct link_params p = {.token = mx_form_get(body, "token", arena),
                                  .secret = mx_form_get(body, "client_secret", arena),
                                  .sid = mx_form_get(body, "sid", arena)};
    return prove(rq, &p, "password_reset", err);
}
