/* Statements, lanes and transactions against a real PostgreSQL. */
#include "db_test.h"

#include <signal.h>
#include <sys/wait.h>

static struct gg_db *open_db(void)
{
    struct gg_db_options options = {.conninfo = test_conninfo, .statement_timeout_ms = 20000};
    return gg_db_new(&options);
}

static void script(struct gg_db *db, const char *sql)
{
    struct gg_error err = GG_ERROR_INIT;
    assert_ok(gg_db_script(db, sql, &err), err);
}

static int64_t number(struct gg_db *db, const struct gg_stmt *stmt)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_rows *rows;
    struct gg_arena *arena = gg_arena_new();
    assert_ok(gg_db_read(db, stmt, GG_NO_PARAMS, arena, &rows, &err), err);
    assert_int_equal(gg_rows_count(rows), 1);
    int64_t v = gg_rows_i64(rows, 0, 0);
    gg_arena_free(arena);
    return v;
}

/* ---- types ---- */

FIBER_TEST(types)
{
    static const struct gg_stmt echo = {
        "SELECT $1::text, $2::bigint, $3::int, $4::bool, $5::bytea, $6::text[], $7::bigint[], $8::bool[], $9::text,"
        " 1.5::float8, 0.25::float4, sum(x), '{\"a\": 1}'::jsonb, 7::smallint, '{}'::text[], -12345678901234567::numeric"
        " FROM (VALUES (9000000000::bigint), (1)) t(x)",
        0};
    struct gg_db *db = open_db();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    struct gg_str texts[] = {GG_STR("a"), {NULL, 0}, GG_STR(""), GG_STR("\xc3\xa9,{\"}")};
    int64_t i64s[] = {INT64_MAX, -1, GG_NULL_I64};
    bool bools[] = {true, false};
    assert_ok(gg_db_read(db, &echo,
                         GG_PARAMS(gg_p_text("h\xc3\xa9llo"), gg_p_i64(-5000000000), gg_p_i32(-7), gg_p_bool(true),
                                   gg_p_bytes(gg_strn("\0\1\xff", 3)), gg_p_texts(texts, 4), gg_p_i64s(i64s, 3),
                                   gg_p_bools(bools, 2), gg_p_null()),
                         arena, &rows, &err),
              err);
    assert_string_equal(gg_rows_str(rows, 0, 0).s, "h\xc3\xa9llo");
    assert_true(gg_rows_i64(rows, 0, 1) == -5000000000);
    assert_int_equal(gg_rows_i64(rows, 0, 2), -7);
    assert_true(gg_rows_bool(rows, 0, 3));
    assert_int_equal(gg_rows_str(rows, 0, 4).n, 3);
    assert_memory_equal(gg_rows_str(rows, 0, 4).s, "\0\1\xff", 3);
    size_t n;
    struct gg_str *got = gg_rows_texts(rows, 0, 5, arena, &n);
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++) {
        assert_true((got[i].s == NULL) == (texts[i].s == NULL));
        assert_true(gg_str_eq(got[i], texts[i]));
    }
    int64_t *numbers = gg_rows_i64s(rows, 0, 6, arena, &n);
    assert_int_equal(n, 3);
    assert_memory_equal(numbers, i64s, sizeof(i64s));
    assert_true(gg_rows_null(rows, 0, 8));
    assert_null(gg_rows_str(rows, 0, 8).s);
    assert_true(gg_rows_double(rows, 0, 9) == 1.5);
    assert_true(gg_rows_double(rows, 0, 10) == 0.25);
    assert_true(gg_rows_i64(rows, 0, 11) == 9000000001);
    assert_string_equal(gg_rows_str(rows, 0, 12).s, "{\"a\": 1}");
    assert_int_equal(gg_rows_i64(rows, 0, 13), 7);
    assert_non_null(gg_rows_texts(rows, 0, 14, arena, &n));
    assert_int_equal(n, 0);
    assert_true(gg_rows_i64(rows, 0, 15) == -12345678901234567);
    gg_arena_free(arena);
    gg_db_free(db);
}

