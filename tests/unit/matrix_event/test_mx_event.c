/* test_mx_event.c: building, parsing, redacting and serving events in every room version. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ganglion/matrix/event.h>
#include <stdio.h>

#include "events/received.h"

static struct gg_arena *arena;
static struct mx_signing_key *key;

static int set_up(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    size_t n;
    arena = gg_arena_new();
    return mx_signing_keys_parse(GG_STR("ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\n"), arena, &key, &n,
                                 &err);
}

static int tear_down(void **state)
{
    gg_arena_free(arena);
    return 0;
}

static const struct mx_room_version *version(const char *id)
{
    return mx_room_version_find(gg_str(id));
}

static struct mx_event_template message(const char *room_version)
{
    static const struct gg_str v1_ids[] = {{"$a:domain", 9}, {"$b:domain", 9}};
    static const struct gg_str ids[] = {{"$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 44},
                                        {"$bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", 44}};
    const struct mx_room_version *v = version(room_version);
    const struct gg_str *use = v->format == MX_FORMAT_V1 ? v1_ids : ids;
    struct mx_event_template t = {.version = v,
                                  .room_id = GG_STR("!r:domain"),
                                  .type = GG_STR("m.room.message"),
                                  .sender = GG_STR("@u:domain"),
                                  .content = GG_STR("{ \"body\" : \"a\\n\\u00e9\" }"),
                                  .unsigned_ = GG_STR("{\"age_ts\":1000}"),
                                  .origin_server_ts = 1000,
                                  .depth = 7,
                                  .prev_events = use,
                                  .n_prev = 1,
                                  .auth_events = use,
                                  .n_auth = 2};
    if (v->room_id_is_hash)
        t.room_id = GG_STR("!bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    return t;
}

static struct mx_event *build(const struct mx_event_template *t)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *e = NULL;
    if (mx_event_build(t, "domain", key, &e, &err) != 0)
        fail_msg("%s", err.message);
    return e;
}

static void assert_same_header(const struct mx_event *a, const struct mx_event *b)
{
    assert_true(gg_str_eq(a->event_id, b->event_id));
    assert_true(gg_str_eq(a->room_id, b->room_id));
    assert_true(gg_str_eq(a->type, b->type));
    assert_true(gg_str_eq(a->sender, b->sender));
    assert_true(gg_str_eq(a->json, b->json));
    assert_int_equal(a->n_prev, b->n_prev);
    assert_int_equal(a->n_auth, b->n_auth);
    for (size_t i = 0; i < a->n_auth; i++)
        assert_true(gg_str_eq(a->auth_events[i], b->auth_events[i]));
}

static void built_events_parse_and_verify(void **state)
{
    size_t n;
    const struct mx_room_version *all = mx_room_version_all(&n);
    assert_int_equal(n, 12);
    for (size_t i = 0; i < n; i++) {
        struct gg_error err = GG_ERROR_INIT;
        struct mx_event_template t = message(all[i].id);
        struct mx_event *e = build(&t), *again = NULL;
        struct mx_json *tree = mx_json_raw(arena, e->json);
        assert_int_equal(e->n_prev, 1);
        assert_int_equal(e->n_auth, 2);
        assert_int_equal(mx_json_member(tree, "auth_events")->n, all[i].room_id_is_hash ? 1 : 2);
        assert_true(mx_content_hash_ok(tree));
        assert_int_equal(mx_event_verify(tree, e->version, "domain", "ed25519:1", key->public_key, &err), 0);
        assert_true(gg_str_is(e->content, "{\"body\":\"a\\né\"}"));
        assert_int_equal(e->depth, 7);
        assert_null(e->state_key.s);
        assert_int_equal(mx_event_parse(e->json, e->version, gg_strn(NULL, 0), &again, &err), 0);
        assert_same_header(e, again);
        mx_event_unref(again);
        assert_int_equal(mx_event_load(e->json, e->version, e->event_id, GG_STR("{}"), &again, &err), 0);
        assert_same_header(e, again);
        mx_event_unref(again);
        mx_event_unref(e);
    }
}

static void create_of_version_12_names_its_room(void **state)
{
    struct mx_event_template t = message("12");
    t.room_id = gg_strn(NULL, 0);
    t.type = GG_STR("m.room.create");
    t.state_key = GG_STR("");
    t.content = GG_STR("{\"room_version\":\"12\"}");
    t.n_prev = t.n_auth = 0;
    struct mx_event *e = build(&t);
    assert_int_equal(e->room_id.n, 44);
    assert_int_equal(e->room_id.s[0], '!');
    assert_memory_equal(e->room_id.s + 1, e->event_id.s + 1, 43);
    assert_null(mx_json_get(e->json, "room_id").s);
    assert_int_equal(e->n_auth, 0);
    assert_true(mx_event_is(e, "m.room.create", "") && mx_event_is_state(e));
    mx_event_unref(e);
}

static void refused(const char *room_version, const char *json, const char *errcode)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *e = NULL;
    if (mx_event_parse(gg_str(json), version(room_version), gg_strn(NULL, 0), &e, &err) == 0)
        fail_msg("taken in version %s: %s", room_version, json);
    assert_string_equal(err.errcode, errcode);
}

static const char *event_json(const char *members)
{
    return gg_arena_printf(
        arena,
        "{\"type\":\"t\",\"sender\":\"@u:domain\",\"room_id\":\"!r:domain\",\"content\":{},\"depth\":1,"
        "\"origin_server_ts\":1,\"prev_events\":[],\"auth_events\":[],\"hashes\":{},\"signatures\":{}%s%s}",
        *members ? "," : "", members);
}

static void formats_are_checked(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *e = NULL;
    struct gg_buf big = GG_BUF_INIT;
    assert_int_equal(mx_event_parse(gg_str(event_json("")), version("10"), gg_strn(NULL, 0), &e, &err), 0);
    mx_event_unref(e);
    assert_int_equal(
        mx_event_parse(gg_str(event_json("\"content\":{\"a\":1.5}")), version("5"), gg_strn(NULL, 0), &e, &err), 0);
    mx_event_unref(e);
    refused("10", "[]", "M_BAD_JSON");
    refused("10", "{\"type\":", "M_NOT_JSON");
    refused("10", "{}", "M_BAD_JSON");
    refused("6", event_json("\"content\":{\"a\":1.5}"), "M_BAD_JSON");
    refused("5", event_json("\"content\":{\"a\":1e999}"), "M_BAD_JSON");
    refused("5", event_json("\"content\":{\"a\":\"\\ud800\"}"), "M_BAD_JSON");
    refused("10", event_json("\"content\":[]"), "M_BAD_JSON");
    refused("10", event_json("\"event_id\":\"$a:domain\""), "M_BAD_JSON");
    refused("1", event_json(""), "M_BAD_JSON");
    refused("10", event_json("\"type\":1"), "M_BAD_JSON");
    refused("10", event_json("\"state_key\":null"), "M_BAD_JSON");
    refused("10", event_json("\"state_key\":\"a\\u0000\""), "M_BAD_JSON");
    refused("10", event_json("\"sender\":\"u:domain\""), "M_BAD_JSON");
    refused("10", event_json("\"room_id\":\"!r\""), "M_BAD_JSON");
    refused("10", event_json("\"depth\":-1"), "M_BAD_JSON");
    refused("10", event_json("\"depth\":\"1\""), "M_BAD_JSON");
    refused("10", event_json("\"origin_server_ts\":null"), "M_BAD_JSON");
    refused("10", event_json("\"prev_events\":[[\"$a:domain\",{}]]"), "M_BAD_JSON");
    refused("1", event_json("\"event_id\":\"$a:domain\",\"prev_events\":[\"$a:domain\"]"), "M_BAD_JSON");
    refused(
        "10",
        event_json("\"auth_events\":[\"$1\",\"$2\",\"$3\",\"$4\",\"$5\",\"$6\",\"$7\",\"$8\",\"$9\",\"$10\",\"$11\"]"),
        "M_BAD_JSON");
    for (int i = 0; i < 256; i++)
        gg_buf_lit(&big, "é");
    refused("10", event_json(gg_arena_printf(arena, "\"type\":\"%s\"", big.data)), "M_TOO_LARGE");
    big.n -= 2;
    big.data[big.n] = '\0'; /* 255 signs, 510 bytes */
    refused("11", event_json(gg_arena_printf(arena, "\"type\":\"%s\"", big.data)), "M_TOO_LARGE");
    assert_int_equal(mx_event_parse(gg_str(event_json(gg_arena_printf(arena, "\"type\":\"%s\"", big.data))),
                                    version("10"), gg_strn(NULL, 0), &e, &err),
                     0);
    mx_event_unref(e);
    gg_buf_clear(&big);
    for (int i = 0; i < 65536; i++)
        gg_buf_char(&big, 'x');
    refused("10", event_json(gg_arena_printf(arena, "\"content\":{\"a\":\"%s\"}", big.data)), "M_TOO_LARGE");
    gg_buf_done(&big);
}

