/* What becomes of statements when connections break: nothing hangs, nothing is
 * done twice, what cannot be known is said to be in doubt, and all heals. */
#include "db_test.h"

#include "pg_proxy.h"

static struct pg_proxy proxy;

static struct gg_db *open_through_proxy(int64_t statement_timeout_ms)
{
    static char conninfo[600];
    snprintf(conninfo, sizeof(conninfo), "%s host=127.0.0.1 port=%d sslmode=disable", test_conninfo, proxy.port);
    struct gg_db_options options = {.conninfo = conninfo, .statement_timeout_ms = statement_timeout_ms};
    return gg_db_new(&options);
}

static struct gg_db *open_db(void)
{
    struct gg_db_options options = {.conninfo = test_conninfo, .application_name = "victim"};
    return gg_db_new(&options);
}

static int read_number(struct gg_db *db, const struct gg_stmt *stmt, int64_t *out, struct gg_error *err)
{
    struct gg_rows *rows;
    struct gg_arena *arena = gg_arena_new();
    int rc = gg_db_read(db, stmt, GG_NO_PARAMS, arena, &rows, err);
    if (rc == 0)
        *out = gg_rows_i64(rows, 0, 0);
    gg_arena_free(arena);
    return rc;
}

static int64_t number(struct gg_db *db, const struct gg_stmt *stmt)
{
    struct gg_error err = GG_ERROR_INIT;
    int64_t v = -1;
    assert_ok(read_number(db, stmt, &v, &err), err);
    return v;
}

static void script(struct gg_db *db, const char *sql)
{
    struct gg_error err = GG_ERROR_INIT;
    assert_ok(gg_db_script(db, sql, &err), err);
}

static void kill_victims(struct gg_db *other)
{
    script(other, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'");
}

static const struct gg_stmt one = {"SELECT 1", 0};

/* ---- killed connections ---- */

struct crowd {
    struct gg_db *db;
    int left, good, bad;
    int64_t until;
    int64_t next_key;
    int64_t written, in_doubt;
};

static void crowd_read(void *arg)
{
    static const struct gg_stmt nap = {"SELECT 7 FROM pg_sleep(0.001)", 0};
    struct crowd *c = arg;
    while (gg_now_ms() < c->until) {
        struct gg_error err = GG_ERROR_INIT;
        int64_t v = 0;
        if (read_number(c->db, &nap, &v, &err) || v != 7)
            c->bad++;
        else
            c->good++;
    }
    c->left--;
}

static void crowd_write(void *arg)
{
    static const struct gg_stmt insert = {"INSERT INTO kept VALUES ($1, (SELECT 'x' FROM pg_sleep(0.002)))", 0};
    struct crowd *c = arg;
    while (gg_now_ms() < c->until) {
        struct gg_error err = GG_ERROR_INIT;
        int64_t key = c->next_key++;
        int rc = gg_db_write(c->db, &insert, GG_PARAMS(gg_p_i64(key)), NULL, NULL, &err);
        if (rc == 0)
            c->written++;
        else if (rc == GG_E_IN_DOUBT)
            c->in_doubt++;
        else
            c->bad++; /* also "unique violation": the sign of a statement run twice */
    }
    c->left--;
}

static int keep_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt insert = {"INSERT INTO kept VALUES ($1, 't')", 0};
    static const struct gg_stmt nap = {"SELECT pg_sleep(0.003)", 0};
    int64_t key = *(int64_t *)arg;
    int rc = gg_txn_exec(txn, &insert, GG_PARAMS(gg_p_i64(key)), NULL, NULL, err);
    return rc ? rc : gg_txn_exec(txn, &nap, GG_NO_PARAMS, NULL, NULL, err);
}

static void crowd_txn(void *arg)
{
    struct crowd *c = arg;
    while (gg_now_ms() < c->until) {
        struct gg_error err = GG_ERROR_INIT;
        int64_t key = c->next_key++;
        int rc = gg_db_txn(c->db, "keep", 0, keep_body, &key, &err);
        if (rc == 0)
            c->written++;
        else if (rc == GG_E_IN_DOUBT)
            c->in_doubt++;
        else
            c->bad++;
    }
    c->left--;
}