/* A NULL says nothing of its type: each later call may know more. */
FIBER_TEST(null_then_value)
{
    static const struct gg_stmt make = {"CREATE TABLE nulls (a text, b int)", 0};
    static const struct gg_stmt insert = {"INSERT INTO nulls VALUES ($1, $2)", 0};
    static const struct gg_stmt count = {"SELECT count(a) * 10 + sum(b) FROM nulls", 0};
    struct gg_db *db = open_db();
    struct gg_error err = GG_ERROR_INIT;
    assert_ok(gg_db_write(db, &make, GG_NO_PARAMS, NULL, NULL, &err), err);
    assert_ok(gg_db_write(db, &insert, GG_PARAMS(gg_p_null(), gg_p_null()), NULL, NULL, &err), err);
    assert_ok(gg_db_write(db, &insert, GG_PARAMS(gg_p_text("x"), gg_p_null()), NULL, NULL, &err), err);
    assert_ok(gg_db_write(db, &insert, GG_PARAMS(gg_p_null(), gg_p_i64(3)), NULL, NULL, &err), err);
    assert_ok(gg_db_write(db, &insert, GG_PARAMS(gg_p_null(), gg_p_i32(4)), NULL, NULL, &err), err);
    assert_ok(gg_db_write(db, &insert, GG_PARAMS(gg_p_text("y"), gg_p_i32(5)), NULL, NULL, &err), err);
    assert_int_equal(number(db, &count), 32);
    gg_db_free(db);
}

/* ---- errors ---- */

FIBER_TEST(errors)
{
    static const struct gg_stmt make = {"CREATE TABLE once (a int PRIMARY KEY)", 0};
    static const struct gg_stmt insert = {"INSERT INTO once VALUES ($1)", 0};
    static const struct gg_stmt syntax = {"SELEC 1", 0}, zero = {"SELECT 1/$1::int", 0};
    static const struct gg_stmt write_on_lane = {"INSERT INTO once VALUES (77) RETURNING a", 0};
    static const struct gg_stmt text = {"SELECT $1::text", 0};
    struct gg_db *db = open_db();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    assert_ok(gg_db_write(db, &make, GG_NO_PARAMS, NULL, NULL, &err), err);
    assert_ok(gg_db_write(db, &insert, GG_PARAMS(gg_p_i32(1)), arena, &rows, &err), err);
    assert_int_equal(gg_rows_affected(rows), 1);
    assert_string_equal(gg_db_sqlstate(), "");
    assert_int_equal(gg_db_write(db, &insert, GG_PARAMS(gg_p_i32(1)), NULL, NULL, &err), GG_E_CONFLICT);
    assert_string_equal(gg_db_sqlstate(), "23505");
    assert_int_equal(err.http_status, 500);
    assert_int_equal(gg_db_read(db, &syntax, GG_NO_PARAMS, arena, &rows, &err), GG_E_INTERNAL);
    assert_string_equal(gg_db_sqlstate(), "42601");
    assert_int_equal(gg_db_read(db, &syntax, GG_NO_PARAMS, arena, &rows, &err), GG_E_INTERNAL); /* was not prepared */
    assert_int_equal(gg_db_read(db, &zero, GG_PARAMS(gg_p_i32(0)), arena, &rows, &err), GG_E_INVALID);
    assert_string_equal(gg_db_sqlstate(), "22012");
    assert_int_equal(gg_db_read(db, &write_on_lane, GG_NO_PARAMS, arena, &rows, &err), GG_E_UNAVAILABLE);
    assert_string_equal(gg_db_sqlstate(), "25006");
    assert_int_equal(gg_db_read(db, &text, GG_PARAMS(gg_p_str(gg_strn("a\0b", 3))), arena, &rows, &err), GG_E_INVALID);
    assert_ok(gg_db_read(db, &zero, GG_PARAMS(gg_p_i32(1)), arena, &rows, &err), err);
    assert_string_equal(gg_db_sqlstate(), "");
    gg_arena_free(arena);
    gg_db_free(db);
}

/* ---- many fibers ---- */

struct many {
    struct gg_db *db;
    int index, rounds;
    int *bad, *left;
};

static void divide_main(void *arg)
{
    static const struct gg_stmt divide = {"SELECT 100 / $1::int", 0};
    struct many *m = arg;
    for (int i = 0; i < m->rounds; i++) {
        int by = (m->index + i) % 5;
        struct gg_error err = GG_ERROR_INIT;
        struct gg_arena *arena = gg_arena_new();
        struct gg_rows *rows;
        int rc = gg_db_read(m->db, &divide, GG_PARAMS(gg_p_i32(by)), arena, &rows, &err);
        bool good = by ? rc == 0 && gg_rows_i64(rows, 0, 0) == 100 / by
                       : rc == GG_E_INVALID && strcmp(gg_db_sqlstate(), "22012") == 0;
        *m->bad += good ? 0 : 1;
        gg_arena_free(arena);
    }
    --*m->left;
}

