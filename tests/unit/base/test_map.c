/* The hash map against a plain array, and SipHash against its published answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ganglion/list.h>
#include <ganglion/map.h>

#include <stdio.h>

#include "base/hash.h"

#define KEYS 5000

static int destroyed;

static void count_destroy(void *value)
{
    destroyed++;
}

static struct gg_str key_of(int i, char out[32])
{
    return gg_strn(out, (size_t)snprintf(out, 32, "key%d", i));
}

/* Answers of CPython, whose hash of bytes is SipHash-1-3 with a zero key under PYTHONHASHSEED=0. */
static void siphash_gives_known_answers(void **state)
{
    static const struct {
        const char *in;
        uint64_t want;
    } rows[] = {{"a", 0x407448d2b89b1813u},
                {"12345678", 0x3489982430560a87u},
                {"123456789012345", 0x43699fe13351339fu},
                {"a somewhat longer text of several words", 0xec3f9201942c307eu}};
    const uint64_t key[2] = {0, 0};
    for (size_t i = 0; i < GG_COUNT(rows); i++) {
        uint64_t got = gg_siphash13(key, rows[i].in, strlen(rows[i].in));
        if (got != rows[i].want)
            fail_msg("%s: %llx", rows[i].in, (unsigned long long)got);
    }
}

static void map_agrees_with_an_array(void **state)
{
    static void *shadow[KEYS];
    struct gg_map *map = gg_map_new(NULL);
    unsigned seed = 1;
    size_t count = 0;
    char text[32];
    for (int step = 0; step < 100000; step++) {
        seed = seed * 1103515245u + 12345u;
        int i = (int)(seed >> 8) % KEYS;
        if (seed & 1u << 30) {
            count += !shadow[i];
            shadow[i] = &shadow[step % KEYS];
            gg_map_put(map, key_of(i, text), shadow[i]);
        } else {
            assert_int_equal(gg_map_delete(map, key_of(i, text)), shadow[i] != NULL);
            count -= shadow[i] != NULL;
            shadow[i] = NULL;
        }
        assert_int_equal(gg_map_count(map), count);
    }
    for (int i = 0; i < KEYS; i++)
        assert_ptr_equal(gg_map_get(map, key_of(i, text)), shadow[i]);
    gg_map_free(map);
}

static void deleting_while_iterating_visits_all(void **state)
{
    struct gg_map *map = gg_map_new(count_destroy);
    char text[32];
    destroyed = 0;
    for (int i = 0; i < 100; i++)
        gg_map_put(map, key_of(i, text), map);
    struct gg_str key;
    size_t seen = 0;
    for (size_t i = 0; gg_map_next(map, &i, &key, NULL); seen++)
        assert_true(gg_map_delete(map, key));
    assert_int_equal(seen, 100);
    assert_int_equal(destroyed, 100);
    assert_int_equal(gg_map_count(map), 0);
    gg_map_free(map);
}

static void values_are_destroyed_or_taken(void **state)
{
    struct gg_map *map = gg_map_new(count_destroy);
    destroyed = 0;
    gg_map_put(map, GG_STR("a"), NULL);
    assert_true(gg_map_has(map, GG_STR("a")));
    assert_null(gg_map_get(map, GG_STR("a")));
    gg_map_put(map, GG_STR("a"), map);
    assert_int_equal(destroyed, 1);
    assert_ptr_equal(gg_map_take(map, GG_STR("a")), map);
    assert_int_equal(destroyed, 1);
    assert_null(gg_map_take(map, GG_STR("a")));
    gg_map_put(map, gg_strn("b\0c", 3), map);
    gg_map_put(map, gg_strn("b\0d", 3), map);
    gg_map_put(map, GG_STR(""), map);
    assert_int_equal(gg_map_count(map), 3);
    gg_map_free(map);
    assert_int_equal(destroyed, 4);
}

static void lists_link_and_unlink(void **state)
{
    struct gg_list head, a, b;
    gg_list_init(&head);
    assert_null(gg_list_pop(&head));
    gg_list_push(&head, &a);
    gg_list_push_front(&head, &b);
    assert_ptr_equal(head.next, &b);
    int seen = 0;
    GG_LIST_EACH (it, &head) {
        gg_list_remove(it);
        gg_list_remove(it);
        seen++;
    }
    assert_int_equal(seen, 2);
    assert_true(gg_list_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_gives_known_answers),         cmocka_unit_test(map_agrees_with_an_array),
        cmocka_unit_test(deleting_while_iterating_visits_all), cmocka_unit_test(values_are_destroyed_or_taken),
        cmocka_unit_test(lists_link_and_unlink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
