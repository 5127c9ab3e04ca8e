/* Which events make children of a space, and in what order; power levels of rooms that are replaced. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "rooms/children.h"
#include "rooms/upgrade_levels.h"

static void test_children(void **state)
{
    static const struct {
        const char *content;
        bool child, suggested;
    } cases[] = {
        {"{\"via\":[\"a\"]}", true, false},
        {"{\"via\":[\"a\"],\"suggested\":true}", true, true},
        {"{\"via\":[\"a\"],\"suggested\":\"true\"}", true, false},
        {"{}", false, false},
        {"{\"via\":[]}", false, false},
        {"{\"via\":\"a\"}", false, false},
        {"{\"via\":[5]}", false, false},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        assert_int_equal(mx_is_space_child(gg_str(cases[i].content), false), cases[i].child);
        assert_int_equal(mx_is_space_child(gg_str(cases[i].content), true), cases[i].suggested);
    }
}

/* Client-server API, "Ordering of children within a space": the example there. */
static void test_order(void **state)
{
    static const struct {
        const char *content;
        int64_t ts;
        const char *room_id;
    } sorted[] = {
        {"{\"order\":\" \"}", 9, "!z"},   {"{\"order\":\"aaaa\"}", 5, "!b"}, {"{\"order\":\"aaab\"}", 4, "!a"},
        {"{\"order\":\"b\"}", 1, "!k"},   {"{\"order\":\"b\"}", 2, "!a"},     {"{\"order\":\"b\"}", 2, "!c"},
        {"{\"order\":\"\\u00e9\"}", 1, "!b"}, {"{}", 2, "!b"},                {"{\"order\":5}", 3, "!a"},
        {"{\"order\":\"x\\u007f\"}", 3, "!b"},
    };
    struct gg_arena *arena = gg_arena_new();
    for (size_t i = 0; i < GG_COUNT(sorted); i++)
        for (size_t k = 0; k < GG_COUNT(sorted); k++) {
            struct mx_child_place a = mx_child_place_of(gg_str(sorted[i].content), sorted[i].ts, gg_str(sorted[i].room_id), arena);
            struct mx_child_place b = mx_child_place_of(gg_str(sorted[k].content), sorted[k].ts, gg_str(sorted[k].room_id), arena);
            int cmp = mx_child_place_cmp(&a, &b);
            assert_int_equal(cmp < 0, i < k);
            assert_int_equal(cmp > 0, i > k);
        }
    gg_arena_free(arena);
}

static const char *levels_text(const struct mx_json *v, struct gg_arena *arena)
{
    if (v == NULL)
        return "null";
    struct gg_buf buf = GG_BUF_INIT;
    mx_json_canonical(&buf, v);
    const char *text = gg_arena_strndup(arena, buf.data, buf.n);
    gg_buf_done(&buf);
    return text;
}

static void test_levels(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    const struct mx_room_version *eleven = mx_room_version_find(GG_STR("11")), *twelve = mx_room_version_find(GG_STR("12"));
    struct gg_str alice = GG_STR("@a:b");
    const struct mx_json *old = mx_json_raw(arena, GG_STR(
        "{\"ban\":\" 50 \",\"x\":null,\"kick\":\"no\",\"events\":{\"m.room.name\":\"+60\",\"y\":1.5},\"users\":{\"@a:b\":50,\"@c:d\":\"7\"}}"));
    struct mx_json *kept = mx_levels_for_version(old, eleven, &alice, 1, arena);
    assert_string_equal(levels_text(kept, arena), "{\"ban\":50,\"events\":{\"m.room.name\":60},\"users\":{\"@a:b\":50,\"@c:d\":7}}");
    assert_string_equal(levels_text(mx_levels_for_version(old, twelve, &alice, 1, arena), arena),
                        "{\"ban\":50,\"events\":{\"m.room.name\":60},\"users\":{\"@c:d\":7}}");
    assert_string_equal(levels_text(mx_levels_raised(kept, alice, arena), arena),
                        "{\"ban\":50,\"events\":{\"m.room.name\":60},\"users\":{\"@a:b\":60,\"@c:d\":7}}");
    assert_string_equal(levels_text(mx_levels_raised(mx_json_raw(arena, GG_STR("{\"users_default\":50}")), alice, arena), arena), "null");
    assert_string_equal(levels_text(mx_levels_raised(mx_json_raw(arena, GG_STR("{}")), alice, arena), arena), "{\"users\":{\"@a:b\":50}}");
    assert_string_equal(levels_text(mx_levels_restricted(mx_json_raw(arena, GG_STR("{}")), arena), arena),
                        "{\"events_default\":50,\"invite\":50}");
    assert_string_equal(levels_text(mx_levels_restricted(mx_json_raw(arena, GG_STR("{\"users_default\":60,\"invite\":70}")), arena), arena),
                        "{\"events_default\":61,\"invite\":70,\"users_default\":60}");
    assert_string_equal(levels_text(mx_levels_restricted(mx_json_raw(arena, GG_STR("{\"events_default\":\"50\",\"invite\":50}")), arena), arena), "null");
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_children), cmocka_unit_test(test_order), cmocka_unit_test(test_levels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