/* n objects, one in the other. */
static const char *nested(unsigned n)
{
    struct gg_buf buf = GG_BUF_INIT;
    for (unsigned i = 0; i < n; i++)
        gg_buf_text(&buf, i + 1 < n ? "{\"a\":" : "{");
    for (unsigned i = 0; i < n; i++)
        gg_buf_char(&buf, '}');
    const char *text = gg_arena_strndup(arena, buf.data, buf.n);
    gg_buf_done(&buf);
    return text;
}

static void events_are_not_deeper_than_synapse_reads(void **state)
{
    for (unsigned deeper = 0; deeper < 2; deeper++) {
        struct gg_error err = GG_ERROR_INIT;
        struct mx_event_template t = message("10");
        struct mx_event *e = NULL;
        struct mx_received received;
        t.content = gg_str(nested(MX_EVENT_NESTING - 1 + deeper));
        const char *json = event_json(gg_arena_printf(arena, "\"content\":%s", t.content.s));
        int built = mx_event_build(&t, "domain", key, &e, &err);
        mx_event_unref(e);
        int taken = mx_event_receive(gg_str(json), version("10"), 1, arena, &received, &err);
        mx_event_unref(received.event);
        assert_int_equal(built, deeper ? GG_E_INVALID : 0);
        assert_int_equal(taken, deeper ? GG_E_INVALID : 0);
    }
}

