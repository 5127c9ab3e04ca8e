/* letter.c: a mail of notifications: rooms, the newest first; what is new in each, in order. */
#include "push/mails/letter.h"

#include "accounts/consent.h"
#include "accounts/macaroon.h"
#include "accounts/mail.h"
#include "push/mails/room.h"
#include "storage/push_mails.h"

#include <ganglion/config.h>
#include <ganglion/metrics.h>

static struct gg_metric sent = {.name = "synapse_emails_sent_total", .help = "Mails sent, by type", .type = GG_COUNTER,
                                .label = {"type"}};

struct letter {
    struct mx_server *server;
    const struct mx_pusher *pusher;
    struct gg_arena *arena;
    const struct mx_mail_news *news, *reason;
    size_t n;
    struct mx_mail_room rooms[MX_MAIL_NEWS];
    size_t n_rooms;
};

static struct mx_mail_room *room_of(struct letter *l, struct gg_str room_id)
{
    for (size_t i = 0; i < l->n_rooms; i++)
        if (gg_str_eq(l->rooms[i].room_id, room_id))
            return &l->rooms[i];
    struct mx_mail_room *room = &l->rooms[l->n_rooms++];
    *room = (struct mx_mail_room){.room_id = room_id, .events = GG_NEW_ARRAY(l->arena, const struct mx_event *, l->n)};
    return room;
}

/* Rooms in the order of their newest event; events of each with the oldest first. */
static int sort(struct letter *l, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(l->arena, struct gg_str, l->n);
    const struct mx_event **events = GG_NEW_ARRAY(l->arena, const struct mx_event *, l->n);
    for (size_t i = 0; i < l->n; i++) {
        ids[i] = l->news[i].event_id;
        (void)room_of(l, l->news[i].room_id);
    }
    int rc = mx_store_events(l->server, ids, l->n, false, l->arena, events, err);
    for (size_t i = l->n; rc == 0 && i > 0; i--) {
        struct mx_mail_room *room = room_of(l, l->news[i - 1].room_id);
        if (events[i - 1] != NULL && events[i - 1]->meta.rejected.s == NULL)
            room->events[room->n++] = events[i - 1];
    }
    return rc;
}

/* Reads the rooms, and leaves those out of which nothing may be told. */
static int read_rooms(struct letter *l, struct gg_error *err)
{
    size_t kept = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < l->n_rooms; i++) {
        struct mx_mail_room *room = &l->rooms[i];
        rc = room->n > 0 ? mx_mail_room_read(l->server, l->pusher->user_id, l->arena, room, err) : 0;
        if (rc == 0 && room->n > 0 && (room->readable || room->invite != NULL))
            l->rooms[kept++] = *room;
    }
    l->n_rooms = kept;
    return rc;
}

static json_t *string(struct gg_str text)
{
    return text.s != NULL ? json_stringn_nocheck(text.s, text.n) : json_null();
}

static int add_room(struct letter *l, const struct mx_mail_room *room, json_t *all, struct gg_error *err)
{
    json_t *notifs;
    int rc = mx_mail_messages(l->server, l->pusher->user_id, room, l->arena, &notifs, err);
    json_array_append_new(all, json_pack("{s:o, s:I, s:b, s:s, s:o, s:o}", "title", string(room->title), "hash",
                                         mx_mail_hash(room->room_id), "invite", room->invite != NULL, "link",
                                         mx_mail_link(l->server, room->room_id, gg_strn(NULL, 0), l->arena), "avatar_url",
                                         string(room->avatar_url), "notifs", notifs));
    return rc;
}

/* Who opens it is not asked who they are: the token says it. */
static const char *unsubscribe_link(struct letter *l)
{
    const struct mx_pusher *p = l->pusher;
    struct gg_buf url = GG_BUF_INIT;
    gg_buf_printf(&url, "%s_synapse/client/unsubscribe?access_token=%s&app_id=", mx_public_baseurl(l->server, l->arena),
                  mx_unsubscribe_token_make(l->arena, l->server->accounts->guest_secret, l->server->name, p->user_id,
                                            p->app_id, p->pushkey));
    gg_buf_urlencode(&url, p->app_id);
    gg_buf_lit(&url, "&pushkey=");
    gg_buf_urlencode(&url, p->pushkey);
    const char *copy = gg_arena_strndup(l->arena, url.data, url.n);
    gg_buf_done(&url);
    return copy;
}

