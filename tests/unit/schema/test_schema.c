/* Makes a database from the files of matrix/schema and compares its catalogue, row by row, with what was measured on
 * Synapse (tests/data/schema-*.tsv; the queries that give the same form are beside them). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ganglion/base.h>

#include "schema/schema.h"

static char database[64];
static PGconn *admin, *db;

static PGconn *connect_to(const char *dbname)
{
    const char *keys[] = {"dbname", "dbname", "options", NULL};
    const char *values[] = {getenv("GANGLION_TEST_PG"), dbname, "-c client_min_messages=warning", NULL};
    PGconn *conn = PQconnectdbParams(keys, values, 1);
    if (PQstatus(conn) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(conn));
    return conn;
}

static PGresult *run(PGconn *conn, const char *sql)
{
    PGresult *res = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(res);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s\nin: %.200s", PQerrorMessage(conn), sql);
    return res;
}

static bool have_server(void)
{
    if (getenv("GANGLION_TEST_PG"))
        return true;
    if (getenv("GANGLION_TEST_REQUIRE"))
        fail_msg("GANGLION_TEST_PG is not set");
    print_message("skipped: GANGLION_TEST_PG is not set\n");
    return false;
}

static int set_up(void **state)
{
    if (!have_server())
        return 0;
    admin = connect_to(NULL);
    snprintf(database, sizeof database, "schema_test_%d", (int)getpid());
    char sql[256];
    snprintf(sql, sizeof sql, "CREATE DATABASE %s ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
             database);
    PQclear(run(admin, sql));
    db = connect_to(database);
    for (const struct mx_schema_file *file = mx_schema_files; file->name; file++)
        PQclear(run(db, file->sql));
    return 0;
}

static int tear_down(void **state)
{
    if (!admin)
        return 0;
    PQfinish(db);
    char sql[256];
    snprintf(sql, sizeof sql, "DROP DATABASE %s", database);
    PQclear(run(admin, sql));
    PQfinish(admin);
    return 0;
}

static char *slurp(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", TEST_DATA, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = calloc(1, 200000);
    size_t n = fread(text, 1, 199999, file);
    assert_in_range(n, 1, 199998);
    fclose(file);
    return text;
}

/* The next line of a text, NUL-ended; NULL at its end. */
static char *next_line(char **cursor)
{
    char *line = *cursor;
    if (!*line)
        return NULL;
    char *end = strchr(line, '\n');
    if (!end)
        end = line + strlen(line);
    *cursor = *end ? end + 1 : end;
    *end = 0;
    return line;
}

static void row_text(const PGresult *res, int row, char *out, size_t size)
{
    size_t n = 0;
    for (int i = 0; i < PQnfields(res); i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", i ? "\t" : "", PQgetvalue(res, row, i));
    assert_true(n < size);
}

static void same_catalogue(const char *what)
{
    if (!db)
        skip();
    char name[64], got[2048];
    snprintf(name, sizeof name, "schema-%s.sql", what);
    char *sql = slurp(name);
    PGresult *res = run(db, sql);
    snprintf(name, sizeof name, "schema-%s.tsv", what);
    char *want = slurp(name), *cursor = want;
    next_line(&cursor); /* the header */
    for (int row = 0; row < PQntuples(res); row++) {
        row_text(res, row, got, sizeof got);
        char *line = next_line(&cursor);
        assert_non_null(line);
        assert_string_equal(got, line);
    }
    assert_null(next_line(&cursor));
    PQclear(res);
    free(want);
    free(sql);
}

static void columns(void **state)
{
    same_catalogue("columns");
}
static void constraints(void **state)
{
    same_catalogue("constraints");
}
static void indexes(void **state)
{
    same_catalogue("indexes");
}
static void sequences(void **state)
{
    same_catalogue("sequences");
}
static void other_objects(void **state)
{
    same_catalogue("other");
}

static void deltas(void **state)
{
    if (!db)
        skip();
    PGresult *res = run(db, "SELECT version, file FROM applied_schema_deltas ORDER BY version, file");
    char *want = slurp("schema-deltas.tsv"), *cursor = want, got[256];
    next_line(&cursor);
    assert_int_equal(PQntuples(res), 132);
    for (int row = 0; row < PQntuples(res); row++) {
        row_text(res, row, got, sizeof got);
        assert_string_equal(got, next_line(&cursor));
    }
    PQclear(res);
    free(want);
}

/* "row <table> <SQL values>": the table holds that row; "sequence <name> last_value=.. is_called=..". */
static void check_seed(const char *kind, const char *object, const char *values)
{
    char sql[512];
    if (!strcmp(object, "scheduled_tasks")) /* its time is that of the creation */
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM scheduled_tasks WHERE id = 'delete_old_otks_task' AND "
                 "action = 'delete_old_otks' AND status = 'scheduled' AND timestamp > 1700000000000");
    else if (!strcmp(kind, "row"))
        snprintf(sql, sizeof sql, "SELECT count(*) FROM %s AS t WHERE t IS NOT DISTINCT FROM ROW(%s)::%s", object,
                 values, object);
    else
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM %s WHERE 'last_value=' || last_value || ' is_called=' || is_called = '%s'",
                 object, values);
    PGresult *res = run(db, sql);
    if (strcmp(PQgetvalue(res, 0, 0), "1") != 0)
        fail_msg("%s %s is not (%s)", kind, object, values);
    PQclear(res);
}