static void many_fibers(gg_fiber_fn *fn, struct gg_db *db, int n, int rounds, int *bad)
{
    int left = n;
    *bad = 0;
    struct many *many = calloc((size_t)n, sizeof(*many));
    struct gg_scope *scope = gg_scope_new(NULL, "many");
    for (int i = 0; i < n; i++) {
        many[i] = (struct many){db, i, rounds, bad, &left};
        assert_non_null(gg_spawn(scope, "one", fn, &many[i]));
    }
    assert_int_equal(gg_scope_join(scope, gg_deadline(60000)), 0);
    gg_scope_end(scope);
    assert_int_equal(left, 0);
    free(many);
}

FIBER_TEST(errors_stay_alone)
{
    struct gg_db *db = open_db();
    int bad;
    many_fibers(divide_main, db, 100, 50, &bad);
    assert_int_equal(bad, 0);
    gg_db_free(db);
}

static void echo_main(void *arg)
{
    static const struct gg_stmt echo = {"SELECT $1::int * 2, repeat('x', $1::int)", 0};
    struct many *m = arg;
    for (int i = 0; i < m->rounds; i++) {
        int value = (m->index * 7 + i) % 3000;
        struct gg_error err = GG_ERROR_INIT;
        struct gg_arena *arena = gg_arena_new();
        struct gg_rows *rows;
        int rc = gg_db_read(m->db, &echo, GG_PARAMS(gg_p_i32(value)), arena, &rows, &err);
        if (rc || gg_rows_i64(rows, 0, 0) != value * 2 || gg_rows_str(rows, 0, 1).n != (size_t)value)
            ++*m->bad;
        gg_arena_free(arena);
    }
    --*m->left;
}

FIBER_TEST(thousand_fibers)
{
    struct gg_db *db = open_db();
    int bad;
    many_fibers(echo_main, db, 1000, 10, &bad);
    assert_int_equal(bad, 0);
    many_fibers(echo_main, db, 3000, 2, &bad); /* more than the lanes take at once */
    assert_int_equal(bad, 0);
    gg_db_free(db);
}

/* ---- reads that ask the same ---- */

struct twin {
    struct gg_db *db;
    int64_t value;
    int rc;
    char when[64];
    bool ended;
};

static void twin_main(void *arg)
{
    static const struct gg_stmt stmt = {"SELECT clock_timestamp()::text || '/' || $1, 10 / $1 FROM pg_sleep(0.001)", 0};
    struct twin *t = arg;
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    t->rc = gg_db_read(t->db, &stmt, GG_PARAMS(gg_p_i64(t->value)), arena, &rows, &err);
    if (t->rc == 0)
        snprintf(t->when, sizeof(t->when), "%s", gg_rows_str(rows, 0, 0).s);
    gg_arena_free(arena);
    t->ended = true;
}

enum { TWINS = 12 };

static void ask_twins(struct gg_db *db, struct twin *t, int64_t odd_value, int cancelled)
{
    struct gg_fiber *fibers[TWINS];
    memset(t, 0, TWINS * sizeof(*t));
    for (int i = 0; i < TWINS; i++) {
        t[i].db = db;
        t[i].value = i % 2 ? odd_value : 2;
        fibers[i] = gg_spawn_joinable(NULL, "twin", twin_main, &t[i]);
    }
    if (cancelled >= 0) {
        gg_yield(); /* all have asked, nothing is sent */
        gg_cancel(fibers[cancelled]);
    }
    for (int i = 0; i < TWINS; i++)
        assert_int_equal(gg_join(fibers[i], gg_deadline(10000)), 0);
}

/* What is asked in one turn is asked once; what is asked later is asked again; other questions are others. */
FIBER_TEST(twins)
{
    struct gg_db *db = open_db();
    struct twin t[TWINS], later[TWINS];
    ask_twins(db, t, 5, -1); /* connects */
    for (int cancelled = -1; cancelled < 4; cancelled++) {
        int even = cancelled == 0 ? 2 : 0, odd = cancelled == 1 ? 3 : 1;
        ask_twins(db, t, 5, cancelled);
        ask_twins(db, later, 5, -1);
        for (int i = 0; i < TWINS; i++) {
            assert_int_equal(t[i].rc, i == cancelled ? GG_E_CANCELLED : 0);
            assert_int_equal(later[i].rc, 0);
            if (i != cancelled && cancelled != 0 && cancelled != 1) /* who goes first leaves each to ask for itself */
                assert_string_equal(t[i].when, t[i % 2 ? odd : even].when);
            assert_string_not_equal(later[i].when, t[i].when);
        }
        assert_string_not_equal(t[even].when, t[odd].when);
    }
    gg_db_free(db);
}

