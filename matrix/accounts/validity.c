/* validity.c: has an account expired, and the mails that say that it soon will. */
#include "accounts/validity.h"

#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/memory.h>

#include "accounts/consent.h"
#include "accounts/mail.h"
#include "accounts/threepid.h"
#include "storage/accounts_threepids.h"
#include "storage/accounts_validity.h"

static struct gg_logger logger = {"ganglion.accounts"};

enum { CACHE_BYTES = 2 << 20, TOKEN_LETTERS = 32 };

bool mx_validity_enabled(const struct gg_config *config)
{
    return gg_config_bool(config, "account_validity.enabled");
}

bool mx_validity_by_mail(const struct gg_config *config)
{
    return mx_validity_enabled(config) && gg_config_set(config, "account_validity.renew_at") && mx_mail_enabled(config);
}

int64_t mx_validity_end(const struct gg_config *config)
{
    return mx_validity_enabled(config) ? gg_wall_ms() + gg_config_int(config, "account_validity.period") : 0;
}

/* Only dates are kept: who has none may be given one at any time. */
static int end_of(struct mx_server *server, struct gg_str user_id, int64_t *out, struct gg_error *err)
{
    struct mx_cache *cache = server->accounts->ends;
    const int64_t *known = mx_cache_get(cache, user_id);
    if (known) {
        *out = *known;
        return 0;
    }
    uint64_t tick = mx_cache_tick(cache);
    int status = mx_validity_get(server, user_id, out, err);
    if (status || !*out)
        return status;
    int64_t *kept = gg_xmalloc(sizeof(*kept));
    *kept = *out;
    mx_cache_put(cache, user_id, kept, sizeof(*kept), tick);
    return 0;
}

int mx_account_expired(struct mx_server *server, struct gg_str user_id, bool *out, struct gg_error *err)
{
    int64_t end = 0;
    int status = mx_validity_enabled(server->config) ? end_of(server, user_id, &end, err) : 0;
    *out = !status && end && end <= gg_wall_ms();
    return status;
}

int mx_validity_check(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    bool expired;
    int status = mx_account_expired(server, user_id, &expired, err);
    return status || !expired ? status : gg_refuse(err, 403, "ORG_MATRIX_EXPIRED_ACCOUNT", "User account has expired");
}

/* ---- mails ---- */

static json_t *values_of(struct mx_server *server, struct gg_str user_id, int64_t end, struct gg_str token,
                         struct gg_arena *arena)
{
    struct gg_error ignored = GG_ERROR_INIT;
    const char *name = NULL, *avatar;
    if (mx_profile_get(server, user_id, arena, &name, &avatar, &ignored) || !name)
        name = gg_arena_strndup(arena, user_id.s, user_id.n);
    const char *url = gg_arena_printf(arena, "%s_matrix/client/unstable/account_validity/renew?token=%.*s",
                                      mx_public_baseurl(server, arena), GG_FMT(token));
    return json_pack("{ss sI ss}", "display_name", name, "expiration_ts", (json_int_t)end, "url", url);
}

static const char *subject_of(const struct gg_config *config, struct gg_arena *arena)
{
    const struct mx_page_value values[] = {{"app", gg_str(gg_config_text(config, "email.app_name"))}};
    return mx_mail_fill_in(gg_config_text(config, "account_validity.renew_email_subject"), values, GG_COUNT(values), arena);
}

/* One address that takes the mail is enough. */
static int send_to_all(struct mx_server *server, const struct mx_threepid *list, size_t n, json_t *values,
                       struct gg_arena *arena, struct gg_error *err)
{
    const char *subject = subject_of(server->config, arena);
    size_t sent = 0;
    int status = 0;
    for (size_t i = 0; i < n && status != GG_E_CANCELLED; i++) {
        if (!gg_str_is(list[i].medium, "email"))
            continue;
        *err = (struct gg_error)GG_ERROR_INIT;
        status = mx_mail_send_values(server, "notice_expiry", subject, NULL, list[i].address, values, err);
        sent += status == 0;
        if (status && status != GG_E_CANCELLED)
            gg_warn(&logger, "a mail of an account that expires was not sent: %s", err->message);
    }
    if (status == GG_E_CANCELLED || (status == 0 && sent))
        return status;
    *err = (struct gg_error)GG_ERROR_INIT;
    return sent ? 0 : gg_refuse(err, 500, "M_UNKNOWN", "An error was encountered when sending the email");
}

static bool has_mail(const struct mx_threepid *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (gg_str_is(list[i].medium, "email"))
            return true;
    return false;
}

/* The token is written down before it is sent: a link that was mailed is always good. */
static int mail_user(struct mx_server *server, struct gg_str user_id, int64_t end, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_threepid *list;
    size_t n;
    char token[TOKEN_LETTERS + 1];
    int status = mx_threepids_list(server, user_id, arena, &list, &n, err);
    if (status || !has_mail(list, n))
        return status;
    gg_random_text(token, TOKEN_LETTERS, GG_LETTERS);
    status = mx_validity_set_token(server, user_id, gg_strn(token, TOKEN_LETTERS), err);
    if (status)
        return status;
    json_t *values = values_of(server, user_id, end, gg_strn(token, TOKEN_LETTERS), arena);
    status = send_to_all(server, list, n, values, arena, err);
    json_decref(values);
    return status ? status : mx_validity_mailed(server, user_id, err);
}

int mx_validity_mail(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    int64_t end;
    if (!mx_validity_by_mail(server->config))
        return gg_refuse(err, 403, "M_FORBIDDEN", "Account renewal via email is disabled on this server.");
    int status = mx_validity_get(server, user_id, &end, err);
    if (!status && !end)
        return gg_refuse(err, 400, "M_UNKNOWN", "User has no expiration time: %.*s", GG_FMT(user_id));
    struct gg_arena *arena = gg_arena_new();
    status = status ? status : mail_user(server, user_id, end, arena, err);
    gg_arena_free(arena);
    return status;
}

void mx_validity_make(struct mx_server *server)
{
    static const struct mx_cache_def def = {.name = "get_expiration_ts_for_user", .max_bytes = CACHE_BYTES};
    if (mx_validity_enabled(server->config))
        server->accounts->ends = mx_cache_new(server, &def);
}