static void run_crowd(struct crowd *c, gg_fiber_fn *fn, int n)
{
    struct gg_db *other_db = NULL;
    struct gg_db_options options = {.conninfo = test_conninfo};
    other_db = gg_db_new(&options);
    c->left = n;
    c->until = gg_deadline(1200);
    for (int i = 0; i < n; i++)
        assert_non_null(gg_spawn(NULL, "crowd", fn, c));
    for (int i = 0; i < 4; i++) {
        gg_sleep(200);
        kill_victims(other_db);
    }
    for (int i = 0; i < 1000 && c->left; i++)
        gg_sleep(20);
    assert_int_equal(c->left, 0);
    gg_db_free(other_db);
}

FIBER_TEST(reads_survive_kills)
{
    struct crowd c = {.db = open_db()};
    run_crowd(&c, crowd_read, 30);
    assert_int_equal(c.bad, 0);
    assert_true(c.good > 100);
    gg_db_free(c.db);
}

FIBER_TEST(writes_once_under_kills)
{
    static const struct gg_stmt count = {"SELECT count(*) FROM kept", 0};
    struct crowd c = {.db = open_db()};
    script(c.db, "CREATE TABLE kept (k bigint PRIMARY KEY, v text)");
    run_crowd(&c, crowd_write, 30);
    assert_int_equal(c.bad, 0);
    assert_true(c.written > 10); /* under emulation, too */
    assert_in_range(number(c.db, &count), c.written, c.written + c.in_doubt);
    gg_db_free(c.db);
}

FIBER_TEST(transactions_once_under_kills)
{
    static const struct gg_stmt count = {"SELECT count(*) FROM kept", 0};
    struct crowd c = {.db = open_db()};
    script(c.db, "TRUNCATE kept");
    run_crowd(&c, crowd_txn, 15);
    assert_int_equal(c.bad, 0);
    assert_true(c.written > 10); /* under emulation, too */
    assert_in_range(number(c.db, &count), c.written, c.written + c.in_doubt);
    gg_db_free(c.db);
}

/* ---- the moment of COMMIT ---- */

static int insert_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt insert = {"INSERT INTO doubt VALUES ($1)", 0};
    return gg_txn_queue(txn, &insert, GG_PARAMS(gg_p_i64(*(int64_t *)arg)), err);
}

FIBER_TEST(commit_in_doubt)
{
    static const struct gg_stmt count = {"SELECT count(*) FROM doubt", 0};
    struct gg_db *db = open_through_proxy(10000);
    struct gg_error err = GG_ERROR_INIT;
    int64_t key = 1;
    script(db, "CREATE TABLE doubt (k bigint PRIMARY KEY)");
    proxy.mode = PROXY_CUT_COMMIT;
    assert_int_equal(gg_db_txn(db, "doubtful", 0, insert_body, &key, &err), GG_E_IN_DOUBT);
    assert_int_equal(proxy.cuts, 1);
    assert_int_equal(number(db, &count), 1); /* it had been committed: a second try would have failed */
    key = 2;
    assert_ok(gg_db_txn(db, "clear", 0, insert_body, &key, &err), err);
    assert_int_equal(number(db, &count), 2);
    gg_db_free(db);
}

/* ---- outages ---- */

struct timed_read {
    struct gg_db *db;
    int64_t deadline_ms, took;
    int rc;
    bool done;
    struct gg_error err;
};

static int one_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    return gg_txn_exec(txn, &one, GG_NO_PARAMS, NULL, NULL, err);
}

