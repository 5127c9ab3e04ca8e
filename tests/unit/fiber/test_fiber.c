/* The life of fibers: spawn, join, cancel, deadlines, shields and scopes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../in_fiber.h"

static char trail[64];

static void mark(char c)
{
    size_t n = strlen(trail);
    if (n + 1 < sizeof(trail)) {
        trail[n] = c;
        trail[n + 1] = '\0';
    }
}

static void clear_trail(void)
{
    trail[0] = '\0';
}

static void mark_twice(void *arg)
{
    mark(*(const char *)arg);
    assert_int_equal(gg_yield(), GG_OK);
    mark(*(const char *)arg);
}

FIBER_TEST(fibers_take_turns_in_order)
{
    clear_trail();
    char a = 'a', b = 'b';
    assert_non_null(gg_spawn(NULL, "a", mark_twice, &a));
    assert_non_null(gg_spawn(NULL, "b", mark_twice, &b));
    mark('m');
    for (int i = 0; i < 1000 && strlen(trail) < 5; i++)
        assert_int_equal(gg_sleep(1), GG_OK);
    assert_string_equal(trail, "mabab");
}

static void sleep_result(void *arg)
{
    *(int *)arg = gg_sleep(60000);
}

FIBER_TEST(cancel_ends_a_sleep_and_sticks)
{
    int r = 99;
    struct gg_fiber *f = gg_spawn_joinable(NULL, "sleeper", sleep_result, &r);
    assert_string_equal(gg_fiber_name(f), "sleeper");
    assert_true(gg_fiber_id(f) > gg_fiber_id(gg_self()));
    assert_int_equal(gg_join(f, gg_deadline(5)), GG_E_TIMEOUT);
    gg_cancel(f);
    gg_cancel(f);
    assert_int_equal(gg_join(f, GG_FOREVER), GG_OK);
    assert_int_equal(r, GG_E_CANCELLED);
}

static void wait_often(void *arg)
{
    int *results = arg;
    results[0] = gg_yield();
    results[1] = gg_sleep(1);
    gg_shield_begin();
    results[2] = gg_sleep(1);
    results[3] = gg_cancelled();
    gg_shield_end();
    results[4] = gg_sleep(1);
    results[5] = gg_cancelled();
}

FIBER_TEST(cancel_before_the_start_and_inside_a_shield)
{
    int r[6];
    struct gg_fiber *f = gg_spawn_joinable(NULL, "often", wait_often, r);
    gg_cancel(f);
    assert_int_equal(gg_join(f, GG_FOREVER), GG_OK);
    const int want[6] = {GG_E_CANCELLED, GG_E_CANCELLED, GG_OK, false, GG_E_CANCELLED, true};
    assert_memory_equal(r, want, sizeof(want));
}

struct shielded_case {
    int shielded, after;
    int64_t took;
};

static void shielded_sleep(void *arg)
{
    struct shielded_case *c = arg;
    int64_t from = gg_now_ms();
    gg_shield_begin();
    c->shielded = gg_sleep(20);
    gg_shield_end();
    c->took = gg_now_ms() - from;
    c->after = gg_sleep(60000);
}

FIBER_TEST(cancel_during_a_shielded_wait_comes_after_it)
{
    struct shielded_case c;
    struct gg_fiber *f = gg_spawn_joinable(NULL, "shielded", shielded_sleep, &c);
    gg_sleep(2);
    gg_cancel(f);
    assert_int_equal(gg_join(f, GG_FOREVER), GG_OK);
    assert_int_equal(c.shielded, GG_OK);
    assert_true(c.took >= 20);
    assert_int_equal(c.after, GG_E_CANCELLED);
}

FIBER_TEST(own_deadline_bounds_every_wait)
{
    int64_t until = gg_deadline(10);
    assert_true(gg_set_deadline(until) == GG_FOREVER);
    assert_true(gg_get_deadline() == until);
    assert_int_equal(gg_sleep(5000), GG_E_TIMEOUT);
    assert_true(gg_now_ms() >= until && gg_now_ms() < until + 1000);
    assert_int_equal(gg_sleep(1), GG_E_TIMEOUT);
    gg_shield_begin();
    assert_int_equal(gg_sleep(1), GG_OK);
    gg_shield_end();
    gg_set_deadline(GG_FOREVER);
    assert_int_equal(gg_sleep(1), GG_OK);
}

FIBER_TEST(sleep_lasts_as_long_as_asked)
{
    for (int ms = 1; ms < 40; ms += 13) {
        int64_t from = gg_now_ms();
        assert_int_equal(gg_sleep(ms), GG_OK);
        assert_true(gg_now_ms() - from >= ms);
    }
    int64_t at = gg_deadline(-5);
    assert_int_equal(gg_sleep_until(at), GG_OK);
    errno = EBADMSG;
    gg_sleep(1);
    assert_int_equal(errno, EBADMSG);
}

static void nothing(void *arg)
{
    mark('n');
}

FIBER_TEST(joining_the_ended_and_the_cancelled)
{
    struct gg_fiber *f = gg_spawn_joinable(NULL, "ended", nothing, NULL);
    gg_sleep(1);
    gg_cancel(f); /* too late to matter */
    assert_int_equal(gg_join(f, 0), GG_OK);
}

