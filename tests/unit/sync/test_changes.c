/* What changed since when: by key, by room of a user, in order of notes; what is forgotten is "perhaps". */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "sync/changes.h"

enum { ROOMS = 100 };

struct some {
    char ids[ROOMS][16];
    struct mx_user_room rooms[ROOMS];
    struct mx_user_rooms list;
};

static void make(struct some *s)
{
    for (int i = 0; i < ROOMS; i++) {
        snprintf(s->ids[i], sizeof(s->ids[i]), "!%03d:x", i);
        s->rooms[i] = (struct mx_user_room){.room_id = gg_str(s->ids[i])};
    }
    s->list = (struct mx_user_rooms){.v = s->rooms, .n = ROOMS};
}

static size_t marked(const struct mx_changes *changes, const struct some *s, int64_t after, bool *marks)
{
    uint32_t at[ROOMS];
    size_t n = 0;
    memset(marks, 0, ROOMS);
    mx_changes_mark(changes, &s->list, after, marks, at, &n);
    for (size_t i = 0; i < n; i++)
        assert_true(marks[at[i]]);
    return n;
}

static void test_marks(void **state)
{
    struct some s;
    bool marks[ROOMS];
    struct mx_changes *changes = mx_changes_new(1000);
    make(&s);
    mx_changes_start(changes, 10);
    assert_int_equal(marked(changes, &s, 10, marks), 0);
    assert_int_equal(marked(changes, &s, 9, marks), ROOMS); /* not known: perhaps each of them */
    mx_changes_note(changes, gg_str(s.ids[3]), 11);
    mx_changes_note(changes, gg_str(s.ids[7]), 15);
    mx_changes_note(changes, gg_str(s.ids[5]), 13); /* another writer's, late */
    mx_changes_note(changes, GG_STR("!else:x"), 16);
    assert_int_equal(marked(changes, &s, 10, marks), 3);
    assert_true(marks[3] && marks[7] && marks[5]);
    assert_int_equal(marked(changes, &s, 11, marks), 2);
    assert_int_equal(marked(changes, &s, 12, marks), 2);
    assert_int_equal(marked(changes, &s, 13, marks), 1);
    assert_true(marks[7]);
    assert_int_equal(marked(changes, &s, 15, marks), 0);
    for (int i = 0; i < ROOMS; i++) /* so many that the rooms are looked at instead */
        mx_changes_note(changes, gg_str(s.ids[i]), 20 + i);
    assert_int_equal(marked(changes, &s, 19, marks), ROOMS);
    assert_int_equal(marked(changes, &s, 20 + 49, marks), 50);
    assert_int_equal(marked(changes, &s, 20 + 98, marks), 1);
    mx_changes_free(changes);
}

static void count(void *arg, struct gg_str key)
{
    ++*(size_t *)arg;
}

static void test_bounds(void **state)
{
    struct some s;
    struct mx_changes *changes = mx_changes_new(10);
    make(&s);
    uint64_t start = mx_changes_seq(changes);
    size_t n = 0;
    for (int i = 0; i < 10; i++)
        mx_changes_note(changes, gg_str(s.ids[i]), i + 1);
    assert_true(mx_changes_replay(changes, start, count, &n));
    assert_int_equal(n, 10);
    n = 0;
    mx_changes_note(changes, gg_str(s.ids[2]), 11);
    assert_true(mx_changes_each_after(changes, 9, count, &n));
    assert_int_equal(n, 2);
    assert_int_equal(mx_changes_position(changes, gg_str(s.ids[2])), 11);
    mx_changes_note(changes, gg_str(s.ids[50]), 12); /* the oldest, of position 1, goes */
    assert_int_equal(mx_changes_position(changes, gg_str(s.ids[0])), 0);
    assert_true(mx_changes_after(changes, gg_str(s.ids[0]), 0));
    assert_false(mx_changes_after(changes, gg_str(s.ids[0]), 1));
    assert_false(mx_changes_each_after(changes, 0, count, &n));
    assert_false(mx_changes_replay(changes, start, count, &n));
    mx_changes_note(changes, gg_str(s.ids[2]), 5); /* back: nothing */
    assert_int_equal(mx_changes_position(changes, gg_str(s.ids[2])), 11);
    mx_changes_free(changes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_marks), cmocka_unit_test(test_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
