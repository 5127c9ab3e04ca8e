/* What must hold between keys of Matrix, as Synapse demands it at start. */
#include <ganglion/client.h>
#include <ganglion/matrix/config.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/room_version.h>

#include "accounts/jwt.h"
#include "config/check.h"

static int check_server_name(const struct gg_config *config, struct gg_error *err)
{
    const char *name = gg_config_text(config, "server_name");

    if (name && !mx_server_name_valid(gg_str(name)))
        return gg_fail(err, GG_E_INVALID, "%s: `server_name` must be a host with an optional port, not `%.80s`",
                       gg_node_where(gg_config_node(config, "server_name")), name);
    return 0;
}

static int check_base_url(const struct gg_config *config, struct gg_error *err)
{
    const char *url = gg_config_text(config, "public_baseurl");
    const char *where = gg_node_where(gg_config_node(config, "public_baseurl"));

    if (!url)
        return 0;
    if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
        return gg_fail(err, GG_E_INVALID, "%s: `public_baseurl` must begin with https:// or http://", where);
    if (strpbrk(url, "?#"))
        return gg_fail(err, GG_E_INVALID, "%s: `public_baseurl` must have no query and no fragment", where);
    return 0;
}

static bool requires_address(const struct gg_config *config)
{
    size_t n;
    gg_config_texts(config, "registrations_require_3pid", &n);
    return n != 0;
}

/* What registration demands must be possible. */
static int check_addresses(const struct gg_config *config, struct gg_error *err)
{
    size_t n;
    const char *const *media = gg_config_texts(config, "registrations_require_3pid", &n);
    const char *where = gg_node_where(gg_config_node(config, "registrations_require_3pid"));

    for (size_t i = 0; i < n; i++) {
        if (strcmp(media[i], "email") != 0)
            return gg_fail(err, GG_E_INVALID, "%s: `registrations_require_3pid`: `%.40s` is not built yet", where,
                           media[i]);
        if (!gg_config_text(config, "email.notif_from"))
            return gg_fail(err, GG_E_INVALID, "%s: `registrations_require_3pid` needs mail: `email.notif_from`", where);
    }
    return 0;
}

static int check_mails(const struct gg_config *config, struct gg_error *err)
{
    if (!gg_config_bool(config, "email.enable_notifs") || gg_config_text(config, "email.notif_from"))
        return 0;
    return gg_fail(err, GG_E_INVALID, "%s: `email.enable_notifs` needs `email.notif_from`",
                   gg_node_where(gg_config_node(config, "email.enable_notifs")));
}

static int needs_version(const struct gg_config *config, const char *key, bool on, struct gg_error *err)
{
    if (!on || gg_config_text(config, "user_consent.version"))
        return 0;
    return gg_fail(err, GG_E_INVALID, "%s: `%s` needs `user_consent.version`", gg_node_where(gg_config_node(config, key)),
                   key);
}

static int check_consent(const struct gg_config *config, struct gg_error *err)
{
    static const char at_registration[] = "user_consent.require_at_registration", refusal[] = "user_consent.block_events_error",
                      notice[] = "user_consent.server_notice_content";
    int status = needs_version(config, at_registration, gg_config_bool(config, at_registration), err);

    status = status ? status : needs_version(config, refusal, gg_config_set(config, refusal), err);
    status = status ? status : needs_version(config, notice, gg_config_set(config, notice), err);
    if (status || !gg_config_set(config, notice))
        return status;
    if (!gg_config_text(config, "server_notices.system_mxid_localpart"))
        return gg_fail(err, GG_E_INVALID, "%s: `%s` needs `server_notices`", gg_node_where(gg_config_node(config, notice)), notice);
    if (!gg_node_get(gg_config_node(config, notice), "body"))
        return gg_fail(err, GG_E_INVALID, "%s: `%s` needs a `body`", gg_node_where(gg_config_node(config, notice)), notice);
    return 0;
}