static void metadata_goes_round(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *e = NULL, *copy;
    struct gg_buf out = GG_BUF_INIT;
    static const char stored[] =
        "{\"out_of_band_membership\":true,\"soft_failed\":true,\"redacted\":true,\"proactively_send\":false,"
        "\"send_on_behalf_of\":\"@x:y\",\"txn_id\":\"m\\\"1\",\"device_id\":\"DEV\",\"token_id\":12}";
    assert_int_equal(mx_event_load(gg_str(event_json("\"state_key\":\"\\u00e9\\n\"")), version("10"), GG_STR("$id"),
                                   gg_str(stored), &e, &err),
                     0);
    assert_true(e->meta.out_of_band && e->meta.soft_failed && e->meta.redacted && e->meta.not_proactively_send);
    assert_true(gg_str_is(e->meta.txn_id, "m\"1") && e->meta.token_id == 12 && !e->meta.rejected.s);
    assert_true(gg_str_is(e->state_key, "é\n"));
    mx_event_meta_json(e, &out);
    assert_string_equal(out.data, stored);
    struct mx_event_meta meta = e->meta;
    meta.instance = GG_STR("worker1");
    meta.rejected = GG_STR("auth_error");
    meta.stream_ordering = 77;
    copy = mx_event_with_meta(e, &meta);
    mx_event_unref(e);
    assert_true(gg_str_is(copy->meta.instance, "worker1") && gg_str_is(copy->meta.txn_id, "m\"1"));
    assert_true(copy->meta.stream_ordering == 77 && gg_str_is(copy->state_key, "é\n") &&
                gg_str_is(copy->event_id, "$id"));
    assert_ptr_equal(mx_event_ref(copy), copy);
    mx_event_unref(copy);
    mx_event_unref(copy);
    mx_event_unref(NULL);
    gg_buf_done(&out);
}

static char *client(const struct mx_event *e, const struct mx_client_format *format)
{
    struct gg_buf out = GG_BUF_INIT;
    mx_event_write_client(&out, e, format);
    /* canonical, so that the tests do not depend on the order of members */
    struct mx_json *v = mx_json_raw(arena, gg_buf_view(&out));
    gg_buf_clear(&out);
    mx_json_canonical(&out, v);
    char *text = gg_arena_strndup(arena, out.data, out.n);
    gg_buf_done(&out);
    return text;
}

static struct mx_event *load(const char *room_version, const char *members, const char *metadata)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *e = NULL;
    assert_int_equal(
        mx_event_load(gg_str(event_json(members)), version(room_version), GG_STR("$id"), gg_str(metadata), &e, &err),
        0);
    return e;
}

