/* The shapes of what other servers send: transactions, EDUs, ids; and events that no honest server makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "federation/gap.h"
#include "federation/inbound_read.h"

#include <ganglion/buf.h>
#include <string.h>

static const char *list_of(struct gg_buf *out, const char *name, size_t n)
{
    gg_buf_clear(out);
    gg_buf_printf(out, "{\"%s\":[", name);
    for (size_t i = 0; i < n; i++)
        gg_buf_text(out, i ? ",{}" : "{}");
    gg_buf_text(out, "]}");
    return out->data;
}

static int read_text(const char *text, struct mx_fed_lists *out, struct gg_error *err)
{
    memset(err, 0, sizeof(*err));
    return mx_fed_lists_read(gg_str(text), out, err);
}

static void test_lists(void **state)
{
    static const struct {
        const char *text, *errcode; /* NULL: fine */
    } cases[] = {
        {"{}", NULL},
        {"{\"pdus\":[],\"edus\":[]}", NULL},
        {"{\"pdus\":null}", "M_BAD_JSON"},
        {"{\"pdus\":{}}", "M_BAD_JSON"},
        {"{\"pdus\":[],\"edus\":\"x\"}", "M_BAD_JSON"},
        {"[]", "M_BAD_JSON"},
        {"7", "M_BAD_JSON"},
        {"", "M_NOT_JSON"},
        {"{\"pdus\":[", "M_NOT_JSON"},
        {"{\"pdus\":[\xff]}", "M_NOT_JSON"},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        struct mx_fed_lists lists;
        struct gg_error err;
        int rc = read_text(cases[i].text, &lists, &err);
        assert_int_equal(rc == 0, cases[i].errcode == NULL);
        if (rc) {
            assert_int_equal(err.http_status, 400);
            assert_string_equal(err.errcode, cases[i].errcode);
        }
    }
}

static void test_limits(void **state)
{
    struct gg_buf text = GG_BUF_INIT;
    struct mx_fed_lists lists;
    struct gg_error err;
    assert_int_equal(read_text(list_of(&text, "pdus", 50), &lists, &err), 0);
    assert_true(lists.pdus.s != NULL && lists.edus.s == NULL);
    assert_true(read_text(list_of(&text, "pdus", 51), &lists, &err) < 0);
    assert_int_equal(err.http_status, 400);
    assert_int_equal(read_text(list_of(&text, "edus", 100), &lists, &err), 0);
    assert_true(read_text(list_of(&text, "edus", 101), &lists, &err) < 0);
    gg_buf_done(&text);
}

static void test_edus(void **state)
{
    static const struct {
        const char *text, *type;
    } cases[] = {
        {"{\"edu_type\":\"m.typing\",\"content\":{\"a\":1}}", "m.typing"},
        {"{\"edu_type\":\"m.typing\"}", NULL},
        {"{\"edu_type\":7,\"content\":{}}", NULL},
        {"{\"edu_type\":\"m.typing\",\"content\":[]}", NULL},
        {"{\"edu_type\":\"m.\\u0000\",\"content\":{}}", NULL},
        {"{\"edu_type\":\"m.typing\",\"content\":{\"x\":\"\\ud800\"}}", NULL},
        {"null", NULL},
    };
    struct gg_arena *arena = gg_arena_new();
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        json_t *content = NULL;
        const char *type = mx_fed_edu_read(gg_str(cases[i].text), arena, &content);
        if (cases[i].type)
            assert_string_equal(type, cases[i].type);
        else
            assert_null(type);
        json_decref(content);
    }
    gg_arena_free(arena);
}

static void test_ids(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_map *seen = gg_map_new(NULL);
    struct gg_str out[3];
    size_t n = mx_fed_ids_read(gg_str("[\"$a:x\",\"$a:x\",7,null,\"no id\",\"$b:x\"]"), seen, 3, arena, out, 0);
    assert_int_equal(n, 2);
    assert_true(gg_str_is(out[0], "$a:x") && gg_str_is(out[1], "$b:x"));
    n = mx_fed_ids_read(gg_str("[\"$b:x\",\"$c:x\",\"$d:x\"]"), seen, 3, arena, out, n);
    assert_int_equal(n, 3); /* and no more than there is room for */
    assert_true(gg_str_is(out[2], "$c:x"));
    assert_int_equal(mx_fed_ids_read(gg_str("{\"a\":\"$e:x\"}"), seen, 3, arena, out, 0), 0);
    gg_map_free(seen);
    gg_arena_free(arena);
}

static void test_references(void **state)
{
    const char *why;
    struct mx_event event = {.version = mx_room_version_find(GG_STR("10")), .n_prev = 20, .n_auth = 10};
    assert_true(mx_fed_sane(&event, &why));
    event.n_prev = 21;
    assert_false(mx_fed_sane(&event, &why));
    event.n_prev = 1;
    event.n_auth = 11;
    assert_false(mx_fed_sane(&event, &why));
    event.version = mx_room_version_find(GG_STR("12")); /* where the create event is implied */
    assert_true(mx_fed_sane(&event, &why));
    event.n_auth = 0;
    assert_true(mx_fed_sane(&event, &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists), cmocka_unit_test(test_limits),     cmocka_unit_test(test_edus),
        cmocka_unit_test(test_ids),   cmocka_unit_test(test_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
