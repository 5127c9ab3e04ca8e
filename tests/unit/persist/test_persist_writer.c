/* The event writer under concurrency, failure and restart; forks; state groups; redactions; heads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rooms.h"

/* ---- many rooms at once ---- */

enum { ROOMS = 50 };

struct sender {
    struct test_room *room;
    int status;
    int64_t stream;
    struct gg_fiber *fiber;
};

static void send_one(void *arg)
{
    struct sender *s = arg;
    struct gg_error err = GG_ERROR_INIT;
    s->status = room_try(s->room,
                         &(struct test_event){.type = GG_STR("m.room.message"),
                                              .content = GG_STR("{\"msgtype\":\"m.text\",\"body\":\"hi\"}")},
                         NULL, &s->stream, &err);
}

static void send_all(struct sender *senders, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_non_null(senders[i].fiber = gg_spawn_joinable(NULL, "sender", send_one, &senders[i]));
    for (size_t i = 0; i < n; i++)
        assert_int_equal(gg_join(senders[i].fiber, GG_FOREVER), GG_OK);
}

WORLD_TEST(rooms_share_a_commit)
{
    struct gg_arena *arena = gg_arena_new();
    struct test_room rooms[ROOMS];
    struct sender senders[ROOMS];
    world_start(NULL);
    for (size_t i = 0; i < ROOMS; i++) {
        room_make(&rooms[i], arena, gg_arena_printf(arena, "share%zu", i));
        senders[i] = (struct sender){.room = &rooms[i]};
    }
    int64_t before = world_number("SELECT count(DISTINCT xmin::text) FROM events");
    send_all(senders, ROOMS);
    for (size_t i = 0; i < ROOMS; i++) {
        assert_int_equal(senders[i].status, 0);
        assert_true(senders[i].stream > 0);
    }
    assert_in_range(world_number("SELECT count(DISTINCT xmin::text) FROM events") - before, 1, 2);
    assert_int_equal(world_number("SELECT count(*) FROM events WHERE type = 'm.room.message'"), ROOMS);
    world_stop();
    gg_arena_free(arena);
}

/* A bad event in one room of a group fails alone. */
WORLD_TEST(a_bad_room_fails_alone)
{
    struct gg_arena *arena = gg_arena_new();
    struct test_room rooms[10];
    struct sender senders[10];
    world_start(NULL);
    for (size_t i = 0; i < 10; i++) {
        room_make(&rooms[i], arena, gg_arena_printf(arena, "bad%zu", i));
        senders[i] = (struct sender){.room = &rooms[i]};
    }
    world_do("ALTER TABLE events ADD CONSTRAINT no_message_in_bad4"
             " CHECK (room_id <> '!bad4:test.local' OR type <> 'm.room.message')");
    send_all(senders, 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(senders[i].status == 0, i != 4);
    assert_int_equal(world_number("SELECT count(*) FROM events WHERE room_id LIKE '!bad%' AND type = 'm.room.message'"),
                     9);
    world_do("ALTER TABLE events DROP CONSTRAINT no_message_in_bad4");
    /* ids of the failed tries were finished: the position goes on, and so does the room. */
    room_say(&rooms[4], "again");
    assert_int_equal(gg_stream_upto(world.server->events), world_number("SELECT last_value FROM events_stream_seq"));
    world_stop();
    gg_arena_free(arena);
}

WORLD_TEST(an_unknown_room_is_refused)
{
    struct gg_arena *arena = gg_arena_new();
    struct test_room room;
    struct gg_error err = GG_ERROR_INIT;
    world_start(NULL);
    room_make(&room, arena, "known");
    room.id = GG_STR("!unknown:test.local");
    assert_int_not_equal(room_try(&room, &(struct test_event){.type = GG_STR("m.room.message")}, NULL, NULL, &err), 0);
    assert_int_equal(err.http_status, 404);
    world_stop();
    gg_arena_free(arena);
}

/* ---- the same again ---- */

WORLD_TEST(an_event_is_written_once)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct test_room room;
    world_start(NULL);
    room_make(&room, arena, "once");
    struct mx_event *event = room_build(&room, &(struct test_event){.type = GG_STR("m.room.message")});
    struct mx_persist_item item = {event, room.group, room.group, NULL, false};
    int64_t first, second;
    assert_int_equal(mx_persist(world.server, room.id, &item, 1, arena, &first, NULL, &err), 0);
    assert_int_equal(mx_persist(world.server, room.id, &item, 1, arena, &second, NULL, &err), 0);
    assert_int_equal(first, second);
    mx_event_unref(event);
    world_stop();
    gg_arena_free(arena);
}

