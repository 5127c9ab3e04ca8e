/* matrix/rooms/membership.c: join, invite, leave, kick, ban, unban and knock, each one member event. */
#include "rooms/membership.h"
#include "rooms/reject.h"

#include <ganglion/buf.h>
#include <ganglion/matrix/accounts.h>
#include <ganglion/matrix/id.h>

/* ---- contents ---- */

static void add_text(struct mx_json *object, struct gg_arena *arena, const char *key, const char *value)
{
    if (value != NULL && mx_json_member(object, key) == NULL)
        mx_json_set(object, arena, key, mx_json_new_string(arena, gg_str(value)));
}

static int add_profile(struct mx_server *server, struct gg_str target, struct gg_arena *arena, struct mx_json *content,
                       struct gg_error *err)
{
    if (!mx_is_mine(server, target))
        return 0;
    const char *display_name = NULL, *avatar_url = NULL;
    int rc = mx_profile_get(server, target, arena, &display_name, &avatar_url, err);
    if (rc == GG_E_NOT_FOUND)
        return 0; /* a user without a profile may still join */
    add_text(content, arena, "displayname", display_name);
    add_text(content, arena, "avatar_url", avatar_url);
    return rc;
}

int mx_member_content(struct mx_server *server, struct gg_str target, struct gg_str membership, struct gg_str reason,
                      struct gg_str more, bool is_direct, struct gg_arena *arena, struct gg_str *out, struct gg_error *err)
{
    struct mx_json *content = mx_json_object(arena);
    if (more.s != NULL) {
        int rc = mx_json_parse(more, 100, arena, &content, err);
        if (rc != 0)
            return rc;
        if (content->kind != MX_JSON_OBJECT)
            return gg_refuse(err, 400, "M_BAD_JSON", "Content must be an object");
        content = mx_json_copy_level(content, arena);
    }
    mx_json_set(content, arena, "membership", mx_json_new_string(arena, membership));
    if (reason.s != NULL)
        mx_json_set(content, arena, "reason", mx_json_new_string(arena, reason));
    if (is_direct)
        mx_json_set(content, arena, "is_direct", mx_json_new_bool(arena, true));
    if (gg_str_is(membership, "join") || gg_str_is(membership, "invite") || gg_str_is(membership, "knock")) {
        int rc = add_profile(server, target, arena, content, err);
        if (rc != 0)
            return rc;
    }
    struct gg_buf buf = GG_BUF_INIT;
    mx_json_write(&buf, content);
    *out = gg_arena_str(arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return 0;
}

/* facts config.md: room_prejoin_state's default types. */
static const char *const prejoin_types[] = {"m.room.create",      "m.room.join_rules", "m.room.canonical_alias",
                                            "m.room.avatar",      "m.room.encryption", "m.room.name",
                                            "m.room.topic"};

static void write_stripped(struct gg_buf *out, const struct mx_event *event)
{
    gg_buf_lit(out, "{\"type\":");
    gg_buf_json_string(out, event->type);
    gg_buf_lit(out, ",\"state_key\":");
    gg_buf_json_string(out, event->state_key);
    gg_buf_lit(out, ",\"sender\":");
    gg_buf_json_string(out, event->sender);
    gg_buf_lit(out, ",\"content\":");
    gg_buf_str(out, event->content);
    gg_buf_char(out, '}');
}

int mx_stripped_state(struct mx_chain *chain, struct gg_str *out, struct gg_error *err)
{
    struct gg_buf buf = GG_BUF_INIT;
    const struct mx_event *event;
    int rc = 0;
    gg_buf_char(&buf, '[');
    for (size_t i = 0; i <= GG_COUNT(prejoin_types); i++) {
        bool inviter = i == GG_COUNT(prejoin_types); /* last: who invites, with their name and picture */
        rc = inviter ? mx_chain_state_event(chain, GG_STR("m.room.member"), gg_str(chain->requester->user_id), &event, err)
                     : mx_chain_state_event(chain, gg_str(prejoin_types[i]), GG_STR(""), &event, err);
        if (rc != 0)
            break;
        if (event == NULL)
            continue;
        if (buf.n > 1)
            gg_buf_char(&buf, ',');
        write_stripped(&buf, event);
    }
    gg_buf_char(&buf, ']');
    *out = gg_arena_str(chain->arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return rc;
}

/* ---- what each action asks of the target's present membership ---- */

static bool listed(const char *list, struct gg_str word)
{
    for (const char *p = list; word.s != NULL && *p != '\0';) {
        size_t n = strcspn(p, "|");
        if (gg_str_eq(gg_strn(p, n), word))
            return true;
        p += n + (p[n] == '|');
    }
    return false;
}

/* What the auth rules would say too, or would let pass: said in words that name the action. */
static int check_action(const struct mx_membership_change *change, struct gg_str before, struct gg_error *err)
{
    bool banned = gg_str_is(before, "ban");
    if (strcmp(change->action, "unban") == 0 && !banned)
        return gg_refuse(err, 403, "M_BAD_STATE", "Cannot unban user who was not banned (membership=%.*s)", GG_FMT(before));
    if (banned && !listed("ban|unban|leave", gg_str(change->action)))
        return gg_refuse(err, 403, "M_BAD_STATE", "Cannot %s user who was banned", change->action);
    if (strcmp(change->action, "kick") == 0 && !listed("join|invite|knock", before))
        return gg_refuse(err, 403, "M_FORBIDDEN", "The target user is not in the room");
    return 0;
}

/* ---- restricted rooms (room versions 8 and later) ---- */

static int joined_in(struct mx_server *server, struct gg_str room_id, struct gg_str user_id, struct gg_arena *arena,
                     bool *joined, struct gg_error *err)
{
    const struct mx_head *head;
    *joined = false;
    int rc = mx_heads_get(server, room_id, arena, &head, err);
    if (rc == GG_E_NOT_FOUND)
        return 0;
    struct gg_str membership;
    if (rc == 0)
        rc = mx_heads_membership(server, head, user_id, arena, &membership, err);
    if (rc == 0)
        *joined = gg_str_is(membership, "join");
    return rc;
}

/* Does the user belong to one of the rooms that the join rule allows? */
static int allowed_by_rule(struct mx_chain *chain, const struct mx_event *join_rules, struct gg_str user_id, bool *allowed,
                           struct gg_error *err)
{
    *allowed = false;
    struct mx_json_iter it = mx_json_iter(mx_json_get(join_rules->content, "allow"));
    while (!*allowed && mx_json_next(&it)) {
        struct gg_str type = mx_json_string(mx_json_get(it.value, "type"), chain->arena);
        struct gg_str room_id = mx_json_string(mx_json_get(it.value, "room_id"), chain->arena);
        if (!gg_str_is(type, "m.room_membership") || room_id.s == NULL)
            continue;
        int rc = joined_in(chain->server, gg_arena_str(chain->arena, room_id), user_id, chain->arena, allowed, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* A local member who may invite: their name in the join is what other servers check. */
static int find_inviter(struct mx_chain *chain, struct gg_str *out, struct gg_error *err)
{
    const struct mx_event *levels;
    const struct mx_head *head;
    out->s = NULL;
    int rc = mx_chain_state_event(chain, GG_STR("m.room.power_levels"), GG_STR(""), &levels, err);
    if (rc == 0)
        rc = mx_heads_get(chain->server, chain->room_id, chain->arena, &head, err);
    const struct gg_str *users;
    size_t n = 0;
    if (rc == 0)
        rc = mx_heads_joined(chain->server, head, chain->arena, &users, &n, err);
    if (rc != 0)
        return rc;
    struct mx_power power = mx_power_read(levels, chain->create, chain->arena);
    int64_t need = mx_power_for(&power, "invite"), best = INT64_MIN;
    for (size_t i = 0; i < n; i++) {
        int64_t level = mx_is_mine(chain->server, users[i]) ? mx_power_of_user(&power, users[i]) : INT64_MIN;
        if (level >= need && level > best) {
            best = level;
            *out = gg_arena_str(chain->arena, users[i]);
        }
    }
    return 0;
}

static int authorise_restricted(struct mx_chain *chain, struct gg_str target, struct gg_str before, struct gg_str *more,
                                struct gg_error *err)
{
    if (!chain->version->restricted || listed("join|invite", before))
        return 0;
    const struct mx_event *rule;
    int rc = mx_chain_state_event(chain, GG_STR("m.room.join_rules"), GG_STR(""), &rule, err);
    if (rc != 0 || rule == NULL)
        return rc;
    struct gg_str name = mx_json_string(mx_json_get(rule->content, "join_rule"), chain->arena);
    if (!listed("restricted|knock_restricted", name))
        return 0;
    bool allowed;
    struct gg_str inviter = {0};
    rc = allowed_by_rule(chain, rule, target, &allowed, err);
    if (rc == 0 && !allowed)
        return gg_refuse(err, 403, "M_FORBIDDEN", "You do not belong to any of the required rooms/spaces to join this room.");
    if (rc == 0)
        rc = find_inviter(chain, &inviter, err);
    if (rc != 0)
        return rc;
    if (inviter.s == NULL)
        return gg_refuse(err, 400, "M_UNABLE_TO_GRANT_JOIN", "No user of this server can let you into the room");
    struct mx_json *content = mx_json_object(chain->arena);
    if (more->s != NULL) {
        rc = mx_json_parse(*more, 100, chain->arena, &content, err);
        if (rc != 0)
            return rc;
    }
    mx_json_set(content, chain->arena, "join_authorised_via_users_server", mx_json_new_string(chain->arena, inviter));
    struct gg_buf buf = GG_BUF_INIT;
    mx_json_write(&buf, content);
    *more = gg_arena_str(chain->arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return 0;
}

/* ---- the event ---- */

/* What a client puts into a member event: names are text, and who lets a user in is for us to say. */
static int check_content(struct mx_chain *chain, const struct mx_membership_change *change, struct gg_str *out,
                         struct gg_error *err)
{
    static const char *const texts[] = {"displayname", "avatar_url"};
    struct mx_json *content;
    *out = change->content;
    if (change->content.s == NULL)
        return 0;
    int rc = mx_json_parse(change->content, 200, chain->arena, &content, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < GG_COUNT(texts); i++) {
        const struct mx_json *v = mx_json_member(content, texts[i]);
        if (v != NULL && v->kind != MX_JSON_STRING && v->kind != MX_JSON_NULL)
            return gg_refuse(err, 400, "M_BAD_JSON", "%s must be a string", texts[i]);
    }
    if (!mx_json_remove(content, "join_authorised_via_users_server"))
        return 0;
    struct gg_buf buf = GG_BUF_INIT;
    mx_json_write(&buf, content);
    *out = gg_arena_str(chain->arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return 0;
}

static int change_locked(struct mx_chain *chain, const struct mx_membership_change *change, struct gg_str *event_id_out,
                         struct gg_error *err)
{
    const struct mx_event *old;
    int rc = mx_chain_state_event(chain, GG_STR("m.room.member"), change->target, &old, err);
    if (rc != 0)
        return rc;
    struct gg_str before = old != NULL ? old->membership : (struct gg_str){0};
    rc = check_action(change, before, err);
    if (rc != 0)
        return rc;
    bool self = gg_str_is(change->target, chain->requester->user_id);
    struct gg_str more, content;
    rc = check_content(chain, change, &more, err);
    if (rc == 0 && gg_str_is(change->membership, "join") && self)
        rc = authorise_restricted(chain, change->target, before, &more, err);
    if (rc == 0)
        rc = mx_member_content(chain->server, change->target, change->membership, change->reason, more, false, chain->arena,
                               &content, err);
    bool same = false; /* nothing changes: what stands is the answer */
    if (rc == 0 && old != NULL && gg_str_is(old->sender, chain->requester->user_id))
        rc = mx_chain_same_content(chain, old->content, content, &same, err);
    if (same)
        *event_id_out = gg_arena_str(chain->arena, old->event_id);
    if (rc != 0 || same)
        return rc;
    if (self && gg_str_is(change->membership, "leave") && !listed("join|invite|knock", before))
        return gg_refuse(err, 403, "M_FORBIDDEN", "%.*s not in room %.*s.", GG_FMT(change->target), GG_FMT(chain->room_id));
    struct mx_chain_event e = {.type = GG_STR("m.room.member"), .sender = gg_str(chain->requester->user_id),
                               .state_key = change->target, .content = content,
                               .device_id = chain->requester->device_id};
    if (gg_str_is(change->membership, "invite"))
        rc = mx_stripped_state(chain, &e.invite_state, err);
    if (rc == 0)
        rc = mx_chain_add(chain, &e, err);
    return rc != 0 ? rc : mx_chain_commit(chain, event_id_out, NULL, err);
}

/* Somebody else's server may know the room; nobody has told us which. */
static int not_known_here(const struct mx_membership_change *change, struct gg_error *err)
{
    if (listed("join|knock", change->membership))
        return gg_refuse(err, 404, "M_UNKNOWN", "Can't %s remote room because no servers that are in the room have been provided.",
                         change->action);
    return GG_E_FORBIDDEN;
}

static int leave_alone(struct mx_server *server, const struct mx_requester *requester, const struct mx_membership_change *change,
                       struct gg_arena *arena, struct gg_str *event_id_out, struct gg_error *err)
{
    struct gg_str content;
    int rc = mx_member_content(server, change->target, change->membership, change->reason, change->content, false, arena,
                               &content, err);
    return rc != 0 ? rc : mx_reject_alone(server, requester, change->room_id, content, arena, event_id_out, err);
}

int mx_room_membership(struct mx_server *server, const struct mx_requester *requester,
                       const struct mx_membership_change *change, struct gg_arena *arena, struct gg_str *event_id_out,
                       struct gg_error *err)
{
    if (!listed("join|invite|leave|ban|knock", change->membership))
        return gg_refuse(err, 400, "M_UNKNOWN", "Invalid membership key");
    if (!mx_user_id_valid(change->target))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "%.*s is no user id", GG_FMT(change->target));
    if (!mx_is_mine(server, change->target) && gg_str_is(change->membership, "invite"))
        return gg_refuse(err, 403, "M_FORBIDDEN", "This server does not federate yet: users of other servers cannot be invited");
    struct mx_room_lock *lock;
    int rc = mx_room_lock(server, change->room_id, &lock, err);
    if (rc != 0)
        return rc;
    struct mx_chain chain;
    rc = mx_chain_begin(&chain, server, requester, change->room_id, arena, err);
    if (rc == GG_E_FORBIDDEN && gg_str_is(change->membership, "leave") && gg_str_is(change->target, requester->user_id))
        rc = leave_alone(server, requester, change, arena, event_id_out, err);
    else if (rc == GG_E_FORBIDDEN)
        rc = not_known_here(change, err);
    else if (rc == 0)
        rc = change_locked(&chain, change, event_id_out, err);
    mx_chain_done(&chain);
    mx_room_unlock(server, lock);
    return rc;
}
