/* member.c: the rules for m.room.member. */
#include "internal.h"

struct gg_str mx_auth_membership(const struct auth *a, struct gg_str user_id)
{
    const struct mx_event *member = a->state(a->arg, GG_STR("m.room.member"), user_id);
    return member ? member->membership : gg_strn(NULL, 0);
}

static bool has_membership(const struct auth *a, struct gg_str user_id, const char *membership)
{
    return gg_str_is(mx_auth_membership(a, user_id), membership);
}

/* The join rule; "invite" when the room has none. */
static struct gg_str join_rule(struct auth *a)
{
    const struct mx_event *rules = a->state(a->arg, GG_STR("m.room.join_rules"), GG_STR(""));
    struct gg_str rule = rules ? mx_json_get(rules->content, "join_rule") : gg_strn(NULL, 0);
    return rule.s ? mx_json_string(rule, a->arena) : GG_STR("invite");
}

/* "The only previous event is an m.room.create and the state_key is the creator." */
static bool is_creators_first_join(struct auth *a)
{
    struct gg_str creator = a->create->sender;
    if (!a->version->implicit_creator)
        creator = mx_json_string(mx_json_get(a->create->content, "creator"), a->arena);
    return a->event->n_prev == 1 && gg_str_eq(a->event->prev_events[0], a->create->event_id) && creator.s &&
           gg_str_eq(a->event->state_key, creator);
}

/* Restricted rooms: a member who may invite stands in for the conditions that its server has checked. That server's
 * signature is checked with all others, where keys are at hand. */
static int check_authorised(struct auth *a)
{
    struct gg_str by = mx_json_string(mx_json_get(a->event->content, "join_authorised_via_users_server"), a->arena);
    if (!by.s || !has_membership(a, by, "join"))
        return DENY(a, "Join event authorised by %.*s, who is not in the room", (int)(by.n < 200 ? by.n : 200),
                    by.s ? by.s : "nobody");
    if (mx_power_of_user(&a->power, by) < mx_power_for(&a->power, "invite"))
        return DENY(a, "Join event authorised by %.*s, who may not invite", GG_FMT(by));
    return 0;
}

static int check_join(struct auth *a)
{
    struct gg_str user = a->event->state_key, rule;
    bool welcome;
    if (is_creators_first_join(a))
        return 0;
    if (!gg_str_eq(a->event->sender, user))
        return DENY(a, "Cannot force another user to join");
    if (has_membership(a, user, "ban"))
        return DENY(a, "You are banned from this room");
    welcome = has_membership(a, user, "join") || has_membership(a, user, "invite");
    rule = join_rule(a);
    if (gg_str_is(rule, "public"))
        return 0;
    if (gg_str_is(rule, "invite") || (gg_str_is(rule, "knock") && a->version->knock))
        return welcome ? 0 : DENY(a, "You are not invited to this room");
    if ((gg_str_is(rule, "restricted") && a->version->restricted) ||
        (gg_str_is(rule, "knock_restricted") && a->version->knock_restricted))
        return welcome ? 0 : check_authorised(a);
    return DENY(a, "You are not allowed to join this room");
}

static int check_invite(struct auth *a)
{
    struct gg_str by_third_party = mx_json_get(a->event->content, "third_party_invite"), target = a->event->state_key;
    if (by_third_party.s)
        return mx_auth_third_party_invite(a, by_third_party);
    if (!has_membership(a, a->event->sender, "join"))
        return DENY(a, "%.*s not in room %.*s", GG_FMT(a->event->sender), GG_FMT(a->event->room_id));
    if (has_membership(a, target, "ban"))
        return DENY(a, "%.*s is banned from the room", GG_FMT(target));
    if (has_membership(a, target, "join"))
        return DENY(a, "%.*s is already in the room", GG_FMT(target));
    if (mx_power_of_user(&a->power, a->event->sender) < mx_power_for(&a->power, "invite"))
        return DENY(a, "You don't have permission to invite users");
    return 0;
}

static int check_leave(struct auth *a)
{
    struct gg_str sender = a->event->sender, target = a->event->state_key;
    int64_t power;
    if (gg_str_eq(sender, target)) {
        if (has_membership(a, sender, "join") || has_membership(a, sender, "invite") ||
            (a->version->knock && has_membership(a, sender, "knock")))
            return 0;
        return DENY(a, "%.*s not in room %.*s", GG_FMT(sender), GG_FMT(a->event->room_id));
    }
    if (!has_membership(a, sender, "join"))
        return DENY(a, "%.*s not in room %.*s", GG_FMT(sender), GG_FMT(a->event->room_id));
    power = mx_power_of_user(&a->power, sender);
    if (has_membership(a, target, "ban") && power < mx_power_for(&a->power, "ban"))
        return DENY(a, "You cannot unban user %.*s", GG_FMT(target));
    if (power < mx_power_for(&a->power, "kick") || power <= mx_power_of_user(&a->power, target))
        return DENY(a, "You cannot kick user %.*s", GG_FMT(target));
    return 0;
}

static int check_ban(struct auth *a)
{
    struct gg_str sender = a->event->sender;
    int64_t power;
    if (!has_membership(a, sender, "join"))
        return DENY(a, "%.*s not in room %.*s", GG_FMT(sender), GG_FMT(a->event->room_id));
    power = mx_power_of_user(&a->power, sender);
    if (power < mx_power_for(&a->power, "ban") || power <= mx_power_of_user(&a->power, a->event->state_key))
        return DENY(a, "You don't have permission to ban");
    return 0;
}

static int check_knock(struct auth *a)
{
    struct gg_str rule = join_rule(a), user = a->event->sender;
    if (!gg_str_is(rule, "knock") && !(gg_str_is(rule, "knock_restricted") && a->version->knock_restricted))
        return DENY(a, "You don't have permission to knock");
    if (!gg_str_eq(user, a->event->state_key))
        return DENY(a, "You cannot knock for other users");
    if (has_membership(a, user, "join") || has_membership(a, user, "invite") || has_membership(a, user, "ban"))
        return DENY(a, "You cannot knock on a room you are in, invited to or banned from");
    return 0;
}

int mx_auth_member(struct auth *a)
{
    static const struct {
        const char *membership;
        int (*check)(struct auth *a);
    } rules[] = {{"join", check_join}, {"invite", check_invite}, {"leave", check_leave}, {"ban", check_ban}};
    struct gg_str membership = a->event->membership;
    if (!a->event->state_key.s)
        return DENY(a, "A membership event needs a state_key");
    if (!membership.s)
        return DENY(a, "A membership event needs a membership");
    for (size_t i = 0; i < GG_COUNT(rules); i++)
        if (gg_str_is(membership, rules[i].membership))
            return rules[i].check(a);
    if (gg_str_is(membership, "knock") && a->version->knock)
        return check_knock(a);
    return DENY(a, "Unknown membership %.*s", (int)(membership.n < 64 ? membership.n : 64), membership.s);
}