FIBER_TEST(outage_and_healing)
{
    static const struct gg_stmt insert = {"INSERT INTO doubt VALUES ($1)", 0};
    struct gg_db *db = open_through_proxy(10000);
    struct gg_error err = GG_ERROR_INIT;
    int64_t v;
    assert_int_equal(number(db, &one), 1);
    assert_ok(gg_db_txn(db, "before", 0, one_body, NULL, &err), err);
    proxy.mode = PROXY_DOWN;
    gg_sleep(50);
    int64_t began = gg_now_ms(), old = gg_set_deadline(gg_deadline(300));
    assert_int_equal(read_number(db, &one, &v, &err), GG_E_UNAVAILABLE);
    assert_in_range(gg_now_ms() - began, 0, 800);
    assert_int_equal(err.http_status, 503);
    gg_set_deadline(gg_deadline(300));
    assert_int_equal(gg_db_write(db, &insert, GG_PARAMS(gg_p_i64(50)), NULL, NULL, &err), GG_E_UNAVAILABLE);
    gg_set_deadline(gg_deadline(300));
    assert_int_equal(gg_db_txn(db, "during", 0, one_body, NULL, &err), GG_E_UNAVAILABLE);
    gg_set_deadline(old);
    assert_false(gg_db_healthy(db));
    proxy.mode = PROXY_UP;
    gg_set_deadline(gg_deadline(8000));
    assert_int_equal(number(db, &one), 1); /* asked while down, answered when up */
    assert_ok(gg_db_write(db, &insert, GG_PARAMS(gg_p_i64(51)), NULL, NULL, &err), err);
    assert_ok(gg_db_txn(db, "after", 0, one_body, NULL, &err), err);
    gg_set_deadline(old);
    assert_true(gg_db_healthy(db));
    gg_db_free(db);
}

/* Requests that came during a short restart are answered, not refused. */
static void patient_main(void *arg)
{
    struct timed_read *r = arg;
    int64_t began = gg_now_ms(), v;
    gg_set_deadline(gg_deadline(r->deadline_ms));
    r->rc = read_number(r->db, &one, &v, &r->err);
    if (r->rc == 0)
        r->rc = gg_db_txn(r->db, "patient", 0, one_body, NULL, &r->err);
    r->took = gg_now_ms() - began;
    r->done = true;
}

FIBER_TEST(short_restart)
{
    struct gg_db *db = open_through_proxy(10000);
    static struct timed_read reads[50];
    memset(reads, 0, sizeof(reads));
    assert_int_equal(number(db, &one), 1);
    proxy.mode = PROXY_DOWN;
    gg_sleep(30);
    for (size_t i = 0; i < GG_COUNT(reads); i++) {
        reads[i] = (struct timed_read){.db = db, .deadline_ms = 9000};
        gg_spawn(NULL, "patient", patient_main, &reads[i]);
    }
    gg_sleep(700);
    proxy.mode = PROXY_UP;
    for (size_t i = 0; i < GG_COUNT(reads); i++) {
        for (int n = 0; n < 500 && !reads[i].done; n++)
            gg_sleep(20);
        assert_true(reads[i].done);
        assert_ok(reads[i].rc, reads[i].err);
    }
    gg_db_free(db);
}

/* A server that takes bytes and says nothing: the statement timeout, which would
 * have had to come from it, is guarded by a watch of ours. */
FIBER_TEST(silent_server)
{
    struct gg_db *db = open_through_proxy(6000); /* longer than a look-up may hang */
    struct gg_error err = GG_ERROR_INIT;
    int64_t v, began;
    assert_int_equal(number(db, &one), 1);
    assert_ok(gg_db_txn(db, "before", 0, one_body, NULL, &err), err);
    proxy.mode = PROXY_HOLE;
    gg_sleep(20);
    began = gg_now_ms();
    int64_t old = gg_set_deadline(gg_deadline(200));
    assert_int_equal(read_number(db, &one, &v, &err), GG_E_TIMEOUT);
    assert_in_range(gg_now_ms() - began, 150, 600);
    gg_set_deadline(old);
    assert_int_not_equal(gg_db_txn(db, "silence", GG_TXN_NO_RETRY, one_body, NULL, &err), 0);
    assert_in_range(gg_now_ms() - began, 6000, 30000);
    assert_false(gg_db_healthy(db));
    proxy.mode = PROXY_DOWN; /* cuts what is stuck */
    gg_sleep(50);
    proxy.mode = PROXY_UP;
    assert_int_equal(number(db, &one), 1);
    assert_true(gg_db_healthy(db));
    gg_db_free(db);
}

struct large_read {
    struct gg_db *db;
    char *text;
    int64_t length;
    int rc;
    bool done;
};