WORLD_TEST(a_transaction_id_is_used_once)
{
    struct gg_arena *arena = gg_arena_new();
    struct test_room room;
    struct mx_event_meta meta = {.txn_id = GG_STR("t1"), .device_id = GG_STR("DEV")};
    struct test_event e = {.type = GG_STR("m.room.message"), .meta = meta};
    world_start(NULL);
    world_do("INSERT INTO users (name, creation_ts) VALUES ('@alice:test.local', 1);"
             "INSERT INTO devices (user_id, device_id, hidden) VALUES ('@alice:test.local', 'DEV', false)");
    room_make(&room, arena, "txn");
    struct gg_str first = room_send(&room, &e), second = room_send(&room, &e);
    assert_true(gg_str_eq(first, second));
    assert_int_equal(world_number("SELECT count(*) FROM event_txn_id_device_id WHERE room_id = '!txn:test.local'"), 1);
    assert_int_equal(
        world_number("SELECT count(*) FROM events WHERE room_id = '!txn:test.local' AND type = 'm.room.message'"), 1);
    world_stop();
    gg_arena_free(arena);
}

/* ---- restart ---- */

WORLD_TEST(goes_on_after_a_restart)
{
    struct gg_arena *arena = gg_arena_new();
    struct test_room room;
    world_start(NULL);
    room_make(&room, arena, "restart");
    room_say(&room, "before");
    int64_t upto = gg_stream_upto(world.server->events);
    world_stop();
    world_start(NULL);
    assert_int_equal(gg_stream_upto(world.server->events), upto);
    room_say(&room, "after");
    assert_int_equal(
        world_number("SELECT count(*) FROM event_forward_extremities WHERE room_id = '!restart:test.local'"), 1);
    assert_int_equal(
        world_number("SELECT count(*) FROM event_backward_extremities WHERE room_id = '!restart:test.local'"), 0);
    world_stop();
    gg_arena_free(arena);
}

/* ---- forks ---- */

/* Two topics on two branches: the state is resolved, and both ends stay until something cites both. */
WORLD_TEST(a_fork_is_resolved)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct test_room room;
    const struct mx_head *head;
    world_start(NULL);
    room_make(&room, arena, "fork");
    struct test_room before = room;
    room_state(&room, "m.room.topic", GG_STR(""), "{\"topic\":\"A\"}");
    struct gg_str end_a = room.last;
    struct test_room other = before;
    struct gg_str topic_b = room_state(&other, "m.room.topic", GG_STR(""), "{\"topic\":\"B\"}");
    assert_int_equal(mx_heads_get(world.server, room.id, arena, &head, &err), 0);
    assert_int_equal(head->n_extremities, 2);
    assert_int_equal(head->group, 0);
    /* The later one of two equal events wins (mainline ordering, by origin_server_ts). */
    assert_true(gg_str_eq(mx_state_get(head->state, GG_STR("m.room.topic"), GG_STR("")), topic_b));
    assert_int_equal(world_number("SELECT count(*) FROM stream_ordering_to_exterm WHERE stream_ordering ="
                                  " (SELECT max(stream_ordering) FROM events)"),
                     2);
    struct gg_str both[2] = {end_a, topic_b};
    int64_t merged;
    assert_int_equal(mx_store_map_group(world.server, room.id, topic_b, head->state, other.group, &merged, &err), 0);
    room.group = merged;
    room_send(&room, &(struct test_event){.type = GG_STR("m.room.message"), .prev = both, .n_prev = 2});
    assert_int_equal(mx_heads_get(world.server, room.id, arena, &head, &err), 0);
    assert_int_equal(head->n_extremities, 1);
    assert_int_equal(head->group, merged);
    assert_true(gg_str_eq(mx_state_get(head->state, GG_STR("m.room.topic"), GG_STR("")), topic_b));
    world_stop();
    gg_arena_free(arena);
}

