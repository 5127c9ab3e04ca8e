/* test_mx_event_cases.c: ids, content hashes, redactions and client forms as Synapse makes them
 * (tests/data/event_cases.json, made by tests/differential/oracle_events.py). MX_EVENT_CASES names a larger file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../cases.h"

static char *canonical(struct gg_arena *arena, const struct mx_json *v)
{
    struct gg_buf out = GG_BUF_INIT;
    char *copy;
    mx_json_canonical(&out, v);
    copy = gg_arena_strndup(arena, out.data, out.n);
    gg_buf_done(&out);
    return copy;
}

static bool same(const char *what, const struct mx_json *c, const char *ours, const char *theirs_key)
{
    struct gg_str theirs = mx_json_text(mx_json_member(c, theirs_key));
    struct gg_str text = mx_json_text(mx_json_member(c, "text"));
    if (gg_str_is(theirs, ours))
        return true;
    print_message("%s differs\n  of      %.*s\n  ours    %s\n  Synapse %.*s\n", what, GG_FMT(text), ours,
                  GG_FMT(theirs));
    return false;
}

static char *client_form(struct gg_arena *arena, const struct mx_event *e)
{
    struct mx_event_meta meta = {.txn_id = GG_STR("t"), .device_id = GG_STR("DEV")};
    struct mx_client_format format = {.now_ms = 5000, .user_id = GG_STR("@u:domain"), .device_id = GG_STR("DEV")};
    struct mx_event *sent = mx_event_with_meta(e, &meta);
    struct gg_buf out = GG_BUF_INIT;
    char *text;
    mx_event_write_client(&out, sent, &format);
    text = canonical(arena, mx_json_raw(arena, gg_buf_view(&out)));
    gg_buf_done(&out);
    mx_event_unref(sent);
    return text;
}

static bool redacted_alike(struct gg_arena *arena, const struct mx_json *c, const struct mx_event *e)
{
    struct mx_event *redacted = mx_event_redacted(e, gg_strn(NULL, 0));
    struct mx_json *tree = mx_json_raw(arena, redacted->json);
    bool alike;
    mx_json_remove(tree, "unsigned");
    alike = same("redaction", c, canonical(arena, tree), "redacted") && gg_str_eq(redacted->event_id, e->event_id);
    mx_event_unref(redacted);
    return alike;
}

static bool alike(const struct mx_json *c)
{
    struct gg_arena *arena = gg_arena_new();
    const struct mx_room_version *version = mx_room_version_find(mx_json_text(mx_json_member(c, "version")));
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *e = NULL;
    char hash[mx_base64_size(32)];
    uint8_t bytes[32];
    bool good;
    if (mx_event_parse(mx_json_text(mx_json_member(c, "text")), version, gg_strn(NULL, 0), &e, &err) != 0)
        fail_msg("%s", err.message);
    mx_content_hash(mx_json_raw(arena, e->json), bytes);
    mx_base64(bytes, 32, false, hash);
    good = same("event id", c, gg_arena_strndup(arena, e->event_id.s, e->event_id.n), "id") &&
           same("content hash", c, hash, "hash") && redacted_alike(arena, c, e) &&
           same("client form", c, client_form(arena, e), "client");
    mx_event_unref(e);
    gg_arena_free(arena);
    return good;
}

static void synapse_agrees(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_json *all = read_cases(arena, "MX_EVENT_CASES", "event_cases.json");
    size_t wrong = 0;
    assert_true(all->n >= 300);
    for (uint32_t i = 0; i < all->n; i++)
        wrong += !alike(all->items[i]);
    print_message("%u events, %zu made otherwise\n", all->n, wrong);
    assert_int_equal(wrong, 0);
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(synapse_agrees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