/* An error is that of all who asked so, and of nobody else. */
FIBER_TEST(twins_fail_together)
{
    struct gg_db *db = open_db();
    struct twin t[TWINS];
    for (int round = 0; round < 3; round++) {
        ask_twins(db, t, 0, -1);
        for (int i = 0; i < TWINS; i++)
            assert_true((t[i].rc == 0) == (i % 2 == 0));
    }
    gg_db_free(db);
}

static void big_main(void *arg)
{
    static const struct gg_stmt echo = {"SELECT $1::bytea", 0};
    struct many *m = arg;
    size_t size = 3000000;
    char *data = malloc(size);
    memset(data, 'a' + m->index, size);
    for (int i = 0; i < m->rounds; i++) {
        struct gg_error err = GG_ERROR_INIT;
        struct gg_arena *arena = gg_arena_new();
        struct gg_rows *rows;
        int rc = gg_db_read(m->db, &echo, GG_PARAMS(gg_p_bytes(gg_strn(data, size))), arena, &rows, &err);
        if (rc || gg_rows_str(rows, 0, 0).n != size || memcmp(gg_rows_str(rows, 0, 0).s, data, size) != 0)
            ++*m->bad;
        gg_arena_free(arena);
    }
    free(data);
    --*m->left;
}

/* Both directions full at once: nothing may block, nothing may be lost. */
FIBER_TEST(large_values)
{
    struct gg_db *db = open_db();
    int bad;
    many_fibers(big_main, db, 8, 2, &bad);
    assert_int_equal(bad, 0);
    gg_db_free(db);
}

static void write_main(void *arg)
{
    static const struct gg_stmt insert = {"INSERT INTO writes VALUES ($1, $2)", 0};
    struct many *m = arg;
    for (int i = 0; i < m->rounds; i++) {
        struct gg_error err = GG_ERROR_INIT;
        bool twice = i % 3 == 2; /* breaks the key */
        int rc = gg_db_write(m->db, &insert, GG_PARAMS(gg_p_i32(m->index), gg_p_i32(twice ? i - 1 : i)), NULL, NULL,
                             &err);
        if (rc != (twice ? GG_E_CONFLICT : 0))
            ++*m->bad;
    }
    --*m->left;
}

FIBER_TEST(single_writes)
{
    static const struct gg_stmt count = {"SELECT count(*) FROM writes", 0};
    struct gg_db *db = open_db();
    int bad;
    script(db, "CREATE TABLE writes (a int, b int, PRIMARY KEY (a, b))");
    many_fibers(write_main, db, 200, 9, &bad);
    assert_int_equal(bad, 0);
    assert_int_equal(number(db, &count), 200 * 6);
    gg_db_free(db);
}

/* The commit of a single write can fail after the statement itself went well. */
FIBER_TEST(error_at_commit)
{
    static const struct gg_stmt insert = {"INSERT INTO child VALUES ($1)", 0};
    struct gg_db *db = open_db();
    struct gg_error err = GG_ERROR_INIT;
    script(db, "CREATE TABLE parent (a int PRIMARY KEY); INSERT INTO parent VALUES (1);"
               "CREATE TABLE child (a int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)");
    assert_int_equal(gg_db_write(db, &insert, GG_PARAMS(gg_p_i32(2)), NULL, NULL, &err), GG_E_CONFLICT);
    assert_string_equal(gg_db_sqlstate(), "23503");
    assert_ok(gg_db_write(db, &insert, GG_PARAMS(gg_p_i32(1)), NULL, NULL, &err), err);
    gg_db_free(db);
}

/* ---- leaving early ---- */

static void sleeper_main(void *arg)
{
    static const struct gg_stmt nap = {"SELECT pg_sleep(0.5)", 0};
    struct many *m = arg;
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    *m->bad = gg_db_read(m->db, &nap, GG_NO_PARAMS, arena, &rows, &err);
    gg_arena_free(arena);
}