WORLD_TEST(soft_failed_and_rejected_change_nothing)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct test_room room;
    const struct mx_head *head;
    world_start(NULL);
    room_make(&room, arena, "failed");
    struct test_room before = room;
    struct gg_str end = room.last;
    room_send(&room, &(struct test_event){.type = GG_STR("m.room.topic"),
                                          .state_key = GG_STR(""),
                                          .content = GG_STR("{\"topic\":\"soft\"}"),
                                          .meta = {.soft_failed = true}});
    room = before;
    room_send(&room, &(struct test_event){.type = GG_STR("m.room.name"),
                                          .state_key = GG_STR(""),
                                          .content = GG_STR("{\"name\":\"no\"}"),
                                          .meta = {.rejected = GG_STR("auth_error")}});
    assert_int_equal(mx_heads_get(world.server, room.id, arena, &head, &err), 0);
    assert_int_equal(head->n_extremities, 1);
    assert_true(gg_str_eq(head->extremities[0], end));
    assert_null(mx_state_get(head->state, GG_STR("m.room.topic"), GG_STR("")).s);
    assert_int_equal(world_number("SELECT count(*) FROM rejections"), 1);
    assert_int_equal(world_number("SELECT count(*) FROM event_edges x JOIN rejections USING (event_id)"), 0);
    assert_int_equal(world_number("SELECT count(*) FROM event_to_state_groups g JOIN rejections USING (event_id)"
                                  " JOIN state_groups s ON s.id = g.state_group WHERE s.event_id = g.event_id"),
                     0);
    world_stop();
    gg_arena_free(arena);
}

/* ---- history: outliers, gaps, backfill ---- */

WORLD_TEST(an_outlier_becomes_a_full_event)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct test_room room;
    world_start(NULL);
    room_make(&room, arena, "outlier");
    struct gg_str elsewhere = GG_STR("$elsewhere"), carol = GG_STR("@carol:far.example");
    struct mx_event *event = room_build(&room, &(struct test_event){.type = GG_STR("m.room.message"),
                                                                    .sender = carol,
                                                                    .prev = &elsewhere,
                                                                    .n_prev = 1,
                                                                    .meta = {.outlier = true}});
    struct mx_persist_item item = {event, 0, 0, NULL, true};
    int64_t stream;
    assert_int_equal(mx_persist(world.server, room.id, &item, 1, arena, &stream, NULL, &err), 0);
    assert_true(stream < 0);
    assert_int_equal(world_number("SELECT count(*) FROM events WHERE outlier AND stream_ordering < 0"), 1);
    struct mx_event_meta meta = event->meta;
    meta.outlier = false;
    struct mx_event *full = mx_event_with_meta(event, &meta);
    struct mx_persist_item again = {full, room.group, room.group, NULL, false};
    int64_t live;
    assert_int_equal(mx_persist(world.server, room.id, &again, 1, arena, &live, NULL, &err), 0);
    assert_true(live > 0);
    assert_int_equal(world_number("SELECT count(*) FROM events WHERE outlier"), 0);
    assert_int_equal(world_number("SELECT event_stream_ordering FROM ex_outlier_stream"), live);
    assert_int_equal(
        world_number("SELECT count(*) FROM event_forward_extremities WHERE room_id = '!outlier:test.local'"), 2);
    assert_int_equal(world_number("SELECT count(*) FROM event_backward_extremities WHERE event_id = '$elsewhere'"), 1);
    assert_int_equal(world_number("SELECT count(*) FROM timeline_gaps"), 1);
    mx_event_unref(event);
    mx_event_unref(full);
    world_stop();
    gg_arena_free(arena);
}

