/* matrix/rooms/membership.c: join, invite, leave, kick, ban, unban and knock, each one member event. */
#include "media/avatar.h"
#include "rooms/standing.h"
#include "rooms/membership.h"

#include "federation/invite.h"
#include "federation/remote_membership.h"
#include "rooms/blocked.h"
#include "rooms/forget.h"
#include "rooms/inherit.h"
#include "rooms/invited_profile.h"
#include "rooms/reject.h"
#include "rooms/restricted.h"
#include "rooms/succeed.h"
#include "usage/usage.h"
#include "userdata/invites.h"

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
static int check_content(struct mx_server *server, const struct mx_requester *requester, const struct mx_membership_change *change,
                         struct gg_arena *arena, struct gg_str *out, struct gg_error *err)
{
    struct mx_json *content = NULL;
    bool guest = requester->guest && gg_str_is(change->membership, "join"), changed = guest;
    *out = change->content;
    int rc = change->content.s != NULL ? mx_json_parse(change->content, 200, arena, &content, err) : 0;
    if (rc == 0 && content != NULL)
        rc = check_texts(content, err);
    if (rc != 0 || (content == NULL && !guest))
        return rc;
    if (content == NULL)
        content = mx_json_object(arena);
    changed = mx_json_remove(content, "join_authorised_via_users_server") || changed;
    if (gg_str_is(change->membership, "join") && !gg_config_bool(server->config, "allow_per_room_profiles")) {
        changed = mx_json_remove(content, "displayname") || changed;
        changed = mx_json_remove(content, "avatar_url") || changed;
    }
    if (gg_str_is(change->membership, "join"))
        rc = mx_avatar_check(server, mx_json_text(mx_json_member(content, "avatar_url")), err);
    if (rc != 0)
        return rc;
    if (guest)
        mx_json_set(content, arena, "kind", mx_json_new_string(arena, GG_STR("guest")));
    if (!changed)
        return 0;
    struct gg_buf buf = GG_BUF_INIT;
    mx_json_write(&buf, content);
    *out = gg_arena_str(arena, gg_buf_view(&buf));
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

/* What came of a change. */
struct change {
    bool newly;                                 /* a join of somebody who was not joined */
    struct mx_restricted_servers elsewhere;     /* n > 0: only these can let the user in; content is what they are told */
    struct gg_str content;
    bool to_ask;                                /* the chain holds an invite that its target's server must sign first */
    const struct mx_event **shown;              /* the room's state that it is shown */
    size_t n_shown;
    struct gg_str event_id;
};

/* The member event at the end of the chain; written unless another server has a say in it. */
static int add_member(struct mx_chain *chain, const struct mx_membership_change *change, struct change *out, struct gg_error *err)
{
    struct mx_chain_event e = {.type = GG_STR("m.room.member"), .sender = gg_str(chain->requester->user_id),
                               .state_key = change->target, .content = out->content,
                               .device_id = chain->requester->device_id, .origin_server_ts = change->origin_server_ts};
    int rc = 0;
    out->to_ask = gg_str_is(change->membership, "invite") && !mx_is_mine(chain->server, change->target);
    if (out->to_ask)
        rc = mx_stripped_events(chain, &out->shown, &out->n_shown, err);
    if (rc == 0 && listed("invite|knock", change->membership))
        rc = mx_stripped_state(chain, &e.stripped, err);
    if (rc == 0)
        rc = mx_chain_add(chain, &e, err);
    return rc != 0 || out->to_ask ? rc : mx_chain_commit(chain, &out->event_id, NULL, err);
}

static int change_locked(struct mx_chain *chain, const struct mx_membership_change *change, struct change *out,
                         struct gg_error *err)
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
    out->newly = gg_str_is(change->membership, "join") && !gg_str_is(before, "join");
    bool self = gg_str_is(change->target, chain->requester->user_id);
    struct gg_str more;
    rc = check_content(chain->server, chain->requester, change, chain->arena, &more, err);
    if (rc == 0 && gg_str_is(change->membership, "join") && self)
        rc = mx_restricted_join(chain, change->target, before, &more, &out->elsewhere, err);
    if (rc == 0)
        rc = mx_member_content(chain->server, change->target, change->membership, change->reason, more, false, chain->arena,
                               &out->content, err);
    if (rc != 0 || out->elsewhere.n > 0)
        return rc;
    bool same = false; /* nothing changes: what stands is the answer */
    if (rc == 0 && old != NULL && gg_str_is(old->sender, chain->requester->user_id))
        rc = mx_chain_same_content(chain, old->content, out->content, &same, err);
    if (same)
        out->event_id = gg_arena_str(chain->arena, old->event_id);
    if (rc != 0 || same)
        return rc;
    if (self && gg_str_is(change->membership, "leave") && !listed("join|invite|knock", before))
        return gg_refuse(err, 403, "M_FORBIDDEN", "%.*s not in room %.*s.", GG_FMT(change->target), GG_FMT(chain->room_id));
    return add_member(chain, change, out, err);
}