FIBER_TEST(cancelling)
{
    static const struct gg_stmt one = {"SELECT 1", 0};
    struct gg_db *db = open_db();
    assert_int_equal(number(db, &one), 1);
    int code = 1;
    struct many m = {db, 0, 1, &code, NULL};
    struct gg_fiber *fiber = gg_spawn_joinable(NULL, "sleeper", sleeper_main, &m);
    gg_sleep(50);
    int64_t began = gg_now_ms();
    gg_cancel(fiber);
    assert_int_equal(gg_join(fiber, gg_deadline(5000)), 0);
    assert_int_equal(code, GG_E_CANCELLED);
    gg_yield();
    assert_true(gg_now_ms() - began < 200);
    assert_int_equal(number(db, &one), 1);
    gg_db_free(db); /* drains what was left behind */
}

FIBER_TEST(deadlines)
{
    static const struct gg_stmt nap = {"SELECT pg_sleep(0.5)", GG_LANE_SCAN}, one = {"SELECT 1", 0};
    struct gg_db *db = open_db();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    assert_int_equal(number(db, &one), 1);
    int64_t began = gg_now_ms(), old = gg_set_deadline(gg_deadline(100));
    assert_int_equal(gg_db_read(db, &nap, GG_NO_PARAMS, arena, &rows, &err), GG_E_TIMEOUT);
    gg_set_deadline(old);
    assert_in_range(gg_now_ms() - began, 90, 400);
    assert_int_equal(number(db, &one), 1);
    gg_arena_free(arena);
    gg_db_free(db);
}

FIBER_TEST(statement_timeout)
{
    static const struct gg_stmt nap = {"SELECT pg_sleep(5)", 0};
    struct gg_db_options options = {.conninfo = test_conninfo, .statement_timeout_ms = 100};
    struct gg_db *db = gg_db_new(&options);
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    assert_int_equal(gg_db_read(db, &nap, GG_NO_PARAMS, arena, &rows, &err), GG_E_TIMEOUT);
    assert_string_equal(gg_db_sqlstate(), "57014");
    gg_arena_free(arena);
    gg_db_free(db);
}

/* ---- transactions ---- */

static const struct gg_stmt t_insert = {"INSERT INTO t VALUES ($1)", 0};
static const struct gg_stmt t_count = {"SELECT count(*) FROM t", 0};

struct t_job {
    int mode, runs;
    int64_t seen;
};

static int t_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct t_job *job = arg;
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows, *later;
    int rc = 0;
    job->runs++;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = gg_txn_queue(txn, &t_insert, GG_PARAMS(gg_p_i32(job->mode * 10 + i)), err);
    if (rc == 0 && job->mode == 1) {
        rc = gg_txn_queue_rows(txn, &t_count, GG_NO_PARAMS, arena, &later, err);
        if (rc == 0)
            rc = gg_txn_exec(txn, &t_count, GG_NO_PARAMS, arena, &rows, err);
        if (rc == 0)
            job->seen = gg_rows_i64(rows, 0, 0) * 100 + gg_rows_i64(later, 0, 0);
    }
    if (rc == 0 && job->mode == 2)
        rc = gg_fail(err, GG_E_FORBIDDEN, "changed my mind");
    if (rc == 0 && job->mode == 3)
        rc = gg_txn_queue(txn, &t_insert, GG_PARAMS(gg_p_i32(10)), err); /* breaks the key, found by COMMIT */
    gg_arena_free(arena);
    return rc;
}

static int empty_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    return 0;
}

FIBER_TEST(transactions)
{
    struct gg_db *db = open_db();
    struct gg_error err = GG_ERROR_INIT;
    script(db, "CREATE TABLE t (a int PRIMARY KEY)");
    struct t_job job = {.mode = 1};
    assert_ok(gg_db_txn(db, "one", 0, t_body, &job, &err), err);
    assert_int_equal(job.seen, 303);
    job.mode = 2;
    assert_int_equal(gg_db_txn(db, "two", 0, t_body, &job, &err), GG_E_FORBIDDEN);
    assert_string_equal(err.message, "changed my mind");
    assert_int_equal(number(db, &t_count), 3);
    job = (struct t_job){.mode = 3};
    assert_int_equal(gg_db_txn(db, "three", 0, t_body, &job, &err), GG_E_CONFLICT);
    assert_string_equal(gg_db_sqlstate(), "23505");
    assert_int_equal(job.runs, 1);
    assert_int_equal(number(db, &t_count), 3);
    job.mode = 4;
    assert_ok(gg_db_txn(db, "four", GG_TXN_READ_COMMITTED, t_body, &job, &err), err);
    assert_int_equal(number(db, &t_count), 6);
    job = (struct t_job){.mode = 5};
    assert_int_equal(gg_db_txn(db, "five", GG_TXN_READ_ONLY, t_body, &job, &err), GG_E_UNAVAILABLE);
    assert_int_equal(job.runs, 1);
    assert_string_equal(gg_db_sqlstate(), "25006");
    assert_ok(gg_db_txn(db, "empty", 0, empty_body, NULL, &err), err);
    assert_int_equal(number(db, &t_count), 6);
    gg_db_free(db);
}

