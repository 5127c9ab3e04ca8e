/* message.c: messages as the templates of mails know them: names are those that operators' own templates use (Synapse's
 * documentation of templates). */
#include "pages/sanitize.h"
#include "push/mails/room.h"
#include "rooms/history.h"
#include "userdata/ignored.h"

enum { BEFORE = 1 }; /* messages before each one that notifies, so that it can be understood */

static void set(json_t *object, const char *key, struct gg_str text)
{
    if (text.s != NULL)
        json_object_set_new_nocheck(object, key, json_stringn_nocheck(text.s, text.n));
}

static void set_markup(json_t *message, struct gg_buf *html)
{
    json_t *markup = json_object();
    json_object_set_new_nocheck(markup, "__html__", json_stringn_nocheck(html->data, html->n));
    json_object_set_new_nocheck(message, "body_text_html", markup);
    gg_buf_done(html);
}

static void add_body(json_t *message, const struct mx_event *event, struct gg_arena *arena)
{
    struct gg_str content = event->content, body = mx_json_string(mx_json_get(content, "body"), arena);
    struct gg_str format = mx_json_string(mx_json_get(content, "format"), arena);
    struct gg_str rich = mx_json_string(mx_json_get(content, "formatted_body"), arena);
    struct gg_str kind = mx_json_string(mx_json_get(content, "msgtype"), arena);
    struct gg_buf html = GG_BUF_INIT;
    set(message, "msgtype", kind);
    set(message, "body_text_plain", body);
    if (gg_str_is(kind, "m.image")) {
        set(message, "image_url", mx_json_string(mx_json_get(content, "url"), arena));
        return;
    }
    if (gg_str_is(format, "org.matrix.custom.html") && rich.n > 0)
        mx_html_clean(rich, &html);
    else
        mx_html_of_text(body, &html);
    set_markup(message, &html);
}

static int add_message(struct mx_server *server, const struct mx_mail_room *room, const struct mx_event *event,
                       bool historical, struct gg_arena *arena, json_t *messages, struct gg_error *err)
{
    struct gg_str name, avatar;
    bool encrypted = gg_str_is(event->type, "m.room.encrypted");
    if (!encrypted && !gg_str_is(event->type, "m.room.message"))
        return 0;
    int rc = mx_mail_member(server, room, event->sender, arena, &name, &avatar, err);
    if (rc < 0)
        return rc;
    json_t *message = json_pack("{s:b, s:I, s:I}", "is_historical", historical, "ts", (json_int_t)event->origin_server_ts,
                                "sender_hash", mx_mail_hash(event->sender));
    set(message, "event_type", event->type);
    set(message, "id", event->event_id);
    set(message, "sender_name", name);
    set(message, "sender_avatar_url", avatar);
    if (!encrypted)
        add_body(message, event, arena);
    json_array_append_new(messages, message);
    return 0;
}

static bool shows(const json_t *messages, struct gg_str event_id)
{
    for (size_t i = 0; i < json_array_size(messages); i++)
        if (gg_str_is(event_id, json_string_value(json_object_get(json_array_get(messages, i), "id"))))
            return true;
    return false;
}

/* The message before it that the user may see, or NULL. */
static int message_before(struct mx_server *server, struct gg_str user_id, const struct mx_mail_room *room,
                          const struct mx_event *event, struct gg_arena *arena, const struct mx_event **out,
                          struct gg_error *err)
{
    const struct mx_page_query query = {.room_id = room->room_id, .backwards = true, .limit = BEFORE,
                                        .from = {.depth = event->depth, .at = {.min = event->meta.stream_ordering - 1}}};
    const struct gg_str *ignored;
    struct mx_page page;
    size_t n;
    *out = NULL;
    int rc = mx_history_page(server, user_id, &room->access, &query, arena, &page, err);
    if (rc == 0)
        rc = mx_ignored_users(server, user_id, arena, &ignored, &n, err);
    if (rc < 0 || page.n == 0)
        return rc;
    *out = page.events[0];
    for (size_t i = 0; i < n; i++)
        if (gg_str_eq(ignored[i], page.events[0]->sender))
            *out = NULL;
    return 0;
}

/* One event: into what is shown last, if it follows that; else something new. */
static int add_event(struct mx_server *server, struct gg_str user_id, const struct mx_mail_room *room,
                     const struct mx_event *event, struct gg_arena *arena, json_t *notifs, struct gg_error *err)
{
    const struct mx_event *before;
    int rc = message_before(server, user_id, room, event, arena, &before, err);
    size_t n = json_array_size(notifs);
    json_t *last = n > 0 ? json_object_get(json_array_get(notifs, n - 1), "messages") : NULL;
    if (rc < 0)
        return rc;
    if (before == NULL || last == NULL || !shows(last, before->event_id)) {
        last = json_array();
        json_array_append_new(notifs, json_pack("{s:s, s:I, s:o}", "link",
                                                mx_mail_link(server, room->room_id, event->event_id, arena), "ts",
                                                (json_int_t)event->origin_server_ts, "messages", last));
        rc = before != NULL ? add_message(server, room, before, true, arena, last, err) : 0;
    }
    return rc == 0 ? add_message(server, room, event, false, arena, last, err) : rc;
}

int mx_mail_messages(struct mx_server *server, struct gg_str user_id, const struct mx_mail_room *room,
                     struct gg_arena *arena, json_t **out, struct gg_error *err)
{
    int rc = 0;
    *out = json_array();
    for (size_t i = 0; rc == 0 && i < room->n && room->readable; i++)
        rc = add_event(server, user_id, room, room->events[i], arena, *out, err);
    return rc;
}
