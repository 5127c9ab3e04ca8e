/* A plan as the router searches it: which pool, by what, and which member. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "balance/table.h"

#include <stdio.h>

static const char plan[] =
    "{\"pools\":["
    "{\"name\":\"main\",\"balance\":null,\"members\":[{\"name\":\"master\",\"address\":\"127.0.0.1:8008\"}]},"
    "{\"name\":\"sync\",\"balance\":\"user\",\"members\":[{\"name\":\"w1\",\"address\":\"127.0.0.1:8083\"},"
    "{\"name\":\"w2\",\"address\":\"[::1]:8084\"},{\"name\":\"w3\",\"address\":\"unix:/run/w3\"}]},"
    "{\"name\":\"first\",\"balance\":null,\"members\":[{\"name\":\"w3\",\"address\":\"unix:/run/w3\"}]},"
    "{\"name\":\"events\",\"balance\":\"room\",\"members\":[{\"name\":\"w1\",\"address\":\"127.0.0.1:8083\"},"
    "{\"name\":\"w2\",\"address\":\"[::1]:8084\"}]},"
    "{\"name\":\"bridge\",\"balance\":null,\"members\":[{\"name\":\"w2\",\"address\":\"[::1]:8084\"}]}],"
    "\"rules\":["
    "{\"pattern\":\"/c/(r0|v3)/sync\",\"methods\":[\"GET\"],\"prefix\":false,\"pool\":\"sync\"},"
    "{\"pattern\":\"/c/v3/sync\",\"methods\":[\"GET\"],\"prefix\":false,\"pool\":\"main\"},"
    "{\"pattern\":\"/c/v3/rooms/{room_id}/send/"
    "{type}\",\"methods\":[\"PUT\",\"POST\"],\"prefix\":false,\"pool\":\"events\"},"
    "{\"pattern\":\"/m/\",\"methods\":[\"GET\"],\"prefix\":true,\"pool\":\"first\"}],"
    "\"variants\":[{\"kind\":\"initial\",\"from\":\"sync\",\"to\":\"first\"},"
    "{\"kind\":\"bridge\",\"from\":\"events\",\"to\":\"bridge\"}]}";

static const struct gg_query_marks none = {false, false}, since = {true, false}, bridged = {false, true};

static struct gg_table *read_plan(void)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_table *table;
    if (gg_table_read(GG_STR(plan), &table, &err) < 0)
        fail_msg("%s", err.message);
    return table;
}

static const char *pool(const struct gg_table *table, const char *method, const char *path, struct gg_query_marks marks)
{
    struct gg_str key;
    return gg_table_find(table, method, gg_str(path), marks, &key)->name;
}

static void test_pools(void **state)
{
    struct gg_table *t = read_plan();
    assert_string_equal(pool(t, "GET", "/c/r0/sync", since), "sync");
    assert_string_equal(pool(t, "GET", "/c/v3/sync", since), "sync"); /* the first of two rules */
    assert_string_equal(pool(t, "HEAD", "/c/v3/sync", since), "sync");
    assert_string_equal(pool(t, "GET", "/c/v3/sync", none), "first");
    assert_string_equal(pool(t, "POST", "/c/v3/sync", since), "main"); /* not that method */
    assert_string_equal(pool(t, "PUT", "/c/v3/rooms/!a/send/x", none), "events");
    assert_string_equal(pool(t, "PUT", "/c/v3/rooms/!a/send/x", bridged), "bridge");
    assert_string_equal(pool(t, "PUT", "/c/v3/rooms/!a/send/x/y", none), "main");
    assert_string_equal(pool(t, "GET", "/m/any/thing", none), "first");
    assert_string_equal(pool(t, "GET", "/", none), "main");
    gg_table_free(t);
}

static void test_keys(void **state)
{
    struct gg_table *t = read_plan();
    struct gg_str key;
    gg_table_find(t, "POST", GG_STR("/c/v3/rooms/%21a:x/send/m.room.message"), none, &key);
    assert_true(gg_str_is(key, "%21a:x"));
    gg_table_find(t, "GET", GG_STR("/c/v3/sync"), since, &key);
    assert_int_equal(key.n, 0); /* the user is no part of the path */
    gg_table_free(t);
}

static void test_members_are_one_each(void **state)
{
    struct gg_table *t = read_plan();
    assert_int_equal(t->n_backends, 4);
    assert_string_equal(gg_table_backend(t, "[::1]:8084")->peer.host, "::1");
    assert_int_equal(gg_table_backend(t, "[::1]:8084")->peer.port, 8084);
    assert_string_equal(gg_table_backend(t, "unix:/run/w3")->peer.path, "/run/w3");
    assert_ptr_equal(t->groups[1].members[2], t->groups[2].members[0]);
    gg_table_free(t);
}

