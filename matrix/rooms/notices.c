/* matrix/rooms/notices.c: messages of the server to its users. */
#include "rooms/notices.h"

#include "parts.h"
#include "rooms/create.h"
#include "userdata/route.h"

#include <ganglion/matrix/cache.h>
#include <ganglion/memory.h>

#include <ganglion/buf.h>
#include <ganglion/config.h>

static const char *text_of(const struct mx_server *server, const char *key)
{
    return gg_config_text(server->config, key);
}

bool mx_notices_on(const struct mx_server *server)
{
    return text_of(server, "server_notices.system_mxid_localpart") != NULL;
}

struct gg_str mx_notice_speaker(const struct mx_server *server, struct gg_arena *arena)
{
    const char *localpart = text_of(server, "server_notices.system_mxid_localpart");
    return gg_str(localpart != NULL ? gg_arena_printf(arena, "@%s:%s", localpart, server->name) : NULL);
}

static struct mx_requester speaker_of(struct mx_server *server, struct gg_arena *arena)
{
    return (struct mx_requester){.user_id = mx_notice_speaker(server, arena).s,
                                 .localpart = text_of(server, "server_notices.system_mxid_localpart"),
                                 .admin = true}; /* the server's own: what keeps users from inviting is not meant */
}

/* ---- the room ---- */

/* Which of the user's rooms the speaker is in; s NULL: none. */
static int find_room(struct mx_server *server, struct gg_str user_id, struct gg_str speaker, struct gg_arena *arena,
                     struct mx_user_room *out, struct gg_error *err)
{
    const struct mx_user_room *rooms;
    size_t n = 0;
    memset(out, 0, sizeof(*out));
    int rc = mx_heads_rooms_of(server, user_id, arena, &rooms, &n, err);
    for (size_t i = 0; rc == 0 && i < n && out->room_id.s == NULL; i++) {
        const struct mx_head *head;
        struct gg_str membership;
        if (!gg_str_is(rooms[i].membership, "join") && !gg_str_is(rooms[i].membership, "invite"))
            continue;
        rc = mx_heads_get(server, rooms[i].room_id, arena, &head, err);
        if (rc == GG_E_NOT_FOUND) { /* an invite from elsewhere */
            *err = (struct gg_error)GG_ERROR_INIT;
            rc = 0;
            continue;
        }
        if (rc == 0)
            rc = mx_heads_membership(server, head, speaker, arena, &membership, err);
        if (rc == 0 && gg_str_is(membership, "join"))
            *out = rooms[i];
    }
    return rc;
}

int mx_notice_room(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct gg_str *out, struct gg_error *err)
{
    struct mx_user_room room;
    int rc = find_room(server, user_id, mx_notice_speaker(server, arena), arena, &room, err);
    *out = room.room_id;
    return rc;
}

static void add_state(struct gg_buf *body, const char *type, const char *key, const char *value)
{
    if (value == NULL)
        return;
    gg_buf_text(body, body->data[body->n - 1] == '[' ? "" : ",");
    gg_buf_printf(body, "{\"type\":\"%s\",\"content\":{\"%s\":", type, key);
    gg_buf_json_string(body, gg_str(value));
    gg_buf_lit(body, "}}");
}

static int make_room(struct mx_server *server, const struct mx_requester *speaker, struct gg_arena *arena, struct gg_str *room_id,
                     struct gg_error *err)
{
    struct gg_buf body = GG_BUF_INIT;
    struct gg_str alias;
    gg_buf_lit(&body, "{\"preset\":\"private_chat\",\"power_level_content_override\":{\"users_default\":-10},\"name\":");
    gg_buf_json_string(&body, gg_str(text_of(server, "server_notices.room_name")));
    gg_buf_lit(&body, ",\"initial_state\":[");
    add_state(&body, "m.room.avatar", "url", text_of(server, "server_notices.room_avatar_url"));
    add_state(&body, "m.room.topic", "topic", text_of(server, "server_notices.room_topic"));
    gg_buf_lit(&body, "]}");
    int rc = mx_room_create(server, speaker, gg_buf_view(&body), arena, room_id, &alias, err);
    gg_buf_done(&body);
    return rc;
}