static void clients_see_their_form(void **state)
{
    struct mx_event *e =
        load("10",
             "\"state_key\":\"k\",\"origin\":\"domain\",\"content\":{\"body\":\"x\",\"a.b\":{\"c\":1,\"d\":2}},"
             "\"unsigned\":{\"age_ts\":400,\"prev_content\":{\"a\":1},\"replaces_state\":\"$o\",\"m.relations\":{},"
             "\"invite_room_state\":[1]}",
             "{\"txn_id\":\"t1\",\"device_id\":\"DEV\"}");
    static const struct gg_str fields[] = {{"type", 4}, {"content.a\\.b.c", 14}, {"content.none", 12}, {"unsigned", 8}};
    struct mx_client_format f = {.now_ms = 1000, .user_id = GG_STR("@u:domain"), .device_id = GG_STR("DEV")};
    assert_string_equal(
        client(e, &f),
        "{\"content\":{\"a.b\":{\"c\":1,\"d\":2},\"body\":\"x\"},\"event_id\":\"$id\",\"origin_server_ts\":1,"
        "\"room_id\":\"!r:domain\",\"sender\":\"@u:domain\",\"state_key\":\"k\",\"type\":\"t\",\"unsigned\":{"
        "\"age\":600,\"prev_content\":{\"a\":1},\"replaces_state\":\"$o\",\"transaction_id\":\"t1\"}}");
    f = (struct mx_client_format){.without_room_id = true,
                                  .user_id = GG_STR("@u:domain"),
                                  .device_id = GG_STR("OTHER"),
                                  .extra_unsigned = GG_STR("\"membership\":\"join\"")};
    assert_string_equal(
        client(e, &f),
        "{\"content\":{\"a.b\":{\"c\":1,\"d\":2},\"body\":\"x\"},\"event_id\":\"$id\",\"origin_server_ts\":1,"
        "\"sender\":\"@u:domain\",\"state_key\":\"k\",\"type\":\"t\",\"unsigned\":{\"membership\":\"join\","
        "\"prev_content\":{\"a\":1},\"replaces_state\":\"$o\"}}");
    f = (struct mx_client_format){.now_ms = 1000, .fields = fields, .n_fields = 3};
    assert_string_equal(client(e, &f), "{\"content\":{\"a.b\":{\"c\":1}},\"type\":\"t\"}");
    mx_event_unref(e);
    e = load("10", "\"unsigned\":{\"age_ts\":400}", "{}");
    f = (struct mx_client_format){0};
    assert_string_equal(client(e, &f),
                        "{\"content\":{},\"event_id\":\"$id\",\"origin_server_ts\":1,\"room_id\":\"!r:domain\","
                        "\"sender\":\"@u:domain\",\"type\":\"t\",\"unsigned\":{}}");
    mx_event_unref(e);
    e = load("10", "", "{\"txn_id\":\"t\",\"token_id\":5}");
    f = (struct mx_client_format){.user_id = GG_STR("@u:domain"), .device_id = GG_STR("DEV"), .token_id = 5};
    assert_non_null(strstr(client(e, &f), "\"transaction_id\":\"t\""));
    f.token_id = 6;
    assert_null(strstr(client(e, &f), "transaction_id"));
    mx_event_unref(e);
}

/* However many runs of shown members there are between hidden ones, and however the text is spaced. */
static void members_are_shown_wherever_they_stand(void **state)
{
    static const char *const hidden[] = {"depth", "hashes", "origin", "prev_state", "signatures", "prev_events", "auth_events"};
    static const char *const between[] = {",", " , "};
    for (size_t runs = 0; runs <= GG_COUNT(hidden); runs++) {
        for (size_t k = 0; k < GG_COUNT(between); k++) {
            struct gg_buf text = GG_BUF_INIT, expected = GG_BUF_INIT;
            struct gg_error err = GG_ERROR_INIT;
            struct mx_event *e;
            gg_buf_printf(&text, "{\"type\":\"t\"%s\"sender\":\"@u:d\"", between[k]);
            gg_buf_lit(&expected, "{\"event_id\":\"$id\",\"sender\":\"@u:d\",\"type\":\"t\",\"unsigned\":{}");
            for (size_t i = 0; i < runs; i++) {
                gg_buf_printf(&text, "%s\"%s\":[]%s\"x%zu\":{\"a\":1}", between[k], hidden[i], between[k], i);
                gg_buf_printf(&expected, ",\"x%zu\":{\"a\":1}", i);
            }
            gg_buf_char(&text, '}');
            gg_buf_char(&expected, '}');
            assert_int_equal(mx_event_load(gg_buf_view(&text), version("10"), GG_STR("$id"), GG_STR("{}"), &e, &err), 0);
            assert_string_equal(client(e, &(struct mx_client_format){0}), expected.data);
            mx_event_unref(e);
            gg_buf_done(&text);
            gg_buf_done(&expected);
        }
    }
}

