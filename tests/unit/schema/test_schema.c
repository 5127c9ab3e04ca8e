/* Makes a database from the files of matrix/schema and compares its catalogue, row by row, with what was measured on
 * Synapse (tests/data/schema-*.tsv; the queries that give the same form are beside them). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ganglion/base.h>

#include "../schema_db.h"

static struct schema_db test;

static int set_up(void **state)
{
    schema_db_make(&test, "schema_test");
    return 0;
}

static int tear_down(void **state)
{
    schema_db_drop(&test);
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
    if (!test.db)
        skip();
    char name[64], got[2048];
    snprintf(name, sizeof name, "schema-%s.sql", what);
    char *sql = slurp(name);
    PGresult *res = schema_db_run(test.db, sql);
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
    if (!test.db)
        skip();
    PGresult *res = schema_db_run(test.db, "SELECT version, file FROM applied_schema_deltas ORDER BY version, file");
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
    PGresult *res = schema_db_run(test.db, sql);
    if (strcmp(PQgetvalue(res, 0, 0), "1") != 0)
        fail_msg("%s %s is not (%s)", kind, object, values);
    PQclear(res);
}

static void seed(void **state)
{
    if (!test.db)
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
    PGresult *res = PQexec(test.db, sql);
    bool failed = PQresultStatus(res) == PGRES_FATAL_ERROR;
    PQclear(res);
    return failed;
}

static void triggers_guard_ordering(void **state)
{
    if (!test.db)
        skip();
    PQclear(schema_db_run(test.db,
                          "BEGIN; INSERT INTO rooms (room_id) VALUES ('!r'); INSERT INTO events (topological_ordering, "
                          "event_id, type, room_id, processed, outlier, stream_ordering) "
                          "VALUES (1, '$e', 't', '!r', true, false, 7); COMMIT"));
    assert_true(refused("INSERT INTO current_state_events (event_id, room_id, type, state_key, event_stream_ordering) "
                        "VALUES ('$e', '!r', 't', '', 8)"));
    assert_false(refused("INSERT INTO current_state_events (event_id, room_id, type, state_key, event_stream_ordering)"
                         " VALUES ('$e', '!r', 't', '', 7)"));
}

static void read_write_locks(void **state)
{
    if (!test.db)
        skip();
#define LOCK(write_, token_)                                                                                           \
    "INSERT INTO worker_read_write_locks (lock_name, lock_key, instance_name, write_lock, token, last_renewed_ts) "    \
    "VALUES ('n', 'k', 'i', " write_ ", '" token_ "', 1)"
    const char *mode = "SELECT token FROM worker_read_write_locks_mode WHERE lock_name = 'n' AND lock_key = 'k'";
    PQclear(schema_db_run(test.db, LOCK("false", "a")));
    PQclear(schema_db_run(test.db, LOCK("false", "b")));
    assert_true(refused(LOCK("true", "c")));
    assert_string_equal(schema_db_value(test.db, mode), "a");
    PQclear(schema_db_run(test.db, "DELETE FROM worker_read_write_locks WHERE token = 'a'"));
    assert_string_equal(schema_db_value(test.db, mode), "b");
    PQclear(schema_db_run(test.db, "DELETE FROM worker_read_write_locks WHERE token = 'b'"));
    assert_string_equal(schema_db_value(test.db, mode), "none");
    PQclear(schema_db_run(test.db, LOCK("true", "c")));
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
