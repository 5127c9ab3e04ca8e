/* matrix/push/context.c: names of the room and the sender, as a notification shows them. */
#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/pushers.h>
#include <ganglion/matrix/store.h>

enum { NAMED = 2 }; /* of the others in a room without a name, besides "and n others" */

static struct gg_str content_text(const struct mx_event *event, const char *key, struct gg_arena *arena)
{
    struct gg_str text = event != NULL ? mx_json_string(mx_json_get(event->content, key), arena) : gg_strn(NULL, 0);
    return text.n > 0 ? text : gg_strn(NULL, 0);
}

static int state_text(struct mx_server *server, const struct mx_head *head, const char *type, const char *key,
                      struct gg_arena *arena, struct gg_str *out, struct gg_error *err)
{
    const struct mx_event *event;
    int rc = mx_heads_state_event(server, head, type, GG_STR(""), arena, &event, err);
    *out = rc == 0 ? content_text(event, key, arena) : gg_strn(NULL, 0);
    return rc;
}

/* The member's name in the room, else the user id. */
static int member_name(struct mx_server *server, const struct mx_head *head, struct gg_str user_id, struct gg_arena *arena,
                       struct gg_str *out, struct gg_error *err)
{
    const struct mx_event *event;
    int rc = mx_heads_state_event(server, head, "m.room.member", user_id, arena, &event, err);
    *out = content_text(event, "displayname", arena);
    if (out->s == NULL)
        *out = user_id;
    return rc;
}

/* "Ann and Bob", "Ann and 3 others"; of one other person nothing: the sender's name says it. */
static int name_of_members(struct mx_server *server, const struct mx_head *head, struct gg_str user_id,
                           struct gg_arena *arena, struct gg_str *out, struct gg_error *err)
{
    const struct gg_str *users;
    struct gg_str others[NAMED], names[NAMED];
    size_t n, n_others = 0;
    int rc = mx_heads_joined(server, head, arena, &users, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (gg_str_eq(users[i], user_id))
            continue;
        if (n_others < NAMED)
            others[n_others] = users[i];
        n_others++;
    }
    for (size_t i = 0; rc == 0 && n_others > 1 && i < NAMED; i++)
        rc = member_name(server, head, others[i], arena, &names[i], err);
    if (rc < 0 || n_others < 2)
        return rc;
    *out = gg_str(n_others == 2
                      ? gg_arena_printf(arena, "%.*s and %.*s", GG_FMT(names[0]), GG_FMT(names[1]))
                      : gg_arena_printf(arena, "%.*s and %zu others", GG_FMT(names[0]), n_others - 1));
    return 0;
}

/* What came with an invite tells of a room that we are not in (client-server API, "Stripped state"). */
static struct gg_str shown_text(const struct mx_event *invite, const char *type, struct gg_str state_key, const char *key,
                                struct gg_arena *arena)
{
    struct mx_json_iter it = mx_json_iter(mx_json_get(invite->unsigned_, "invite_room_state"));
    while (mx_json_next(&it)) {
        if (!gg_str_is(mx_json_string(mx_json_get(it.value, "type"), arena), type) ||
            !gg_str_eq(mx_json_string(mx_json_get(it.value, "state_key"), arena), state_key))
            continue;
        struct gg_str text = mx_json_string(mx_json_get(mx_json_get(it.value, "content"), key), arena);
        return text.n > 0 ? text : gg_strn(NULL, 0);
    }
    return gg_strn(NULL, 0);
}

static void names_shown(const struct mx_event *invite, struct gg_arena *arena, struct mx_push_context *out)
{
    static const char *const names[][2] = {{"m.room.name", "name"}, {"m.room.canonical_alias", "alias"}};
    for (size_t i = 0; out->room_name.s == NULL && i < GG_COUNT(names); i++)
        out->room_name = shown_text(invite, names[i][0], GG_STR(""), names[i][1], arena);
    struct gg_str sender = shown_text(invite, "m.room.member", invite->sender, "displayname", arena);
    if (sender.s != NULL)
        out->sender_name = sender;
}

static int names_known(struct mx_server *server, const struct mx_head *head, struct gg_str user_id, const struct mx_event *event,
                       struct gg_arena *arena, struct mx_push_context *out, struct gg_error *err)
{
    int rc = state_text(server, head, "m.room.name", "name", arena, &out->room_name, err);
    if (rc == 0 && out->room_name.s == NULL)
        rc = state_text(server, head, "m.room.canonical_alias", "alias", arena, &out->room_name, err);
    if (rc == 0 && out->room_name.s == NULL)
        rc = name_of_members(server, head, user_id, arena, &out->room_name, err);
    return rc == 0 ? member_name(server, head, event->sender, arena, &out->sender_name, err) : rc;
}

int mx_push_context(struct mx_server *server, struct gg_str user_id, const struct mx_event *event, struct gg_arena *arena,
                    struct mx_push_context *out, struct gg_error *err)
{
    const struct mx_head *head;
    *out = (struct mx_push_context){.room_name = gg_strn(NULL, 0)};
    int rc = mx_heads_get(server, event->room_id, arena, &head, err);
    if (rc == 0 && mx_state_count(head->state) > 0)
        return names_known(server, head, user_id, event, arena, out, err);
    if (rc != 0 && rc != GG_E_NOT_FOUND)
        return rc;
    memset(err, 0, sizeof(*err));
    out->sender_name = event->sender;
    names_shown(event, arena, out);
    return 0;
}
