/* News that waits for a destination: the newer replaces the older, the queue is bounded, what was not taken returns, and
 * many receipts share few EDUs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>

#include "federation/sending/transaction.h"

static struct mx_out_edu *receipt(const char *room, const char *user, const char *event, const char *thread)
{
    struct mx_out_receipt r = {gg_str(room), GG_STR("m.read"), gg_str(user), gg_str(event), gg_str(thread), GG_STR("{\"ts\":5}")};
    return mx_out_receipt_new(&r);
}

static void add(struct mx_out_queue *queue, struct mx_out_edu *edu)
{
    mx_out_queue_add(queue, edu);
    mx_out_edu_unref(edu);
}

/* The EDUs of a transaction as a JSON array. */
static json_t *edus_of(const struct mx_transaction *t)
{
    struct gg_buf text = GG_BUF_INIT;
    json_error_t error;
    gg_buf_printf(&text, "[%s]", t->edus.data);
    json_t *out = json_loads(text.data, 0, &error);
    if (out == NULL)
        fail_msg("no JSON: %s in %s", error.text, text.data);
    assert_int_equal(json_array_size(out), t->n_edus);
    gg_buf_done(&text);
    return out;
}

static const json_t *at(const json_t *v, const char *const *path)
{
    for (; *path != NULL; path++)
        v = json_object_get(v, *path);
    return v;
}
#define AT(v_, ...) at((v_), (const char *const[]){__VA_ARGS__, NULL})

static void receipts_of_many_rooms_share_an_edu(void **state)
{
    struct mx_out_queue queue;
    struct mx_transaction t;
    mx_out_queue_init(&queue);
    mx_transaction_init(&t);
    add(&queue, receipt("!b:x", "@u:x", "$1", NULL));
    add(&queue, receipt("!a:x", "@u:x", "$2", NULL));
    add(&queue, receipt("!a:x", "@v:x", "$3", "main"));
    mx_transaction_add_receipts(&t, &queue, 5);
    json_t *edus = edus_of(&t);
    assert_int_equal(t.n_edus, 1);
    const json_t *content = json_object_get(json_array_get(edus, 0), "content");
    assert_string_equal(json_string_value(json_array_get(AT(content, "!a:x", "m.read", "@u:x", "event_ids"), 0)), "$2");
    assert_string_equal(json_string_value(AT(content, "!a:x", "m.read", "@v:x", "data", "thread_id")), "main");
    assert_int_equal(json_integer_value(AT(content, "!a:x", "m.read", "@v:x", "data", "ts")), 5);
    assert_null(AT(content, "!a:x", "m.read", "@u:x", "data", "thread_id"));
    assert_string_equal(json_string_value(json_array_get(AT(content, "!b:x", "m.read", "@u:x", "event_ids"), 0)), "$1");
    assert_true(mx_out_queue_empty(&queue));
    json_decref(edus);
    mx_transaction_done(&t);
}

/* One user in three threads of a room needs three EDUs; what has no place waits, in its order. */
static void threads_need_edus_of_their_own(void **state)
{
    struct mx_out_queue queue;
    struct mx_transaction t;
    mx_out_queue_init(&queue);
    mx_transaction_init(&t);
    add(&queue, receipt("!a:x", "@u:x", "$1", NULL));
    add(&queue, receipt("!a:x", "@u:x", "$2", "main"));
    add(&queue, receipt("!a:x", "@u:x", "$3", "$root"));
    mx_transaction_add_receipts(&t, &queue, 2);
    json_t *edus = edus_of(&t);
    assert_int_equal(t.n_edus, 2);
    json_decref(edus);
    assert_int_equal(queue.n[MX_OUT_RECEIPT], 1);
    mx_transaction_add_receipts(&t, &queue, 2);
    assert_int_equal(t.n_edus, 3);
    edus = edus_of(&t);
    const json_t *last = json_object_get(json_array_get(edus, 2), "content");
    assert_string_equal(json_string_value(AT(last, "!a:x", "m.read", "@u:x", "data", "thread_id")), "$root");
    json_decref(edus);
    mx_transaction_done(&t);
}

static void newer_replaces_older(void **state)
{
    struct mx_out_queue queue;
    struct mx_transaction t;
    mx_out_queue_init(&queue);
    mx_transaction_init(&t);
    add(&queue, receipt("!a:x", "@u:x", "$old", NULL));
    add(&queue, receipt("!a:x", "@u:x", "$new", NULL));
    assert_int_equal(queue.n[MX_OUT_RECEIPT], 1);
    mx_transaction_add_receipts(&t, &queue, 5);
    assert_non_null(strstr(t.edus.data, "$new"));
    assert_null(strstr(t.edus.data, "$old"));
    /* they did not take it, and meanwhile there is a newer one */
    add(&queue, receipt("!a:x", "@u:x", "$newest", NULL));
    mx_out_queue_return(&queue, &t.taken);
    assert_int_equal(queue.n[MX_OUT_RECEIPT], 1);
    mx_transaction_done(&t);
    mx_transaction_init(&t);
    mx_transaction_add_receipts(&t, &queue, 5);
    assert_non_null(strstr(t.edus.data, "$newest"));
    mx_transaction_done(&t);
}