static void large_main(void *arg)
{
    static const struct gg_stmt length_of = {"SELECT length($1::text)", 0};
    struct large_read *r = arg;
    struct gg_error err = GG_ERROR_INIT;
    struct gg_rows *rows;
    struct gg_arena *arena = gg_arena_new();
    r->rc = gg_db_read(r->db, &length_of, GG_PARAMS(gg_p_text(r->text)), arena, &rows, &err);
    r->length = r->rc == 0 ? gg_rows_i64(rows, 0, 0) : 0;
    gg_arena_free(arena);
    r->done = true;
}

/* Connections end while there is more to send than they take: libpq closes the socket as soon as it reads the end, and
 * whoever waits to write must not wait on whatever has the number next. */
FIBER_TEST(cut_while_sending)
{
    enum { LARGE = 8 << 20 };
    struct gg_db *db = open_through_proxy(20000);
    char *text = malloc(LARGE + 1);
    memset(text, 'x', LARGE);
    text[LARGE] = 0;
    for (int round = 0; round < 5; round++) {
        static struct large_read reads[8];
        assert_int_equal(number(db, &one), 1);
        proxy.mode = PROXY_HOLE;
        gg_sleep(20);
        for (size_t i = 0; i < GG_COUNT(reads); i++) {
            reads[i] = (struct large_read){.db = db, .text = text};
            gg_spawn(NULL, "large", large_main, &reads[i]);
        }
        gg_sleep(50);
        proxy.mode = PROXY_BYE;
        for (size_t i = 0; i < GG_COUNT(reads); i++) {
            for (int n = 0; n < 1000 && !reads[i].done; n++)
                gg_sleep(20);
            assert_true(reads[i].done);
            assert_int_equal(reads[i].rc, 0);
            assert_int_equal(reads[i].length, LARGE);
        }
    }
    free(text);
    gg_db_free(db);
}

FIBER_TEST(no_server)
{
    struct gg_db_options options = {.conninfo = "host=127.0.0.1 port=1 user=x dbname=y"};
    struct gg_db *db = gg_db_new(&options);
    struct gg_error err = GG_ERROR_INIT;
    assert_int_equal(gg_db_check(db, &err), GG_E_UNAVAILABLE);
    assert_non_null(strstr(err.message, "refused"));
    int64_t v, old = gg_set_deadline(gg_deadline(200));
    assert_int_equal(read_number(db, &one, &v, &err), GG_E_UNAVAILABLE);
    gg_set_deadline(old);
    gg_db_free(db);
    options.conninfo = "host=no-such-host.invalid user=x dbname=y";
    db = gg_db_new(&options);
    assert_int_equal(gg_db_check(db, &err), GG_E_UNAVAILABLE);
    assert_non_null(strstr(err.message, "no-such-host.invalid"));
    gg_db_free(db);
    char conninfo[600];
    snprintf(conninfo, sizeof(conninfo), "%s host=localhost port=%d", test_conninfo, proxy.port);
    options.conninfo = conninfo;
    db = gg_db_new(&options);
    assert_ok(gg_db_check(db, &err), err); /* by name, through the resolver */
    gg_db_free(db);
}

/* The columns of a table change under prepared statements. */
FIBER_TEST(changed_columns)
{
    static const struct gg_stmt all = {"SELECT * FROM changing", 0};
    struct gg_db *db = open_db();
    script(db, "CREATE TABLE changing (a int); INSERT INTO changing VALUES (5)");
    assert_int_equal(number(db, &all), 5);
    script(db, "ALTER TABLE changing ALTER a TYPE bigint, ADD b text");
    assert_int_equal(number(db, &all), 5);
    gg_db_free(db);
}

static int set_up(void **state)
{
    int rc = database_up(state);
    if (test_have_server)
        proxy_start(&proxy, test_conninfo);
    return rc;
}

static int tear_down(void **state)
{
    if (test_have_server)
        proxy_stop(&proxy);
    return database_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_survive_kills),
        cmocka_unit_test(test_writes_once_under_kills),
        cmocka_unit_test(test_transactions_once_under_kills),
        cmocka_unit_test(test_commit_in_doubt),
        cmocka_unit_test(test_outage_and_healing),
        cmocka_unit_test(test_short_restart),
        cmocka_unit_test(test_silent_server),
        cmocka_unit_test(test_cut_while_sending),
        cmocka_unit_test(test_no_server),
        cmocka_unit_test(test_changed_columns),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
