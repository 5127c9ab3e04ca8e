/* State groups that another process has drafted: they are written with their events, and only where they may stand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rooms.h"
#include "storage/store.h"

static struct mx_event *topic(struct test_room *room)
{
    return room_build(room, &(struct test_event){
                                .type = GG_STR("m.room.topic"), .state_key = GG_STR(""), .content = GG_STR("{\"topic\":\"x\"}")});
}

WORLD_TEST(what_was_drafted_elsewhere_is_written_with_the_event)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct test_room room;
    struct mx_new_group *groups;
    size_t firsts[2];
    int64_t before, group, stream = 0;
    bool possible;
    struct gg_str id;
    world_start(NULL);
    room_make(&room, arena, "drafted");
    struct mx_event *event = topic(&room);
    const struct mx_event *events[] = {event};
    assert_int_equal(mx_store_draft_groups_elsewhere(world.server, room.group, events, 1, &before, &group, arena, &groups, firsts,
                                                     &possible, &err), 0);
    assert_true(possible && firsts[1] == 1 && before == room.group && group == groups[0].id && group > room.group);
    assert_null(mx_groups_held(mx_store_of(world.server), group, arena)); /* its maker does not know the map */
    assert_int_equal(world_number(gg_arena_printf(arena, "SELECT count(*) FROM state_groups WHERE id = %lld", (long long)group)), 0);
    assert_int_equal(mx_store_take_groups(world.server, event, groups, 1, &err), 0);
    struct mx_persist_item item = {.event = event, .group = group, .group_before = before, .new_groups = groups,
                                   .n_new_groups = 1, .push_known = true, .drafted = true};
    assert_int_equal(mx_persist(world.server, room.id, &item, 1, arena, &stream, &id, &err), 0);
    assert_int_equal(world_number("SELECT count(*) FROM state_groups s JOIN state_group_edges e ON e.state_group = s.id"
                                  " JOIN state_groups_state t ON t.state_group = s.id JOIN event_to_state_groups g"
                                  " ON g.state_group = s.id WHERE t.type = 'm.room.topic' AND t.event_id = g.event_id"), 1);
    const struct mx_state *state;
    assert_int_equal(mx_store_group_state(world.server, group, arena, &state, &err), 0);
    assert_true(gg_str_eq(mx_state_get(state, GG_STR("m.room.topic"), GG_STR("")), event->event_id));
    assert_true(mx_state_get(state, GG_STR("m.room.create"), GG_STR("")).s != NULL);
    mx_event_unref(event);
    world_stop();
    gg_arena_free(arena);
}

static int take(struct test_room *room, const struct mx_new_group *group)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *event = topic(room);
    int status = mx_store_take_groups(world.server, event, group, 1, &err);
    mx_store_drop_groups(world.server, group, 1);
    mx_event_unref(event);
    return status;
}

WORLD_TEST(a_draft_that_cannot_stand_is_refused)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    const struct mx_state *state;
    struct test_room room;
    world_start(NULL);
    room_make(&room, arena, "refused");
    assert_int_equal(take(&room, &(struct mx_new_group){room.group + 1000, room.group, true}), 0);
    assert_int_equal(take(&room, &(struct mx_new_group){room.group, room.group, true}), GG_E_CONFLICT);
    assert_int_not_equal(take(&room, &(struct mx_new_group){room.group + 1001, room.group + 1000, true}), 0); /* no such parent */
    assert_int_equal(mx_store_group_state(world.server, room.group, arena, &state, &err), 0);
    mx_groups_keep(mx_store_of(world.server), room.group, state, MX_GROUP_CHAIN_MAX);
    assert_int_equal(take(&room, &(struct mx_new_group){room.group + 1000, room.group, true}), GG_E_CONFLICT);
    world_stop();
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_drafted_elsewhere_is_written_with_the_event),
        cmocka_unit_test(test_a_draft_that_cannot_stand_is_refused),
    };
    return cmocka_run_group_tests(tests, world_up, world_down);
}
