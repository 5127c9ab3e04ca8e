/* The schema duty: creates in an empty database, and says no to what it must not touch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ganglion/matrix/config.h>
#include <ganglion/matrix/server.h>
#include <string.h>

#include "../in_fiber.h"
#include "../schema_db.h"
#include "config/config.h"
#include "main/host.h"

static const struct gg_config_key *const tables[] = {mx_config_keys, NULL};

/* An empty database, as an operator makes it. */
static struct schema_db test;

static int set_up(void **state)
{
    schema_db_make_empty(&test, "prepare_test", "C");
    return 0;
}

static int tear_down(void **state)
{
    schema_db_drop(&test);
    memset(&test, 0, sizeof test);
    return 0;
}

struct attempt {
    bool main;
    const char *more; /* configuration */
    int status;
    struct gg_error err;
};

static void prepare_in_fiber(void *arg)
{
    struct attempt *a = arg;
    struct gg_db_options options = {.conninfo = test.conninfo, .lanes = 1, .max_connections = 2};
    struct gg_host host = {.main = a->main};
    struct mx_server server = {.host = &host, .name = "example.org", .db = gg_db_new(&options)};
    struct gg_config *config;
    char text[400];
    snprintf(text, sizeof text,
             "server_name: example.org\nreport_stats: false\ndatabase: {name: psycopg2, "
             "args: {dbname: x}%s}\n",
             a->more ? a->more : "");
    if (gg_config_load_text(text, tables, &config, &a->err))
        fail_msg("%s", a->err.message);
    server.config = host.config = config;
    a->status = mx_schema_prepare(&server, &a->err);
    gg_db_free(server.db);
    gg_config_free(config);
}

static struct attempt prepare_with(bool main, const char *more)
{
    struct attempt a = {.main = main, .more = more};
    assert_int_equal(gg_loop_run(NULL, prepare_in_fiber, &a), 0);
    return a;
}

static void accepted(bool main)
{
    struct attempt a = prepare_with(main, NULL);
    if (a.status)
        fail_msg("%s", a.err.message);
}

static void refused(bool main, const char *why)
{
    struct attempt a = prepare_with(main, NULL);
    assert_int_equal(a.status, GG_E_INVALID);
    if (!strstr(a.err.message, why))
        fail_msg("\"%s\" does not say \"%s\"", a.err.message, why);
}

static void run(const char *sql)
{
    PQclear(schema_db_run(test.db, sql));
}

static void creates(void **state)
{
    if (!test.db)
        skip();
    refused(false, "start the main process first");
    accepted(true);
    accepted(true);
    accepted(false);
    assert_string_equal(schema_db_value(test.db, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "176");
}

static void versions(void **state)
{
    if (!test.db)
        skip();
    accepted(true);
    run("UPDATE schema_version SET version = 93");
    refused(true, "Synapse 1.163.2");
    run("UPDATE schema_version SET version = 95; UPDATE schema_compat_version SET compat_version = 90");
    accepted(true);
    run("UPDATE schema_compat_version SET compat_version = 95");
    refused(true, "too new");
    run("UPDATE schema_version SET version = 94; UPDATE schema_compat_version SET compat_version = 72");
    accepted(false);
    assert_string_equal(schema_db_value(test.db, "SELECT compat_version FROM schema_compat_version"), "84");
    run("DELETE FROM schema_compat_version");
    accepted(false);
    assert_string_equal(schema_db_value(test.db, "SELECT compat_version FROM schema_compat_version"), "84");
    run("DELETE FROM applied_schema_deltas WHERE file = (SELECT max(file) FROM applied_schema_deltas)");
    refused(true, "not finished");
    run("UPDATE schema_version SET upgraded = false");
    accepted(true);
}

static void contents(void **state)
{
    if (!test.db)
        skip();
    accepted(true);
    run("INSERT INTO users (name) VALUES ('@alice:example.org')");
    accepted(true);
    run("UPDATE users SET name = '@alice:example.org:8448'");
    refused(true, "another server");
    run("UPDATE users SET name = '@alice:example.org'");
    run("INSERT INTO device_lists_stream (stream_id, user_id, device_id) VALUES (50, '@alice:example.org', 'A')");
    refused(true, "device_lists_sequence");
    run("SELECT setval('device_lists_sequence', 50)");
    accepted(true);
    run("INSERT INTO events (topological_ordering, event_id, type, room_id, processed, outlier, stream_ordering) "
        "VALUES (1, '$e', 't', '!r', true, true, -7)");
    refused(true, "events_backfill_stream_seq");
}

static void locale(void **state)
{
    if (!test.db)
        skip();
    tear_down(NULL);
    schema_db_make_empty(&test, "prepare_test", "C.UTF-8");
    refused(true, "both must be C");
    struct attempt a = prepare_with(true, ", allow_unsafe_locale: true");
    assert_int_equal(a.status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(creates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(versions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(contents, set_up, tear_down),
        cmocka_unit_test_setup_teardown(locale, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("schema_prepare", tests, NULL, NULL);
}
