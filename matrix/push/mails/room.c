/* room.c: names, pictures and members of a room, from its state or from what came with an invite. */
#include "push/mails/room.h"

#include <ganglion/config.h>
#include <unistr.h>

static struct gg_str nonempty(struct gg_str content, const char *key, struct gg_arena *arena)
{
    struct gg_str text = mx_json_string(mx_json_get(content, key), arena);
    return text.n > 0 ? text : gg_strn(NULL, 0);
}

/* The content of a state event that came with an invite (client-server API, "Stripped state"). */
static struct gg_str stripped(const struct mx_event *invite, const char *type, struct gg_str state_key, struct gg_arena *arena)
{
    if (invite == NULL)
        return GG_STR("");
    struct mx_json_iter it = mx_json_iter(mx_json_get(invite->unsigned_, "invite_room_state"));
    while (mx_json_next(&it))
        if (gg_str_is(mx_json_string(mx_json_get(it.value, "type"), arena), type) &&
            gg_str_eq(mx_json_string(mx_json_get(it.value, "state_key"), arena), state_key))
            return mx_json_get(it.value, "content");
    return GG_STR("");
}

static int state(struct mx_server *server, const struct mx_mail_room *room, const char *type, struct gg_str state_key,
                 struct gg_arena *arena, struct gg_str *content_out, struct gg_error *err)
{
    const struct mx_event *event = NULL;
    int rc = room->head != NULL ? mx_heads_state_event(server, room->head, type, state_key, arena, &event, err) : 0;
    *content_out = event != NULL ? event->content : stripped(room->invite, type, state_key, arena);
    return rc;
}

static int text(struct mx_server *server, const struct mx_mail_room *room, const char *type, const char *key,
                struct gg_arena *arena, struct gg_str *out, struct gg_error *err)
{
    struct gg_str content;
    int rc = state(server, room, type, GG_STR(""), arena, &content, err);
    *out = nonempty(content, key, arena);
    return rc;
}

int mx_mail_member(struct mx_server *server, const struct mx_mail_room *room, struct gg_str user_id, struct gg_arena *arena,
                   struct gg_str *name_out, struct gg_str *avatar_out, struct gg_error *err)
{
    struct gg_str content;
    int rc = state(server, room, "m.room.member", user_id, arena, &content, err);
    struct gg_str name = nonempty(content, "displayname", arena);
    *name_out = name.s != NULL ? name : user_id;
    if (avatar_out != NULL)
        *avatar_out = nonempty(content, "avatar_url", arena);
    return rc;
}

/* "Ann", "Ann and Bob", "Ann and 3 others": who else is there. */
static int title_of_members(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                            struct mx_mail_room *room, struct gg_error *err)
{
    const struct gg_str *users = NULL;
    struct gg_str names[2], others[2];
    size_t n = 0, found = 0;
    int rc = room->head != NULL ? mx_heads_joined(server, room->head, arena, &users, &n, err) : 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (!gg_str_eq(users[i], user_id) && found++ < 2)
            others[found - 1] = users[i];
    for (size_t i = 0; rc == 0 && i < found && i < 2; i++)
        rc = mx_mail_member(server, room, others[i], arena, &names[i], NULL, err);
    if (rc < 0)
        return rc;
    room->title = found == 0   ? GG_STR("Empty Room")
                  : found == 1 ? names[0]
                  : found == 2 ? gg_str(gg_arena_printf(arena, "%.*s and %.*s", GG_FMT(names[0]), GG_FMT(names[1])))
                               : gg_str(gg_arena_printf(arena, "%.*s and %zu others", GG_FMT(names[0]), found - 1));
    return 0;
}

static int find_title(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct mx_mail_room *room,
                      struct gg_error *err)
{
    struct gg_str inviter;
    room->title = room->name;
    if (room->name.s != NULL)
        return 0;
    if (room->invite == NULL)
        return title_of_members(server, user_id, arena, room, err);
    int rc = mx_mail_member(server, room, room->invite->sender, arena, &inviter, NULL, err);
    room->title = gg_str(gg_arena_printf(arena, "Invite from %.*s", GG_FMT(inviter)));
    return rc;
}