static void what_is_no_object_is_no_event(void **state)
{
    static const char *const texts[] = {"", "[]", "[1,2]", "[\"type\",\"sender\"]", "\"type\"", "{", "{\"type\":\"t\"}"};
    for (size_t i = 0; i < GG_COUNT(texts); i++) {
        struct gg_error err = GG_ERROR_INIT;
        struct mx_event *e;
        assert_true(mx_event_load(gg_str(texts[i]), version("10"), GG_STR("$id"), GG_STR("{}"), &e, &err) < 0);
        assert_int_equal(err.http_status, 400);
    }
}

/* What show.c looks up stands in place of what may be stored; outside /sync old clients find it at the top, too. */
static void clients_see_what_was_looked_up(void **state)
{
    struct mx_event *before = load("10", "\"sender\":\"@v:domain\",\"content\":{\"n\":1}", "{}");
    struct mx_event *because = load("10", "\"unsigned\":{\"age_ts\":700}", "{\"txn_id\":\"t\",\"device_id\":\"DEV\"}");
    struct mx_event *e = load("10", "\"state_key\":\"\",\"unsigned\":{\"age_ts\":400,\"replaces_state\":\"$o\","
                                    "\"prev_content\":{\"stored\":1},\"redacted_because\":{}}", "{}");
    struct mx_client_format f = {.now_ms = 1000, .user_id = GG_STR("@u:domain"), .device_id = GG_STR("DEV"),
                                 .without_room_id = true, .replaced = before, .redaction = because,
                                 .membership = GG_STR("join")};
    assert_string_equal(client(e, &f),
                        "{\"content\":{},\"event_id\":\"$id\",\"origin_server_ts\":1,\"sender\":\"@u:domain\","
                        "\"state_key\":\"\",\"type\":\"t\",\"unsigned\":{\"age\":600,\"membership\":\"join\","
                        "\"prev_content\":{\"n\":1},\"prev_sender\":\"@v:domain\",\"redacted_because\":{\"content\":{},"
                        "\"event_id\":\"$id\",\"origin_server_ts\":1,\"sender\":\"@u:domain\",\"type\":\"t\","
                        "\"unsigned\":{\"age\":300,\"transaction_id\":\"t\"}},\"replaces_state\":\"$o\"}}");
    f.old_copies = true;
    f.redaction = NULL;
    assert_string_equal(client(e, &f),
                        "{\"age\":600,\"content\":{},\"event_id\":\"$id\",\"origin_server_ts\":1,"
                        "\"prev_content\":{\"n\":1},\"replaces_state\":\"$o\",\"sender\":\"@u:domain\",\"state_key\":\"\","
                        "\"type\":\"t\",\"unsigned\":{\"age\":600,\"membership\":\"join\",\"prev_content\":{\"n\":1},"
                        "\"prev_sender\":\"@v:domain\",\"redacted_because\":{},\"replaces_state\":\"$o\"},"
                        "\"user_id\":\"@u:domain\"}");
    mx_event_unref(e);
    mx_event_unref(because);
    mx_event_unref(before);
}

static void redacts_is_served_in_both_places(void **state)
{
    static const char expected[] =
        "{\"content\":{\"reason\":\"r\",\"redacts\":\"$x\"},\"event_id\":\"$id\",\"origin_server_ts\":1,"
        "\"redacts\":\"$x\",\"room_id\":\"!r:domain\",\"sender\":\"@u:domain\","
        "\"type\":\"m.room.redaction\",\"unsigned\":{}}";
    struct mx_client_format f = {0};
    struct mx_event *e =
        load("10", "\"type\":\"m.room.redaction\",\"redacts\":\"$x\",\"content\":{\"reason\":\"r\"}", "{}");
    assert_true(gg_str_is(e->redacts, "$x"));
    assert_string_equal(client(e, &f), expected);
    mx_event_unref(e);
    e = load("11", "\"type\":\"m.room.redaction\",\"redacts\":\"$y\",\"content\":{\"reason\":\"r\",\"redacts\":\"$x\"}",
             "{}");
    assert_true(gg_str_is(e->redacts, "$x"));
    assert_string_equal(client(e, &f), expected);
    mx_event_unref(e);
}

