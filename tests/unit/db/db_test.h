/* What the tests of the database have in common: a database of their own, and a
 * loop around each test. */
#ifndef TEST_DB_TEST_H
#define TEST_DB_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ganglion/db.h>
#include <ganglion/fiber.h>

static char test_database[64];
static char test_conninfo[512];
static bool test_have_server;

static void admin_run(const char *dbname, const char *sql)
{
    const char *keys[] = {"dbname", "dbname", "options", NULL};
    const char *values[] = {getenv("GANGLION_TEST_PG"), dbname, "-c client_min_messages=warning", NULL};
    PGconn *conn = PQconnectdbParams(keys, values, 1);
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s in: %.200s", PQerrorMessage(conn), sql);
    PQclear(result);
    PQfinish(conn);
}

static int database_up(void **state)
{
    if (!getenv("GANGLION_TEST_PG")) {
        if (getenv("GANGLION_TEST_REQUIRE"))
            fail_msg("GANGLION_TEST_PG is not set");
        print_message("skipped: GANGLION_TEST_PG is not set\n");
        return 0;
    }
    char sql[200];
    snprintf(test_database, sizeof(test_database), "ganglion_test_%d", (int)getpid());
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
             test_database);
    admin_run(NULL, sql);
    snprintf(test_conninfo, sizeof(test_conninfo), "%s dbname=%s", getenv("GANGLION_TEST_PG"), test_database);
    test_have_server = true;
    return 0;
}

static int database_down(void **state)
{
    char sql[200];
    if (!test_have_server)
        return 0;
    snprintf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE)", test_database);
    admin_run(NULL, sql);
    return 0;
}

static void in_loop(gg_fiber_fn *fn)
{
    if (!test_have_server)
        skip();
    assert_int_equal(gg_loop_run(NULL, fn, NULL), 0);
}

/* test_x runs body_x in a fiber. */
#define FIBER_TEST(name_)                       \
    static void body_##name_(void *arg);        \
    static void test_##name_(void **state)      \
    {                                           \
        in_loop(body_##name_);                  \
    }                                           \
    static void body_##name_(void *arg)

#define assert_ok(rc_, err_)                                                \
    do {                                                                    \
        int got_ = (rc_);                                                   \
        if (got_)                                                           \
            fail_msg("%s: %s", gg_status_name(got_), (err_).message);       \
    } while (0)

#endif
