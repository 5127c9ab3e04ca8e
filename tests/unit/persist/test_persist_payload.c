/* Bodies of send_events and fed_send_events: what Synapse sent is understood, and ours have the members that it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "persist/payload.h"

static struct mx_server server = {.name = "localhost:25100"};

static struct gg_str slurp(struct gg_arena *arena, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/persist/%s", TEST_DATA, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = gg_arena_alloc(arena, 10000);
    size_t n = fread(text, 1, 10000, file);
    assert_in_range(n, 1, 9999);
    fclose(file);
    return gg_strn(text, n);
}

/* Same members all the way down (their values apart). */
static void same_members(json_t *want, json_t *got, const char *where)
{
    const char *key;
    json_t *value;
    if (json_is_array(want) && json_array_size(want)) {
        assert_int_equal(json_array_size(want), json_array_size(got));
        same_members(json_array_get(want, 0), json_array_get(got, 0), where);
    }
    if (!json_is_object(want))
        return;
    json_object_foreach(want, key, value)
    {
        if (strcmp(key, "_INT_STREAM_POS") == 0)
            continue;
        if (!json_object_get(got, key))
            fail_msg("%s lacks %s", where, key);
        assert_int_equal(json_typeof(value), json_typeof(json_object_get(got, key)));
        same_members(value, json_object_get(got, key), key);
    }
}

static const struct mx_requester alice = {
    .user_id = "@alice:localhost:25100", .device_id = "ALICEDEV", .access_token_id = 2};

static void goes_round(const char *name, const struct mx_requester *requester, bool backfilled, int64_t group)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_str body = slurp(arena, name), room, again;
    struct mx_persist_item *items, *twice;
    struct gg_buf out = GG_BUF_INIT;
    size_t n;
    if (mx_payload_read(&server, body, arena, &room, &items, &n, &err))
        fail_msg("%s", err.message);
    assert_int_equal(n, 1);
    assert_true(mx_event_is(items[0].event, "m.room.create", ""));
    assert_int_equal(items[0].group, group);
    assert_int_equal(items[0].group_before, group - 1);
    assert_int_equal(items[0].backfilled, backfilled);
    assert_int_equal(mx_state_count(items[0].delta), 1);
    assert_true(gg_str_eq(mx_state_get(items[0].delta, GG_STR("m.room.create"), GG_STR("")), items[0].event->event_id));
    assert_memory_equal(items[0].event->event_id.s + 1, room.s + 1, 43);
    mx_payload_write(&out, &server, requester, room, items, n);
    json_t *theirs = json_loadb(body.s, body.n, 0, NULL), *ours = json_loadb(out.data, out.n, 0, NULL);
    assert_non_null(theirs);
    assert_non_null(ours);
    same_members(theirs, ours, "body");
    same_members(ours, theirs, "Synapse's body");
    if (mx_payload_read(&server, gg_buf_view(&out), arena, &again, &twice, &n, &err))
        fail_msg("ours: %s", err.message);
    assert_true(gg_str_eq(items[0].event->json, twice[0].event->json));
    assert_true(mx_state_equal(items[0].delta, twice[0].delta));
    json_decref(theirs);
    json_decref(ours);
    gg_buf_done(&out);
    gg_arena_free(arena);
}

static void test_send_events(void **state)
{
    goes_round("send_events.json", &alice, false, 2);
}

static void test_fed_send_events(void **state)
{
    goes_round("fed_send_events.json", NULL, true, 119);
}

static void test_bad_bodies_are_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"events\":{}}",
                                      "{\"events\":[{}]}",
                                      "{\"events\":[{\"room_version\":\"99\",\"event\":{}}]}",
                                      "{\"events\":[{\"room_version\":\"10\",\"event\":{\"type\":5}}]}",
                                      "{\"events\":[1]}"};
    for (size_t i = 0; i < GG_COUNT(bad); i++) {
        struct gg_arena *arena = gg_arena_new();
        struct gg_error err = GG_ERROR_INIT;
        struct mx_persist_item *items;
        struct gg_str room;
        size_t n;
        assert_int_not_equal(mx_payload_read(&server, gg_str(bad[i]), arena, &room, &items, &n, &err), 0);
        assert_in_range(err.http_status, 400, 499);
        gg_arena_free(arena);
    }
}

/* ---- what only a writer of our own kind understands ---- */

static struct mx_persist_item *with_drafts(struct gg_arena *arena, const char *drafts, size_t *n, int *status)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_str body = slurp(arena, "send_events.json"), room;
    struct mx_persist_item *items;
    const char *whole = gg_arena_printf(arena, "{\"drafts\":%s,%.*s", drafts, (int)body.n - 1, body.s + 1);
    *status = mx_payload_read(&server, gg_str(whole), arena, &room, &items, n, &err);
    if (*status)
        assert_in_range(err.http_status, 400, 499);
    return items;
}

static void test_drafts_go_round(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_buf out = GG_BUF_INIT;
    struct gg_str room;
    size_t n;
    int status;
    struct mx_persist_item *again, *items =
        with_drafts(arena, "[[[[7,0,false],[8,7,true]],[[\"@bob:x\",\"[\\\"notify\\\"]\",\"main\",true,false,true]]]]", &n, &status);
    assert_int_equal(status, 0);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(items[0].n_new_groups, 2);
        assert_int_equal(items[0].new_groups[1].id, 8);
        assert_int_equal(items[0].new_groups[1].parent, 7);
        assert_true(items[0].new_groups[1].has_entry && !items[0].new_groups[0].has_entry);
        assert_int_equal(items[0].n_push, 1);
        assert_true(items[0].push_known && items[0].push[0].notify && items[0].push[0].unread && !items[0].push[0].highlight);
        assert_true(gg_str_is(items[0].push[0].user_id, "@bob:x") && gg_str_is(items[0].push[0].thread_id, "main"));
        assert_true(gg_str_is(items[0].push[0].actions, "[\"notify\"]"));
        items[0].drafted = true;
        gg_buf_clear(&out);
        mx_payload_write(&out, &server, &alice, items[0].event->room_id, items, n);
        assert_int_equal(mx_payload_read(&server, gg_arena_str(arena, gg_buf_view(&out)), arena, &room, &again, &n, &err), 0);
        items = again;
    }
    gg_buf_done(&out);
    gg_arena_free(arena);
}

static void test_bad_drafts_are_refused(void **state)
{
    static const char *const bad[] = {
        "{}", "[]", "[[]]", "[[[]]]", "[[[],[]],[[],[]]]", "[[{},[]]]", "[[[],{}]]", "[[[5],[]]]", "[[[[]],[]]]",
        "[[[[\"7\",0,true]],[]]]", "[[[[7,0]],[]]]", "[[[],[5]]]", "[[[],[[\"@a:x\",\"[]\",\"main\",true,true]]]]",
        "[[[],[[\"@a:x\",null,\"main\",true,true,true]]]]", "[[[],[[\"@a:x\"]]]]"};
    for (size_t i = 0; i < GG_COUNT(bad); i++) {
        struct gg_arena *arena = gg_arena_new();
        size_t n;
        int status;
        (void)with_drafts(arena, bad[i], &n, &status);
        if (status == 0)
            fail_msg("%s was taken", bad[i]);
        gg_arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send_events),
        cmocka_unit_test(test_fed_send_events),
        cmocka_unit_test(test_bad_bodies_are_refused),
        cmocka_unit_test(test_drafts_go_round),
        cmocka_unit_test(test_bad_drafts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
