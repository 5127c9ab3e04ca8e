/* Locks that processes share, on the real tables with their triggers. Two processes are two struct gg_locks. */
#include "../db/db_test.h"

#include "repl/locks.h"

struct told {
    struct gg_locks *other;
    char text[400];
    size_t n;
};

static void announce(void *self, const char *name, const char *key)
{
    struct told *told = self;
    snprintf(told->text, sizeof(told->text), "%s/%s", name, key);
    told->n++;
    if (told->other)
        gg_locks_released(told->other, gg_str(name), gg_str(key));
}

static void script(struct gg_db *db, const char *sql)
{
    struct gg_error err = GG_ERROR_INIT;
    assert_ok(gg_db_script(db, sql, &err), err);
}

static struct gg_db *fresh_db(void)
{
    struct gg_db_options options = {.conninfo = test_conninfo};
    struct gg_db *db = gg_db_new(&options);
    FILE *file = fopen(SOURCE_DIR "/matrix/schema/bookkeeping.sql", "r");
    static char sql[100000];
    assert_non_null(file);
    sql[fread(sql, 1, sizeof(sql) - 1, file)] = 0;
    fclose(file);
    script(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    script(db, sql);
    return db;
}

static struct gg_locks *open_locks(struct gg_db *db, const char *id, struct told *told)
{
    struct gg_locks_options options = {.db = db, .instance = "worker", .instance_id = id, .announce = announce,
                                       .self = told, .renew_ms = 100, .reap_ms = 150, .stale_ms = 1800};
    return gg_locks_new(&options);
}

static bool can_take(struct gg_locks *locks, int kind, const char *key, struct gg_lock **lock_out)
{
    struct gg_error err = GG_ERROR_INIT;
    assert_ok(gg_locks_try(locks, kind, "name", key, false, lock_out, &err), err);
    return *lock_out != NULL;
}

static int64_t count(struct gg_db *db, const struct gg_stmt *stmt)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_rows *rows;
    struct gg_arena *arena = gg_arena_new();
    assert_ok(gg_db_read(db, stmt, GG_NO_PARAMS, arena, &rows, &err), err);
    int64_t v = gg_rows_i64(rows, 0, 0);
    gg_arena_free(arena);
    return v;
}

static const struct gg_stmt plain_rows = {"SELECT count(*) FROM worker_locks", 0};
static const struct gg_stmt shared_rows = {"SELECT count(*) FROM worker_read_write_locks", 0};
static const struct gg_stmt mode_rows = {"SELECT count(*) FROM worker_read_write_locks_mode", 0};

FIBER_TEST(plain)
{
    struct gg_db *db = fresh_db();
    struct told told = {0};
    struct gg_locks *a = open_locks(db, "aaaaa", &told), *b = open_locks(db, "bbbbb", &told);
    struct gg_lock *one, *two, *other;
    assert_true(can_take(a, GG_LOCK_PLAIN, "k", &one));
    assert_false(can_take(b, GG_LOCK_PLAIN, "k", &two));
    assert_false(can_take(a, GG_LOCK_PLAIN, "k", &two)); /* though the row bears its own name */
    assert_true(can_take(b, GG_LOCK_PLAIN, "other", &other));
    gg_sleep(2500); /* by then it were stale, had nobody renewed it */
    assert_false(can_take(b, GG_LOCK_PLAIN, "k", &two));
    gg_lock_release(one);
    assert_int_equal(told.n, 0); /* plain tries are not announced */
    assert_true(can_take(b, GG_LOCK_PLAIN, "k", &two));
    gg_lock_release(two);
    gg_lock_release(other);
    gg_lock_release(NULL);
    assert_int_equal(count(db, &plain_rows), 0);
    script(db, "INSERT INTO worker_locks VALUES ('name', 'k', 'zzzzz', 'token', (extract(epoch from now()) * 1000 - "
               "5000)::bigint)");
    assert_true(can_take(b, GG_LOCK_PLAIN, "k", &two)); /* its holder died */
    gg_locks_stop(b);
    assert_int_equal(count(db, &plain_rows), 0);
    gg_locks_stop(a);
    gg_locks_free(a);
    gg_locks_free(b);
    gg_db_free(db);
}

