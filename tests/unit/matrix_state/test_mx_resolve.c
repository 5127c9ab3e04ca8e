/* test_mx_resolve.c: state resolution of all versions, on forked rooms that Synapse has resolved
 * (tests/data/resolve_cases.json, made by tests/differential/oracle_resolve.py), in every order of their states.
 * MX_RESOLVE_CASES names a larger file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../cases.h"
#include "storage/chains/difference.h"
#include <ganglion/map.h>

struct room {
    const struct mx_room_version *version;
    struct gg_arena *arena;
    struct mx_event **events;
    struct gg_map *by_id;
    size_t n;
};

static const struct mx_event *look_up(void *arg, struct gg_str event_id)
{
    return gg_map_get(((struct room *)arg)->by_id, event_id);
}

static void load(struct room *room, struct mx_json *events)
{
    room->n = events->n;
    room->events = GG_NEW_ARRAY(room->arena, struct mx_event *, events->n);
    room->by_id = gg_map_new(NULL);
    for (uint32_t i = 0; i < events->n; i++) {
        struct gg_error err = GG_ERROR_INIT;
        struct mx_json *tree = events->items[i];
        struct gg_str rejected = mx_json_text(mx_json_member(tree, "rejected"));
        mx_json_remove(tree, "rejected");
        room->events[i] = case_event(room->arena, tree, room->version, &err);
        if (!room->events[i])
            fail_msg("%s", err.message);
        room->events[i]->meta.rejected = rejected;
        gg_map_put(room->by_id, room->events[i]->event_id, room->events[i]);
    }
}

static struct mx_state *state_of(const struct room *room, const struct mx_json *numbers)
{
    struct mx_state *state = mx_state_new();
    for (uint32_t i = 0; i < numbers->n; i++) {
        const struct mx_event *e = room->events[case_number(numbers->items[i])];
        mx_state_set(state, e->type, e->state_key, e->event_id);
    }
    return state;
}

static bool print_difference(void *arg, const struct mx_state_entry *a, const struct mx_state_entry *b)
{
    const struct mx_state_entry *e = a ? a : b;
    print_message("  (%.*s, %.*s): ours %.*s, Synapse %.*s\n", GG_FMT(e->type), GG_FMT(e->state_key),
                  a ? (int)a->event_id.n : 4, a ? a->event_id.s : "none", b ? (int)b->event_id.n : 4,
                  b ? b->event_id.s : "none");
    return true;
}

/* ---- the auth difference by the chain cover, which is a cover whatever events are put in one chain ---- */

static void add_ids(struct gg_arena *arena, struct gg_map *ids, const struct room *room, const struct mx_chain_walk *walk,
                    const struct mx_auth_difference *found)
{
    for (size_t i = 0; i < room->n; i++) {
        struct mx_chain_place place = mx_chain_walk_place(walk, room->events[i]->event_id);
        for (size_t k = 0; k < found->n_stretches; k++)
            if (place.chain == found->stretches[k].chain && place.sequence > found->stretches[k].from &&
                place.sequence <= found->stretches[k].to)
                gg_map_put(ids, room->events[i]->event_id, NULL);
    }
}

/* Places in order of the events (those that are cited stand first): an event goes on with the chain of the first event
 * that it cites and that ends a chain, or, where `alone`, begins one each. */
static bool place_events(const struct room *room, struct mx_chain_walk *walk, bool alone)
{
    int64_t chains = 0, *tops = GG_NEW_ARRAY(walk->arena, int64_t, room->n + 2);
    for (size_t i = 0; i < room->n; i++) {
        const struct mx_event *e = room->events[i];
        struct mx_chain_place place = {0};
        for (size_t k = 0; k < e->n_auth; k++) {
            struct mx_chain_place cited = mx_chain_walk_place(walk, e->auth_events[k]);
            if (!cited.chain)
                return false;
            if (!alone && !place.chain && tops[cited.chain] == cited.sequence)
                place = (struct mx_chain_place){cited.chain, ++tops[cited.chain]};
        }
        if (!place.chain) {
            place = (struct mx_chain_place){++chains, 1};
            tops[chains] = 1;
        }
        mx_chain_walk_put(walk, e->event_id, place);
        for (size_t k = 0; k < e->n_auth; k++) {
            struct mx_chain_place cited = mx_chain_walk_place(walk, e->auth_events[k]);
            if (cited.chain != place.chain)
                mx_links_add(&walk->links, place, cited);
        }
    }
    return true;
}

