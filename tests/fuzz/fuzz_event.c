/* Any bytes as an event of every room version: parsed, loaded, redacted, written in all forms, authorised. The first
 * byte chooses the version. */
#include <ganglion/matrix/state.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static const struct mx_event *no_event(void *arg, struct gg_str type, struct gg_str state_key)
{
    /* the event itself stands for whatever is asked for: levels, rules and members of the strangest form */
    return arg;
}

static void write_all(const struct mx_event *e)
{
    static const struct gg_str fields[] = {{"content.a", 9}, {"type", 4}, {"unsigned.age", 12}};
    struct mx_client_format formats[] = {{.now_ms = 1},
                                         {.without_room_id = true, .user_id = e->sender, .device_id = GG_STR("D")},
                                         {.fields = fields, .n_fields = 3}};
    struct gg_error err = GG_ERROR_INIT;
    struct gg_buf out = GG_BUF_INIT;
    for (size_t i = 0; i < GG_COUNT(formats); i++) {
        gg_buf_clear(&out);
        mx_event_write_client(&out, e, &formats[i]);
        must(mx_json_check(gg_buf_view(&out), 1001, &err) == 0);
    }
    gg_buf_clear(&out);
    mx_event_write_pdu(&out, e);
    must(mx_json_check(gg_buf_view(&out), 1001, &err) == 0);
    gg_buf_clear(&out);
    mx_event_meta_json(e, &out);
    must(mx_json_check(gg_buf_view(&out), 1001, &err) == 0);
    gg_buf_done(&out);
}

static void authorise(const struct mx_event *e)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct mx_auth_wanted *wanted;
    int rc = mx_auth_check(e, e, no_event, (void *)e, &err);
    must(rc <= 0);
    (void)mx_auth_select(e->version, e->type, e->state_key, e->sender, e->content, arena, &wanted);
    struct mx_power power = mx_power_read(e, e, arena);
    (void)mx_power_of_user(&power, e->sender);
    (void)mx_power_for_notification(&power, "room");
    gg_arena_free(arena);
}

static void use(const struct mx_event *e)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *redacted = mx_event_redacted(e, GG_STR("{\"event_id\":\"$x\"}")), *again = NULL;
    struct mx_event *twice = mx_event_redacted(redacted, GG_STR("{\"event_id\":\"$x\"}"));
    must(gg_str_eq(redacted->json, twice->json));
    write_all(e);
    write_all(redacted);
    authorise(e);
    if (e->version->format != MX_FORMAT_V1) { /* a redaction keeps the id */
        must(mx_event_parse(redacted->json, e->version, gg_strn(NULL, 0), &again, &err) == 0);
        must(gg_str_eq(again->event_id, e->event_id));
        mx_event_unref(again);
    }
    mx_event_unref(redacted);
    mx_event_unref(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n;
    const struct mx_room_version *all = mx_room_version_all(&n), *version;
    struct gg_error err = GG_ERROR_INIT;
    struct gg_str text;
    struct mx_event *e = NULL;
    if (size < 1)
        return 0;
    version = &all[data[0] % n];
    text = gg_strn((const char *)data + 1, size - 1);
    if (mx_event_parse(text, version, gg_strn(NULL, 0), &e, &err) == 0) {
        use(e);
        mx_event_unref(e);
    }
    if (mx_event_load(text, version, GG_STR("$id"), text, &e, &err) ==
        0) /* whatever the database holds: memory stays safe */
        mx_event_unref(e);
    return 0;
}
