/* threepid.c: which addresses are allowed, and mailing tokens that prove who owns them. */
#include "accounts/threepid.h"

#include <ganglion/config.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <unicase.h>
#include <unistr.h>

#include "accounts/consent.h"
#include "accounts/mail.h"
#include "appservice/pattern.h"

enum { SID_LETTERS = 16, TOKEN_LETTERS = 32, ADDRESS_MAX = 500, SECRET_MAX = 255 };

bool mx_mail_enabled(const struct gg_config *config)
{
    return gg_config_text(config, "email.notif_from") != NULL;
}

int mx_mail_canonical(struct gg_str address, struct gg_arena *arena, struct gg_str *out, struct gg_error *err)
{
    while (address.n && (address.s[0] == ' ' || address.s[0] == '\t'))
        address = gg_strn(address.s + 1, address.n - 1);
    while (address.n && (address.s[address.n - 1] == ' ' || address.s[address.n - 1] == '\t'))
        address.n--;
    const char *at = memchr(address.s, '@', address.n);
    bool bad = !at || at == address.s || at == address.s + address.n - 1 || address.n > ADDRESS_MAX ||
               memchr(at + 1, '@', address.n - (size_t)(at - address.s) - 1) ||
               u8_check((const uint8_t *)address.s, address.n);
    for (size_t i = 0; i < address.n && !bad; i++)
        bad = (unsigned char)address.s[i] <= ' ' || strchr("<>\"\\,;:()[]\x7f", address.s[i]);
    size_t n = 0;
    uint8_t *folded = bad ? NULL : u8_casefold((const uint8_t *)address.s, address.n, NULL, NULL, NULL, &n);
    if (!folded)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Unable to parse email address");
    *out = gg_strn(gg_arena_strndup(arena, (const char *)folded, n), n);
    free(folded);
    return 0;
}

int mx_client_secret_check(struct gg_str secret, struct gg_error *err)
{
    bool ok = secret.n >= 1 && secret.n <= SECRET_MAX;
    for (size_t i = 0; i < secret.n && ok; i++) {
        char c = secret.s[i];
        ok = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr(".=_-", c));
    }
    return ok ? 0 : gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid client_secret parameter");
}

/* That patterns compile was seen at the start. Few addresses are ever asked about, so none is kept compiled. */
static bool matches(const char *pattern, struct gg_str address)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_pattern *compiled;
    struct gg_error err = GG_ERROR_INIT;
    bool found = mx_pattern_new(pattern, arena, &compiled, &err) == 0 && mx_pattern_match(compiled, address) == MX_MATCH_YES;
    gg_arena_free(arena);
    return found;
}

int mx_threepid_allowed(struct mx_server *server, const char *medium, struct gg_str address, bool registering,
                        struct gg_error *err)
{
    const struct gg_node *rules = gg_config_node(server->config, "allowed_local_3pids");
    size_t n = rules ? gg_node_count(rules) : 0;
    for (size_t i = 0; i < n; i++) {
        const struct gg_node *rule = gg_node_at(rules, i, NULL);
        const char *kind = gg_node_text(gg_node_get(rule, "medium")), *pattern = gg_node_text(gg_node_get(rule, "pattern"));
        if (kind && pattern && strcmp(kind, medium) == 0 && matches(pattern, address))
            return 0;
    }
    return n ? gg_refuse(err, 403, "M_THREEPID_DENIED",
                         "Third party identifiers (email/phone numbers) are not authorized on this server")
             : 0;
}

/* ---- asking for a proof ---- */

static const struct {
    const char *template, *subject_key, *path;
} purposes[] = {
    [MX_MAIL_REGISTER] = {"registration", "email.subjects.email_validation",
                          "_matrix/client/unstable/registration/email/submit_token"},
    [MX_MAIL_PASSWORD] = {"password_reset", "email.subjects.password_reset",
                          "_synapse/client/password_reset/email/submit_token"},
    [MX_MAIL_ADD] = {"add_threepid", "email.subjects.email_validation",
                     "_matrix/client/unstable/add_threepid/email/submit_token"},
};

static const char *link_of(struct mx_server *server, enum mx_mail_purpose purpose, const struct mx_validation *session,
                           struct gg_str token, struct gg_arena *arena)
{
    struct gg_buf url = GG_BUF_INIT;
    gg_buf_printf(&url, "%s%s?token=", mx_public_baseurl(server, arena), purposes[purpose].path);
    gg_buf_urlencode(&url, token);
    gg_buf_lit(&url, "&client_secret=");
    gg_buf_urlencode(&url, session->client_secret);
    gg_buf_lit(&url, "&sid=");
    gg_buf_urlencode(&url, session->session_id);
    const char *copy = gg_arena_strndup(arena, url.data, url.n);
    gg_buf_done(&url);
    return copy;
}

static struct gg_str letters(struct gg_arena *arena, size_t n)
{
    char *text = gg_arena_alloc(arena, n + 1);
    gg_random_text(text, n, GG_LETTERS);
    return gg_strn(text, n);
}

/* The token is written down after the mail is gone: a mail that was not sent leaves the attempt open. */
int mx_validation_request(struct mx_server *server, enum mx_mail_purpose purpose, struct gg_str address,
                          struct gg_str secret, int64_t attempt, struct gg_str next_link, struct gg_arena *arena,
                          struct gg_str *sid_out, struct gg_error *err)
{
    struct mx_validation session;
    int status = mx_validations_find(server, GG_STR("email"), address, secret, arena, &session, err);
    if (status)
        return status;
    *sid_out = session.session_id;
    if (session.session_id.s && attempt <= session.last_attempt)
        return 0;
    if (!session.session_id.s)
        session = (struct mx_validation){.session_id = letters(arena, SID_LETTERS),
                                         .medium = GG_STR("email"),
                                         .address = address,
                                         .client_secret = secret};
    session.last_attempt = attempt;
    *sid_out = session.session_id;
    struct gg_str token = letters(arena, TOKEN_LETTERS);
    const struct mx_page_value values[] = {
        {"link", gg_str(link_of(server, purpose, &session, token, arena))}};
    status = mx_mail_send(server, purposes[purpose].template, purposes[purpose].subject_key, address, values,
                          GG_COUNT(values), err);
    if (status)
        return status;
    return mx_validations_start(server, &session, token, next_link,
                                gg_wall_ms() + gg_config_int(server->config, "email.validation_token_lifetime"), err);
}

int mx_validation_result(struct mx_server *server, struct gg_str sid, struct gg_str secret, struct gg_arena *arena,
                         struct mx_validation *out, struct gg_error *err)
{
    *out = (struct mx_validation){0};
    if (memchr(sid.s, 0, sid.n))
        return 0;
    int status = mx_validations_get(server, sid, arena, out, err);
    if (!status && out->session_id.s &&
        (!out->validated_at || out->client_secret.n != secret.n ||
         CRYPTO_memcmp(out->client_secret.s, secret.s, secret.n) != 0))
        *out = (struct mx_validation){0};
    return status;
}
