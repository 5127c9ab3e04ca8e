/* The Matrix keys: each one that is refused stops the start by name, harmless uses of
 * it do not, and what must hold between keys is checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "helper.h"

#include <ganglion/matrix/config.h>

#include <stdlib.h>

static const struct gg_config_key *const matrix[] = {mx_config_keys, NULL};

/* One line for each key that limits access or spends trust and is not built; the name is
 * the part before the first colon, or what follows "|". */
static const char *const switched_on[] = {
    "modules: [{module: my.Checker}]",
    "spam_checker: {module: my.Checker}",
    "third_party_event_rules: {module: my.Rules}",
    "password_providers: [{module: ldap}]",
    "ldap_config: {enabled: true, uri: x}",
    "presence: {presence_router: {module: x}}|presence.presence_router",
    "experimental_features: {msc3861: {enabled: true}}|experimental_features.msc3861",
    "account_threepid_delegates: {email: https://x}|account_threepid_delegates.email",
    "matrix_authentication_service: {enabled: true, secret: s}|matrix_authentication_service.enabled",
    "oidc_providers: [{idp_id: x}]",
    "oidc_config: {enabled: true}|oidc_config.enabled",
    "cas_config: {enabled: true, server_url: x}|cas_config.enabled",
    "saml2_config: {sp_config: {a: b}}|saml2_config.sp_config",
    "saml2_config: {config_path: f.py}|saml2_config.config_path",
};

static const char *const harmless[] = {
    "modules: []",
    "password_providers: []",
    "app_service_config_files: []",
    "ldap_config: {enabled: false, uri: x}",
    "cas_config: {enabled: false, server_url: x}",
    "saml2_config: {enabled: false, sp_config: {a: b}}",
    "saml2_config: {}",
    "oidc_config: {enabled: false}",
    "jwt_config: {enabled: false}",
    "experimental_features: {msc3861: {enabled: false}, msc1: true}",
    "limit_usage_by_mau: true",
    "hs_disabled: true",
    "user_consent: {version: 1, block_events_error: agree}",
    "max_mau_value: 50",
    "block_non_admin_invites: false",
    "allow_per_room_profiles: true",
    "session_lifetime: null",
    "user_consent:",
    "retention: {enabled: false}",
    "password_config: {enabled: true}",
    "encryption_enabled_by_default_for_room_type: off",
    "email: {smtp_host: x, smtp_pass: y}",
};

static void test_switched_on(void **state)
{
    for (size_t i = 0; i < GG_COUNT(switched_on); i++) {
        const char *bar = strchr(switched_on[i], '|'), *colon = strchr(switched_on[i], ':');
        int n = (int)(bar ? bar - switched_on[i] : (ptrdiff_t)strlen(switched_on[i]));
        char text[512], wanted[128];

        (void)snprintf(text, sizeof(text), MINIMAL "%.*s\n", n, switched_on[i]);
        if (bar)
            (void)snprintf(wanted, sizeof(wanted), "`%s` cannot be used: ", bar + 1);
        else
            (void)snprintf(wanted, sizeof(wanted), "`%.*s` cannot be used: ", (int)(colon - switched_on[i]),
                           switched_on[i]);
        assert_refused_with(text, matrix, wanted);
    }
}

/* Whoever accepts a key by name starts with a warning; the others stay refused, and those that will never be built. */
static void test_accepted(void **state)
{
    static const char text[] = MINIMAL "oidc_providers: [{idp_id: x}]\ncas_config: {enabled: true, server_url: x}\n";
    struct gg_config *config;

    assert_refused_with(text, matrix, "GANGLION_ACCEPT_UNBUILT=oidc_providers");
    setenv("GANGLION_ACCEPT_UNBUILT", "oidc_providers, cas_config", 1);
    config = load_with(text, matrix);
    assert_true(has_finding(config, GG_FINDING_WARNING, "`oidc_providers` has no effect"));
    assert_true(has_finding(config, GG_FINDING_WARNING, "`cas_config.enabled` has no effect"));
    gg_config_free(config);
    assert_refused_with(MINIMAL "oidc_config: {enabled: true}\n", matrix, "`oidc_config.enabled` cannot be used");
    setenv("GANGLION_ACCEPT_UNBUILT", "oidc,cas", 1); /* no prefixes of words */
    assert_refused_with(text, matrix, "cannot be used");
    setenv("GANGLION_ACCEPT_UNBUILT", "all", 1);
    for (size_t i = 0; i < GG_COUNT(switched_on); i++) {
        int n = (int)strcspn(switched_on[i], "|");
        char line[512];

        if (strncmp(switched_on[i], "account_threepid_delegates", 26) == 0) /* never to be built: Synapse dropped it */
            continue;
        (void)snprintf(line, sizeof(line), MINIMAL "%.*s\n", n, switched_on[i]);
        config = load_with(line, matrix);
        assert_true(has_finding(config, GG_FINDING_WARNING, "GANGLION_ACCEPT_UNBUILT accepts: not built yet"));
        gg_config_free(config);
    }
    assert_refused_with(MINIMAL "account_threepid_delegates: {email: https://x}\n", matrix, "cannot be used");
    unsetenv("GANGLION_ACCEPT_UNBUILT");
}

