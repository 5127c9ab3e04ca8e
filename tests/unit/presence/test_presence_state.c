/* The rules of presence: what is told, what time does, and the stream's rows there and back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "presence/state.h"

static const struct mx_presence_times times = {60000, 30000, 300000, 3600000};

static void test_notable(void **s)
{
    struct mx_presence_state a = {.kind = MX_ONLINE, .currently_active = true, .last_active_ts = 1000000}, b = a;
    assert_false(mx_presence_notable(&a, &b));
    b.last_active_ts += 300000; /* still active: nobody is told of each sign */
    assert_false(mx_presence_notable(&a, &b));
    b.currently_active = false;
    assert_true(mx_presence_notable(&a, &b));
    b = a;
    b.status_msg = GG_STR("x");
    assert_true(mx_presence_notable(&a, &b));
    b = a;
    b.kind = MX_UNAVAILABLE;
    assert_true(mx_presence_notable(&a, &b));
    a.kind = MX_UNAVAILABLE;
    b.last_active_ts += 60000;
    assert_false(mx_presence_notable(&a, &b));
    b.last_active_ts += 1;
    assert_true(mx_presence_notable(&a, &b));
}

static void test_time(void **s)
{
    struct mx_presence_device d = {MX_ONLINE, true, 1000, 1000};
    assert_int_equal(mx_presence_device_due(&d, &times), 301000);
    assert_false(mx_presence_age_device(&d, &times, 300999));
    assert_true(mx_presence_age_device(&d, &times, 301000)); /* idle, though it syncs */
    assert_int_equal(d.kind, MX_UNAVAILABLE);
    assert_int_equal(mx_presence_device_due(&d, &times), INT64_MAX);
    assert_false(mx_presence_age_device(&d, &times, 90000000));
    d.syncing = false;
    d.last_sync_ts = 400000;
    assert_int_equal(mx_presence_device_due(&d, &times), 430000);
    assert_false(mx_presence_age_device(&d, &times, 429999));
    assert_true(mx_presence_age_device(&d, &times, 430000));
    assert_int_equal(d.kind, MX_OFFLINE);
    d = (struct mx_presence_device){MX_BUSY, false, 1000, 1000};
    assert_false(mx_presence_age_device(&d, &times, 3600999));
    assert_true(mx_presence_age_device(&d, &times, 3601000));
    struct mx_presence_state online = {.kind = MX_ONLINE, .last_active_ts = 1000};
    assert_true(mx_presence_active_now(&online, &times, 60999));
    assert_false(mx_presence_active_now(&online, &times, 61000));
}

static void test_rows(void **s)
{
    static const char *const bad[] = {"[]", "{}", "1", "[\"@a:b\",\"here\",1,2,3,null,true]", "[1,\"online\",1,2,3,null,true]",
                                      "[\"@a:b\",\"online\",\"1\",2,3,null,true]", "[\"@a:b\",\"online\",1,2,3,null]"};
    struct gg_arena *arena = gg_arena_new();
    struct mx_presence_state in = {MX_UNAVAILABLE, true, 1, 2, 3, GG_STR("a \"b\" \n\\")}, out;
    struct gg_buf buf = GG_BUF_INIT;
    struct gg_str user;
    mx_presence_write_row(&buf, GG_STR("@a:b"), &in);
    assert_true(mx_presence_read_row(gg_buf_view(&buf), arena, &user, &out));
    assert_true(gg_str_is(user, "@a:b") && gg_str_eq(out.status_msg, in.status_msg));
    assert_int_equal(out.kind, MX_UNAVAILABLE);
    assert_true(out.currently_active && out.last_active_ts == 1 && out.last_federation_ts == 2 && out.last_sync_ts == 3);
    for (size_t i = 0; i < GG_COUNT(bad); i++)
        assert_false(mx_presence_read_row(gg_str(bad[i]), arena, &user, &out));
    gg_buf_clear(&buf);
    mx_presence_write(&buf, &in, 5);
    assert_string_equal(buf.data, "{\"presence\":\"unavailable\",\"last_active_ago\":4,\"status_msg\":\"a \\\"b\\\" \\n\\\\\"}");
    gg_buf_done(&buf);
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_notable), cmocka_unit_test(test_time), cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
