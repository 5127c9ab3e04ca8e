/* What is kept of accounts, against a real database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../in_fiber.h"
#include "../schema_db.h"
#include "storage/accounts.h"
#include <ganglion/matrix/user_directory.h>
#include "storage/tasks.h"

static struct schema_db test;
static struct mx_server server = {.name = "example.org"};
static struct gg_arena *arena;
static struct gg_error err;

#define ALICE GG_STR("@alice:example.org")
#define OK(call_)                                                                                                      \
    do {                                                                                                               \
        if (call_)                                                                                                     \
            fail_msg("%s:%d: %s", __FILE__, __LINE__, err.message);                                                    \
    } while (0)
#define VALUE(sql_, want_) assert_string_equal(schema_db_value(test.db, sql_), want_)

static int set_up(void **state)
{
    schema_db_make(&test, "accounts_test");
    if (test.db)
        PQclear(schema_db_run(test.db, "INSERT INTO users (name, password_hash, creation_ts, admin) VALUES "
                                       "('@alice:example.org', 'hash', 1, 1), ('@Bob:example.org', NULL, 1, 0), "
                                       "('@bob:example.org', NULL, 1, 0)"));
    return 0;
}

static int tear_down(void **state)
{
    schema_db_drop(&test);
    return 0;
}

/* Runs a test's body with a pool of its own. */
static void (*body)(void);

static void run_body(void *arg)
{
    struct gg_db_options options = {.conninfo = test.conninfo, .lanes = 1, .max_connections = 2};
    server.db = gg_db_new(&options);
    arena = gg_arena_new();
    body();
    gg_arena_free(arena);
    gg_db_free(server.db);
}

static void run(void (*fn)(void))
{
    if (!test.db)
        skip();
    body = fn;
    assert_int_equal(gg_loop_run(NULL, run_body, NULL), 0);
}

static void users_body(void)
{
    struct mx_user user, like[MX_USERS_LIKE_MAX];
    size_t n;
    OK(mx_users_get(&server, ALICE, arena, &user, &err));
    assert_true(gg_str_is(user.password_hash, "hash"));
    assert_true(user.admin && !user.guest && !user.locked);
    OK(mx_users_get(&server, GG_STR("@nobody:example.org"), arena, &user, &err));
    assert_null(user.id.s);
    OK(mx_users_like(&server, GG_STR("@BOB:example.org"), arena, like, &n, &err));
    assert_int_equal(n, 2);
    int64_t first, second;
    OK(mx_users_next_number(&server, arena, &first, &err));
    OK(mx_users_next_number(&server, arena, &second, &err));
    assert_int_equal(second, first + 1);
}

static void tokens_body(void)
{
    struct mx_token_row row;
    int64_t max;
    OK(mx_tokens_max_id(&server, &max, &err));
    assert_int_equal(max, 1); /* so that the first token is number 2 */
    struct mx_new_token token = {
        .id = 2, .token = GG_STR("syt_x"), .user_id = ALICE, .device_id = GG_STR("DEV"), .valid_until_ms = 77};
    OK(mx_tokens_insert(&server, &token, &err));
    token.token = GG_STR("syt_y");
    assert_int_equal(mx_tokens_insert(&server, &token, &err), GG_E_CONFLICT);
    OK(mx_tokens_find(&server, GG_STR("syt_x"), arena, &row, &err));
    assert_int_equal(row.id, 2);
    assert_int_equal(row.valid_until_ms, 77);
    assert_true(gg_str_is(row.device_id, "DEV"));
    assert_true(gg_str_eq(row.user_id, ALICE) && gg_str_eq(row.owner, ALICE));
    assert_true(row.user.admin);
    assert_false(row.used || row.limited || row.unlimited);
    OK(mx_tokens_mark_used(&server, 2, &err));
    PQclear(schema_db_run(test.db, "INSERT INTO ratelimit_override VALUES ('@alice:example.org', 0, 0); "
                                   "UPDATE access_tokens SET puppets_user_id = '@bob:example.org' WHERE id = 2"));
    OK(mx_tokens_find(&server, GG_STR("syt_x"), arena, &row, &err));
    assert_true(row.used);
    assert_true(gg_str_is(row.user_id, "@bob:example.org") && gg_str_eq(row.owner, ALICE));
    assert_false(row.user.admin || row.unlimited); /* of whom the token speaks for */
    PQclear(schema_db_run(test.db, "UPDATE access_tokens SET puppets_user_id = NULL WHERE id = 2"));
    OK(mx_tokens_find(&server, GG_STR("syt_x"), arena, &row, &err));
    assert_true(row.unlimited);
    OK(mx_tokens_find(&server, GG_STR("syt_z"), arena, &row, &err));
    assert_int_equal(row.id, 0);
}

