/* matrix/rooms/membership.c: join, invite, leave, kick, ban, unban and knock, each one member event. */
#include "rooms/standing.h"
#include "rooms/membership.h"

#include "rooms/blocked.h"
#include "rooms/forget.h"
#include "rooms/inherit.h"
#include "rooms/reject.h"
#include "rooms/restricted.h"

#include <ganglion/buf.h>
#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/matrix/accounts.h>
#include <ganglion/matrix/id.h>

static struct gg_logger logger = {"ganglion.rooms"};

/* ---- contents ---- */

static void add_text(struct mx_json *object, struct gg_arena *arena, const char *key, const char *value)
{
    if (value != NULL && mx_json_member(object, key) == NULL)
        mx_json_set(object, arena, key, mx_json_new_string(arena, gg_str(value)));
}

static int add_profile(struct mx_server *server, struct gg_str target, struct gg_str membership, struct gg_arena *arena,
                       struct mx_json *content, struct gg_error *err)
{
    if (!mx_is_mine(server, target))
        return 0;
    if (gg_str_is(membership, "invite") && !gg_config_bool(server->config, "include_profile_data_on_invite"))
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
        int rc = add_profile(server, target, membership, arena, content, err);
        if (rc != 0)
            return rc;
    }
    struct gg_buf buf = GG_BUF_INIT;
    mx_json_write(&buf, content);
    *out = gg_arena_str(arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return 0;
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
    if (strcmp(change->action, "unban") == 0 && before.s != NULL && !banned)
        return gg_refuse(err, 403, "M_BAD_STATE", "Cannot unban user who was not banned (membership=%.*s)", GG_FMT(before));
    if (banned && !listed("ban|unban|leave", gg_str(change->action)))
        return gg_refuse(err, 403, "M_BAD_STATE", "Cannot %s user who was banned", change->action);
    if (strcmp(change->action, "kick") == 0 && !listed("join|invite|knock", before))
        return gg_refuse(err, 403, "M_FORBIDDEN", "The target user is not in the room");
    return 0;
}

/* ---- the event ---- */

/* Names are text. */
static int check_texts(const struct mx_json *content, struct gg_error *err)
{
    static const char *const texts[] = {"displayname", "avatar_url"};
    for (size_t i = 0; i < GG_COUNT(texts); i++) {
        const struct mx_json *v = mx_json_member(content, texts[i]);
        if (v != NULL && v->kind != MX_JSON_STRING && v->kind != MX_JSON_NULL)
            return gg_refuse(err, 400, "M_BAD_JSON", "%s must be a string", texts[i]);
    }
    return 0;
}

/* What of a member event's content is not for clients to say: who lets a user in, who is a guest, and, where rooms have
 * no profiles of their own, the names. */
static int check_content(struct mx_chain *chain, const struct mx_membership_change *change, struct gg_str *out,
                         struct gg_error *err)
{
    struct mx_json *content = NULL;
    bool guest = chain->requester->guest && gg_str_is(change->membership, "join"), changed = guest;
    *out = change->content;
    int rc = change->content.s != NULL ? mx_json_parse(change->content, 200, chain->arena, &content, err) : 0;
    if (rc == 0 && content != NULL)
        rc = check_texts(content, err);
    if (rc != 0 || (content == NULL && !guest))
        return rc;
    if (content == NULL)
        content = mx_json_object(chain->arena);
    changed = mx_json_remove(content, "join_authorised_via_users_server") || changed;
    if (gg_str_is(change->membership, "join") && !gg_config_bool(chain->server->config, "allow_per_room_profiles")) {
        changed = mx_json_remove(content, "displayname") || changed;
        changed = mx_json_remove(content, "avatar_url") || changed;
    }
    if (guest)
        mx_json_set(content, chain->arena, "kind", mx_json_new_string(chain->arena, GG_STR("guest")));
    if (!changed)
        return 0;
    struct gg_buf buf = GG_BUF_INIT;
    mx_json_write(&buf, content);
    *out = gg_arena_str(chain->arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return 0;
}

/* Guests come where m.room.guest_access lets them (client-server API, "Guest Access"). */
static int check_guest(struct mx_chain *chain, const struct mx_membership_change *change, struct gg_error *err)
{
    const struct mx_event *access;
    if (!chain->requester->guest || !gg_str_is(change->membership, "join"))
        return 0;
    int rc = mx_chain_state_event(chain, GG_STR("m.room.guest_access"), GG_STR(""), &access, err);
    if (rc == 0 && (access == NULL || !gg_str_is(mx_json_string(mx_json_get(access->content, "guest_access"), chain->arena), "can_join")))
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "Guest access not allowed");
    return rc;
}