/* Reserved places are people's: each needs an address. */
static int check_reserved(const struct gg_config *config, struct gg_error *err)
{
    const struct gg_node *list = gg_config_node(config, "mau_limit_reserved_threepids");

    for (size_t i = 0; list && i < gg_node_count(list); i++) {
        const struct gg_node *entry = gg_node_at(list, i, NULL);

        if (!gg_node_text(gg_node_get(entry, "medium")) || !gg_node_text(gg_node_get(entry, "address")))
            return gg_fail(err, GG_E_INVALID, "%s: each of `mau_limit_reserved_threepids` needs `medium` and `address`",
                           gg_node_where(list));
    }
    return 0;
}

static int check_registration(const struct gg_config *config, struct gg_error *err)
{
    if (!gg_config_bool(config, "enable_registration") ||
        gg_config_bool(config, "enable_registration_without_verification") ||
        gg_config_bool(config, "registration_requires_token") || gg_config_bool(config, "enable_registration_captcha") ||
        requires_address(config))
        return 0;
    return gg_fail(
        err, GG_E_INVALID,
        "%s: `enable_registration` lets anybody in: set `enable_registration_without_verification: true` too "
        "if that is meant",
        gg_node_where(gg_config_node(config, "enable_registration")));
}

static int check_captcha(const struct gg_config *config, struct gg_error *err)
{
    if (!gg_config_bool(config, "enable_registration_captcha") ||
        (gg_config_text(config, "recaptcha_public_key") && gg_config_text(config, "recaptcha_private_key")))
        return 0;
    return gg_fail(err, GG_E_INVALID, "%s: `enable_registration_captcha` needs `recaptcha_public_key` and `recaptcha_private_key`",
                   gg_node_where(gg_config_node(config, "enable_registration_captcha")));
}

static int check_room_version(const struct gg_config *config, struct gg_error *err)
{
    const char *version = gg_config_text(config, "default_room_version");

    if (mx_room_version_find(gg_str(version)))
        return 0;
    return gg_fail(err, GG_E_INVALID, "%s: `default_room_version`: there is no room version `%.40s`",
                   gg_node_where(gg_config_node(config, "default_room_version")), version);
}

static int check_range(const struct gg_config *config, const char *key, int64_t least, int64_t most,
                       struct gg_error *err)
{
    int64_t value = gg_config_int(config, key);

    if (value >= least && value <= most)
        return 0;
    return gg_fail(err, GG_E_INVALID, "%s: `%s` must be from %lld to %lld", gg_node_where(gg_config_node(config, key)),
                   key, (long long)least, (long long)most);
}

static int check_profiles(const struct gg_config *config, struct gg_error *err)
{
    static const char key[] = "limit_profile_requests_to_users_who_share_rooms";

    if (!gg_config_bool(config, key) || gg_config_bool(config, "require_auth_for_profile_requests"))
        return 0;
    return gg_fail(err, GG_E_INVALID, "%s: `%s` needs `require_auth_for_profile_requests`",
                   gg_node_where(gg_config_node(config, key)), key);
}

static int check_lifetime(const struct gg_config *config, const char *key, struct gg_error *err)
{
    if (!gg_config_set(config, "session_lifetime") || !gg_config_set(config, key) ||
        gg_config_int(config, key) <= gg_config_int(config, "session_lifetime"))
        return 0;
    return gg_fail(err, GG_E_INVALID, "%s: `%s` must not exceed `session_lifetime`",
                   gg_node_where(gg_config_node(config, key)), key);
}

/* Else anybody could look at what stands beside the server. */
static int check_previews(const struct gg_config *config, struct gg_error *err)
{
    if (!gg_config_bool(config, "url_preview_enabled") || gg_config_set(config, "url_preview_ip_range_blacklist") ||
        gg_client_has_proxy(config))
        return 0;
    return gg_fail(err, GG_E_INVALID,
                   "%s: `url_preview_enabled` needs `url_preview_ip_range_blacklist`: the addresses that must not be asked",
                   gg_node_where(gg_config_node(config, "url_preview_enabled")));
}

/* Where browsers are sent to. */
static int check_web_url(const struct gg_config *config, const char *key, struct gg_error *err)
{
    const char *url = gg_config_text(config, key);

    if (!url || strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0)
        return 0;
    return gg_fail(err, GG_E_INVALID, "%s: `%s` must begin with https:// or http://", gg_node_where(gg_config_node(config, key)),
                   key);
}