/* kill -9 gives nothing back: the next process of the same name does. */
FIBER_TEST(inherited)
{
    struct gg_db *db = fresh_db();
    struct told told = {0};
    struct gg_error err = GG_ERROR_INIT;
    struct gg_lock *lock;
    struct gg_locks *next = open_locks(db, "bbbbb", &told);
    script(db, "INSERT INTO worker_locks SELECT 'name', k, who, 'token', (extract(epoch from now()) * 1000)::bigint FROM (VALUES "
               "('plain', 'aaaaa:worker'), ('duty', 'worker'), ('another', 'aaaaa:my:worker2'), ('python', 'aaaaa')) AS v (k, who)");
    script(db, "INSERT INTO worker_read_write_locks (lock_name, lock_key, instance_name, token, last_renewed_ts, write_lock)"
               " VALUES ('name', 'shared', 'aaaaa:worker', 'token', "
               "(extract(epoch from now()) * 1000)::bigint, true)");
    assert_false(can_take(next, GG_LOCK_PLAIN, "plain", &lock));
    assert_false(can_take(next, GG_LOCK_READ, "shared", &lock));
    assert_false(gg_locks_inherited(next, "name"));
    assert_ok(gg_locks_inherit(next, &err), err);
    assert_true(gg_locks_inherited(next, "name"));
    assert_false(gg_locks_inherited(next, "another"));
    assert_true(can_take(next, GG_LOCK_PLAIN, "plain", &lock));
    gg_lock_release(lock);
    assert_true(can_take(next, GG_LOCK_READ, "shared", &lock));
    gg_lock_release(lock);
    assert_int_equal(count(db, &plain_rows), 2); /* those of others stay */
    assert_false(can_take(next, GG_LOCK_PLAIN, "another", &lock));
    assert_false(can_take(next, GG_LOCK_PLAIN, "python", &lock));
    gg_locks_stop(next);
    gg_locks_free(next);
    gg_db_free(db);
}

FIBER_TEST(read_write)
{
    struct gg_db *db = fresh_db();
    struct told told = {0};
    struct gg_locks *a = open_locks(db, "aaaaa", &told), *b = open_locks(db, "bbbbb", &told);
    struct gg_lock *r1, *r2, *r3, *w, *none;
    assert_true(can_take(a, GG_LOCK_READ, "k", &r1));
    assert_true(can_take(b, GG_LOCK_READ, "k", &r2));
    assert_true(can_take(a, GG_LOCK_READ, "k", &r3));
    assert_false(can_take(b, GG_LOCK_WRITE, "k", &none));
    assert_int_equal(count(db, &shared_rows), 3);
    gg_lock_release(r1);
    gg_lock_release(r3);
    assert_false(can_take(b, GG_LOCK_WRITE, "k", &none));
    gg_lock_release(r2);
    assert_int_equal(count(db, &mode_rows), 0);
    assert_true(can_take(b, GG_LOCK_WRITE, "k", &w));
    assert_false(can_take(b, GG_LOCK_WRITE, "k", &none));
    assert_false(can_take(a, GG_LOCK_READ, "k", &none));
    assert_true(can_take(a, GG_LOCK_READ, "other", &r1));
    gg_lock_release(w);
    gg_lock_release(r1);
    assert_int_equal(count(db, &shared_rows), 0);
    assert_int_equal(count(db, &mode_rows), 0);
    script(db, "INSERT INTO worker_read_write_locks VALUES ('name', 'dead', 'zzzzz', true, 'token', 1)");
    gg_sleep(400); /* reaped */
    assert_true(can_take(a, GG_LOCK_READ, "dead", &r1));
    gg_locks_stop(a);
    gg_locks_stop(b);
    assert_int_equal(count(db, &shared_rows), 0);
    gg_locks_free(a);
    gg_locks_free(b);
    gg_db_free(db);
}