/* false: the room's events do not stand in order. */
static bool find_difference(const struct room *room, const struct mx_state *const *maps, size_t n, bool alone,
                            struct mx_resolve_io *io)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_chain_walk walk;
    struct mx_auth_difference found;
    struct gg_map *ids = gg_map_new(NULL);
    mx_chain_walk_init(&walk, NULL, room->arena);
    bool placed = place_events(room, &walk, alone);
    if (placed) {
        struct gg_str id, *list = GG_NEW_ARRAY(room->arena, struct gg_str, room->n + 1);
        assert_int_equal(mx_auth_difference_find(&walk, maps, n, &found, &err), 0);
        assert_int_equal(found.n_loose, 0);
        add_ids(room->arena, ids, room, &walk, &found);
        io->difference = list;
        for (size_t i = 0; gg_map_next(ids, &i, &id, NULL);)
            list[io->n_difference++] = gg_arena_str(room->arena, id);
    }
    gg_map_free(ids);
    mx_chain_walk_done(&walk);
    return placed;
}

enum difference { WALKED, BY_CHAINS, BY_SINGLE_CHAINS };
static size_t by_chains; /* how often it could be done: the test counts */

/* Resolves with the maps rotated by `turn`, and turned around if `back`. */
static bool resolves_to(struct room *room, struct mx_state *const *maps, size_t n, size_t turn, bool back,
                        const struct mx_state *expected, enum difference how)
{
    const struct mx_state *order[8];
    struct mx_resolve_io io = {.event = look_up, .arg = room};
    struct mx_state *out = NULL;
    struct gg_error err = GG_ERROR_INIT;
    bool same;
    for (size_t i = 0; i < n; i++)
        order[i] = maps[back ? (2 * n - 1 - i - turn) % n : (i + turn) % n];
    if (how != WALKED)
        by_chains += find_difference(room, order, n, how == BY_SINGLE_CHAINS, &io);
    if (mx_resolve(room->version, order, n, &io, &out, &err) != 0)
        fail_msg("%s", err.message);
    same = mx_state_equal(out, expected);
    if (!same)
        mx_state_diff(out, expected, print_difference, NULL);
    mx_state_unref(out);
    return same;
}

static size_t resolve_room(const struct mx_json *c, const struct mx_room_version *version)
{
    struct room room = {.version = version, .arena = gg_arena_new()};
    const struct mx_json *maps = mx_json_member(c, "maps");
    struct mx_state *states[8], *expected;
    size_t wrong = 0;
    load(&room, mx_json_member(c, "events"));
    expected = state_of(&room, mx_json_member(c, "resolved"));
    for (uint32_t i = 0; i < maps->n; i++)
        states[i] = state_of(&room, maps->items[i]);
    for (size_t turn = 0; turn < maps->n && !wrong; turn++)
        for (enum difference how = WALKED; how <= BY_SINGLE_CHAINS && !wrong; how++)
            wrong += !resolves_to(&room, states, maps->n, turn, false, expected, how) ||
                     !resolves_to(&room, states, maps->n, turn, true, expected, how);
    for (uint32_t i = 0; i < maps->n; i++)
        mx_state_unref(states[i]);
    mx_state_unref(expected);
    gg_map_free(room.by_id);
    gg_arena_free(room.arena);
    return wrong;
}

static void synapse_agrees(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_json *all = read_cases(arena, "MX_RESOLVE_CASES", "resolve_cases.json");
    size_t wrong = 0, resolved = 0;
    assert_int_equal(all->n, 12);
    for (uint32_t i = 0; i < all->n; i++) {
        const struct mx_room_version *version =
            mx_room_version_find(mx_json_text(mx_json_member(all->items[i], "version")));
        const struct mx_json *rooms = mx_json_member(all->items[i], "rooms");
        for (uint32_t k = 0; k < rooms->n; k++) {
            size_t bad = resolve_room(rooms->items[k], version);
            if (bad)
                print_message("version %s, room %u differs\n", version->id, k);
            wrong += bad;
        }
        resolved += rooms->n;
    }
    print_message("%zu rooms, %zu resolved otherwise\n", resolved, wrong);
    assert_int_equal(wrong, 0);
    assert_true(by_chains > resolved); /* several orders of each room: nearly all have their events in order */
    print_message("%zu resolutions by the chain cover\n", by_chains);
    gg_arena_free(arena);
}

