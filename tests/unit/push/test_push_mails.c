/* When a mail is due, how long rooms wait for the next one, and the token of its link. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "accounts/macaroon.h"
#include "push/mails/due.h"

#define MINUTE ((int64_t)60000)
#define HOUR (60 * MINUTE)

static void due(void **state)
{
    struct mx_mail_news news[] = {{.received_ts = 100 * HOUR, .throttle = {90 * HOUR, 24 * HOUR}},
                                  {.received_ts = 100 * HOUR - 5 * MINUTE},
                                  {.received_ts = 100 * HOUR - 9 * MINUTE}};
    int64_t next;
    assert_int_equal(mx_mail_due(news, 3, 10 * MINUTE, 100 * HOUR, &next), 3);
    assert_int_equal(next, 100 * HOUR + MINUTE);
    assert_int_equal(mx_mail_due(news, 3, 10 * MINUTE, 100 * HOUR + MINUTE, &next), 2);
    assert_int_equal(mx_mail_due(news, 1, 10 * MINUTE, 113 * HOUR, &next), 1); /* its room was mailed of a moment ago */
    assert_int_equal(next, 114 * HOUR);
    assert_int_equal(mx_mail_due(news, 1, 10 * MINUTE, 114 * HOUR, &next), 0);
}

static void throttle(void **state)
{
    struct mx_mail_throttle t = {0};
    t = mx_mail_throttled(t, HOUR, 0, 10 * MINUTE, 2 * HOUR);
    assert_int_equal(t.last_sent_ts, 2 * HOUR);
    assert_int_equal(t.throttle_ms, 10 * MINUTE);
    t = mx_mail_throttled(t, 3 * HOUR, HOUR, 10 * MINUTE, 3 * HOUR);
    assert_int_equal(t.throttle_ms, 24 * HOUR);
    t = mx_mail_throttled(t, 4 * HOUR, 3 * HOUR, 10 * MINUTE, 4 * HOUR);
    assert_int_equal(t.throttle_ms, 24 * HOUR);
    t = mx_mail_throttled(t, 30 * HOUR, 4 * HOUR, 10 * MINUTE, 30 * HOUR); /* quiet for long */
    assert_int_equal(t.throttle_ms, 10 * MINUTE);
    t = mx_mail_throttled((struct mx_mail_throttle){1, INT64_MAX}, 1, 1, 10 * MINUTE, 1);
    assert_int_equal(t.throttle_ms, 24 * HOUR);
}

/* As pymacaroons makes it. */
static const char token[] =
    "MDAxOWxvY2F0aW9uIGV4YW1wbGUub3JnCjAwMTNpZGVudGlmaWVyIGtleQowMDEwY2lkIGdlbiA9IDEKMDAxZGNpZCB0eXBlID0gZGVsZXRlX3B1c2hlcgow"
    "MDIzY2lkIHVzZXJfaWQgPSBAYW5uOmV4YW1wbGUub3JnCjAwMTljaWQgYXBwX2lkID0gbS5lbWFpbAowMDIzY2lkIHB1c2hrZXkgPSBhbm5AZ29vZC5leGFt"
    "cGxlCjAwMmZzaWduYXR1cmUgdY_GiuUABgIJN9b-xh6XC9U1CBXZv69gcunmRhQihGcK";

static void links(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    const struct gg_str secret = GG_STR("unguessable"), app = GG_STR("m.email"), key = GG_STR("ann@good.example");
    assert_string_equal(mx_unsubscribe_token_make(arena, secret, "example.org", GG_STR("@ann:example.org"), app, key), token);
    assert_true(gg_str_is(mx_unsubscribe_token_user(arena, secret, gg_str(token), app, key), "@ann:example.org"));
    assert_null(mx_unsubscribe_token_user(arena, secret, gg_str(token), app, GG_STR("bob@good.example")).s);
    assert_null(mx_unsubscribe_token_user(arena, secret, gg_str(token), GG_STR("other"), key).s);
    assert_null(mx_unsubscribe_token_user(arena, GG_STR("another"), gg_str(token), app, key).s);
    assert_null(mx_unsubscribe_token_user(arena, secret, GG_STR("MDAx"), app, key).s);
    /* A guest's token opens no mailbox, and the other way round. */
    const char *guest = mx_guest_token_make(arena, secret, "example.org", GG_STR("@ann:example.org"));
    assert_null(mx_unsubscribe_token_user(arena, secret, gg_str(guest), app, key).s);
    assert_null(mx_guest_token_user(arena, secret, gg_str(token)).s);
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(due), cmocka_unit_test(throttle), cmocka_unit_test(links)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
