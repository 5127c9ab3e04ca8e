/* The tables of jobs and sweeps, and the pure rules beside them: types of accounts, bounds of retention. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ganglion/matrix/config.h>
#include <string.h>

#include "../config/helper.h"
#include "accounts/user_type.h"
#include "jobs/jobs.h"
#include "jobs/updates.h"
#include "rooms/retention.h"
#include "storage/admin/rooms.h"
#include "storage/admin/users.h"

static const struct gg_config_key *const tables[] = {mx_config_keys, NULL};

static void names_stand_once(void **state)
{
    for (const struct mx_job *a = mx_jobs; a->name; a++) {
        assert_true(a->every_ms >= 1000 && a->fn);
        for (const struct mx_job *b = mx_jobs; b != a; b++)
            assert_string_not_equal(a->name, b->name);
    }
    for (const struct mx_sweep *a = mx_sweeps; a->name; a++) {
        assert_true(a->every_ms >= 60000 && a->age_ms >= 0);
        assert_non_null(strstr(a->stmt.sql, "LIMIT $2::bigint"));
        assert_non_null(strstr(a->stmt.sql, "$1::bigint"));
        for (const struct mx_sweep *b = mx_sweeps; b != a; b++)
            assert_string_not_equal(a->name, b->name);
    }
}

/* An index update that names another index than it makes would leave its row for ever, or drop what it made. */
static void updates_make_what_they_name(void **state)
{
    for (const struct mx_index_update *u = mx_index_updates; u->update; u++) {
        char made[200];
        snprintf(made, sizeof(made), "INDEX CONCURRENTLY %s ON ", u->index);
        assert_non_null(strstr(u->sql, made));
        assert_true(!u->replaces || strcmp(u->replaces, u->index) != 0);
    }
}

static void types_of_accounts(void **state)
{
    struct gg_config *config = load_with(MINIMAL "user_types: {default_user_type: guestbook, extra_user_types: [guestbook]}\n", tables);
    assert_true(mx_user_type_known(config, GG_STR("bot")) && mx_user_type_known(config, GG_STR("support")));
    assert_true(mx_user_type_known(config, GG_STR("guestbook")));
    assert_false(mx_user_type_known(config, GG_STR("other")));
    assert_false(mx_user_type_known(config, (struct gg_str){0}));
    assert_true(gg_str_is(mx_user_type_default(config), "guestbook"));
    gg_config_free(config);
    config = load_with(MINIMAL, tables);
    assert_false(mx_user_type_known(config, GG_STR("guestbook")));
    assert_null(mx_user_type_default(config).s);
    gg_config_free(config);
}

static void bounds_of_retention(void **state)
{
    const int64_t day = 86400000;
    struct gg_config *config = load_with(
        MINIMAL "retention: {enabled: true, default_policy: {max_lifetime: 9d}, allowed_lifetime_min: 2d, allowed_lifetime_max: 1w}\n",
        tables);
    assert_int_equal(mx_retention_default(config), 9 * day);
    assert_int_equal(mx_retention_bounded(config, day), 2 * day);
    assert_int_equal(mx_retention_bounded(config, 3 * day), 3 * day);
    assert_int_equal(mx_retention_bounded(config, 9 * day), 7 * day);
    assert_int_equal(mx_retention_bounded(config, 0), 0);
    gg_config_free(config);
    config = load_with(MINIMAL, tables);
    assert_int_equal(mx_retention_default(config), 0);
    assert_int_equal(mx_retention_bounded(config, 9 * day), 9 * day);
    gg_config_free(config);
}

static void orders_of_lists(void **state)
{
    assert_true(mx_admin_users_order("name") && mx_admin_users_order("last_seen_ts") && !mx_admin_users_order("password_hash"));
    assert_true(mx_admin_rooms_order("size") && mx_admin_rooms_order("state_events") && !mx_admin_rooms_order("1; DROP TABLE rooms"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_stand_once),  cmocka_unit_test(updates_make_what_they_name), cmocka_unit_test(types_of_accounts),
        cmocka_unit_test(bounds_of_retention), cmocka_unit_test(orders_of_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