/* ---- what other servers have a say in: not under the room's lock, as they may take their time ---- */

/* The invite with the signature of its target's server. What happens in the room meanwhile stands beside it. */
static int ask_target(struct mx_chain *chain, struct change *out, struct gg_error *err)
{
    struct mx_event *signed_;
    int rc = mx_fed_invite(chain->server, chain->events[0], out->shown, out->n_shown, chain->arena, &signed_, err);
    if (rc != 0)
        return rc;
    mx_event_unref(chain->events[0]);
    chain->events[0] = mx_event_ref(signed_);
    chain->prev = &chain->events[0]->event_id;
    return mx_chain_commit(chain, &out->event_id, NULL, err);
}

/* Somebody else's server knows the room: those that the request names, and that of who invited the user. */
static int enter_elsewhere(struct mx_server *server, const struct mx_requester *requester, const struct mx_membership_change *change,
                           struct gg_arena *arena, struct gg_str *event_id_out, struct gg_error *err)
{
    struct gg_str more, content, *servers = GG_NEW_ARRAY(arena, struct gg_str, change->n_servers + 1);
    const struct mx_event *invite;
    struct gg_error none = GG_ERROR_INIT;
    size_t n = 0;
    if (requester->guest && gg_str_is(change->membership, "join")) /* whether they may is not known before one is in */
        return gg_refuse(err, 403, "M_FORBIDDEN", "Guest access not allowed");
    for (; n < change->n_servers; n++)
        servers[n] = change->servers[n];
    if (gg_str_is(change->membership, "join") && mx_reject_find(server, requester, change->room_id, arena, &invite, &none) == 0 &&
        gg_str_is(invite->membership, "invite"))
        servers[n++] = mx_id_domain(invite->sender);
    int rc = check_content(server, requester, change, arena, &more, err);
    if (rc == 0)
        rc = mx_member_content(server, change->target, change->membership, change->reason, more, false, arena, &content, err);
    struct mx_join join = {change->room_id, change->target, content, false};
    return rc != 0 ? rc : mx_remote_enter(server, requester, change->action, &join, servers, n, arena, event_id_out, err);
}

/* Who is out of a room already, of which this server knows no more than that: what stands is the answer. */
static int leave_again(struct mx_server *server, const struct mx_requester *requester, struct gg_str room_id, struct gg_arena *arena,
                       bool *again, struct gg_str *event_id_out, struct gg_error *err)
{
    struct mx_user_rooms rooms;
    int rc = mx_heads_room_list(server, gg_str(requester->user_id), arena, &rooms, err);
    const struct mx_user_room *room = rc == 0 ? mx_user_rooms_find(&rooms, room_id) : NULL;
    if (room != NULL && gg_str_is(room->membership, "ban"))
        return gg_refuse(err, 403, "M_FORBIDDEN", "%s not in room %.*s.", requester->user_id, GG_FMT(room_id));
    *again = room != NULL && gg_str_is(room->membership, "leave");
    if (*again)
        *event_id_out = room->event_id;
    return rc;
}

static int withdraw(struct mx_server *server, const struct mx_requester *requester, const struct mx_membership_change *change,
                    struct gg_arena *arena, struct gg_str *event_id_out, struct gg_error *err)
{
    const struct mx_event *event;
    struct gg_str content;
    bool again = false;
    int rc = leave_again(server, requester, change->room_id, arena, &again, event_id_out, err);
    if (rc != 0 || again)
        return rc;
    rc = mx_reject_find(server, requester, change->room_id, arena, &event, err);
    if (rc == 0)
        rc = mx_member_content(server, change->target, change->membership, change->reason, change->content, false, arena,
                               &content, err);
    if (rc != 0)
        return rc;
    if (gg_str_is(event->membership, "knock") || !mx_is_mine(server, event->sender))
        return mx_remote_withdraw(server, requester, event, content, arena, event_id_out, err);
    return mx_reject_event(server, requester, event, content, arena, event_id_out, NULL, err);
}

/* No user of this server is in the room: err says so already. */
static int not_here(struct mx_server *server, const struct mx_requester *requester, const struct mx_membership_change *change,
                    struct gg_arena *arena, struct gg_str *event_id_out, struct gg_error *err)
{
    if (!gg_str_is(change->target, requester->user_id) || !listed("join|knock|leave", change->membership))
        return GG_E_FORBIDDEN;
    if (gg_str_is(change->membership, "leave"))
        return withdraw(server, requester, change, arena, event_id_out, err);
    return enter_elsewhere(server, requester, change, arena, event_id_out, err);
}

