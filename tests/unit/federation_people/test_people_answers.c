/* Answers of other servers about aliases and spaces: what is taken of them, and what is not. */
#include "federation/directory.h"
#include "federation/spaces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static int setup(void **state)
{
    *state = gg_arena_new();
    return 0;
}

static int teardown(void **state)
{
    gg_arena_free(*state);
    return 0;
}

static void an_alias(void **state)
{
    struct gg_str room_id, *servers;
    assert_true(mx_fed_directory_read(GG_STR("{\"room_id\":\"!a:b.c\",\"servers\":[\"b.c\",5,\"no name\",\"d.e:80\"]}"), *state, &room_id, &servers));
    assert_true(gg_str_is(room_id, "!a:b.c"));
    assert_true(gg_str_is(servers[0], "b.c") && gg_str_is(servers[1], "d.e:80") && servers[2].s == NULL);
}

static void no_alias(void **state)
{
    static const char *const bad[] = {"[]", "{}", "{\"room_id\":\"!a:b\"}", "{\"room_id\":5,\"servers\":[]}", "{\"room_id\":\"a:b\",\"servers\":[]}",
                                      "{\"room_id\":\"!a:b\",\"servers\":{}}"};
    struct gg_str room_id, *servers;
    for (size_t i = 0; i < GG_COUNT(bad); i++)
        assert_false(mx_fed_directory_read(gg_str(bad[i]), *state, &room_id, &servers));
}

#define CHILD(id_, more_) "{\"type\":\"m.space.child\",\"state_key\":\"" id_ "\",\"content\":{\"via\":[\"x.y\",\"?\"]" more_ "}}"
#define SPACE \
    "{\"room\":{\"room_id\":\"!s:x.y\",\"name\":\"S\",\"num_joined_members\":-1,\"world_readable\":\"yes\",\"topic\":7,\"children_state\":[" \
    CHILD("!a:x.y", "") "," CHILD("!b:x.y", ",\"suggested\":true") "," CHILD("!c:x.y", "") ",5,{}," \
    "{\"type\":\"m.space.child\",\"state_key\":\"!d:x.y\",\"content\":{\"via\":[]}}]}," \
    "\"children\":[{\"room_id\":\"!a:x.y\",\"name\":\"A\"},{\"room_id\":\"!b:x.y\",\"room_type\":\"m.space\"},{\"room_id\":\"!z:x.y\"},null]," \
    "\"inaccessible_children\":[\"!c:x.y\",4]}"

static void a_space(void **state)
{
    struct mx_fed_space space;
    assert_true(mx_fed_space_read(GG_STR(SPACE), GG_STR("!s:x.y"), false, *state, &space));
    assert_int_equal(space.n_children, 3);
    assert_true(gg_str_is(space.children[0].room_id, "!a:x.y"));
    assert_int_equal(space.children[0].n_via, 1);
    assert_true(gg_str_is(space.children[0].entry, "{\"room_id\":\"!a:x.y\",\"name\":\"A\"}"));
    assert_null(space.children[1].entry.s); /* a space: its own children are not known yet */
    assert_true(space.children[2].closed && !space.children[0].closed);
    assert_true(mx_fed_space_read(GG_STR(SPACE), GG_STR("!s:x.y"), true, *state, &space));
    assert_int_equal(space.n_children, 1);
    assert_false(mx_fed_space_read(GG_STR(SPACE), GG_STR("!other:x.y"), false, *state, &space));
    assert_false(mx_fed_space_read(GG_STR("{\"room\":[]}"), GG_STR("!s:x.y"), false, *state, &space));
}

static void what_is_shown(void **state)
{
    struct mx_fed_space space;
    struct gg_buf out = GG_BUF_INIT;
    assert_true(mx_fed_space_read(GG_STR(SPACE), GG_STR("!s:x.y"), false, *state, &space));
    mx_fed_entry_write(&out, space.entry);
    assert_string_equal(out.data, "{\"room_id\":\"!s:x.y\",\"name\":\"S\",\"num_joined_members\":0,\"world_readable\":false,\"guest_can_join\":false");
    gg_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_alias, setup, teardown), cmocka_unit_test_setup_teardown(no_alias, setup, teardown),
        cmocka_unit_test_setup_teardown(a_space, setup, teardown), cmocka_unit_test_setup_teardown(what_is_shown, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