static void test_harmless(void **state)
{
    for (size_t i = 0; i < GG_COUNT(harmless); i++) {
        char text[512];

        (void)snprintf(text, sizeof(text), MINIMAL "%s\n", harmless[i]);
        gg_config_free(load_with(text, matrix));
    }
}

/* Every refused key of the table stands in the list above. */
static void test_all_refusals_are_tested(void **state)
{
    for (const struct gg_config_key *key = mx_config_keys; key->path; key++) {
        bool found = key->verdict != GG_REFUSED;

        for (size_t i = 0; i < GG_COUNT(switched_on) && !found; i++) {
            const char *bar = strchr(switched_on[i], '|');
            const char *name = bar ? bar + 1 : switched_on[i];

            found = strncmp(name, key->path, strlen(key->path)) == 0 && strchr(":", name[strlen(key->path)]);
        }
        if (!found)
            fail_msg("no test switches %s on", key->path);
    }
}

static void test_table_is_whole(void **state)
{
    for (const struct gg_config_key *key = mx_config_keys; key->path; key++) {
        if (!key->doc || !*key->doc)
            fail_msg("%s has no documentation", key->path);
        if (key->verdict != GG_HONOURED && !key->why)
            fail_msg("%s does not say why", key->path);
        if (key->type == GG_C_ENUM && !key->choices)
            fail_msg("%s has no choices", key->path);
        for (const struct gg_config_key *other = mx_config_keys; other != key; other++)
            if (strcmp(other->path, key->path) == 0)
                fail_msg("%s stands twice", key->path);
    }
}

static void test_former(void **state)
{
    struct gg_config *config =
        load_with(MINIMAL "use_presence: false\nrc_messages_per_second: 3\nrc_message_burst_count: 9.5\n"
                          "federation_rc_concurrent: 7\ndisable_registration: true\n"
                          "restrict_public_rooms_to_local_users: false\n",
                  matrix);

    assert_string_equal(gg_config_text(config, "presence.enabled"), "false");
    assert_true(gg_config_number(config, "rc_message.per_second") == 3.0);
    assert_true(gg_config_number(config, "rc_message.burst_count") == 9.5);
    assert_int_equal(gg_config_int(config, "rc_federation.concurrent"), 7);
    assert_false(gg_config_bool(config, "enable_registration"));
    assert_true(gg_config_bool(config, "allow_public_rooms_without_auth"));
    assert_true(gg_config_bool(config, "allow_public_rooms_over_federation"));
    assert_false(has_finding(config, GG_FINDING_WARNING, "unknown key"));
    gg_config_free(config);
    config = load_with(MINIMAL "presence: {enabled: untracked}\nenable_registration: 'True'\n", matrix);
    assert_string_equal(gg_config_text(config, "presence.enabled"), "untracked");
    assert_true(gg_config_bool(config, "enable_registration"));
    gg_config_free(config);
}

static void check_fails(const char *line, const char *wanted)
{
    struct gg_error err = GG_ERROR_INIT;
    char text[512];

    (void)snprintf(text, sizeof(text), "report_stats: false\n" DATABASE "%s", line);
    struct gg_config *config = load_with(text, matrix);
    assert_int_equal(mx_config_check(config, &err), GG_E_INVALID);
    if (!strstr(err.message, wanted))
        fail_msg("says `%s`, should say `%s`", err.message, wanted);
    gg_config_free(config);
}

