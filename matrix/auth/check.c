/* check.c: the authorisation rules in their order (specification, room versions "Authorisation rules"). */
#include "internal.h"

/* Only the create event of this room speaks for it. */
static int check_create(const struct mx_event *event, const struct mx_event *create, struct gg_error *err)
{
    if (!create || create->meta.rejected.s || !mx_event_is(create, "m.room.create", "") ||
        !gg_str_eq(create->room_id, event->room_id))
        return gg_refuse(err, 403, "M_FORBIDDEN", "The room has no create event that was accepted");
    return 0;
}

/* Anything but true keeps other servers out. That nobody of another server may be invited, kicked or banned either is
 * Synapse's rule, not the specification's; in such a room nobody else is there to disagree. */
static int check_federation(struct auth *a)
{
    struct gg_str federate = mx_json_get(a->create->content, "m.federate"), home = mx_id_domain(a->create->sender);
    if (!federate.s || mx_json_true(federate))
        return 0;
    if (!gg_str_eq(mx_id_domain(a->event->sender), home) ||
        (gg_str_is(a->event->type, "m.room.member") && !gg_str_eq(mx_id_domain(a->event->state_key), home)))
        return DENY(a, "This room has been marked as unfederatable");
    return 0;
}

static int check_aliases(struct auth *a)
{
    if (!a->event->state_key.s)
        return DENY(a, "Alias event must be a state event");
    if (!gg_str_eq(mx_id_domain(a->event->sender), a->event->state_key))
        return DENY(a, "Alias event's state_key does not match sender's domain");
    return 0;
}

static int check_send_level(struct auth *a)
{
    const struct mx_event *e = a->event;
    int64_t power = mx_power_of_user(&a->power, e->sender),
            needed = mx_power_for_event(&a->power, e->type, e->state_key.s);
    if (power < needed)
        return DENY(a, "You don't have permission to post that to the room. user_level (%lld) < send_level (%lld)",
                    (long long)power, (long long)needed);
    if (e->state_key.n && e->state_key.s[0] == '@' && !gg_str_eq(e->state_key, e->sender))
        return DENY(a, "You are not allowed to set others state");
    return 0;
}

/* Versions 1 and 2: by power, or on the same server. */
static int check_redaction(struct auth *a)
{
    if (mx_power_of_user(&a->power, a->event->sender) >= mx_power_for(&a->power, "redact"))
        return 0;
    if (a->event->redacts.s && gg_str_eq(mx_id_domain(a->event->event_id), mx_id_domain(a->event->redacts)))
        return 0;
    return DENY(a, "You don't have permission to redact events");
}

static int check_rules(struct auth *a)
{
    struct gg_str type = a->event->type;
    int rc = check_federation(a);
    if (rc)
        return rc;
    if (a->version->aliases_auth && gg_str_is(type, "m.room.aliases"))
        return check_aliases(a);
    if (gg_str_is(type, "m.room.member"))
        return mx_auth_member(a);
    if (!gg_str_is(mx_auth_membership(a, a->event->sender), "join"))
        return DENY(a, "User %.*s not in room %.*s", GG_FMT(a->event->sender), GG_FMT(a->event->room_id));
    if (gg_str_is(type, "m.room.third_party_invite"))
        return mx_power_of_user(&a->power, a->event->sender) >= mx_power_for(&a->power, "invite")
                   ? 0
                   : DENY(a, "You don't have permission to invite users");
    if ((rc = check_send_level(a)) != 0)
        return rc;
    if (gg_str_is(type, "m.room.power_levels"))
        return mx_auth_power_levels(a);
    if (a->version->redaction_by_domain && gg_str_is(type, "m.room.redaction"))
        return check_redaction(a);
    return 0;
}

int mx_auth_check(const struct mx_event *event, const struct mx_event *create, mx_auth_lookup_fn *state, void *arg,
                  struct gg_error *err)
{
    struct auth a = {
        .event = event, .create = create, .version = event->version, .state = state, .arg = arg, .err = err};
    int rc;
    if (gg_str_is(event->type, "m.room.create"))
        return mx_auth_create(event, err);
    if ((rc = check_create(event, create, err)) != 0)
        return rc;
    a.arena = gg_arena_new();
    a.power = mx_power_read(state(arg, GG_STR("m.room.power_levels"), GG_STR("")), create, a.arena);
    rc = check_rules(&a);
    gg_arena_free(a.arena);
    return rc;
}