static int isolation_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt show = {"SELECT current_setting('transaction_isolation')", 0};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_txn_exec(txn, &show, GG_NO_PARAMS, arena, &rows, err);
    if (rc == 0)
        snprintf(arg, 40, "%s", gg_rows_str(rows, 0, 0).s);
    gg_arena_free(arena);
    return rc;
}

FIBER_TEST(isolation)
{
    static const struct gg_stmt show = {"SELECT current_setting('transaction_isolation')", 0};
    struct gg_db *db = open_db();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    char text[40];
    assert_ok(gg_db_txn(db, "rr", 0, isolation_body, text, &err), err);
    assert_string_equal(text, "repeatable read");
    assert_ok(gg_db_txn(db, "rc", GG_TXN_READ_COMMITTED, isolation_body, text, &err), err);
    assert_string_equal(text, "read committed");
    assert_ok(gg_db_write(db, &show, GG_NO_PARAMS, arena, &rows, &err), err);
    assert_string_equal(gg_rows_str(rows, 0, 0).s, "read committed");
    gg_arena_free(arena);
    gg_db_free(db);
}

/* Read, think, write: without retries these would fail under REPEATABLE READ. */
static int add_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt get = {"SELECT v FROM counter WHERE id = $1", 0};
    static const struct gg_stmt set = {"UPDATE counter SET v = $2 WHERE id = $1", 0};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    ++*(int *)arg;
    int rc = gg_txn_exec(txn, &get, GG_PARAMS(gg_p_i32(1)), arena, &rows, err);
    if (rc == 0)
        rc = gg_txn_queue(txn, &set, GG_PARAMS(gg_p_i32(1), gg_p_i64(gg_rows_i64(rows, 0, 0) + 1)), err);
    gg_arena_free(arena);
    return rc;
}

static void add_main(void *arg)
{
    struct many *m = arg;
    for (int i = 0; i < m->rounds; i++) {
        int runs = 0;
        struct gg_error err = GG_ERROR_INIT;
        int rc = gg_db_txn(m->db, "add", 0, add_body, &runs, &err);
        if (rc == 0)
            *m->bad += 1; /* counts successes */
        else if (rc != GG_E_CONFLICT || strcmp(gg_db_sqlstate(), "40001") != 0 || runs != 5)
            *m->bad += 1000000;
    }
    --*m->left;
}

FIBER_TEST(serialization)
{
    static const struct gg_stmt value = {"SELECT v FROM counter", 0};
    struct gg_db *db = open_db();
    script(db, "CREATE TABLE counter (id int PRIMARY KEY, v bigint); INSERT INTO counter VALUES (1, 0)");
    int good;
    many_fibers(add_main, db, 3, 20, &good);
    assert_in_range(good, 40, 60);
    assert_int_equal(number(db, &value), good); /* none twice, none lost */
    many_fibers(add_main, db, 1, 5, &good);
    assert_int_equal(good, 5);
    gg_db_free(db);
}

static int cross_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt bump = {"UPDATE crossed SET v = v + 1 WHERE id = $1", 0};
    int first = *(int *)arg;
    int rc = gg_txn_exec(txn, &bump, GG_PARAMS(gg_p_i32(first)), NULL, NULL, err);
    gg_sleep(50);
    return rc ? rc : gg_txn_queue(txn, &bump, GG_PARAMS(gg_p_i32(3 - first)), err);
}

static void cross_main(void *arg)
{
    struct many *m = arg;
    struct gg_error err = GG_ERROR_INIT;
    int first = 1 + m->index;
    if (gg_db_txn(m->db, "cross", GG_TXN_READ_COMMITTED, cross_body, &first, &err))
        ++*m->bad;
    --*m->left;
}