static int change(struct mx_server *server, const struct mx_requester *who, struct gg_str room_id, struct gg_str target,
                  const char *action, struct gg_str content, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str event_id;
    const struct mx_membership_change c = {.room_id = room_id, .target = target, .membership = gg_str(action), .action = action,
                                           .content = content};
    return mx_room_membership(server, who, &c, arena, &event_id, err);
}

/* The speaker has no account and so no profile: what they are called stands in the room. */
static int introduce(struct mx_server *server, const struct mx_requester *speaker, struct gg_str room_id, struct gg_arena *arena,
                     struct gg_error *err)
{
    const char *name = text_of(server, "server_notices.system_mxid_display_name");
    const char *avatar = text_of(server, "server_notices.system_mxid_avatar_url");
    struct gg_buf content = GG_BUF_INIT;
    if (name == NULL && avatar == NULL)
        return 0;
    gg_buf_char(&content, '{');
    if (name != NULL) {
        gg_buf_lit(&content, "\"displayname\":");
        gg_buf_json_string(&content, gg_str(name));
    }
    if (avatar != NULL) {
        gg_buf_text(&content, name != NULL ? ",\"avatar_url\":" : "\"avatar_url\":");
        gg_buf_json_string(&content, gg_str(avatar));
    }
    gg_buf_char(&content, '}');
    int rc = change(server, speaker, room_id, gg_str(speaker->user_id), "join", gg_buf_view(&content), arena, err);
    gg_buf_done(&content);
    return rc;
}

static int open_room(struct mx_server *server, const struct mx_requester *speaker, struct gg_str user_id, struct gg_arena *arena,
                     struct gg_str *room_id, struct gg_error *err)
{
    int rc = make_room(server, speaker, arena, room_id, err);
    if (rc == 0)
        rc = introduce(server, speaker, *room_id, arena, err);
    if (rc == 0)
        rc = mx_tag_put(server, user_id, *room_id, GG_STR("m.server_notice"), GG_STR("{}"), err);
    return rc == 0 ? change(server, speaker, *room_id, user_id, "invite", (struct gg_str){0}, arena, err) : rc;
}

static int let_in(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_arena *arena, struct gg_error *err)
{
    const struct mx_requester user = {.user_id = gg_arena_strndup(arena, user_id.s, user_id.n), .localpart = ""};
    return change(server, &user, room_id, user_id, "join", (struct gg_str){0}, arena, err);
}

int mx_notice_send(struct mx_server *server, struct gg_str user_id, const struct mx_new_event *event, struct gg_arena *arena,
                   struct gg_str *event_id_out, struct gg_error *err)
{
    const struct mx_requester speaker = speaker_of(server, arena);
    struct mx_new_event said = *event;
    struct mx_user_room room;
    int rc = find_room(server, user_id, gg_str(speaker.user_id), arena, &room, err);
    bool joined = gg_str_is(room.membership, "join");
    said.room_id = room.room_id;
    if (rc == 0 && said.room_id.s == NULL)
        rc = open_room(server, &speaker, user_id, arena, &said.room_id, err);
    if (rc == 0 && !joined && gg_config_bool(server->config, "server_notices.auto_join"))
        rc = let_in(server, user_id, said.room_id, arena, err);
    return rc == 0 ? mx_room_send(server, &speaker, &said, arena, event_id_out, NULL, err) : rc;
}

/* ---- transactions: the speaker has no device, by which events are known that came twice ---- */

enum { SENT_BYTES = 256 * 1024 };

static struct mx_cache *sent_of(struct mx_server *server)
{
    if (server->notices_sent == NULL)
        server->notices_sent = mx_cache_new(server, &(struct mx_cache_def){"server_notices_sent", SENT_BYTES, NULL});
    return server->notices_sent;
}

struct gg_str mx_notice_sent(struct mx_server *server, struct gg_str key)
{
    return gg_str(mx_cache_get(sent_of(server), key));
}

void mx_notice_keep(struct mx_server *server, struct gg_str key, struct gg_str event_id)
{
    struct mx_cache *sent = sent_of(server);
    mx_cache_put(sent, key, gg_xstrndup(event_id.s, event_id.n), event_id.n, mx_cache_tick(sent));
}