static void what_was_not_taken_comes_first_again(void **state)
{
    struct mx_out_queue queue;
    struct gg_list taken;
    mx_out_queue_init(&queue);
    gg_list_init(&taken);
    add(&queue, receipt("!a:x", "@1:x", "$1", NULL));
    add(&queue, receipt("!a:x", "@2:x", "$2", NULL));
    add(&queue, receipt("!a:x", "@3:x", "$3", NULL));
    add(&queue, mx_out_typing_new(GG_STR("!a:x"), GG_STR("@1:x"), true));
    assert_int_equal(mx_out_queue_take(&queue, MX_OUT_RECEIPT, 2, &taken), 2);
    assert_int_equal(mx_out_queue_take(&queue, MX_OUT_TYPING, 2, &taken), 1);
    mx_out_queue_return(&queue, &taken);
    assert_int_equal(queue.n[MX_OUT_TYPING], 0); /* typing is old by then */
    mx_out_queue_take(&queue, MX_OUT_RECEIPT, 3, &taken);
    const char *const users[] = {"@1:x", "@2:x", "@3:x"};
    size_t n = 0;
    GG_LIST_EACH(link, &taken)
        assert_true(gg_str_is(GG_CONTAINER(link, struct mx_out_item, link)->edu->receipt.user_id, users[n++]));
    assert_int_equal(n, 3);
    mx_out_taken_drop(&taken);
}

static void bounded(void **state)
{
    struct mx_out_queue queue;
    char user[32];
    mx_out_queue_init(&queue);
    for (int i = 0; i < 5000; i++) {
        snprintf(user, sizeof(user), "@u%d:x", i);
        add(&queue, receipt("!a:x", user, "$1", NULL));
    }
    assert_int_equal(queue.n[MX_OUT_RECEIPT], 1000);
    const struct mx_out_item *first = GG_CONTAINER(queue.items[MX_OUT_RECEIPT].next, struct mx_out_item, link);
    assert_true(gg_str_is(first->edu->receipt.user_id, "@u4000:x")); /* the oldest went */
    mx_out_queue_clear(&queue, MX_OUT_KINDS);
    assert_true(mx_out_queue_empty(&queue));
}

static void one_piece_for_many(void **state)
{
    struct mx_out_queue a, b;
    struct mx_out_edu *edu = mx_out_typing_new(GG_STR("!a:x"), GG_STR("@\"1:x"), false);
    mx_out_queue_init(&a);
    mx_out_queue_init(&b);
    mx_out_queue_add(&a, edu);
    mx_out_queue_add(&b, edu);
    mx_out_edu_unref(edu);
    mx_out_queue_clear(&a, MX_OUT_KINDS);
    struct mx_transaction t;
    mx_transaction_init(&t);
    mx_transaction_add_typing(&t, &b, 10);
    json_t *edus = edus_of(&t);
    assert_string_equal(json_string_value(AT(json_array_get(edus, 0), "content", "user_id")), "@\"1:x");
    assert_true(json_is_false(AT(json_array_get(edus, 0), "content", "typing")));
    json_decref(edus);
    mx_transaction_done(&t);
}

static void presence_in_one_edu(void **state)
{
    struct mx_out_queue queue;
    struct mx_transaction t;
    char user[32];
    mx_out_queue_init(&queue);
    mx_transaction_init(&t);
    for (int i = 0; i < 60; i++) {
        struct mx_presence_state s = {
            .kind = MX_ONLINE, .currently_active = true, .last_active_ts = 900, .status_msg = GG_STR("hm \"so\"")};
        snprintf(user, sizeof(user), "@u%d:x", i);
        add(&queue, mx_out_presence_new(gg_str(user), &s));
    }
    mx_transaction_add_presence(&t, &queue, 1000);
    json_t *edus = edus_of(&t);
    const json_t *push = AT(json_array_get(edus, 0), "content", "push");
    assert_int_equal(json_array_size(push), 50);
    const json_t *first = json_array_get(push, 0);
    assert_string_equal(json_string_value(AT(first, "user_id")), "@u0:x");
    assert_string_equal(json_string_value(AT(first, "presence")), "online");
    assert_string_equal(json_string_value(AT(first, "status_msg")), "hm \"so\"");
    assert_int_equal(json_integer_value(AT(first, "last_active_ago")), 100);
    assert_int_equal(queue.n[MX_OUT_PRESENCE], 10);
    json_decref(edus);
    mx_transaction_done(&t);
    mx_out_queue_clear(&queue, MX_OUT_KINDS);
}

static void whole_body(void **state)
{
    struct gg_buf body = GG_BUF_INIT;
    mx_transaction_write(&body, "hs.example:8448", 17, GG_STR("{},{}"), GG_STR(""));
    assert_string_equal(body.data, "{\"origin\":\"hs.example:8448\",\"origin_server_ts\":17,\"pdus\":[{},{}],\"edus\":[]}");
    gg_buf_done(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receipts_of_many_rooms_share_an_edu), cmocka_unit_test(threads_need_edus_of_their_own),
        cmocka_unit_test(newer_replaces_older), cmocka_unit_test(what_was_not_taken_comes_first_again),
        cmocka_unit_test(bounded), cmocka_unit_test(one_piece_for_many), cmocka_unit_test(presence_in_one_edu),
        cmocka_unit_test(whole_body)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
