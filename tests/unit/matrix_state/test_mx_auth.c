/* test_mx_auth.c: the authorisation rules of all versions, on cases that Synapse has judged
 * (tests/data/auth_cases.json, made by tests/differential/oracle_auth.py) and on the selection of auth events.
 * MX_AUTH_CASES names a larger file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../cases.h"

struct room_state {
    struct mx_event **events;
    size_t n;
};

static const struct mx_event *look_up(void *arg, struct gg_str type, struct gg_str state_key)
{
    const struct room_state *s = arg;
    for (size_t i = 0; i < s->n; i++)
        if (gg_str_eq(s->events[i]->type, type) && gg_str_eq(s->events[i]->state_key, state_key))
            return s->events[i];
    return NULL;
}

static struct mx_event **load_room(struct gg_arena *arena, const struct mx_json *pool,
                                   const struct mx_room_version *version)
{
    struct mx_event **events = GG_NEW_ARRAY(arena, struct mx_event *, pool->n);
    for (uint32_t i = 0; i < pool->n; i++) {
        struct gg_error err = GG_ERROR_INIT;
        events[i] = case_event(arena, pool->items[i], version, &err);
        if (!events[i])
            fail_msg("version %s: %s", version->id, err.message);
    }
    return events;
}

static size_t report(const struct mx_room_version *version, const struct mx_json *c, int ours,
                     const struct gg_error *err)
{
    struct gg_buf text = GG_BUF_INIT;
    mx_json_write(&text, c);
    print_message("version %s: ours %s (%s): %s\n", version->id, ours ? "denies" : "allows", err->message, text.data);
    gg_buf_done(&text);
    return 1;
}

static size_t judge(struct gg_arena *arena, const struct mx_json *c, struct mx_event **room,
                    const struct mx_room_version *version)
{
    const struct mx_json *chosen = mx_json_member(c, "state");
    struct room_state state = {GG_NEW_ARRAY(arena, struct mx_event *, chosen->n), chosen->n};
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *event = case_event(arena, mx_json_member(c, "event"), version, &err);
    bool denied = mx_json_member(c, "denied")->kind != MX_JSON_NULL;
    int ours = -1;
    for (uint32_t i = 0; i < chosen->n; i++)
        state.events[i] = room[case_number(chosen->items[i])];
    if (event)
        ours = mx_auth_check(event, room[0], look_up, &state, &err);
    return (ours != 0) == denied ? 0 : report(version, c, ours, &err);
}

static size_t judge_create(struct gg_arena *arena, const struct mx_json *c, const struct mx_room_version *version)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *event = case_event(arena, mx_json_member(c, "event"), version, &err);
    bool denied = mx_json_member(c, "denied")->kind != MX_JSON_NULL;
    int ours = event ? mx_auth_check(event, NULL, NULL, NULL, &err) : -1;
    return (ours != 0) == denied ? 0 : report(version, c, ours, &err);
}

static void synapse_agrees(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_json *all = read_cases(arena, "MX_AUTH_CASES", "auth_cases.json");
    size_t wrong = 0, judged = 0;
    assert_int_equal(all->n, 12);
    for (uint32_t i = 0; i < all->n; i++) {
        const struct mx_room_version *version =
            mx_room_version_find(mx_json_text(mx_json_member(all->items[i], "version")));
        const struct mx_json *rooms = mx_json_member(all->items[i], "rooms"),
                             *cases = mx_json_member(all->items[i], "cases");
        const struct mx_json *creates = mx_json_member(all->items[i], "creates");
        struct mx_event ***loaded = GG_NEW_ARRAY(arena, struct mx_event **, rooms->n);
        for (uint32_t k = 0; k < rooms->n; k++)
            loaded[k] = load_room(arena, rooms->items[k], version);
        for (uint32_t k = 0; k < cases->n; k++)
            wrong +=
                judge(arena, cases->items[k], loaded[case_number(mx_json_member(cases->items[k], "room"))], version);
        for (uint32_t k = 0; k < creates->n; k++)
            wrong += judge_create(arena, creates->items[k], version);
        judged += cases->n + creates->n;
    }
    print_message("%zu cases, %zu judged otherwise\n", judged, wrong);
    assert_int_equal(wrong, 0);
    gg_arena_free(arena);
}

static void assert_selection(const char *version, const char *type, const char *state_key, const char *content,
                             const char *expected)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_auth_wanted *wanted;
    struct gg_buf out = GG_BUF_INIT;
    size_t n = mx_auth_select(mx_room_version_find(gg_str(version)), gg_str(type), gg_str(state_key), GG_STR("@s:a"),
                              gg_str(content), arena, &wanted);
    for (size_t i = 0; i < n; i++)
        gg_buf_printf(&out, "%s%.*s|%.*s", i ? " " : "", GG_FMT(wanted[i].type), GG_FMT(wanted[i].state_key));
    assert_string_equal(out.data, expected);
    gg_buf_done(&out);
    gg_arena_free(arena);
}

#define BASE "m.room.create| m.room.power_levels| m.room.member|@s:a"

static void selection(void **state)
{
    assert_selection("10", "m.room.create", "", "{}", "");
    assert_selection("10", "m.room.message", NULL, "{}", BASE);
    assert_selection("12", "m.room.message", NULL, "{}", "m.room.power_levels| m.room.member|@s:a");
    assert_selection("10", "m.room.member", "@s:a", "{\"membership\":\"join\"}", BASE " m.room.join_rules|");
    assert_selection("10", "m.room.member", "@t:a", "{\"membership\":\"leave\"}", BASE " m.room.member|@t:a");
    assert_selection("10", "m.room.member", "@t:a", "{\"membership\":\"knock\"}",
                     BASE " m.room.member|@t:a m.room.join_rules|");
    assert_selection("10", "m.room.member", "@t:a",
                     "{\"membership\":\"invite\",\"third_party_invite\":{\"signed\":{\"token\":\"k\"}}}",
                     BASE " m.room.member|@t:a m.room.join_rules| m.room.third_party_invite|k");
    assert_selection("10", "m.room.member", "@s:a",
                     "{\"membership\":\"join\",\"join_authorised_via_users_server\":\"@b:c\"}",
                     BASE " m.room.join_rules| m.room.member|@b:c");
    assert_selection("7", "m.room.member", "@s:a",
                     "{\"membership\":\"join\",\"join_authorised_via_users_server\":\"@b:c\"}",
                     BASE " m.room.join_rules|");
}

static struct mx_event *make(struct gg_arena *arena, const char *version, const char *json)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *e =
        case_event(arena, mx_json_raw(arena, gg_str(json)), mx_room_version_find(gg_str(version)), &err);
    if (!e)
        fail_msg("%s", err.message);
    return e;
}

#define EVENT(type_, key_, room_, content_)                                                                            \
    "{\"type\":\"" type_ "\"," key_ room_ "\"sender\":\"@s:a\",\"depth\":1,\"origin_server_ts\":1,\"prev_events\":[]," \
    "\"auth_events\":[],\"content\":" content_ "}"
#define KEY(key_) "\"state_key\":\"" key_ "\","
#define ROOM(room_) "\"room_id\":\"" room_ "\","

static void cited_events(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *create =
        make(arena, "10", EVENT("m.room.create", KEY(""), ROOM("!r:a"), "{\"creator\":\"@s:a\"}"));
    struct mx_event *own =
        make(arena, "10", EVENT("m.room.member", KEY("@s:a"), ROOM("!r:a"), "{\"membership\":\"join\"}"));
    struct mx_event *foreign =
        make(arena, "10", EVENT("m.room.member", KEY("@s:a"), ROOM("!o:a"), "{\"membership\":\"join\"}"));
    struct mx_event *name = make(arena, "10", EVENT("m.room.name", KEY(""), ROOM("!r:a"), "{}"));
    struct mx_event *message = make(arena, "10", EVENT("m.room.message", "", ROOM("!r:a"), "{}"));
    const struct mx_event *good[] = {create, own}, *doubled[] = {create, own, own}, *wrong_room[] = {create, foreign};
    const struct mx_event *not_wanted[] = {create, name}, *no_create[] = {own};
    struct mx_event_meta meta = {.rejected = GG_STR("auth_error")};
    struct mx_event *rejected = mx_event_with_meta(own, &meta);
    const struct mx_event *with_rejected[] = {create, rejected};
    assert_int_equal(mx_auth_check_events(message, good, 2, &err), 0);
    assert_int_not_equal(mx_auth_check_events(message, doubled, 3, &err), 0);
    assert_int_not_equal(mx_auth_check_events(message, wrong_room, 2, &err), 0);
    assert_int_not_equal(mx_auth_check_events(message, not_wanted, 2, &err), 0);
    assert_int_not_equal(mx_auth_check_events(message, no_create, 1, &err), 0);
    assert_int_not_equal(mx_auth_check_events(message, with_rejected, 2, &err), 0);
    assert_string_equal(err.errcode, "M_FORBIDDEN");
    mx_event_unref(rejected);
    gg_arena_free(arena);
}

/* Version 12: the room id is the create event; citing it as well is citing it twice. */
static void cited_events_of_version_12(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *create = make(arena, "12", EVENT("m.room.create", KEY(""), "", "{\"room_version\":\"12\"}"));
    const char *room = gg_arena_strndup(arena, create->room_id.s, create->room_id.n);
    const char *id = gg_arena_strndup(arena, create->event_id.s, create->event_id.n);
    struct mx_event *implied =
        make(arena, "12", gg_arena_printf(arena, EVENT("m.room.message", "", ROOM("%s"), "{}"), room));
    struct mx_event *citing = make(
        arena, "12",
        gg_arena_printf(arena,
                        "{\"type\":\"t\",\"room_id\":\"%s\",\"sender\":\"@s:a\",\"depth\":1,\"origin_server_ts\":1,"
                        "\"prev_events\":[],\"auth_events\":[\"%s\"],\"content\":{}}",
                        room, id));
    const struct mx_event *auth[] = {create, create};
    assert_int_equal(implied->n_auth, 1);
    assert_true(gg_str_is(implied->auth_events[0], id));
    assert_int_equal(mx_auth_check_events(implied, auth, implied->n_auth, &err), 0);
    assert_int_equal(citing->n_auth, 2);
    assert_int_not_equal(mx_auth_check_events(citing, auth, citing->n_auth, &err), 0);
    gg_arena_free(arena);
}