static void join_other(void *arg)
{
    struct gg_fiber **fibers = arg;
    assert_int_equal(gg_join(fibers[0], GG_FOREVER), GG_E_CANCELLED);
    mark('c');
}

FIBER_TEST(cancelled_joiner_lets_another_join)
{
    clear_trail();
    int r = 0;
    struct gg_fiber *f[2];
    f[0] = gg_spawn_joinable(NULL, "sleeper", sleep_result, &r);
    f[1] = gg_spawn_joinable(NULL, "joiner", join_other, f);
    gg_sleep(1);
    gg_cancel(f[1]);
    assert_int_equal(gg_join(f[1], GG_FOREVER), GG_OK);
    gg_cancel(f[0]);
    assert_int_equal(gg_join(f[0], GG_FOREVER), GG_OK);
    assert_string_equal(trail, "c");
}

/* Both sides of a race in the same turn: the first decides, and the other must not reach the next wait. */
static void two_waits(void *arg)
{
    struct gg_cond *cond = arg;
    assert_int_equal(gg_cond_wait(cond, GG_FOREVER), GG_OK);
    int64_t from = gg_now_ms();
    assert_int_equal(gg_sleep(15), GG_OK);
    assert_true(gg_now_ms() - from >= 15);
    mark('2');
}

FIBER_TEST(completion_then_second_signal_does_not_wake_the_next_wait)
{
    clear_trail();
    struct gg_cond cond;
    gg_cond_init(&cond);
    struct gg_fiber *f = gg_spawn_joinable(NULL, "two", two_waits, &cond);
    gg_yield();
    gg_cond_signal(&cond);
    gg_cond_signal(&cond);
    gg_cond_broadcast(&cond);
    assert_int_equal(gg_join(f, GG_FOREVER), GG_OK);
    assert_string_equal(trail, "2");
}

static void signal_then_cancel_wait(void *arg)
{
    struct gg_cond *cond = arg;
    assert_int_equal(gg_cond_wait(cond, GG_FOREVER), GG_OK); /* the signal came first and is not lost */
    assert_int_equal(gg_cond_wait(cond, GG_FOREVER), GG_E_CANCELLED);
    mark('k');
}

FIBER_TEST(completion_wins_over_a_later_cancel)
{
    clear_trail();
    struct gg_cond cond;
    gg_cond_init(&cond);
    struct gg_fiber *f = gg_spawn_joinable(NULL, "race", signal_then_cancel_wait, &cond);
    gg_yield();
    gg_cond_signal(&cond);
    gg_cancel(f);
    assert_int_equal(gg_join(f, GG_FOREVER), GG_OK);
    assert_string_equal(trail, "k");
}

static void busy_until(int64_t at)
{
    struct timespec ts;
    do
        clock_gettime(CLOCK_MONOTONIC, &ts);
    while (ts.tv_sec * 1000 + ts.tv_nsec / 1000000 < at);
}

static void wait_with_deadline(void *arg)
{
    struct gg_cond *cond = arg;
    assert_int_equal(gg_cond_wait(cond, gg_deadline(300)), GG_OK);
    mark('o');
    assert_int_equal(gg_cond_wait(cond, gg_deadline(10)), GG_E_TIMEOUT);
    mark('t');
}

FIBER_TEST(deadline_and_completion_in_one_turn_decide_once)
{
    clear_trail();
    struct gg_cond cond;
    gg_cond_init(&cond);
    struct gg_fiber *f = gg_spawn_joinable(NULL, "late", wait_with_deadline, &cond);
    gg_yield();
    busy_until(gg_now_ms() + 400); /* the deadline is past, its timer has not fired yet */
    gg_cond_signal(&cond);
    assert_int_equal(gg_join(f, GG_FOREVER), GG_OK);
    assert_string_equal(trail, "ot");
}