WORLD_TEST(an_invitation_from_outside)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    const struct mx_user_room *rooms;
    size_t n;
    world_start(NULL);
    world_do("INSERT INTO rooms (room_id, is_public, creator, room_version, has_auth_chain_index)"
             " VALUES ('!far:far.example', false, '', '10', true)");
    struct test_room room = {.arena = arena,
                             .version = mx_room_version_find(GG_STR("10")),
                             .id = GG_STR("!far:far.example"),
                             .last = GG_STR("$far"),
                             .auth = {GG_STR("$unknown")},
                             .n_auth = 1};
    struct mx_event *event = room_build(&room, &(struct test_event){.type = GG_STR("m.room.member"),
                                                                    .state_key = BOB,
                                                                    .sender = GG_STR("@carol:far.example"),
                                                                    .content = GG_STR("{\"membership\":\"invite\"}"),
                                                                    .meta = {.outlier = true, .out_of_band = true}});
    struct mx_persist_item item = {event, 0, 0, NULL, false};
    int64_t stream;
    assert_int_equal(mx_heads_rooms_of(world.server, BOB, arena, &rooms, &n, &err), 0);
    size_t n_before = n;
    if (mx_persist(world.server, room.id, &item, 1, arena, &stream, NULL, &err))
        fail_msg("%s", err.message);
    assert_true(stream > 0);
    assert_int_equal(mx_heads_rooms_of(world.server, BOB, arena, &rooms, &n, &err), 0);
    assert_int_equal(n, n_before + 1);
    assert_int_equal(world_number("SELECT count(*) FROM event_auth_chain_to_calculate"), 1);
    assert_int_equal(world_number("SELECT count(*) FROM sliding_sync_membership_snapshots WHERE NOT has_known_state"
                                  " AND membership = 'invite'"),
                     1);
    assert_int_equal(world_number("SELECT min_depth FROM room_depth WHERE room_id = '!far:far.example'"), 0);
    assert_int_equal(world_number("SELECT count(*) FROM current_state_events WHERE room_id = '!far:far.example'"), 0);
    mx_event_unref(event);
    world_stop();
    gg_arena_free(arena);
}

/* ---- state groups ---- */

WORLD_TEST(a_chain_of_groups_ends_at_a_hundred)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct test_room room;
    const struct mx_state *state;
    world_start(NULL);
    room_make(&room, arena, "chain");
    enum { N = 150 };
    const struct mx_event *events[N];
    int64_t befores[N], groups[N];
    for (size_t i = 0; i < N; i++)
        events[i] = room_build(
            &room, &(struct test_event){.type = GG_STR("x.y"), .state_key = gg_str(gg_arena_printf(arena, "%zu", i))});
    assert_int_equal(mx_store_new_groups(world.server, room.id, room.group, events, N, befores, groups, &err), 0);
    for (size_t i = 1; i < N; i++) {
        assert_int_equal(befores[i], groups[i - 1]);
        assert_true(groups[i] > groups[i - 1]);
    }
    /* As Synapse: a root and 99 deltas, then one that is stored whole. */
    assert_int_equal(
        world_number("SELECT max(n) FROM (WITH RECURSIVE c(id, n) AS (SELECT id, 1 FROM state_groups g WHERE"
                     " room_id = '!chain:test.local' AND NOT EXISTS (SELECT 1 FROM state_group_edges e WHERE"
                     " e.state_group = g.id) UNION ALL SELECT e.state_group, c.n + 1 FROM c JOIN"
                     " state_group_edges e ON e.prev_state_group = c.id) SELECT n FROM c) x"),
        100);
    world_stop();
    world_start(NULL); /* from the database, not from the cache */
    assert_int_equal(mx_store_group_state(world.server, groups[N - 1], arena, &state, &err), 0);
    assert_int_equal(mx_state_count(state), N + 3);
    world_do(
        "INSERT INTO state_groups_pending_deletion (state_group, insertion_ts) SELECT max(id), 1 FROM state_groups");
    assert_int_equal(mx_store_new_groups(world.server, room.id, groups[N - 1], events, 1, befores, groups, &err), 0);
    assert_int_equal(world_number("SELECT count(*) FROM state_groups_pending_deletion WHERE insertion_ts > 1"), 1);
    assert_int_equal(mx_store_group_state(world.server, 987654321, arena, &state, &err), GG_E_INTERNAL);
    for (size_t i = 0; i < N; i++)
        mx_event_unref(events[i]);
    world_stop();
    gg_arena_free(arena);
}

