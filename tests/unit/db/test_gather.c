/* Calls that wait at the same time are carried out together: order, bounds, keys, and the bad one alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../in_fiber.h"
#include <ganglion/gather.h>
#include <string.h>

enum { CALLS = 300 };

struct item {
    struct gg_gather_call call;
    int number, seen, result;
    struct gg_error err;
};

/* What the runs did. */
static struct {
    size_t runs, largest, running, most_running;
    int bad, refused, fail_all, order[CALLS * 2], n_order;
    bool keys_met;
} log_;

static struct gg_gather *gather;
static struct item items[CALLS];
static int ended;

static int run(void *self, struct gg_gather_call *const *calls, size_t n, struct gg_error *err)
{
    bool bad = false;
    log_.runs++;
    log_.running++;
    log_.largest = n > log_.largest ? n : log_.largest;
    log_.most_running = log_.running > log_.most_running ? log_.running : log_.most_running;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            log_.keys_met |= calls[i]->key.s && calls[k]->key.s && gg_str_eq(calls[i]->key, calls[k]->key);
    (void)gg_sleep(1);
    for (size_t i = 0; i < n; i++)
        bad |= GG_CONTAINER(calls[i], struct item, call)->number == log_.bad;
    log_.running--;
    if (log_.fail_all)
        return gg_fail(err, log_.fail_all, "away");
    if (bad)
        return gg_fail(err, GG_E_CONFLICT, "bad");
    for (size_t i = 0; i < n; i++) {
        struct item *item = GG_CONTAINER(calls[i], struct item, call);
        item->seen++;
        log_.order[log_.n_order++] = item->number;
        if (item->number == log_.refused)
            calls[i]->status = gg_refuse(&calls[i]->err, 400, "M_UNKNOWN", "refused");
    }
    return 0;
}

static void caller(void *arg)
{
    struct item *item = arg;
    item->result = gg_gather(gather, &item->call, &item->err);
    ended++;
}

/* n calls at once, each of a weight; key_of: every so many have the same key, 0: none has one. */
static void ask(const struct gg_gather_def *def, int n, size_t weight, int key_of)
{
    static const char keys[] = "abcdefghijklmnopqrstuvwxyz";
    gather = gg_gather_new(NULL, def, NULL);
    memset(items, 0, sizeof(items));
    ended = 0;
    for (int i = 0; i < n; i++) {
        items[i].number = i;
        items[i].call.weight = weight;
        if (key_of)
            items[i].call.key = gg_strn(keys + i % key_of, 1);
        assert_non_null(gg_spawn(NULL, "caller", caller, &items[i]));
    }
    while (ended < n)
        (void)gg_sleep(1);
    (void)gg_sleep(1); /* the runner sees that nothing waits */
    gg_gather_free(gather);
}

static void reset(void)
{
    memset(&log_, 0, sizeof(log_));
    log_.bad = log_.refused = -1;
}

FIBER_TEST(those_that_wait_are_one_run)
{
    static const struct gg_gather_def def = {.name = "t", .run = run, .max_weight = 1000, .at_once = 1};
    reset();
    ask(&def, 50, 1, 0);
    assert_true(log_.runs <= 2);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(items[i].result, 0);
        assert_int_equal(items[i].seen, 1);
        assert_int_equal(log_.order[i], i);
    }
}

FIBER_TEST(runs_have_bounds)
{
    static const struct gg_gather_def def = {.name = "t", .run = run, .max_weight = 20, .at_once = 2};
    reset();
    ask(&def, CALLS, 10, 0);
    assert_int_equal(log_.largest, 2);
    assert_int_equal(log_.most_running, 2);
    reset();
    ask(&def, 3, 100, 0); /* more than a run may have: alone */
    assert_int_equal(log_.largest, 1);
    reset();
    ask(&def, CALLS, 0, 0);
    assert_true(log_.largest <= GG_GATHER_MAX && log_.largest > 1);
}

FIBER_TEST(calls_of_one_key_are_apart_and_in_order)
{
    static const struct gg_gather_def def = {.name = "t", .run = run, .max_weight = 10, .at_once = 3};
    int last[7];
    reset();
    ask(&def, 70, 1, 7);
    assert_false(log_.keys_met);
    assert_int_equal(log_.n_order, 70);
    memset(last, -1, sizeof(last));
    for (int i = 0; i < 70; i++) {
        assert_true(log_.order[i] > last[log_.order[i] % 7]);
        last[log_.order[i] % 7] = log_.order[i];
    }
}

FIBER_TEST(a_bad_one_fails_alone)
{
    static const struct gg_gather_def def = {.name = "t", .run = run, .max_weight = 1000, .at_once = 1};
    reset();
    log_.bad = 7;
    log_.refused = 9;
    ask(&def, 20, 1, 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(items[i].result, i == 7 ? GG_E_CONFLICT : i == 9 ? GG_E_INVALID : 0);
        assert_int_equal(items[i].seen, i == 7 ? 0 : 1);
    }
    assert_string_equal(items[9].err.errcode, "M_UNKNOWN");
    assert_string_equal(items[7].err.message, "bad");
}

/* What may have been done is not done again. */
FIBER_TEST(in_doubt_is_in_doubt_for_all)
{
    static const struct gg_gather_def def = {.name = "t", .run = run, .max_weight = 1000, .at_once = 1};
    reset();
    log_.fail_all = GG_E_IN_DOUBT;
    ask(&def, 20, 1, 0);
    assert_true(log_.runs <= 2);
    for (int i = 0; i < 20; i++)
        assert_int_equal(items[i].result, GG_E_IN_DOUBT);
}

static void coming_again(void *arg)
{
    for (int i = 0; i < 50; i++) {
        struct item *item = arg;
        memset(&item->call, 0, sizeof(item->call));
        item->call.weight = 1;
        item->result |= gg_gather(gather, &item->call, &item->err);
        (void)gg_yield();
    }
    ended++;
}

/* Four who come again as soon as they are answered: most runs have all of them. */
FIBER_TEST(who_comes_again_is_waited_for)
{
    static const struct gg_gather_def def = {.name = "t", .run = run, .max_weight = 1000, .at_once = 1, .linger = true};
    reset();
    gather = gg_gather_new(NULL, &def, NULL);
    memset(items, 0, sizeof(items));
    ended = 0;
    for (int i = 0; i < 4; i++) {
        items[i].number = i;
        assert_non_null(gg_spawn(NULL, "caller", coming_again, &items[i]));
    }
    while (ended < 4)
        (void)gg_sleep(1);
    (void)gg_sleep(3);
    gg_gather_free(gather);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(items[i].result, 0);
        assert_int_equal(items[i].seen, 50);
    }
    assert_true(log_.runs >= 50 && log_.runs <= 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_that_wait_are_one_run),         cmocka_unit_test(runs_have_bounds),
        cmocka_unit_test(calls_of_one_key_are_apart_and_in_order), cmocka_unit_test(a_bad_one_fails_alone),
        cmocka_unit_test(in_doubt_is_in_doubt_for_all),        cmocka_unit_test(who_comes_again_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