/* ---- waiting ---- */

struct taker {
    struct gg_locks *locks;
    int kind, rounds, *inside, *done;
    int most;
    int rc;
};

static void taker_main(void *arg)
{
    struct taker *t = arg;
    for (int i = 0; i < t->rounds; i++) {
        struct gg_error err = GG_ERROR_INIT;
        struct gg_lock *lock = NULL;
        t->rc = gg_locks_wait(t->locks, t->kind, "name", "shared", &lock, &err);
        if (t->rc)
            break;
        ++*t->inside;
        t->most = *t->inside > t->most ? *t->inside : t->most;
        gg_sleep(2);
        --*t->inside;
        gg_lock_release(lock);
    }
    ++*t->done;
}

static void run_takers(int kind, struct gg_locks *a, struct gg_locks *b)
{
    int inside = 0, done = 0;
    struct taker takers[6];
    for (size_t i = 0; i < GG_COUNT(takers); i++) {
        takers[i] = (struct taker){i % 2 ? a : b, kind, 5, &inside, &done, 0, 1};
        gg_spawn(NULL, "taker", taker_main, &takers[i]);
    }
    for (int i = 0; i < 1500 && done < (int)GG_COUNT(takers); i++)
        gg_sleep(20);
    for (size_t i = 0; i < GG_COUNT(takers); i++) {
        assert_int_equal(takers[i].rc, 0);
        if (kind != GG_LOCK_READ)
            assert_int_equal(takers[i].most, 1);
    }
}

FIBER_TEST(contention)
{
    struct gg_db *db = fresh_db();
    struct told to_a = {0}, to_b = {0};
    struct gg_locks *a = open_locks(db, "aaaaa", &to_b), *b = open_locks(db, "bbbbb", &to_a);
    to_a.other = a;
    to_b.other = b;
    run_takers(GG_LOCK_PLAIN, a, b);
    assert_int_equal(to_a.n + to_b.n, 30);
    assert_string_equal(to_a.text, "name/shared");
    run_takers(GG_LOCK_WRITE, a, b);
    run_takers(GG_LOCK_READ, a, b);
    gg_locks_stop(a);
    gg_locks_stop(b);
    gg_locks_free(a);
    gg_locks_free(b);
    gg_db_free(db);
}

/* Without announcements the waiting ones find out by themselves; a deadline ends it. */
FIBER_TEST(waiting)
{
    struct gg_db *db = fresh_db();
    struct told told = {0};
    struct gg_error err = GG_ERROR_INIT;
    struct gg_locks *a = open_locks(db, "aaaaa", &told), *b = open_locks(db, "bbbbb", &told);
    struct gg_lock *one, *two;
    assert_true(can_take(a, GG_LOCK_PLAIN, "shared", &one));
    int64_t began = gg_now_ms(), old = gg_set_deadline(gg_deadline(250));
    assert_int_equal(gg_locks_wait(b, GG_LOCK_PLAIN, "name", "shared", &two, &err), GG_E_TIMEOUT);
    gg_set_deadline(old);
    assert_in_range(gg_now_ms() - began, 200, 600);
    int inside = 0, done = 0;
    struct taker taker = {b, GG_LOCK_PLAIN, 1, &inside, &done, 0, 1};
    gg_spawn(NULL, "taker", taker_main, &taker);
    gg_sleep(150);
    gg_lock_release(one);
    for (int i = 0; i < 100 && !done; i++)
        gg_sleep(20);
    assert_int_equal(taker.rc, 0);
    gg_locks_stop(b);
    assert_int_equal(gg_locks_wait(b, GG_LOCK_PLAIN, "name", "shared", &two, &err), GG_E_CLOSED);
    gg_locks_stop(a);
    gg_locks_free(a);
    gg_locks_free(b);
    gg_db_free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_inherited),
        cmocka_unit_test(test_read_write),
        cmocka_unit_test(test_contention),
        cmocka_unit_test(test_waiting),
    };
    return cmocka_run_group_tests(tests, database_up, database_down);
}
