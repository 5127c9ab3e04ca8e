/* Caches bounded by bytes: what they keep, and what they must not keep. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache/cache.h"

#include <ganglion/map.h>
#include <stdlib.h>

enum { MAX = 10000 };

static struct mx_server server;
static struct mx_caches caches;

static struct mx_cache *fresh(void)
{
    gg_list_init(&caches.all);
    caches.listeners = gg_map_new(free);
    server.caches = &caches;
    return mx_cache_new(&server, &(struct mx_cache_def){"test", MAX, NULL});
}

static void done(void)
{
    mx_caches_free_all(&caches);
    gg_map_free(caches.listeners);
}

static bool put(struct mx_cache *cache, const char *key, size_t bytes)
{
    return mx_cache_put(cache, gg_str(key), calloc(1, 8), bytes, mx_cache_tick(cache));
}

static void test_the_oldest_goes_first(void **state)
{
    struct mx_cache *cache = fresh();
    for (int i = 0; i < 4; i++)
        assert_true(put(cache, (const char *[]){"a", "b", "c", "d"}[i], 3000));
    assert_null(mx_cache_get(cache, GG_STR("a")));
    assert_non_null(mx_cache_get(cache, GG_STR("b")));
    assert_non_null(mx_cache_get(cache, GG_STR("d")));
    assert_true(mx_cache_bytes(cache) <= MAX);
    done();
}

/* A room that has grown too large for the cache must not go on with the state that it had while it was small. */
static void test_a_value_too_large_to_keep_drops_the_one_that_it_replaces(void **state)
{
    struct mx_cache *cache = fresh();
    assert_true(put(cache, "room", 1000));
    assert_false(put(cache, "room", MAX));
    assert_null(mx_cache_get(cache, GG_STR("room")));
    assert_int_equal(mx_cache_count(cache), 0);
    assert_int_equal(mx_cache_bytes(cache), 0);
    done();
}

static void test_what_was_read_before_a_drop_is_not_kept(void **state)
{
    struct mx_cache *cache = fresh();
    uint64_t tick = mx_cache_tick(cache);
    mx_cache_drop(cache, GG_STR("key"));
    assert_false(mx_cache_put(cache, GG_STR("key"), calloc(1, 8), 100, tick));
    assert_null(mx_cache_get(cache, GG_STR("key")));
    done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_oldest_goes_first),
        cmocka_unit_test(test_a_value_too_large_to_keep_drops_the_one_that_it_replaces),
        cmocka_unit_test(test_what_was_read_before_a_drop_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