static int enter_through(struct mx_chain *chain, const struct mx_membership_change *change, struct change *out, struct gg_error *err)
{
    struct mx_join join = {change->room_id, change->target, out->content, false};
    return mx_remote_enter(chain->server, chain->requester, change->action, &join, out->elsewhere.names, out->elsewhere.n,
                           chain->arena, &out->event_id, err);
}

/* ---- rules of this server, and what follows ---- */

/* The server may leave inviting to its administrators (block_non_admin_invites), and so may who is invited. */
static int check_inviting(struct mx_server *server, const struct mx_requester *requester,
                          const struct mx_membership_change *change, struct gg_arena *arena, struct gg_error *err)
{
    if (!gg_str_is(change->membership, "invite") || requester->admin)
        return 0;
    if (gg_config_bool(server->config, "block_non_admin_invites"))
        return gg_refuse(err, 403, "M_FORBIDDEN", "Invites have been disabled on this server");
    return mx_is_mine(server, change->target) ? mx_invites_check(server, change->target, arena, err) : 0;
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

/* What a room of other servers replaces is known once we are in it. */
static void take_place(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    const struct mx_head *head;
    const struct mx_event *create = NULL;
    struct gg_str old = {0};
    if (mx_heads_get(server, room_id, arena, &head, &err) == 0 &&
        mx_heads_state_event(server, head, "m.room.create", GG_STR(""), arena, &create, &err) == 0 && create != NULL)
        old = mx_room_predecessor(create, arena);
    if (old.s != NULL)
        mx_room_succeed(server, old, room_id, arena);
}

static int change_room(struct mx_server *server, const struct mx_requester *requester, const struct mx_membership_change *change,
                       struct gg_arena *arena, struct gg_str *event_id_out, struct gg_error *err)
{
    struct mx_room_lock *lock;
    struct mx_chain chain;
    struct change out = {0};
    struct gg_str predecessor = {0};
    int rc = mx_room_lock(server, change->room_id, &lock, err);
    if (rc != 0)
        return rc;
    rc = mx_chain_begin(&chain, server, requester, change->room_id, arena, err);
    bool here = rc != GG_E_FORBIDDEN;
    if (rc == 0)
        rc = change_locked(&chain, change, &out, err);
    mx_room_unlock(server, lock);
    if (!here)
        rc = not_here(server, requester, change, arena, &out.event_id, err);
    else if (rc == 0 && out.to_ask && out.event_id.s == NULL)
        rc = ask_target(&chain, &out, err);
    else if (rc == 0 && out.elsewhere.n > 0)
        rc = enter_through(&chain, change, &out, err);
    if (rc == 0 && here && out.newly)
        predecessor = mx_room_predecessor(chain.create, arena);
    else if (rc == 0 && !here && gg_str_is(change->membership, "join"))
        take_place(server, change->room_id, arena);
    mx_chain_done(&chain);
    if (rc == 0)
        after_change(server, change, predecessor, arena);
    *event_id_out = out.event_id;
    return rc;
}

static bool asks_for_names(const struct mx_server *server, const struct mx_membership_change *change)
{
    return gg_str_is(change->membership, "invite") && !mx_is_mine(server, change->target) &&
           gg_config_bool(server->config, "include_profile_data_on_invite");
}

int mx_room_membership(struct mx_server *server, const struct mx_requester *requester,
                       const struct mx_membership_change *change, struct gg_arena *arena, struct gg_str *event_id_out,
                       struct gg_error *err)
{
    if (!listed("join|invite|leave|ban|knock", change->membership))
        return gg_refuse(err, 400, "M_UNKNOWN", "Invalid membership key");
    if (!mx_user_id_valid(change->target))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "%.*s is no user id", GG_FMT(change->target));
    int rc = mx_usage_check_change(server, requester, change, arena, err);
    if (rc == 0)
        rc = mx_standing_change(requester, change, err);
    if (rc == 0)
        rc = check_inviting(server, requester, change, arena, err);
    if (rc == 0 && requester->shadow_banned && gg_str_is(change->membership, "invite"))
        return mx_standing_pretend(arena, event_id_out, err);
    if (rc == 0 && !listed("leave|ban", change->membership))
        rc = mx_room_not_blocked(server, change->room_id, err);
    struct mx_membership_change named = *change;
    if (rc == 0 && asks_for_names(server, change))
        named.content = mx_invited_profile(server, change->target, change->content, arena);
    return rc != 0 ? rc : change_room(server, requester, &named, arena, event_id_out, err);
}