WORLD_TEST(a_deleted_group_is_not_referred_to)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct test_room room;
    world_start(NULL);
    room_make(&room, arena, "gone");
    struct mx_event *event = room_build(&room, &(struct test_event){.type = GG_STR("m.room.message")});
    struct mx_persist_item item = {event, room.group, room.group, NULL, false};
    world_do("BEGIN; CREATE TABLE held AS SELECT * FROM state_groups; DELETE FROM state_groups; COMMIT");
    assert_int_equal(mx_persist(world.server, room.id, &item, 1, arena, NULL, NULL, &err), GG_E_CONFLICT);
    world_do("INSERT INTO state_groups SELECT * FROM held; DROP TABLE held");
    room_say(&room, "still fine");
    mx_event_unref(event);
    world_stop();
    gg_arena_free(arena);
}

/* ---- reading back ---- */

WORLD_TEST(redactions_are_applied)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct test_room room;
    const struct mx_event *event, *raw;
    world_start(NULL);
    room_make(&room, arena, "redact");
    struct gg_str said = room_say(&room, "secret"), foreign = room_say(&room, "mine");
    room_send(&room, &(struct test_event){.type = GG_STR("m.room.redaction"), .redacts = said});
    /* A redaction of another domain that must be checked when it is read does not count. */
    room_send(&room, &(struct test_event){.type = GG_STR("m.room.redaction"),
                                          .redacts = foreign,
                                          .sender = GG_STR("@eve:far.example"),
                                          .meta = {.recheck_redaction = true}});
    for (int restarted = 0; restarted < 2; restarted++) {
        assert_int_equal(mx_store_event(world.server, said, arena, &event, &err), 0);
        assert_null(mx_json_get(event->content, "body").s);
        assert_true(event->meta.redacted);
        assert_non_null(mx_json_get(event->unsigned_, "redacted_because").s);
        assert_int_equal(mx_store_events(world.server, &said, 1, true, arena, &raw, &err), 0);
        assert_non_null(mx_json_get(raw->content, "body").s);
        assert_int_equal(mx_store_event(world.server, foreign, arena, &event, &err), 0);
        assert_non_null(mx_json_get(event->content, "body").s);
        assert_int_equal(mx_store_event(world.server, GG_STR("$none"), arena, &event, &err), GG_E_NOT_FOUND);
        world_stop();
        if (!restarted)
            world_start(NULL);
    }
    gg_arena_free(arena);
}

struct reader {
    struct gg_str *ids;
    size_t n;
    struct gg_fiber *fiber;
    int status;
    size_t found;
};

static void read_all(void *arg)
{
    struct reader *r = arg;
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    const struct mx_event *events[64];
    r->status = mx_store_events(world.server, r->ids, r->n, false, arena, events, &err);
    for (size_t i = 0; i < r->n && !r->status; i++)
        r->found += events[i] && gg_str_eq(events[i]->event_id, r->ids[i]);
    gg_arena_free(arena);
}