static struct gg_backend *chosen(struct gg_group *group, int i, struct gg_backend *const *tried, size_t n)
{
    char key[16];
    snprintf(key, sizeof(key), "@u%d:x", i);
    return gg_group_choose(group, gg_str(key), tried, n, false);
}

/* A key keeps its member; one that goes away leaves only its own keys to others, evenly. */
static void test_rendezvous(void **state)
{
    enum { KEYS = 600 };
    struct gg_table *t = read_plan();
    struct gg_group *group = &t->groups[1];
    struct gg_backend *first[KEYS], *gone = group->members[1];
    size_t of[3] = {0}, moved = 0;
    for (int i = 0; i < KEYS; i++) {
        first[i] = chosen(group, i, NULL, 0);
        assert_ptr_equal(first[i], chosen(group, i, NULL, 0));
        for (size_t m = 0; m < 3; m++)
            of[m] += first[i] == group->members[m];
    }
    for (size_t m = 0; m < 3; m++)
        assert_in_range(of[m], KEYS / 3 - 70, KEYS / 3 + 70);
    gone->up = false;
    for (int i = 0; i < KEYS; i++) {
        struct gg_backend *now = chosen(group, i, NULL, 0);
        assert_ptr_not_equal(now, gone);
        if (first[i] != gone)
            assert_ptr_equal(now, first[i]);
        moved += first[i] == gone && now == group->members[0];
        gone->up = true;
        assert_ptr_equal(chosen(group, i, &gone, 1), now); /* tried in vain, or known to be gone: the same heir */
        gone->up = false;
    }
    assert_in_range(moved, of[1] / 2 - 45, of[1] / 2 + 45);
    gg_table_free(t);
}

static void test_the_least_busy(void **state)
{
    struct gg_table *t = read_plan();
    struct gg_group *group = &t->groups[1];
    group->members[0]->in_flight = 3;
    group->members[1]->in_flight = 1;
    group->members[2]->in_flight = 2;
    for (int i = 0; i < 5; i++)
        assert_ptr_equal(gg_group_choose(group, GG_STR(""), NULL, 0, false), group->members[1]);
    group->members[2]->in_flight = 1;
    struct gg_backend *one = gg_group_choose(group, GG_STR(""), NULL, 0, false), *other = one;
    for (int i = 0; i < 5 && other == one; i++)
        other = gg_group_choose(group, GG_STR(""), NULL, 0, false);
    assert_ptr_not_equal(one, other); /* equals take turns */
    gg_table_free(t);
}

static void test_nobody_is_up(void **state)
{
    struct gg_table *t = read_plan();
    struct gg_group *group = &t->groups[1];
    for (size_t i = 0; i < group->n; i++)
        group->members[i]->up = false;
    assert_null(gg_group_choose(group, GG_STR("k"), NULL, 0, false));
    assert_non_null(gg_group_choose(group, GG_STR("k"), NULL, 0, true));
    assert_null(gg_group_choose(group, GG_STR("k"), group->members, 3, true));
    gg_table_free(t);
}

static void test_what_is_no_plan(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"pools\":[]}",
        "{\"pools\":[{\"name\":\"a\",\"members\":[]}]}",
        "{\"pools\":[{\"members\":[{\"name\":\"w\",\"address\":\"127.0.0.1:1\"}]}]}",
        "{\"pools\":[{\"name\":\"a\",\"members\":[{\"name\":\"w\",\"address\":\"127.0.0.1\"}]}]}",
        "{\"pools\":[{\"name\":\"a\",\"members\":[{\"name\":\"w\",\"address\":\"127.0.0.1:70000\"}]}]}",
        "{\"pools\":[{\"name\":\"a\",\"members\":[{\"name\":\"w\",\"address\":\"unix:x\"}]}]}",
        "{\"pools\":[{\"name\":\"a\",\"members\":[{\"name\":\"w\",\"address\":\"h:1\"}]}],\"rules\":[{\"pattern\":\"/"
        "x\",\"pool\":\"b\"}]}",
        "{\"pools\":[{\"name\":\"a\",\"members\":[{\"name\":\"w\",\"address\":\"h:1\"}]}],"
        "\"rules\":[{\"pattern\":\"/x(\",\"methods\":[\"GET\"],\"pool\":\"a\"}]}",
        "{\"pools\":[{\"name\":\"a\",\"members\":[{\"name\":\"w\",\"address\":\"h:1\"}]}],\"variants\":[{\"from\":"
        "\"a\"}]}",
    };
    for (size_t i = 0; i < GG_COUNT(bad); i++) {
        struct gg_error err = GG_ERROR_INIT;
        struct gg_table *table;
        assert_true(gg_table_read(gg_str(bad[i]), &table, &err) < 0);
        assert_null(table);
        assert_int_not_equal(err.code, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_members_are_one_each),
        cmocka_unit_test(test_rendezvous),
        cmocka_unit_test(test_the_least_busy),
        cmocka_unit_test(test_nobody_is_up),
        cmocka_unit_test(test_what_is_no_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