static void redaction_is_idempotent(void **state)
{
    static const char *const types[] = {"m.room.member",
                                        "m.room.create",
                                        "m.room.join_rules",
                                        "m.room.power_levels",
                                        "m.room.aliases",
                                        "m.room.message",
                                        "m.room.history_visibility",
                                        "m.room.redaction",
                                        "m.room.third_party_invite"};
    size_t n;
    const struct mx_room_version *all = mx_room_version_all(&n);
    for (size_t i = 0; i < n * GG_COUNT(types); i++) {
        const struct mx_room_version *v = &all[i % n];
        struct mx_json *tree = mx_json_raw(
            arena, gg_str(event_json(gg_arena_printf(
                       arena,
                       "\"type\":\"%s\",\"origin\":\"o\",\"x\":1,\"membership\":\"join\",\"unsigned\":{\"age_ts\":1},"
                       "\"content\":{"
                       "\"membership\":\"join\",\"creator\":\"c\",\"join_rule\":\"public\",\"allow\":[],\"ban\":1,"
                       "\"invite\":2,"
                       "\"aliases\":[],\"redacts\":\"$x\",\"history_visibility\":\"shared\",\"other\":1,\"third_party_"
                       "invite\":{"
                       "\"signed\":{\"a\":1},\"display_name\":\"d\"},\"join_authorised_via_users_server\":\"@a:b\"}",
                       types[i / n]))));
        struct mx_json *once = mx_redact(tree, v, arena), *twice = mx_redact(once, v, arena);
        struct gg_buf a = GG_BUF_INIT, b = GG_BUF_INIT;
        mx_json_canonical(&a, once);
        mx_json_canonical(&b, twice);
        assert_string_equal(a.data, b.data);
        assert_null(mx_json_member(once, "unsigned"));
        assert_true((mx_json_member(once, "origin") != NULL) == !v->updated_redaction);
        assert_true(gg_str_eq(mx_reference_id(tree, v, arena), mx_reference_id(once, v, arena)));
        gg_buf_done(&a);
        gg_buf_done(&b);
    }
}

static void redacted_events_say_why(void **state)
{
    struct mx_event *e = load("10", "\"content\":{\"body\":\"x\"},\"unsigned\":{\"age_ts\":5,\"prev_content\":{}}",
                              "{\"txn_id\":\"t\"}");
    struct mx_event *r = mx_event_redacted(e, GG_STR("{\"event_id\":\"$why\",\"type\":\"m.room.redaction\"}"));
    assert_true(gg_str_is(r->content, "{}"));
    assert_true(r->meta.redacted && gg_str_is(r->meta.txn_id, "t") && gg_str_is(r->event_id, "$id"));
    assert_true(gg_str_is(r->unsigned_,
                          "{\"age_ts\":5,\"redacted_by\":\"$why\",\"redacted_because\":{\"event_id\":\"$why\","
                          "\"type\":\"m.room.redaction\"}}"));
    mx_event_unref(r);
    mx_event_unref(e);
}

static void pdus_carry_no_view_of_ours(void **state)
{
    struct mx_event *e = load("10", "\"unsigned\":{\"age_ts\":5,\"prev_content\":{}}", "{}");
    struct gg_buf out = GG_BUF_INIT;
    int64_t age = 0;
    mx_event_write_pdu(&out, e);
    assert_true(mx_json_i64(mx_json_get(mx_json_get(gg_buf_view(&out), "unsigned"), "age"), &age));
    assert_true(age > 1000000);
    assert_int_equal(mx_json_length(mx_json_get(gg_buf_view(&out), "unsigned")), 1);
    assert_non_null(mx_json_get(gg_buf_view(&out), "auth_events").s);
    assert_null(mx_json_get(gg_buf_view(&out), "event_id").s);
    gg_buf_done(&out);
    mx_event_unref(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(built_events_parse_and_verify, set_up, tear_down),
        cmocka_unit_test_setup_teardown(create_of_version_12_names_its_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(formats_are_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(events_are_not_deeper_than_synapse_reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(metadata_goes_round, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clients_see_their_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(members_are_shown_wherever_they_stand, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_object_is_no_event, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clients_see_what_was_looked_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(redacts_is_served_in_both_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(redaction_is_idempotent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(redacted_events_say_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pdus_carry_no_view_of_ours, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