WORLD_TEST(concurrent_readers_join)
{
    struct gg_arena *arena = gg_arena_new();
    struct test_room room;
    struct gg_str ids[32];
    struct reader readers[20];
    world_start(NULL);
    room_make(&room, arena, "join");
    for (size_t i = 0; i < 30; i++)
        ids[i] = room_say(&room, "x");
    ids[30] = ids[3]; /* asked for twice */
    ids[31] = GG_STR("$missing");
    world_stop();
    world_start(NULL);
    for (size_t i = 0; i < GG_COUNT(readers); i++) {
        readers[i] = (struct reader){.ids = ids + i % 8, .n = 32 - i % 8};
        readers[i].fiber = gg_spawn_joinable(NULL, "reader", read_all, &readers[i]);
    }
    for (size_t i = 0; i < GG_COUNT(readers); i++) {
        assert_int_equal(gg_join(readers[i].fiber, GG_FOREVER), GG_OK);
        assert_int_equal(readers[i].status, 0);
        assert_int_equal(readers[i].found, readers[i].n - 1);
    }
    world_stop();
    gg_arena_free(arena);
}

WORLD_TEST(heads_follow_and_reload_alike)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct test_room room;
    const struct mx_head *kept, *read;
    const struct gg_str *users;
    size_t n;
    world_start(NULL);
    room_make(&room, arena, "heads");
    room_member(&room, ALICE, BOB, "invite");
    room_member(&room, BOB, BOB, "join");
    room_member(&room, ALICE, GG_STR("@dave:test.local"), "invite");
    room_member(&room, ALICE, GG_STR("@erin:test.local"), "ban");
    room_state(&room, "m.room.name", GG_STR(""), "{\"name\":\"Name\"}");
    room_say(&room, "hello");
    assert_int_equal(mx_heads_extremities(world.server, room.id, arena, &kept, &err), 0);
    world_stop();
    world_start(NULL);
    assert_int_equal(mx_heads_extremities(world.server, room.id, arena, &read, &err), 0);
    assert_true(mx_state_equal(kept->state, read->state));
    assert_int_equal(kept->group, read->group);
    assert_int_equal(kept->group, room.group);
    assert_int_equal(kept->max_depth, read->max_depth);
    assert_int_equal(kept->n_joined, 2);
    assert_int_equal(read->n_joined, 2);
    assert_int_equal(kept->n_invited, read->n_invited);
    assert_true(gg_str_eq(kept->extremities[0], read->extremities[0]));
    assert_int_equal(mx_heads_joined(world.server, read, arena, &users, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_true(gg_str_eq(users[1], BOB));
    struct gg_str membership;
    assert_int_equal(mx_heads_membership(world.server, read, GG_STR("@erin:test.local"), arena, &membership, &err), 0);
    assert_true(gg_str_is(membership, "ban"));
    world_stop();
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rooms_share_a_commit),
        cmocka_unit_test(test_a_bad_room_fails_alone),
        cmocka_unit_test(test_an_unknown_room_is_refused),
        cmocka_unit_test(test_an_event_is_written_once),
        cmocka_unit_test(test_a_transaction_id_is_used_once),
        cmocka_unit_test(test_goes_on_after_a_restart),
        cmocka_unit_test(test_a_fork_is_resolved),
        cmocka_unit_test(test_soft_failed_and_rejected_change_nothing),
        cmocka_unit_test(test_an_outlier_becomes_a_full_event),
        cmocka_unit_test(test_an_invitation_from_outside),
        cmocka_unit_test(test_a_chain_of_groups_ends_at_a_hundred),
        cmocka_unit_test(test_a_deleted_group_is_not_referred_to),
        cmocka_unit_test(test_redactions_are_applied),
        cmocka_unit_test(test_concurrent_readers_join),
        cmocka_unit_test(test_heads_follow_and_reload_alike),
    };
    return cmocka_run_group_tests(tests, world_up, world_down);
}