static void seed(void **state)
{
    if (!db)
        skip();
    char *want = slurp("schema-seed.tsv"), *cursor = want, *line;
    next_line(&cursor);
    size_t n = 0;
    while ((line = next_line(&cursor))) {
        char *kind = strtok(line, "\t"), *object = strtok(NULL, "\t"), *values = strtok(NULL, "\t");
        check_seed(kind, object, values);
        n++;
    }
    assert_int_equal(n, 40);
    free(want);
}

static bool refused(const char *sql)
{
    PGresult *res = PQexec(db, sql);
    bool failed = PQresultStatus(res) == PGRES_FATAL_ERROR;
    PQclear(res);
    return failed;
}

static void triggers_guard_ordering(void **state)
{
    if (!db)
        skip();
    PQclear(run(db, "BEGIN; INSERT INTO rooms (room_id) VALUES ('!r'); INSERT INTO events (topological_ordering, "
                    "event_id, type, room_id, processed, outlier, stream_ordering) "
                    "VALUES (1, '$e', 't', '!r', true, false, 7); COMMIT"));
    assert_true(refused("INSERT INTO current_state_events (event_id, room_id, type, state_key, event_stream_ordering) "
                        "VALUES ('$e', '!r', 't', '', 8)"));
    assert_false(refused("INSERT INTO current_state_events (event_id, room_id, type, state_key, event_stream_ordering)"
                         " VALUES ('$e', '!r', 't', '', 7)"));
}

static const char *value_of(const char *sql)
{
    static char value[64];
    PGresult *res = run(db, sql);
    snprintf(value, sizeof value, "%s", PQntuples(res) ? PQgetvalue(res, 0, 0) : "none");
    PQclear(res);
    return value;
}

static void read_write_locks(void **state)
{
    if (!db)
        skip();
#define LOCK(write_, token_)                                                                                           \
    "INSERT INTO worker_read_write_locks (lock_name, lock_key, instance_name, write_lock, token, last_renewed_ts) "    \
    "VALUES ('n', 'k', 'i', " write_ ", '" token_ "', 1)"
    const char *mode = "SELECT token FROM worker_read_write_locks_mode WHERE lock_name = 'n' AND lock_key = 'k'";
    PQclear(run(db, LOCK("false", "a")));
    PQclear(run(db, LOCK("false", "b")));
    assert_true(refused(LOCK("true", "c")));
    assert_string_equal(value_of(mode), "a");
    PQclear(run(db, "DELETE FROM worker_read_write_locks WHERE token = 'a'"));
    assert_string_equal(value_of(mode), "b");
    PQclear(run(db, "DELETE FROM worker_read_write_locks WHERE token = 'b'"));
    assert_string_equal(value_of(mode), "none");
    PQclear(run(db, LOCK("true", "c")));
    assert_true(refused(LOCK("true", "d")));
    assert_true(refused(LOCK("false", "e")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns),
        cmocka_unit_test(constraints),
        cmocka_unit_test(indexes),
        cmocka_unit_test(sequences),
        cmocka_unit_test(other_objects),
        cmocka_unit_test(deltas),
        cmocka_unit_test(seed),
        cmocka_unit_test(triggers_guard_ordering),
        cmocka_unit_test(read_write_locks),
    };
    return cmocka_run_group_tests_name("schema", tests, set_up, tear_down);
}
