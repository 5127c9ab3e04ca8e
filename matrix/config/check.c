/* What must hold between keys of Matrix, as Synapse demands it at start. */
#include <ganglion/matrix/config.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/room_version.h>

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

static int check_consent(const struct gg_config *config, struct gg_error *err)
{
    static const char key[] = "user_consent.require_at_registration";

    if (!gg_config_bool(config, key) || gg_config_text(config, "user_consent.version"))
        return 0;
    return gg_fail(err, GG_E_INVALID, "%s: `%s` needs `user_consent.version`", gg_node_where(gg_config_node(config, key)),
                   key);
}

static int check_registration(const struct gg_config *config, struct gg_error *err)
{
    if (!gg_config_bool(config, "enable_registration") ||
        gg_config_bool(config, "enable_registration_without_verification") ||
        gg_config_bool(config, "registration_requires_token") || requires_address(config))
        return 0;
    return gg_fail(
        err, GG_E_INVALID,
        "%s: `enable_registration` lets anybody in: set `enable_registration_without_verification: true` too "
        "if that is meant",
        gg_node_where(gg_config_node(config, "enable_registration")));
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

int mx_config_check(const struct gg_config *config, struct gg_error *err)
{
    int status = check_server_name(config, err);

    status = status ? status : check_base_url(config, err);
    status = status ? status : check_registration(config, err);
    status = status ? status : check_addresses(config, err);
    status = status ? status : check_consent(config, err);
    status = status ? status : check_room_version(config, err);
    status = status ? status : check_profiles(config, err);
    status = status ? status : check_lifetime(config, "nonrefreshable_access_token_lifetime", err);
    status = status ? status : check_lifetime(config, "refreshable_access_token_lifetime", err);
    status = status ? status : check_lifetime(config, "refresh_token_lifetime", err);
    status = status ? status : check_range(config, "bcrypt_rounds", 4, 31, err);
    return status ? status : check_range(config, "filter_timeline_limit", -1, INT32_MAX, err);
}