/* Those who may not look into the room any more are told nothing of it. */
static int read_access(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct mx_mail_room *room,
                       struct gg_error *err)
{
    struct gg_error refused = GG_ERROR_INIT;
    int rc = room->head != NULL && room->invite == NULL
                 ? mx_room_access_joined(server, user_id, room->room_id, arena, &room->access, &refused)
                 : GG_E_FORBIDDEN;
    room->readable = rc == 0;
    if (rc == 0 || rc == GG_E_FORBIDDEN || refused.http_status == 403 || refused.http_status == 404)
        return 0;
    *err = refused;
    return rc;
}

/* An invite that was taken up, or taken back, is no news. */
static int drop_old_invites(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                            struct mx_mail_room *room, struct gg_error *err)
{
    struct gg_str membership;
    size_t kept = 0;
    if (room->invite == NULL || room->head == NULL)
        return 0;
    int rc = mx_heads_membership(server, room->head, user_id, arena, &membership, err);
    if (rc < 0 || gg_str_is(membership, "invite"))
        return rc;
    for (size_t i = 0; i < room->n; i++)
        if (!mx_event_is(room->events[i], "m.room.member", NULL) || !gg_str_eq(room->events[i]->state_key, user_id))
            room->events[kept++] = room->events[i];
    room->n = kept;
    room->invite = NULL;
    return 0;
}

int mx_mail_room_read(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct mx_mail_room *room,
                      struct gg_error *err)
{
    struct gg_error unknown = GG_ERROR_INIT;
    struct gg_str kind;
    for (size_t i = 0; i < room->n; i++) {
        const struct mx_event *e = room->events[i];
        if (mx_event_is(e, "m.room.member", NULL) && gg_str_eq(e->state_key, user_id) && gg_str_is(e->membership, "invite"))
            room->invite = e;
    }
    int rc = mx_heads_get(server, room->room_id, arena, &room->head, &unknown);
    if (rc < 0 && unknown.http_status != 404 && rc != GG_E_NOT_FOUND) {
        *err = unknown;
        return rc;
    }
    room->head = rc == 0 ? room->head : NULL;
    rc = drop_old_invites(server, user_id, arena, room, err);
    if (rc == 0)
        rc = text(server, room, "m.room.name", "name", arena, &room->name, err);
    if (rc == 0 && room->name.s == NULL)
        rc = text(server, room, "m.room.canonical_alias", "alias", arena, &room->name, err);
    if (rc == 0)
        rc = text(server, room, "m.room.avatar", "url", arena, &room->avatar_url, err);
    if (rc == 0)
        rc = text(server, room, "m.room.create", "type", arena, &kind, err);
    room->space = rc == 0 && gg_str_is(kind, "m.space");
    if (rc == 0)
        rc = find_title(server, user_id, arena, room, err);
    return rc == 0 ? read_access(server, user_id, arena, room, err) : rc;
}

const char *mx_mail_link(struct mx_server *server, struct gg_str room_id, struct gg_str event_id, struct gg_arena *arena)
{
    const char *client = gg_config_text(server->config, "email.client_base_url");
    const char *base = client != NULL ? gg_arena_printf(arena, "%s/#/room", client) : "https://matrix.to/#";
    return event_id.s != NULL ? gg_arena_printf(arena, "%s/%.*s/%.*s", base, GG_FMT(room_id), GG_FMT(event_id))
                              : gg_arena_printf(arena, "%s/%.*s", base, GG_FMT(room_id));
}

json_int_t mx_mail_hash(struct gg_str s)
{
    json_int_t sum = 0;
    for (size_t i = 0; i < s.n;) {
        ucs4_t point = 0;
        int n = u8_mbtouc(&point, (const uint8_t *)s.s + i, s.n - i);
        sum += (json_int_t)point;
        i += n > 0 ? (size_t)n : 1;
    }
    return sum;
}