static void login_tokens_body(void)
{
    struct gg_str user;
    PQclear(schema_db_run(test.db, "INSERT INTO login_tokens (token, user_id, expiry_ts) VALUES "
                                   "('good', '@alice:example.org', 99999999999999), ('old', '@alice:example.org', 5)"));
    OK(mx_login_tokens_use(&server, GG_STR("old"), arena, &user, &err));
    assert_null(user.s);
    OK(mx_login_tokens_use(&server, GG_STR("good"), arena, &user, &err));
    assert_true(gg_str_eq(user, ALICE));
    OK(mx_login_tokens_use(&server, GG_STR("good"), arena, &user, &err));
    assert_null(user.s); /* once */
}

static void profiles_body(void)
{
    struct mx_profile_row row;
    bool changed;
    assert_int_equal(
        mx_profiles_write(&server, ALICE, MX_PROFILE_NAME, GG_STR("displayname"), GG_STR("A"), &changed, &err),
        GG_E_NOT_FOUND);
    assert_int_equal(err.http_status, 404);
    PQclear(schema_db_run(test.db, "INSERT INTO profiles (user_id, displayname, full_user_id) VALUES "
                                   "('alice', 'alice', '@alice:example.org')"));
    OK(mx_profiles_write(&server, ALICE, MX_PROFILE_NAME, GG_STR("displayname"), GG_STR("Alice A"), &changed, &err));
    assert_true(changed);
    VALUE("SELECT vector FROM user_directory_search", "'a':4B 'alice':1A,3B 'example.org':2");
    OK(mx_profiles_write(&server, ALICE, MX_PROFILE_NAME, GG_STR("displayname"), GG_STR("Alice A"), &changed, &err));
    assert_false(changed);
    OK(mx_profiles_write(&server, ALICE, MX_PROFILE_CUSTOM, GG_STR("m.tz"), GG_STR("\"Europe/Berlin\""), &changed,
                         &err));
    OK(mx_profiles_write(&server, ALICE, MX_PROFILE_CUSTOM, GG_STR("org.x"), GG_STR("{\"a\":[1,2]}"), &changed, &err));
    OK(mx_profiles_write(&server, ALICE, MX_PROFILE_CUSTOM, GG_STR("m.tz"), (struct gg_str){0}, &changed, &err));
    assert_true(changed);
    OK(mx_profiles_read(&server, ALICE, arena, &row, &err));
    assert_true(gg_str_is(row.display_name, "Alice A"));
    assert_null(row.avatar_url.s);
    assert_true(gg_str_is(row.fields, "{\"org.x\": {\"a\": [1, 2]}}"));
    char large[70003];
    memset(large, 'x', sizeof large);
    large[0] = large[70001] = '"';
    assert_int_equal(
        mx_profiles_write(&server, ALICE, MX_PROFILE_CUSTOM, GG_STR("big"), gg_strn(large, 70002), &changed, &err),
        GG_E_INVALID);
    assert_string_equal(err.errcode, "M_PROFILE_TOO_LARGE");
    VALUE("SELECT fields ? 'big' FROM profiles", "f");
    OK(mx_profiles_write(&server, ALICE, MX_PROFILE_NAME, GG_STR("displayname"), (struct gg_str){0}, &changed, &err));
    VALUE("SELECT vector FROM user_directory_search", "'alice':1A 'example.org':2");
}