FIBER_TEST(deadlock)
{
    static const struct gg_stmt sum = {"SELECT sum(v) FROM crossed", 0};
    struct gg_db *db = open_db();
    script(db, "CREATE TABLE crossed (id int PRIMARY KEY, v int); INSERT INTO crossed VALUES (1, 0), (2, 0)");
    int bad;
    many_fibers(cross_main, db, 2, 1, &bad);
    assert_int_equal(bad, 0);
    assert_int_equal(number(db, &sum), 4);
    gg_db_free(db);
}

/* More transactions than connections: they wait their turn, in order. */
static int slow_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt nap = {"SELECT pg_sleep(0.005)", 0};
    struct many *m = arg;
    if (*m->bad >= 0 && m->index < *m->bad)
        *m->bad = -1000;
    return gg_txn_exec(txn, &nap, GG_NO_PARAMS, NULL, NULL, err);
}

static void slow_main(void *arg)
{
    struct many *m = arg;
    struct gg_error err = GG_ERROR_INIT;
    if (gg_db_txn(m->db, "slow", 0, slow_body, m, &err))
        *m->bad = -1000;
    --*m->left;
}

FIBER_TEST(pool_is_bounded)
{
    static const struct gg_stmt mine = {"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()", 0};
    struct gg_db_options options = {.conninfo = test_conninfo, .max_connections = 4, .lanes = 1};
    struct gg_db *db = gg_db_new(&options);
    int bad;
    many_fibers(slow_main, db, 100, 1, &bad);
    assert_int_equal(bad, 0);
    assert_in_range(number(db, &mine), 1, 5);
    gg_db_free(db);
}

/* ---- bugs are found ---- */

static int lane_in_txn_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    return gg_db_read(gg_txn_db(txn), &t_count, GG_NO_PARAMS, arena, &rows, err);
}

static void lane_in_txn_main(void *arg)
{
    struct gg_db *db = open_db();
    struct gg_error err = GG_ERROR_INIT;
    (void)!gg_db_txn(db, "wrong", 0, lane_in_txn_body, NULL, &err);
}

static void test_lane_in_txn(void **state)
{
    if (!test_have_server)
        skip();
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        signal(SIGABRT, SIG_DFL);
        gg_loop_run(NULL, lane_in_txn_main, NULL);
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* ---- scripts, checking ---- */

FIBER_TEST(scripts)
{
    static const struct gg_stmt count = {"SELECT count(*) FROM scripted", 0};
    struct gg_db *db = open_db();
    struct gg_error err = GG_ERROR_INIT;
    assert_ok(gg_db_check(db, &err), err);
    script(db, "CREATE TABLE scripted (a int); INSERT INTO scripted SELECT generate_series(1, 10);"
               "DO $$ BEGIN PERFORM 1; END $$; SELECT * FROM scripted");
    assert_int_equal(gg_db_script(db, "INSERT INTO scripted VALUES (1); SELECT nonsense", &err), GG_E_INTERNAL);
    assert_string_equal(gg_db_sqlstate(), "42703");
    assert_int_equal(number(db, &count), 10);
    assert_int_equal(gg_db_script(db, "COPY scripted TO STDOUT", &err), GG_E_INVALID);
    gg_db_free(db);
    struct gg_db_options wrong = {.conninfo = "nonsense=1"};
    db = gg_db_new(&wrong);
    assert_int_equal(gg_db_check(db, &err), GG_E_INVALID);
    gg_db_free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),          cmocka_unit_test(test_null_then_value),
        cmocka_unit_test(test_twins),          cmocka_unit_test(test_twins_fail_together),
        cmocka_unit_test(test_errors),         cmocka_unit_test(test_errors_stay_alone),
        cmocka_unit_test(test_thousand_fibers), cmocka_unit_test(test_large_values),
        cmocka_unit_test(test_single_writes),  cmocka_unit_test(test_error_at_commit),
        cmocka_unit_test(test_cancelling),     cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_statement_timeout), cmocka_unit_test(test_transactions),
        cmocka_unit_test(test_isolation),      cmocka_unit_test(test_serialization),
        cmocka_unit_test(test_deadlock),       cmocka_unit_test(test_pool_is_bounded),
        cmocka_unit_test(test_lane_in_txn),    cmocka_unit_test(test_scripts),
    };
    return cmocka_run_group_tests(tests, database_up, database_down);
}
