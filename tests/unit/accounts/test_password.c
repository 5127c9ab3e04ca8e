/* Passwords: hashes that others made, and the policy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ganglion/matrix/config.h>
#include <string.h>

#include "../in_fiber.h"
#include "accounts/password.h"
#include "config/config.h"

static const struct gg_config_key *const tables[] = {mx_config_keys, NULL};

static struct gg_config *config_of(const char *more)
{
    char text[600];
    struct gg_config *config;
    struct gg_error err = GG_ERROR_INIT;
    snprintf(text, sizeof text,
             "server_name: example.org\nreport_stats: false\nbcrypt_rounds: 4\n"
             "database: {name: psycopg2, args: {dbname: x}}\n%s",
             more);
    if (gg_config_load_text(text, tables, &config, &err))
        fail_msg("%s", err.message);
    return config;
}

static bool verify(const struct gg_config *config, const char *password, const char *hash)
{
    struct gg_error err = GG_ERROR_INIT;
    bool ok;
    assert_int_equal(mx_password_verify(config, gg_str(password), gg_str(hash), &ok, &err), 0);
    return ok;
}

FIBER_TEST(own_hashes)
{
    struct gg_config *config = config_of("");
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    const char *hash;
    assert_int_equal(mx_password_hash(config, GG_STR("secret99"), arena, &hash, &err), 0);
    assert_int_equal(strncmp(hash, "$2b$04$", 7), 0);
    assert_int_equal(strlen(hash), 60);
    assert_true(verify(config, "secret99", hash));
    assert_false(verify(config, "secret98", hash));
    assert_false(verify(config, "secret99", ""));
    assert_false(verify(config, "secret99", NULL));
    assert_false(verify(config, "secret99", "nonsense"));
    assert_false(verify(config, "*0", "*0"));
    gg_arena_free(arena);
    gg_config_free(config);
}

/* Made by Python's bcrypt 5.0.0: hashpw(unicodedata.normalize("NFKC", "\uff21bc").encode() + b"pepper", gensalt(4)). */
FIBER_TEST(foreign_hashes)
{
    struct gg_config *config = config_of("password_config: {pepper: pepper}\n");
    const char *hash = "$2b$04$j7z0i/GVMRstIr8Qh30uPOoSUSQtwg9t5ngdKQLExEOmGTnb1FSDS";
    assert_true(verify(config,
                       "\xef\xbc\xa1"
                       "bc",
                       hash));
    assert_true(verify(config, "Abc", hash));
    assert_false(verify(config, "abc", hash));
    gg_config_free(config);
}

static void policy_says(const struct gg_config *config, const char *password, const char *errcode)
{
    struct gg_error err = GG_ERROR_INIT;
    int status = mx_password_policy(config, gg_str(password), &err);
    assert_int_equal(status == 0, errcode == NULL);
    if (errcode)
        assert_string_equal(err.errcode, errcode);
}

static void policy(void **state)
{
    struct gg_config *config =
        config_of("password_config: {policy: {enabled: true, minimum_length: 8, require_digit: "
                  "true, require_symbol: true, require_lowercase: true, require_uppercase: true}}\n");
    policy_says(config, "Abc!1", "M_PASSWORD_TOO_SHORT");
    policy_says(config, "Abcdefg!", "M_PASSWORD_NO_DIGIT");
    policy_says(config, "Abcdefg1", "M_PASSWORD_NO_SYMBOL");
    policy_says(config, "abcdef!1", "M_PASSWORD_NO_UPPERCASE");
    policy_says(config, "ABCDEF!1", "M_PASSWORD_NO_LOWERCASE");
    policy_says(config, "Abcdef!1", NULL);
    policy_says(config, "A1!\303\251\303\251\303\251z", "M_PASSWORD_TOO_SHORT"); /* seven characters */
    gg_config_free(config);
    config = config_of("");
    policy_says(config, "", NULL);
    gg_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_hashes),
        cmocka_unit_test(foreign_hashes),
        cmocka_unit_test(policy),
    };
    return cmocka_run_group_tests_name("password", tests, NULL, NULL);
}