/* Clients would be sent nowhere. */
static int check_transports(const struct gg_config *config, struct gg_error *err)
{
    const struct gg_node *list = gg_config_node(config, "matrix_rtc.transports");

    for (size_t i = 0; list && i < gg_node_count(list); i++) {
        const struct gg_node *transport = gg_node_at(list, i, NULL);
        const char *type = gg_node_text(gg_node_get(transport, "type"));

        if (!type)
            return gg_fail(err, GG_E_INVALID, "%s: each of `matrix_rtc.transports` needs a `type`", gg_node_where(list));
        if (strcmp(type, "livekit") == 0 && !gg_node_text(gg_node_get(transport, "livekit_service_url")) &&
            !gg_node_text(gg_node_get(transport, "url")))
            return gg_fail(err, GG_E_INVALID, "%s: a transport of type `livekit` needs `livekit_service_url`", gg_node_where(list));
    }
    return 0;
}

static int check_jwt(const struct gg_config *config, struct gg_error *err)
{
    if (!gg_config_bool(config, "jwt_config.enabled") ||
        mx_jwt_key_fits(gg_config_text(config, "jwt_config.algorithm"), gg_config_text(config, "jwt_config.secret")))
        return 0;
    return gg_fail(err, GG_E_INVALID, "%s: `jwt_config` needs a known `algorithm`, and as `secret` a key of that algorithm",
                   gg_node_where(gg_config_node(config, "jwt_config.enabled")));
}

/* Accounts that end on the day they are made, or that nobody can be mailed about, are no one's wish. */
static int check_validity(const struct gg_config *config, struct gg_error *err)
{
    const char *where = gg_node_where(gg_config_node(config, "account_validity.enabled"));

    if (!gg_config_bool(config, "account_validity.enabled"))
        return 0;
    if (!gg_config_set(config, "account_validity.period") || gg_config_int(config, "account_validity.period") <= 0)
        return gg_fail(err, GG_E_INVALID, "%s: `account_validity.enabled` needs `account_validity.period`", where);
    if (gg_config_set(config, "account_validity.renew_at") && !gg_config_text(config, "email.notif_from"))
        return gg_fail(err, GG_E_INVALID, "%s: `account_validity.renew_at` needs mail: `email.notif_from`", where);
    return 0;
}

static int check_delays(const struct gg_config *config, struct gg_error *err)
{
    static const char longest[] = "max_event_delay_duration", most[] = "experimental_features.msc4140_max_delayed_events_per_user";

    if (gg_config_set(config, longest) && gg_config_int(config, longest) <= 0)
        return gg_fail(err, GG_E_INVALID, "%s: `%s` must be more than nothing", gg_node_where(gg_config_node(config, longest)), longest);
    return check_range(config, most, 0, INT32_MAX, err);
}

int mx_config_check(const struct gg_config *config, struct gg_error *err)
{
    int status = check_server_name(config, err);

    status = status ? status : check_base_url(config, err);
    status = status ? status : check_registration(config, err);
    status = status ? status : check_addresses(config, err);
    status = status ? status : check_mails(config, err);
    status = status ? status : check_validity(config, err);
    status = status ? status : check_jwt(config, err);
    status = status ? status : check_transports(config, err);
    status = status ? status : check_web_url(config, "email.invite_client_location", err);
    status = status ? status : check_web_url(config, "web_client_location", err);
    status = status ? status : check_consent(config, err);
    status = status ? status : check_captcha(config, err);
    status = status ? status : check_reserved(config, err);
    status = status ? status : check_room_version(config, err);
    status = status ? status : check_profiles(config, err);
    status = status ? status : check_delays(config, err);
    status = status ? status : check_previews(config, err);
    status = status ? status : check_lifetime(config, "nonrefreshable_access_token_lifetime", err);
    status = status ? status : check_lifetime(config, "refreshable_access_token_lifetime", err);
    status = status ? status : check_lifetime(config, "refresh_token_lifetime", err);
    status = status ? status : mx_config_check_lists(config, err);
    status = status ? status : check_range(config, "bcrypt_rounds", 4, 31, err);
    return status ? status : check_range(config, "filter_timeline_limit", -1, INT32_MAX, err);
}