static void nothing_to_resolve(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_resolve_io io = {.event = look_up};
    const struct mx_room_version *version = mx_room_version_find(GG_STR("12"));
    struct mx_state *one = mx_state_new(), *same = mx_state_new(), *out;
    const struct mx_state *maps[] = {one, same};
    mx_state_set(one, GG_STR("t"), GG_STR(""), GG_STR("$a"));
    mx_state_set(same, GG_STR("t"), GG_STR(""), GG_STR("$a"));
    for (size_t n = 0; n <= 2; n++) {
        assert_int_equal(mx_resolve(version, maps, n, &io, &out, &err), 0);
        assert_int_equal(mx_state_count(out), n > 0);
        mx_state_unref(out);
    }
    mx_state_unref(one);
    mx_state_unref(same);
}

/* Ids of version 2 are free text, so somebody may make events that cite each other in a circle. Resolution ends, keeps
 * what is not in conflict, and admits nothing of the circle. */
static void circles_end(void **state)
{
    static const char event[] = "{\"event_id\":\"$%s:a\",\"type\":\"%s\",\"state_key\":\"%s\",\"room_id\":\"!r:a\","
                                "\"sender\":\"@c:a\",\"depth\":1,"
                                "\"origin_server_ts\":1,\"prev_events\":[],\"auth_events\":[%s],\"content\":%s}";
    static const char *const parts[][5] = {
        {"create", "m.room.create", "", "", "{\"creator\":\"@c:a\"}"},
        {"join", "m.room.member", "@c:a", "[\"$create:a\",{}]", "{\"membership\":\"join\"}"},
        {"p1", "m.room.power_levels", "", "[\"$create:a\",{}],[\"$p2:a\",{}]", "{\"users\":{\"@c:a\":1000}}"},
        {"p2", "m.room.power_levels", "", "[\"$create:a\",{}],[\"$p1:a\",{}]", "{\"users\":{\"@c:a\":1}}"},
        {"t1", "t", "", "[\"$create:a\",{}],[\"$p1:a\",{}]", "{}"},
        {"t2", "t", "", "[\"$create:a\",{}],[\"$p2:a\",{}],[\"$t2:a\",{}]", "{}"}};
    struct room room = {.version = mx_room_version_find(GG_STR("2")), .arena = gg_arena_new()};
    struct mx_json *events = mx_json_array(room.arena);
    struct mx_state *maps[2], *out = NULL;
    struct mx_resolve_io io = {.event = look_up, .arg = &room};
    struct gg_error err = GG_ERROR_INIT;
    for (size_t i = 0; i < GG_COUNT(parts); i++)
        mx_json_push(events, room.arena,
                     mx_json_raw(room.arena, gg_str(gg_arena_printf(room.arena, event, parts[i][0], parts[i][1],
                                                                    parts[i][2], parts[i][3], parts[i][4]))));
    load(&room, events);
    maps[0] = state_of(&room, mx_json_raw(room.arena, GG_STR("[0,1,2,4]")));
    maps[1] = state_of(&room, mx_json_raw(room.arena, GG_STR("[0,1,3,5]")));
    assert_int_equal(mx_resolve(room.version, (const struct mx_state *const *)maps, 2, &io, &out, &err), 0);
    assert_true(gg_str_is(mx_state_get(out, GG_STR("m.room.create"), GG_STR("")), "$create:a"));
    assert_true(gg_str_is(mx_state_get(out, GG_STR("m.room.member"), GG_STR("@c:a")), "$join:a"));
    assert_null(mx_state_get(out, GG_STR("m.room.power_levels"), GG_STR("")).s);
    mx_state_unref(out);
    mx_state_unref(maps[0]);
    mx_state_unref(maps[1]);
    gg_map_free(room.by_id);
    gg_arena_free(room.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(synapse_agrees),
        cmocka_unit_test(nothing_to_resolve),
        cmocka_unit_test(circles_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