/* *newly: a join of somebody who was not joined. */
static int change_locked(struct mx_chain *chain, const struct mx_membership_change *change, struct gg_str *event_id_out,
                         bool *newly, struct gg_error *err)
{
    const struct mx_event *old;
    int rc = mx_chain_state_event(chain, GG_STR("m.room.member"), change->target, &old, err);
    if (rc != 0)
        return rc;
    struct gg_str before = old != NULL ? old->membership : (struct gg_str){0};
    rc = check_action(change, before, err);
    if (rc == 0)
        rc = check_guest(chain, change, err);
    if (rc != 0)
        return rc;
    *newly = gg_str_is(change->membership, "join") && !gg_str_is(before, "join");
    bool self = gg_str_is(change->target, chain->requester->user_id);
    struct gg_str more, content;
    rc = check_content(chain, change, &more, err);
    if (rc == 0 && gg_str_is(change->membership, "join") && self)
        rc = mx_restricted_join(chain, change->target, before, &more, err);
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
    if (listed("invite|knock", change->membership))
        rc = mx_stripped_state(chain, &e.stripped, err);
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

/* The server may leave inviting to its administrators (block_non_admin_invites). */
static int check_inviting(struct mx_server *server, const struct mx_requester *requester,
                          const struct mx_membership_change *change, struct gg_error *err)
{
    if (gg_str_is(change->membership, "invite") && !requester->admin && gg_config_bool(server->config, "block_non_admin_invites"))
        return gg_refuse(err, 403, "M_FORBIDDEN", "Invites have been disabled on this server");
    return 0;
}

/* What follows from a change that stands: it must not make it fail. */
static void after_change(struct mx_server *server, const struct mx_membership_change *change, struct gg_str predecessor,
                         struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    if (!mx_is_mine(server, change->target))
        return;
    if (predecessor.s != NULL)
        mx_room_inherit(server, change->target, predecessor, change->room_id, arena);
    if (listed("leave|ban", change->membership) && gg_config_bool(server->config, "forget_rooms_on_leave") &&
        mx_room_forget(server, change->target, change->room_id, &err) != 0)
        gg_warn(&logger, "%.*s did not forget %.*s: %s", GG_FMT(change->target), GG_FMT(change->room_id), err.message);
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
    int rc = mx_standing_change(requester, change, err);
    if (rc == 0)
        rc = check_inviting(server, requester, change, err);
    if (rc == 0 && requester->shadow_banned && gg_str_is(change->membership, "invite"))
        return mx_standing_pretend(arena, event_id_out, err);
    struct mx_room_lock *lock;
    if (rc == 0 && !listed("leave|ban", change->membership))
        rc = mx_room_not_blocked(server, change->room_id, err);
    if (rc == 0)
        rc = mx_room_lock(server, change->room_id, &lock, err);
    if (rc != 0)
        return rc;
    struct mx_chain chain;
    struct gg_str predecessor = {0};
    bool newly = false;
    rc = mx_chain_begin(&chain, server, requester, change->room_id, arena, err);
    if (rc == GG_E_FORBIDDEN && gg_str_is(change->membership, "leave") && gg_str_is(change->target, requester->user_id))
        rc = leave_alone(server, requester, change, arena, event_id_out, err);
    else if (rc == GG_E_FORBIDDEN)
        rc = not_known_here(change, err);
    else if (rc == 0)
        rc = change_locked(&chain, change, event_id_out, &newly, err);
    if (rc == 0 && newly)
        predecessor = mx_room_predecessor(chain.create, arena);
    mx_chain_done(&chain);
    mx_room_unlock(server, lock);
    if (rc == 0)
        after_change(server, change, predecessor, arena);
    return rc;
}