static void test_checks(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_config *config =
        load_with(MINIMAL "enable_registration: true\nenable_registration_without_verification: true\n"
                          "public_baseurl: https://example.com\n",
                  matrix);

    assert_int_equal(mx_config_check(config, &err), 0);
    gg_config_free(config);
    check_fails("server_name: 'a b'\n", "`server_name` must be a host");
    check_fails("server_name: a\nenable_registration: true\n", "`enable_registration` lets anybody in");
    check_fails("server_name: a\npublic_baseurl: ftp://x\n", "must begin with https:// or http://");
    check_fails("server_name: a\npublic_baseurl: https://x/?y\n", "no query");
    check_fails("server_name: a\ndefault_room_version: '99'\n", "there is no room version `99`");
    check_fails("server_name: a\nlimit_profile_requests_to_users_who_share_rooms: true\n",
                "`limit_profile_requests_to_users_who_share_rooms` needs `require_auth_for_profile_requests`");
    check_fails("server_name: a\nsession_lifetime: 1h\nnonrefreshable_access_token_lifetime: 2h\n",
                "`nonrefreshable_access_token_lifetime` must not exceed `session_lifetime`");
    check_fails("server_name: a\nurl_preview_enabled: true\n", "`url_preview_enabled` needs `url_preview_ip_range_blacklist`");
    check_fails("server_name: a\naccount_validity: {enabled: true}\n", "`account_validity.enabled` needs `account_validity.period`");
    check_fails("server_name: a\naccount_validity: {enabled: true, period: 6w, renew_at: 1w}\n", "`account_validity.renew_at` needs mail");
    check_fails("server_name: a\nemail: {invite_client_location: app.example}\n", "must begin with https:// or http://");
    check_fails("server_name: a\njwt_config: {enabled: true, secret: s}\n", "`jwt_config` needs a known `algorithm`");
    check_fails("server_name: a\njwt_config: {enabled: true, secret: s, algorithm: none}\n", "`jwt_config` needs a known `algorithm`");
    check_fails("server_name: a\njwt_config: {enabled: true, secret: s, algorithm: RS256}\n", "`jwt_config` needs a known `algorithm`");
    check_fails("server_name: a\nuser_consent: {block_events_error: agree}\n", "`user_consent.block_events_error` needs `user_consent.version`");
    check_fails("server_name: a\nuser_consent: {version: 1, server_notice_content: {body: x}}\n", "needs `server_notices`");
    check_fails("server_name: a\nuser_consent: {version: 1, server_notice_content: {msgtype: x}}\nserver_notices: {system_mxid_localpart: n}\n",
                "`user_consent.server_notice_content` needs a `body`");
    check_fails("server_name: a\nmau_limit_reserved_threepids: [{medium: email}]\n", "`mau_limit_reserved_threepids` needs `medium`");
    check_fails("server_name: a\nenable_registration_captcha: true\nrecaptcha_public_key: x\n", "needs `recaptcha_public_key` and");
    check_fails("server_name: a\nbcrypt_rounds: 99\n", "`bcrypt_rounds` must be from 4 to 31");
}

/* A wrong entry that limits access is refused, not passed over. */
static void test_lists(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_config *config = load_with(
        MINIMAL "url_preview_enabled: true\nurl_preview_ip_range_blacklist: ['10.0.0.0/8', '::1', 'fe80::/10']\n"
                "alias_creation_rules: [{user_id: '@a:*', action: deny}, {}]\nauto_join_rooms: ['#a:b']\n"
                "allowed_local_3pids: [{medium: email, pattern: '^[^@]+@matrix\\.org$'}]\n"
                "default_power_level_content_override: {private_chat: {events_default: 50}, public_chat: null}\n"
                "templates: {custom_template_directory: /}\n",
        matrix);

    assert_int_equal(mx_config_check(config, &err), 0);
    gg_config_free(config);
    check_fails("server_name: a\nurl_preview_enabled: true\nurl_preview_ip_range_blacklist: ['10.0.0.0/33']\n",
                "5:33: `url_preview_ip_range_blacklist`: `10.0.0.0/33` is no range of addresses");
    check_fails("server_name: a\nurl_preview_ip_range_whitelist: [intranet]\n", "`intranet` is no range of addresses");
    check_fails("server_name: a\nfederation_ip_range_blacklist: ['10.0.0.0/8', '10.x']\n", "`10.x` is no range of addresses");
    check_fails("server_name: a\nroom_list_publication_rules: [{action: never}]\n", "the action of a rule is allow or deny");
    check_fails("server_name: a\nalias_creation_rules: [deny]\n", "a rule is a map of user_id");
    check_fails("server_name: a\nalias_creation_rules: [{user_id: 5}]\n", "a rule is a map of user_id");
    check_fails("server_name: a\nallowed_local_3pids: [{medium: email, pattern: '('}]\n", "\"(\" is no regular expression");
    check_fails("server_name: a\nallowed_local_3pids: ['@matrix.org']\n", "an entry is a map of medium and pattern");
    check_fails("server_name: a\nauto_join_rooms: [lobby]\n", "`lobby` is no alias");
    check_fails("server_name: a\ndefault_power_level_content_override: {private: {}}\n", "there is no preset `private`");
    check_fails("server_name: a\ntemplates: {custom_template_directory: /nowhere/at/all}\n", "/nowhere/at/all: No such file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_switched_on),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_harmless),
        cmocka_unit_test(test_all_refusals_are_tested),
        cmocka_unit_test(test_table_is_whole),
        cmocka_unit_test(test_former),
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