static void filters_body(void)
{
    int64_t a, b, c;
    struct gg_str json;
    OK(mx_filters_add(&server, ALICE, GG_STR("{\"room\":{}}"), &a, &err));
    OK(mx_filters_add(&server, ALICE, GG_STR("{\"presence\":{}}"), &b, &err));
    OK(mx_filters_add(&server, ALICE, GG_STR("{\"room\":{}}"), &c, &err));
    assert_int_equal(a, 0);
    assert_int_equal(b, 1);
    assert_int_equal(c, 0);
    OK(mx_filters_get(&server, ALICE, 1, arena, &json, &err));
    assert_true(gg_str_is(json, "{\"presence\":{}}"));
    assert_int_equal(mx_filters_get(&server, ALICE, 2, arena, &json, &err), GG_E_NOT_FOUND);
    VALUE("SELECT user_id || full_user_id FROM user_filters LIMIT 1", "alice@alice:example.org");
}

static void uia_body(void)
{
    struct mx_uia_row row = {.session_id = GG_STR("S"),
                             .uri = GG_STR("/x"),
                             .method = GG_STR("POST"),
                             .description = GG_STR("d"),
                             .client = GG_STR("{\"a\":1}"),
                             .server = GG_STR("{}")},
                      got;
    OK(mx_uia_create(&server, &row, "1.2.3.4", "agent", &err));
    OK(mx_uia_touch(&server, GG_STR("S"), "1.2.3.4", "agent", &err));
    OK(mx_uia_touch(&server, GG_STR("S"), "1.2.3.5", "agent", &err));
    OK(mx_uia_complete(&server, GG_STR("S"), GG_STR("m.login.dummy"), GG_STR("true"), &err));
    OK(mx_uia_note(&server, GG_STR("S"), "password_hash", GG_STR("\"h\""), &err));
    OK(mx_uia_note(&server, GG_STR("S"), "registered_user_id", GG_STR("\"@a:b\""), &err));
    OK(mx_uia_read(&server, GG_STR("S"), arena, &got, &err));
    assert_int_equal(got.n_stages, 1);
    assert_true(gg_str_is(got.stages[0], "m.login.dummy"));
    assert_true(gg_str_is(got.client, "{\"a\":1}"));
    VALUE("SELECT serverdict::json ->> 'password_hash' || (serverdict::json ->> 'registered_user_id') FROM "
          "ui_auth_sessions",
          "h@a:b");
    VALUE("SELECT count(*) FROM ui_auth_sessions_ips", "2");
    OK(mx_uia_sweep(&server, 5, &err));
    VALUE("SELECT count(*) FROM ui_auth_sessions", "1");
    OK(mx_uia_sweep(&server, gg_wall_ms() + 1000, &err));
    VALUE("SELECT (SELECT count(*) FROM ui_auth_sessions) + (SELECT count(*) FROM ui_auth_sessions_ips) + "
          "(SELECT count(*) FROM ui_auth_sessions_credentials)",
          "0");
    OK(mx_uia_read(&server, GG_STR("S"), arena, &got, &err));
    assert_null(got.session_id.s);
}

