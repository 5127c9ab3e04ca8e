/* matrix/rooms/checks.c: what a local client's event must fulfil beyond the auth rules: redactions that the sender has
 * a right to, aliases that lead to the room, relations to what there is. */
#include "rooms/check_relation.h"
#include "rooms/checks.h"

#include "json/text.h"
#include "storage/directory.h"

#include <ganglion/config.h>
#include <ganglion/matrix/id.h>

/* ---- redactions (client-server API, "Redactions") ---- */

static int may_redact_others(struct mx_chain *chain, struct gg_str user_id, bool *out, struct gg_error *err)
{
    const struct mx_event *levels;
    int rc = mx_chain_state_event(chain, GG_STR("m.room.power_levels"), GG_STR(""), &levels, err);
    if (rc != 0)
        return rc;
    struct mx_power power = mx_power_read(levels, chain->create, chain->arena);
    *out = mx_power_of_user(&power, user_id) >= mx_power_for(&power, "redact");
    return 0;
}

static int check_target(struct mx_chain *chain, const struct mx_event *target, struct gg_error *err)
{
    if (gg_str_is(target->type, "m.room.create"))
        return gg_refuse(err, 403, "M_FORBIDDEN", "Redacting create events is not permitted");
    if (!gg_str_eq(target->room_id, chain->room_id))
        return gg_refuse(err, 400, "M_UNKNOWN", "Cannot redact event from a different room");
    if (gg_str_is(target->type, "m.room.server_acl"))
        return gg_refuse(err, 403, "M_FORBIDDEN", "Redacting server ACL events is not permitted");
    return 0;
}

/* redaction_allowed_period: messages can be taken back for a while only. Of an edit the age is that of what it edits. */
static int check_age(struct mx_chain *chain, const struct mx_event *target, struct gg_error *err)
{
    const struct gg_config *config = chain->server->config;
    int64_t period = gg_config_set(config, "redaction_allowed_period") ? gg_config_int(config, "redaction_allowed_period") : -1;
    struct gg_str relation = mx_json_get(target->content, "m.relates_to"), original = {0};
    const struct mx_event *edited = NULL;
    if (period < 0)
        return 0;
    if (mx_json_is_object(relation) && gg_str_is(mx_json_get(relation, "rel_type"), "\"m.replace\""))
        original = mx_storable(mx_json_string(mx_json_get(relation, "event_id"), chain->arena));
    int rc = original.s != NULL ? mx_store_events(chain->server, &original, 1, false, chain->arena, &edited, err) : 0;
    if (rc != 0)
        return rc;
    if (edited != NULL && gg_str_eq(edited->room_id, chain->room_id))
        target = edited;
    if (!gg_str_is(target->type, "m.room.message") || target->origin_server_ts >= gg_wall_ms() - period)
        return 0;
    return gg_refuse(err, 403, "M_FORBIDDEN", "Events older than %lldms cannot be redacted.", (long long)period);
}

/* Who lacks the level for it may still redact what is their own; from room version 3 on the auth rules leave that to
 * the server, which therefore has to know the event. */
static int check_redaction(struct mx_chain *chain, const struct mx_requester *requester, const struct mx_new_event *event,
                           struct gg_error *err)
{
    const struct gg_str user_id = gg_str(requester->user_id);
    const struct mx_event *target = NULL;
    bool others = false;
    bool held = mx_storable(event->redacts).s != NULL;
    int rc = held ? mx_store_events(chain->server, &event->redacts, 1, false, chain->arena, &target, err) : 0;
    if (rc == 0 && target != NULL)
        rc = check_target(chain, target, err);
    if (rc == 0 && target != NULL && requester->access_token != NULL) /* what the server does itself is not meant */
        rc = check_age(chain, target, err);
    if (rc == 0)
        rc = may_redact_others(chain, user_id, &others, err);
    if (rc != 0 || others)
        return rc;
    if (target == NULL)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Could not find event %.*s", GG_FMT(event->redacts));
    if (!gg_str_eq(target->sender, user_id))
        return gg_refuse(err, 403, "M_FORBIDDEN", "You don't have permission to redact events");
    return 0;
}

/* ---- m.room.canonical_alias: aliases that it newly names must lead here ---- */

static int check_alias(struct mx_chain *chain, struct gg_str value, struct gg_error *err)
{
    struct gg_str alias = mx_json_string(value, chain->arena), room_id;
    if (alias.s == NULL || !mx_room_alias_valid(alias))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Room aliases must be of the form #alias:server");
    int rc = mx_directory_find_alias(chain->server, alias, chain->arena, &room_id, err);
    if (rc == 0 && !gg_str_eq(room_id, chain->room_id))
        rc = gg_refuse(err, 400, "M_BAD_ALIAS", "Room alias %.*s does not point to the room", GG_FMT(alias));
    return rc;
}

static bool list_holds(struct gg_str list, struct gg_str value)
{
    struct mx_json_iter it = mx_json_iter(list);
    while (mx_json_is_array(list) && mx_json_next(&it))
        if (gg_str_eq(it.value, value))
            return true;
    return false;
}

static int check_canonical_alias(struct mx_chain *chain, const struct mx_new_event *event, struct gg_error *err)
{
    const struct mx_event *old;
    int rc = mx_chain_state_event(chain, event->type, event->state_key, &old, err);
    if (rc != 0)
        return rc;
    struct gg_str before = old != NULL ? old->content : (struct gg_str){0};
    struct gg_str alias = mx_json_get(event->content, "alias"), others = mx_json_get(event->content, "alt_aliases");
    struct gg_str known = mx_json_get(before, "alt_aliases");
    bool none = alias.s == NULL || gg_str_is(alias, "null") || gg_str_is(alias, "\"\"");
    if (!none && !gg_str_eq(alias, mx_json_get(before, "alias")))
        rc = check_alias(chain, alias, err);
    if (rc == 0 && others.s != NULL && !mx_json_is_array(others))
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "The alt_aliases property must be a list.");
    struct mx_json_iter it = mx_json_iter(others);
    while (rc == 0 && mx_json_is_array(others) && mx_json_next(&it))
        if (!list_holds(known, it.value))
            rc = check_alias(chain, it.value, err);
    return rc;
}

/* What an event names is told only to those who are in the room; the auth rules refuse the others. */
static int is_joined(struct mx_chain *chain, struct gg_str user_id, bool *out, struct gg_error *err)
{
    const struct mx_event *member;
    int rc = mx_chain_state_event(chain, GG_STR("m.room.member"), user_id, &member, err);
    *out = rc == 0 && member != NULL && gg_str_is(member->membership, "join");
    return rc;
}

int mx_check_new_event(struct mx_chain *chain, const struct mx_requester *requester, const struct mx_new_event *event,
                       struct gg_error *err)
{
    bool joined, relates = mx_json_get(event->content, "m.relates_to").s != NULL;
    bool redacts = gg_str_is(event->type, "m.room.redaction");
    bool names = gg_str_is(event->type, "m.room.canonical_alias") && event->state_key.s != NULL && event->state_key.n == 0;
    if (!relates && !redacts && !names)
        return 0;
    int rc = is_joined(chain, gg_str(requester->user_id), &joined, err);
    if (rc == 0 && joined && relates)
        rc = mx_check_relation(chain, gg_str(requester->user_id), event, err);
    if (rc == 0 && joined && redacts)
        rc = check_redaction(chain, requester, event, err);
    return rc == 0 && joined && names ? check_canonical_alias(chain, event, err) : rc;
}
