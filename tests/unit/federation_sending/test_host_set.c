/* The servers of a room follow from the last ones and what changed; held against counting anew. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "federation/host_set.h"

#define HOST(name_, by_) ((struct mx_host_change){GG_STR(name_), (by_)})

static void first_members(void **state)
{
    struct mx_host_change all[] = {HOST("b", 1), HOST("a", 1), HOST("b", 1), HOST("c.example:8448", 1)};
    struct mx_host_set *set = mx_host_set_changed(NULL, all, 4);
    assert_int_equal(set->n, 3);
    assert_string_equal(set->names[0].s, "a");
    assert_string_equal(set->names[1].s, "b");
    assert_string_equal(set->names[2].s, "c.example:8448");
    assert_int_equal(set->members[1], 2);
    mx_host_set_unref(set);
}

static void nobody(void **state)
{
    struct mx_host_set *set = mx_host_set_changed(NULL, NULL, 0);
    assert_int_equal(set->n, 0);
    mx_host_set_unref(set);
}

static void last_member_takes_the_server_along(void **state)
{
    struct mx_host_change first[] = {HOST("a", 1), HOST("b", 2)}, less[] = {HOST("b", -1), HOST("a", -1)};
    struct mx_host_set *set = mx_host_set_changed(NULL, first, 2), *next = mx_host_set_changed(set, less, 2);
    mx_host_set_unref(set); /* the next one stands on its own */
    assert_int_equal(next->n, 1);
    assert_string_equal(next->names[0].s, "b");
    assert_int_equal(next->members[0], 1);
    mx_host_set_unref(next);
}

static void change_of_mind(void **state)
{
    struct mx_host_change both[] = {HOST("x", 1), HOST("x", -1)};
    struct mx_host_set *set = mx_host_set_changed(NULL, both, 2);
    assert_int_equal(set->n, 0);
    mx_host_set_unref(set);
}

enum { NAMES = 40, ROUNDS = 400 };

static void many_rounds_equal_counting(void **state)
{
    char names[NAMES][16];
    int64_t counts[NAMES] = {0};
    struct mx_host_set *set = NULL;
    srand(7);
    for (int i = 0; i < NAMES; i++)
        snprintf(names[i], sizeof(names[i]), "s%02d.example", i);
    for (int round = 0; round < ROUNDS; round++) {
        struct mx_host_change changes[8];
        size_t n = (size_t)(rand() % 8), total = 0;
        for (size_t i = 0; i < n; i++) {
            int k = rand() % NAMES, by = counts[k] > 0 && rand() % 2 ? -1 : 1;
            counts[k] += by;
            changes[i] = (struct mx_host_change){gg_str(names[k]), by};
        }
        struct mx_host_set *next = mx_host_set_changed(set, changes, n);
        mx_host_set_unref(set);
        set = next;
        for (int k = 0; k < NAMES; k++) {
            if (counts[k] == 0)
                continue;
            assert_true(total < set->n);
            assert_string_equal(set->names[total].s, names[k]);
            assert_int_equal(set->members[total], counts[k]);
            total++;
        }
        assert_int_equal(total, set->n);
    }
    mx_host_set_unref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_members), cmocka_unit_test(nobody), cmocka_unit_test(last_member_takes_the_server_along),
        cmocka_unit_test(change_of_mind), cmocka_unit_test(many_rounds_equal_counting)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