static void seen_body(void)
{
    PQclear(schema_db_run(test.db, "INSERT INTO devices (user_id, device_id) VALUES ('@alice:example.org', 'D')"));
    struct mx_sighting seen[] = {
        {ALICE, GG_STR("t"), GG_STR("D"), GG_STR("1.1.1.1"), GG_STR("old"), 100},
        {ALICE, GG_STR("t"), GG_STR("D"), GG_STR("2.2.2.2"), GG_STR("new"), 200},
        {ALICE, GG_STR("u"), {0}, GG_STR("3.3.3.3"), GG_STR("none"), 300},
    };
    OK(mx_seen_write(&server, seen, 3, &err));
    seen[1].at = 400;
    OK(mx_seen_write(&server, &seen[1], 1, &err));
    VALUE("SELECT string_agg(ip || ' ' || last_seen || ' ' || coalesce(device_id, '-'), ',' ORDER BY ip) FROM user_ips",
          "1.1.1.1 100 D,2.2.2.2 400 D,3.3.3.3 300 -");
    int64_t n;
    OK(mx_seen_prune(&server, 300, &n, &err));
    assert_int_equal(n, 1);
    VALUE("SELECT count(*) FROM user_ips", "2");
    VALUE("SELECT ip || ' ' || user_agent || ' ' || last_seen FROM devices", "2.2.2.2 new 400");
}

/* One task of profiles, as any process stores it and the runner takes it. */
static void tasks_body(void)
{
    const struct gg_str actions[] = {GG_STR("update_join_states")};
    struct mx_task task = {.id = GG_STR("first"), .action = actions[0], .timestamp = 1, .resource_id = ALICE,
                           .params = GG_STR("{}")};
    struct mx_task later = {.id = GG_STR("later"), .action = actions[0], .timestamp = INT64_MAX / 2};
    struct mx_task other = {.id = GG_STR("other"), .action = GG_STR("of_others"), .timestamp = 1};
    struct mx_task *due;
    struct gg_rows *ids;
    size_t n;
    bool begun;
    OK(mx_tasks_insert(&server, &task, &err));
    OK(mx_tasks_insert(&server, &later, &err));
    OK(mx_tasks_insert(&server, &other, &err)); /* other kinds of tasks are not ours */
    OK(mx_tasks_due(&server, actions, 1, 10, arena, &due, &n, &err));
    assert_int_equal(n, 1);
    assert_true(gg_str_is(due[0].id, "first") && gg_str_eq(due[0].resource_id, ALICE) && !due[0].result.s);
    OK(mx_tasks_begin(&server, due[0].id, &begun, &err));
    assert_true(begun);
    OK(mx_task_progress(&server, due[0].id, GG_STR("{\"last_room_id\":\"!r:x\"}"), &err));
    OK(mx_tasks_due(&server, actions, 1, 10, arena, &due, &n, &err)); /* after a restart: goes on where it stopped */
    assert_int_equal(n, 1);
    assert_true(gg_str_is(due[0].status, "active") && gg_str_is(due[0].result, "{\"last_room_id\":\"!r:x\"}"));
    OK(mx_tasks_end(&server, due[0].id, (struct gg_str){0}, NULL, &err));
    VALUE("SELECT status || result FROM scheduled_tasks WHERE id = 'first'", "complete{\"last_room_id\":\"!r:x\"}");
    task.id = GG_STR("second");
    OK(mx_tasks_insert(&server, &task, &err));
    OK(mx_tasks_cancel(&server, "update_join_states", ALICE, arena, &ids, &err));
    assert_int_equal(gg_rows_count(ids), 1);
    OK(mx_tasks_begin(&server, task.id, &begun, &err)); /* too late */
    assert_false(begun);
    OK(mx_tasks_end(&server, task.id, (struct gg_str){0}, "failed", &err));
    VALUE("SELECT status FROM scheduled_tasks WHERE id = 'second'", "cancelled");
}

#define TEST(name_)                                                                                                    \
    static void name_(void **state)                                                                                    \
    {                                                                                                                  \
        run(name_##_body);                                                                                             \
    }
TEST(users)
TEST(tokens)
TEST(login_tokens)
TEST(profiles)
TEST(filters)
TEST(uia)
TEST(seen)
TEST(tasks)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users),   cmocka_unit_test(tokens), cmocka_unit_test(login_tokens), cmocka_unit_test(profiles),
        cmocka_unit_test(filters), cmocka_unit_test(uia),    cmocka_unit_test(seen),         cmocka_unit_test(tasks),
    };
    return cmocka_run_group_tests_name("accounts_storage", tests, set_up, tear_down);
}