static void slow_ending(void *arg)
{
    gg_sleep(60000);
    gg_shield_begin();
    gg_sleep(5);
    gg_shield_end();
    mark('e');
}

FIBER_TEST(scope_end_waits_for_fibers_of_children)
{
    clear_trail();
    struct gg_scope *outer = gg_scope_new(NULL, "outer"), *inner = gg_scope_new(outer, "inner");
    gg_spawn(outer, "o", slow_ending, NULL);
    gg_spawn(inner, "i", slow_ending, NULL);
    gg_spawn(inner, "j", slow_ending, NULL);
    assert_int_equal(gg_scope_count(outer), 3);
    assert_int_equal(gg_scope_count(inner), 2);
    assert_int_equal(gg_scope_count(NULL), 4);
    assert_int_equal(gg_scope_join(outer, gg_deadline(3)), GG_E_TIMEOUT);
    gg_scope_cancel(outer);
    assert_null(gg_spawn(inner, "late", nothing, NULL));
    struct gg_scope *born_dead = gg_scope_new(inner, "born dead");
    assert_null(gg_spawn(born_dead, "late", nothing, NULL));
    assert_int_equal(gg_scope_join(inner, GG_FOREVER), GG_OK);
    gg_scope_end(born_dead);
    gg_scope_end(inner);
    gg_scope_end(outer);
    assert_string_equal(trail, "eee");
}

static void end_scope_cancelled(void *arg)
{
    gg_scope_end(arg);
    assert_int_equal(gg_sleep(1), GG_E_CANCELLED);
    mark('d');
}

FIBER_TEST(scope_end_is_not_cut_short_by_cancel)
{
    clear_trail();
    struct gg_scope *scope = gg_scope_new(NULL, "s");
    gg_spawn(scope, "x", slow_ending, NULL);
    gg_yield();
    struct gg_fiber *f = gg_spawn_joinable(NULL, "ender", end_scope_cancelled, scope);
    gg_yield();
    gg_cancel(f);
    assert_int_equal(gg_join(f, GG_FOREVER), GG_OK);
    assert_string_equal(trail, "ed");
}

FIBER_TEST(scope_that_ends_before_its_child_hands_it_to_the_host)
{
    struct gg_scope *outer = gg_scope_new(NULL, "outer"), *inner = gg_scope_new(outer, "inner");
    gg_scope_end(outer);
    gg_scope_end(inner);
}

static void work_on(void *arg)
{
    gg_sleep(10);
    mark('w');
}

static void run_work_shielded(void *arg)
{
    assert_int_equal(gg_run_shielded(NULL, "work", work_on, NULL), GG_E_CANCELLED);
    mark('c');
}

FIBER_TEST(shielded_run_outlives_its_cancelled_caller)
{
    clear_trail();
    struct gg_fiber *f = gg_spawn_joinable(NULL, "caller", run_work_shielded, NULL);
    gg_yield();
    gg_cancel(f);
    assert_int_equal(gg_join(f, GG_FOREVER), GG_OK);
    assert_int_equal(gg_run_shielded(NULL, "work", work_on, NULL), GG_OK);
    assert_string_equal(trail, "cww");
}

static void read_tag(void *arg)
{
    assert_null(gg_get_tag());
}

FIBER_TEST(tags_belong_to_one_fiber)
{
    gg_set_tag("GET-1");
    struct gg_fiber *f = gg_spawn_joinable(NULL, "a name that is far longer than the forty-seven characters kept", read_tag,
                                           NULL);
    assert_int_equal(strlen(gg_fiber_name(f)), 47);
    gg_join(f, GG_FOREVER);
    assert_string_equal(gg_get_tag(), "GET-1");
}

static void leave_running(void *arg)
{
    gg_sleep(20);
    mark('z');
}

FIBER_TEST(loop_ends_when_all_scopes_are_empty)
{
    clear_trail();
    gg_spawn(NULL, "rest", leave_running, NULL);
}

static void rest_had_run(void **state)
{
    assert_string_equal(trail, "z");
    assert_null(gg_self());
    assert_null(gg_spawn(NULL, "no loop", nothing, NULL));
}

