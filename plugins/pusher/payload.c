/* payload.c: what a gateway is told, as sygnal and others expect it (push gateway API).
 *
 * Events are never held in jansson; content goes as the bytes that are stored. */
#include "pool.h"

#include <ganglion/config.h>
#include <ganglion/matrix/json.h>
#include <stdlib.h>

static void member(struct gg_buf *out, const char *key, struct gg_str text)
{
    if (text.s == NULL)
        return;
    gg_buf_printf(out, ",\"%s\":", key);
    gg_buf_json_string(out, text);
}

/* {"set_tweak": name, "value": v}: the name with v, true where there is none. The last of a name counts. */
static void write_tweaks(struct gg_buf *out, struct gg_str actions, struct gg_arena *arena, bool *noisy)
{
    struct mx_json *tweaks = mx_json_object(arena);
    struct mx_json_iter it = mx_json_iter(actions);
    while (mx_json_next(&it)) {
        struct gg_str name = mx_json_string(mx_json_get(it.value, "set_tweak"), arena);
        struct gg_str value = mx_json_get(it.value, "value");
        if (name.s == NULL)
            continue;
        mx_json_set(tweaks, arena, gg_arena_strndup(arena, name.s, name.n),
                    mx_json_raw(arena, value.s != NULL ? value : GG_STR("true")));
        bool on = value.s == NULL || !(gg_str_is(value, "false") || gg_str_is(value, "null") || gg_str_is(value, "\"\""));
        *noisy |= on && (gg_str_is(name, "highlight") || gg_str_is(name, "sound"));
    }
    mx_json_write(out, tweaks);
}

/* The devices, with tweaks if they are given. */
static void write_devices(struct gg_buf *out, const struct pusher *pusher, struct gg_str tweaks)
{
    char *device = json_dumps(pusher->device, JSON_COMPACT);
    size_t n = strlen(device);
    gg_buf_lit(out, ",\"devices\":[");
    gg_buf_add(out, device, n - 1); /* without the closing brace */
    if (tweaks.s != NULL) {
        gg_buf_lit(out, ",\"tweaks\":");
        gg_buf_str(out, tweaks);
    }
    gg_buf_lit(out, "}]");
    free(device);
}

static struct gg_str finish(struct gg_buf *out, struct gg_arena *arena)
{
    gg_buf_lit(out, "}}");
    struct gg_str text = gg_arena_str(arena, gg_buf_view(out));
    gg_buf_done(out);
    return text;
}

struct gg_str pusher_badge_payload(struct pusher *pusher, int64_t badge, struct gg_arena *arena)
{
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_printf(&out, "{\"notification\":{\"id\":\"\",\"type\":null,\"sender\":\"\",\"counts\":{\"unread\":%lld}",
                  (long long)badge);
    write_devices(&out, pusher, gg_strn(NULL, 0));
    return finish(&out, arena);
}

/* What the whole event tells besides its ids. */
static int write_event(struct gg_buf *out, struct pusher *pusher, const struct mx_event *event, struct gg_arena *arena,
                       struct gg_error *err)
{
    struct mx_server *server = pool_server(pusher->pool);
    struct mx_push_context context;
    int rc = mx_push_context(server, pusher->row.user_id, event, arena, &context, err);
    if (rc < 0)
        return rc;
    member(out, "id", event->event_id);
    member(out, "type", event->type);
    member(out, "sender", event->sender);
    member(out, "room_name", context.room_name);
    member(out, "sender_display_name", context.sender_name);
    if (mx_event_is(event, "m.room.member", NULL)) {
        gg_buf_printf(out, ",\"user_is_target\":%s", gg_str_eq(event->state_key, pusher->row.user_id) ? "true" : "false");
        member(out, "membership", event->membership);
    }
    if (gg_config_bool(server->config, "push.include_content")) {
        gg_buf_lit(out, ",\"content\":");
        gg_buf_str(out, event->content);
    }
    return 0;
}

int pusher_event_payload(struct pusher *pusher, const struct mx_push_news *news, const struct mx_event *event, int64_t badge,
                         struct gg_arena *arena, struct gg_str *out, struct gg_error *err)
{
    struct gg_buf buf = GG_BUF_INIT, tweaks = GG_BUF_INIT;
    /* High only for what makes a noise, or may once it is decrypted. */
    bool high = gg_str_is(event->type, "m.room.encrypted");
    int rc = 0;
    write_tweaks(&tweaks, news->actions, arena, &high);
    gg_buf_lit(&buf, "{\"notification\":{\"event_id\":");
    gg_buf_json_string(&buf, event->event_id);
    member(&buf, "room_id", event->room_id);
    gg_buf_printf(&buf, ",\"prio\":\"%s\",\"counts\":{\"unread\":%lld}", high ? "high" : "low", (long long)badge);
    if (!pusher->ids_only)
        rc = write_event(&buf, pusher, event, arena, err);
    write_devices(&buf, pusher, pusher->ids_only ? gg_strn(NULL, 0) : gg_buf_view(&tweaks));
    *out = finish(&buf, arena);
    gg_buf_done(&tweaks);
    return rc;
}
