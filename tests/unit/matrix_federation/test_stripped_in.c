/* What other servers tell of a room before one of ours is in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "federation/stripped_in.h"
#include "rooms/membership.h"

#define ENTRY "{\"type\":\"m.room.name\",\"state_key\":\"\",\"sender\":\"@a:b\",\"content\":{\"name\":\"x\"}}"

static void check(const char *list, const char *expected)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str text = mx_stripped_clean(gg_str(list), arena);
    assert_int_equal(text.n, strlen(expected));
    assert_memory_equal(text.s, expected, text.n);
    gg_arena_free(arena);
}

static void test_what_is_kept(void **state)
{
    check("[" ENTRY "]", "[" ENTRY "]");
    /* a whole event is cut down, whatever the order of its members */
    check("[{\"depth\":1,\"content\":{\"name\":\"x\"},\"sender\":\"@a:b\",\"type\":\"m.room.name\",\"state_key\":\"\","
          "\"signatures\":{},\"unsigned\":{\"age\":1}}," ENTRY "]", "[" ENTRY "," ENTRY "]");
}

static void test_what_is_left_out(void **state)
{
    check("{}", "[]");
    check("null", "[]");
    check("[1,\"x\",[],{},null]", "[]");
    check("[{\"type\":\"m.room.name\",\"sender\":\"@a:b\",\"content\":{}}]", "[]");                     /* no state */
    check("[{\"type\":1,\"state_key\":\"\",\"sender\":\"@a:b\",\"content\":{}}]", "[]");
    check("[{\"type\":\"t\",\"state_key\":\"\",\"sender\":\"@a:b\",\"content\":[]}]", "[]");
    check("[{\"type\":\"t\",\"state_key\":\"\\ud800\",\"sender\":\"@a:b\",\"content\":{}}," ENTRY "]", "[" ENTRY "]"); /* no text */
    struct gg_arena *arena = gg_arena_new();
    struct gg_str none = mx_stripped_clean((struct gg_str){0}, arena);
    assert_int_equal(none.n, 2);
    gg_arena_free(arena);
}

static void test_bound(void **state)
{
    struct gg_buf list = GG_BUF_INIT;
    gg_buf_char(&list, '[');
    for (int i = 0; i < MX_STRIPPED_MAX + 20; i++)
        gg_buf_text(&list, i > 0 ? "," ENTRY : ENTRY);
    gg_buf_char(&list, ']');
    struct gg_arena *arena = gg_arena_new();
    assert_int_equal(mx_json_length(mx_stripped_clean(gg_buf_view(&list), arena)), MX_STRIPPED_MAX);
    gg_arena_free(arena);
    gg_buf_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_is_kept), cmocka_unit_test(test_what_is_left_out),
                                       cmocka_unit_test(test_bound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