static void count_up(void *arg)
{
    ++*(int *)arg;
    gg_sleep(30);
    ++*(int *)arg;
}

FIBER_TEST(twenty_thousand_fibers)
{
    enum { MANY = 20000 };
    int n = 0;
    struct gg_scope *scope = gg_scope_new(NULL, "many");
    for (int i = 0; i < MANY; i++)
        assert_non_null(gg_spawn(scope, "one of many", count_up, &n));
    assert_int_equal(gg_scope_count(scope), MANY);
    assert_int_equal(gg_scope_join(scope, GG_FOREVER), GG_OK);
    gg_scope_end(scope);
    assert_int_equal(n, 2 * MANY);
    struct gg_fiber_stats stats;
    gg_fiber_get_stats(&stats);
    assert_int_equal(stats.live, 1);
    assert_int_equal(stats.spawned, MANY + 1);
    assert_true(stats.pooled > 0 && stats.stack_high_water > 0);
}

/* An instruction that faults on a badly aligned stack is what compilers make of such a variable. */
static void check_alignment(void *arg)
{
    _Alignas(16) volatile char block[16] = {0};
    *(uintptr_t *)arg = (uintptr_t)block % 16 + (uintptr_t)__builtin_frame_address(0) % 16;
    char text[64];
    snprintf(text, sizeof(text), "%f", 1.5);
    assert_string_equal(text, "1.500000");
}

FIBER_TEST(stacks_are_aligned_as_the_abi_wants)
{
    uintptr_t odd = 1;
    gg_join(gg_spawn_joinable(NULL, "aligned", check_alignment, &odd), GG_FOREVER);
    assert_int_equal(odd, 0);
}

static void use_stack(void *arg)
{
    volatile char deep[100000];
    for (size_t i = 0; i < sizeof(deep); i += 64)
        deep[i] = 1;
    mark(deep[64] ? 'u' : '-');
}

FIBER_TEST(high_water_is_seen)
{
    struct gg_fiber *f = gg_spawn_joinable(NULL, "deep", use_stack, NULL);
    gg_join(f, GG_FOREVER);
    struct gg_fiber_stats stats;
    gg_fiber_get_stats(&stats);
    assert_in_range(stats.stack_high_water, 100000, 200000);
}

static void spawn_over_the_limit(void *arg)
{
    int n = 0;
    struct gg_scope *scope = gg_scope_new(NULL, "few");
    while (gg_spawn(scope, "few", count_up, &n))
        ;
    *(size_t *)arg = gg_scope_count(scope);
    gg_scope_end(scope);
}

static void stacks_have_a_cap(void **state)
{
    struct gg_loop_options options = {.max_fibers = 10};
    size_t n = 0;
    assert_int_equal(gg_loop_run(&options, spawn_over_the_limit, &n), GG_OK);
    assert_int_equal(n, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fibers_take_turns_in_order),
        cmocka_unit_test(cancel_ends_a_sleep_and_sticks),
        cmocka_unit_test(cancel_before_the_start_and_inside_a_shield),
        cmocka_unit_test(cancel_during_a_shielded_wait_comes_after_it),
        cmocka_unit_test(own_deadline_bounds_every_wait),
        cmocka_unit_test(sleep_lasts_as_long_as_asked),
        cmocka_unit_test(joining_the_ended_and_the_cancelled),
        cmocka_unit_test(cancelled_joiner_lets_another_join),
        cmocka_unit_test(completion_then_second_signal_does_not_wake_the_next_wait),
        cmocka_unit_test(completion_wins_over_a_later_cancel),
        cmocka_unit_test(deadline_and_completion_in_one_turn_decide_once),
        cmocka_unit_test(scope_end_waits_for_fibers_of_children),
        cmocka_unit_test(scope_end_is_not_cut_short_by_cancel),
        cmocka_unit_test(scope_that_ends_before_its_child_hands_it_to_the_host),
        cmocka_unit_test(shielded_run_outlives_its_cancelled_caller),
        cmocka_unit_test(tags_belong_to_one_fiber),
        cmocka_unit_test(loop_ends_when_all_scopes_are_empty),
        cmocka_unit_test(rest_had_run),
        cmocka_unit_test(twenty_thousand_fibers),
        cmocka_unit_test(stacks_are_aligned_as_the_abi_wants),
        cmocka_unit_test(high_water_is_seen),
        cmocka_unit_test(stacks_have_a_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