static int64_t power_of(const char *version, const char *content, const char *user)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_event *create =
        make(arena, version,
             strcmp(version, "12") == 0 ? EVENT("m.room.create", KEY(""), "", "{\"additional_creators\":[\"@t:a\"]}")
                                        : EVENT("m.room.create", KEY(""), ROOM("!r:a"), "{\"creator\":\"@s:a\"}"));
    struct mx_event *levels = NULL;
    struct mx_power power;
    int64_t level;
    if (content)
        levels = make(arena, version,
                      gg_arena_printf(arena, EVENT("m.room.power_levels", KEY(""), ROOM("!r:a"), "%s"), content));
    power = mx_power_read(levels, create, arena);
    level = user[0] == '@' ? mx_power_of_user(&power, gg_str(user)) : mx_power_for(&power, user);
    gg_arena_free(arena);
    return level;
}

static void powers(void **state)
{
    assert_int_equal(power_of("10", NULL, "@s:a"), 100);
    assert_int_equal(power_of("10", NULL, "@t:a"), 0);
    assert_int_equal(power_of("10", "{}", "@s:a"), 0);
    assert_int_equal(power_of("12", "{}", "@s:a"), MX_POWER_INFINITE);
    assert_int_equal(power_of("12", NULL, "@t:a"), MX_POWER_INFINITE);
    assert_int_equal(power_of("12", NULL, "@u:a"), 0);
    assert_int_equal(power_of("10", "{\"users_default\":7}", "@t:a"), 7);
    assert_int_equal(power_of("3", "{\"users\":{\"@t:a\":\" -0050 \"}}", "@t:a"), -50);
    assert_int_equal(power_of("3", "{\"users\":{\"@t:a\":5.114698E4}}", "@t:a"), 51146);
    assert_int_equal(power_of("3", "{\"users\":{\"@t:a\":50.57}}", "@t:a"), 50);
    assert_int_equal(power_of("9", "{\"users\":{\"@t:a\":\"+100\"}}", "@t:a"), 100);
    assert_int_equal(power_of("10", NULL, "invite"), 0);
    assert_int_equal(power_of("10", NULL, "ban"), 50);
    assert_int_equal(power_of("10", "{\"redact\":12}", "redact"), 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(synapse_agrees), cmocka_unit_test(selection),
        cmocka_unit_test(cited_events),   cmocka_unit_test(cited_events_of_version_12),
        cmocka_unit_test(powers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
