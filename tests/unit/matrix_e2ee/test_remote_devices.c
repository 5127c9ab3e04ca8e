/* What other servers say of devices, and what they are sent: read and built without a database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "e2ee/remote_devices.h"
#include "e2ee/to_device_out.h"

#include <stdio.h>
#include <string.h>

static struct gg_error err;

static struct gg_arena *begin(void)
{
    memset(&err, 0, sizeof(err));
    return gg_arena_new();
}

#define IS(str_, text_) assert_true(gg_str_is((str_), (text_)))

static void test_positions(void **state)
{
    struct gg_arena *arena = begin();
    IS(mx_remote_position(GG_STR("5"), arena), "5");
    IS(mx_remote_position(GG_STR("-7"), arena), "-7");
    IS(mx_remote_position(GG_STR("\"a5\""), arena), "a5");
    static const char *const none[] = {"\"\"", "1.5", "null", "{}", "[1]", "true", "\"a\\u0000b\"", "99999999999999999999"};
    for (size_t i = 0; i < GG_COUNT(none); i++)
        assert_null(mx_remote_position(gg_str(none[i]), arena).s);
    char *longest = gg_arena_printf(arena, "\"%0300d\"", 1);
    assert_null(mx_remote_position(gg_str(longest), arena).s);
    gg_arena_free(arena);
}

static void test_a_list_is_read(void **state)
{
    struct gg_arena *arena = begin();
    struct mx_remote_list list;
    struct gg_str json = GG_STR("{\"user_id\":\"@u:x\",\"stream_id\":9,\"devices\":[{\"device_id\":\"A\",\"keys\":{\"k\":1}},5,{\"keys\":{}},"
                                "{\"device_id\":7},{\"device_id\":\"B\\u0000\"},{\"device_id\":\"A\",\"keys\":{\"k\":2}},{\"device_id\":\"C\"}],"
                                "\"master_key\":{\"m\":1},\"self_signing_key\":null}");
    assert_int_equal(mx_remote_list_read(json, arena, &list, &err), 0);
    IS(list.stream_id, "9");
    assert_int_equal(list.n, 2);
    IS(list.devices[0].device_id, "A");
    IS(list.devices[0].content, "{\"device_id\":\"A\",\"keys\":{\"k\":2}}");
    IS(list.devices[1].device_id, "C");
    IS(list.master, "{\"m\":1}");
    assert_null(list.self_signing.s);
    gg_arena_free(arena);
}

static void test_what_is_no_list(void **state)
{
    struct gg_arena *arena = begin();
    struct mx_remote_list list;
    static const char *const bad[] = {"[]", "{}", "5", "{\"stream_id\":1}", "{\"stream_id\":1,\"devices\":{}}", "{\"devices\":[]}",
                                      "{\"stream_id\":[],\"devices\":[]}"};
    for (size_t i = 0; i < GG_COUNT(bad); i++)
        assert_int_equal(mx_remote_list_read(gg_str(bad[i]), arena, &list, &err), GG_E_PROTOCOL);
    gg_arena_free(arena);
}

/* Nobody has so many: none is taken. */
static void test_a_list_is_bounded(void **state)
{
    struct gg_arena *arena = begin();
    struct gg_buf text = GG_BUF_INIT;
    struct mx_remote_list list;
    gg_buf_lit(&text, "{\"stream_id\":1,\"devices\":[");
    for (int i = 0; i <= MX_REMOTE_DEVICES_MAX; i++)
        gg_buf_printf(&text, "%s{\"device_id\":\"D%d\"}", i > 0 ? "," : "", i);
    gg_buf_lit(&text, "]}");
    assert_int_equal(mx_remote_list_read(gg_buf_view(&text), arena, &list, &err), 0);
    assert_int_equal(list.n, 0);
    gg_buf_done(&text);
    gg_arena_free(arena);
}

/* ---- messages for others ---- */

static struct mx_to_device_message message(const char *user, const char *device, const char *content)
{
    return (struct mx_to_device_message){.user_id = gg_str(user), .device_id = gg_str(device), .content = gg_str(content)};
}

static void test_each_server_gets_its_messages(void **state)
{
    struct gg_arena *arena = begin();
    struct mx_outbox_edu *edus;
    size_t n;
    const struct mx_to_device_message messages[] = {
        message("@a:one", "A", "{\"x\":1}"), message("@a:one", "B", "{}"), message("@l:us", "L", "{}"),
        message("@b:two", "*", "{}"), message("@c:one", "C", "{}"), message("@d:not a server", "D", "{}")};
    mx_to_device_edus("us", GG_STR("@s:us"), GG_STR("m.\"t"), messages, GG_COUNT(messages), arena, &edus, &n);
    assert_int_equal(n, 2);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(mx_json_check(edus[i].content, 10, &err), 0);
        IS(mx_json_get(edus[i].content, "sender"), "\"@s:us\"");
        IS(mx_json_get(edus[i].content, "type"), "\"m.\\\"t\"");
        assert_int_equal(mx_json_string(mx_json_get(edus[i].content, "message_id"), arena).n, 16);
        bool one = gg_str_is(edus[i].destination, "one");
        IS(mx_json_get(edus[i].content, "messages"),
           one ? "{\"@a:one\":{\"A\":{\"x\":1},\"B\":{}},\"@c:one\":{\"C\":{}}}" : "{\"@b:two\":{\"*\":{}}}");
    }
    gg_arena_free(arena);
}

static void test_large_messages_are_spread(void **state)
{
    enum { MESSAGES = 7, BYTES = 20000 };
    struct gg_arena *arena = begin();
    struct mx_outbox_edu *edus;
    struct mx_to_device_message messages[MESSAGES + 1];
    size_t n, told = 0;
    for (int i = 0; i < MESSAGES; i++)
        messages[i] = message("@a:one", gg_arena_printf(arena, "D%d", i), gg_arena_printf(arena, "{\"x\":\"%0*d\"}", BYTES, 1));
    messages[MESSAGES] = message("@b:one", "huge", gg_arena_printf(arena, "{\"x\":\"%0*d\"}", MX_TO_DEVICE_EDU_BYTES, 1));
    mx_to_device_edus("us", GG_STR("@s:us"), GG_STR("t"), messages, GG_COUNT(messages), arena, &edus, &n);
    assert_int_equal(n, 4); /* three, three, one, and the huge one alone */
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(mx_json_check(edus[i].content, 10, &err), 0);
        assert_true(edus[i].content.n <= MX_TO_DEVICE_EDU_BYTES || i == n - 1);
        struct mx_json_iter it = mx_json_iter(mx_json_get(edus[i].content, "messages"));
        while (mx_json_next(&it))
            told += mx_json_length(it.value);
    }
    assert_int_equal(told, MESSAGES + 1);
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_a_list_is_read),
        cmocka_unit_test(test_what_is_no_list),
        cmocka_unit_test(test_a_list_is_bounded),
        cmocka_unit_test(test_each_server_gets_its_messages),
        cmocka_unit_test(test_large_messages_are_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