static int user_name(struct letter *l, struct gg_str *out, struct gg_error *err)
{
    struct mx_profile_row profile;
    int rc = mx_profiles_read(l->server, l->pusher->user_id, l->arena, &profile, err);
    *out = rc == 0 && profile.display_name.n > 0 ? profile.display_name : l->pusher->user_id;
    return rc;
}

static json_t *reason_of(const struct letter *l, struct gg_str room_name, int64_t delay_ms)
{
    const struct mx_mail_news *why = l->reason;
    return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "room_id", string(why->room_id), "room_name", string(room_name),
                     "now", (json_int_t)gg_wall_ms(), "received_at", (json_int_t)why->received_ts, "delay_before_mail_ms",
                     (json_int_t)delay_ms, "last_sent_ts", (json_int_t)why->throttle.last_sent_ts, "throttle_ms",
                     (json_int_t)why->throttle.throttle_ms);
}

/* The client's own name, if it gave one with the pusher; else the operator's. */
static const char *app_name(struct letter *l)
{
    struct gg_str brand = mx_json_string(mx_json_get(l->pusher->data, "brand"), l->arena);
    return brand.n > 0 ? gg_arena_strndup(l->arena, brand.s, brand.n) : gg_config_text(l->server->config, "email.app_name");
}

static int fill_in(struct letter *l, const char *app, const char *subject, const char *link, json_t **out, struct gg_error *err)
{
    const struct mx_mail_room *why = &l->rooms[0];
    struct gg_str name;
    json_t *rooms = json_array();
    int rc = user_name(l, &name, err);
    for (size_t i = 0; rc == 0 && i < l->n_rooms; i++)
        rc = add_room(l, &l->rooms[i], rooms, err);
    for (size_t i = 0; i < l->n_rooms; i++)
        if (gg_str_eq(l->rooms[i].room_id, l->reason->room_id))
            why = &l->rooms[i];
    *out = json_pack("{s:o, s:o, s:s, s:o, s:o, s:o}", "app_name", json_string_nocheck(app), "user_display_name", rc == 0 ? string(name) : json_null(),
                     "unsubscribe_link", link, "summary_text", json_string_nocheck(subject), "rooms", rooms, "reason",
                     reason_of(l, why->title, gg_config_int(l->server->config, "email.notif_delay_before_mail")));
    return rc;
}

static int send(struct letter *l, struct gg_error *err)
{
    const char *subject, *link = unsubscribe_link(l), *app = app_name(l);
    json_t *values = NULL;
    int rc = mx_mail_subject(l->server, app, l->rooms, l->n_rooms, l->arena, &subject, err);
    if (rc == 0)
        rc = fill_in(l, app, subject, link, &values, err);
    if (rc == 0) /* a button of the mail program (RFC 2369, RFC 8058) */
        rc = mx_mail_send_values(l->server, "notif_mail", subject,
                                 gg_arena_printf(l->arena,
                                                 "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
                                                 "List-Unsubscribe: <%s>\r\n",
                                                 link),
                                 l->pusher->pushkey, values, err);
    json_decref(values);
    return rc;
}

int mx_mail_letter(struct mx_server *server, const struct mx_pusher *pusher, const struct mx_mail_news *news, size_t n,
                   size_t reason, bool *sent_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct letter *l = GG_NEW(arena, struct letter);
    *l = (struct letter){.server = server, .pusher = pusher, .arena = arena, .news = news, .reason = &news[reason], .n = n};
    int rc = sort(l, err);
    if (rc == 0)
        rc = read_rooms(l, err);
    *sent_out = rc == 0 && l->n_rooms > 0;
    if (*sent_out)
        rc = send(l, err);
    if (*sent_out && rc == 0)
        gg_metric_add(&sent, 1, (const char *const[]){"notification"});
    gg_arena_free(arena);
    return rc;
}
