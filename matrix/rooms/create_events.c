/* matrix/rooms/create_events.c: the events that a new room begins with, in their order (client-server API, "Creation"). */
#include "rooms/create_plan.h"
#include "rooms/membership.h"

#include <ganglion/buf.h>
#include <ganglion/config.h>

int mx_room_plan_add(struct mx_room_plan *p, const char *type, struct gg_str state_key, const struct mx_json *content,
                     struct gg_error *err)
{
    struct gg_buf buf = GG_BUF_INIT;
    mx_json_write(&buf, content);
    struct mx_chain_event e = {.type = gg_str(type), .sender = p->creator, .state_key = state_key,
                               .content = gg_arena_str(p->chain->arena, gg_buf_view(&buf)),
                               .device_id = p->chain->requester->device_id};
    gg_buf_done(&buf);
    return mx_chain_add(p->chain, &e, err);
}

/* {"key": "value"} */
static int add_simple(struct mx_room_plan *p, const char *type, const char *key, struct gg_str value, struct gg_error *err)
{
    struct mx_json *content = mx_json_object(p->chain->arena);
    mx_json_set(content, p->chain->arena, key, mx_json_new_string(p->chain->arena, value));
    return mx_room_plan_add(p, type, GG_STR(""), content, err);
}

/* The content that initial_state gives a type (with an empty state key), or NULL. The last one wins. */
static const struct mx_json *from_initial_state(const struct mx_room_plan *p, const char *type)
{
    const struct mx_json *found = NULL;
    for (uint32_t i = 0; p->initial_state != NULL && i < p->initial_state->n; i++) {
        const struct mx_json *e = p->initial_state->items[i];
        if (gg_str_is(mx_json_text(mx_json_member(e, "type")), type) && mx_json_text(mx_json_member(e, "state_key")).n == 0)
            found = mx_json_member(e, "content");
    }
    return found;
}

static bool in_initial_state(const struct mx_room_plan *p, const char *type)
{
    return from_initial_state(p, type) != NULL;
}

/* From version 12 on creators stand above all power levels; those whom a trusted room starts with become creators too. */
static void add_creators(struct mx_room_plan *p, struct mx_json *content)
{
    if (!p->version->creators_privileged || !p->preset->trusted_members || p->invites == NULL || p->invites->n == 0)
        return;
    struct gg_arena *arena = p->chain->arena;
    const struct mx_json *given = mx_json_member(content, "additional_creators");
    struct mx_json *creators = given != NULL && given->kind == MX_JSON_ARRAY ? mx_json_copy_level(given, arena) : mx_json_array(arena);
    for (uint32_t i = 0; i < p->invites->n; i++)
        mx_json_push(creators, arena, p->invites->items[i]);
    mx_json_set(content, arena, "additional_creators", creators);
}

static int add_create(struct mx_room_plan *p, struct gg_error *err)
{
    struct gg_arena *arena = p->chain->arena;
    struct mx_json *content = mx_json_object(arena);
    const struct mx_json *given = mx_json_member(p->body, "creation_content");
    if (given != NULL && given->kind != MX_JSON_OBJECT)
        return gg_refuse(err, 400, "M_BAD_JSON", "creation_content must be an object");
    if (given != NULL)
        content = mx_json_copy_level(given, arena);
    mx_json_set(content, arena, "room_version", mx_json_new_string(arena, gg_str(p->version->id)));
    if (!p->version->implicit_creator)
        mx_json_set(content, arena, "creator", mx_json_new_string(arena, p->creator));
    add_creators(p, content);
    return mx_room_plan_add(p, "m.room.create", GG_STR(""), content, err);
}

static int add_creator_join(struct mx_room_plan *p, struct gg_error *err)
{
    struct gg_str content;
    int rc = mx_member_content(p->chain->server, p->creator, GG_STR("join"), (struct gg_str){0}, (struct gg_str){0}, false,
                               p->chain->arena, &content, err);
    if (rc != 0)
        return rc;
    struct mx_chain_event e = {.type = GG_STR("m.room.member"), .sender = p->creator, .state_key = p->creator,
                               .content = content, .device_id = p->chain->requester->device_id};
    return mx_chain_add(p->chain, &e, err);
}

/* Default levels of event types: what changes who may do what takes an administrator. */
static const struct {
    const char *type;
    int level;
} event_levels[] = {
    {"m.room.name", 50},          {"m.room.power_levels", 100}, {"m.room.history_visibility", 100},
    {"m.room.canonical_alias", 50}, {"m.room.avatar", 50},      {"m.room.tombstone", 100},
    {"m.room.server_acl", 100},   {"m.room.encryption", 100},
};

static struct mx_json *default_levels(struct mx_room_plan *p)
{
    struct gg_arena *arena = p->chain->arena;
    struct mx_json *content = mx_json_object(arena), *users = mx_json_object(arena), *events = mx_json_object(arena);
    if (!p->version->creators_privileged) {
        mx_json_set(users, arena, gg_arena_strndup(arena, p->creator.s, p->creator.n), mx_json_new_i64(arena, 100));
        for (uint32_t i = 0; p->preset->trusted_members && p->invites != NULL && i < p->invites->n; i++) {
            struct gg_str user = p->invites->items[i]->text;
            mx_json_set(users, arena, gg_arena_strndup(arena, user.s, user.n), mx_json_new_i64(arena, 100));
        }
    }
    for (size_t i = 0; i < GG_COUNT(event_levels); i++) {
        /* Only creators may replace a version 12 room: nobody can be given 150 by power levels of 100. */
        bool tombstone = p->version->creators_privileged && strcmp(event_levels[i].type, "m.room.tombstone") == 0;
        mx_json_set(events, arena, event_levels[i].type, mx_json_new_i64(arena, tombstone ? 150 : event_levels[i].level));
    }
    if (strcmp(p->preset->join_rule, "public") == 0) /* a call rings everybody */
        mx_json_set(events, arena, "m.call.invite", mx_json_new_i64(arena, 50));
    mx_json_set(content, arena, "users", users);
    mx_json_set(content, arena, "users_default", mx_json_new_i64(arena, 0));
    mx_json_set(content, arena, "events", events);
    mx_json_set(content, arena, "events_default", mx_json_new_i64(arena, 0));
    mx_json_set(content, arena, "state_default", mx_json_new_i64(arena, 50));
    mx_json_set(content, arena, "ban", mx_json_new_i64(arena, 50));
    mx_json_set(content, arena, "kick", mx_json_new_i64(arena, 50));
    mx_json_set(content, arena, "redact", mx_json_new_i64(arena, 50));
    mx_json_set(content, arena, "invite", mx_json_new_i64(arena, strcmp(p->preset->join_rule, "public") == 0 ? 50 : 0));
    mx_json_set(content, arena, "historical", mx_json_new_i64(arena, 100));
    return content;
}

static struct mx_json *json_of(const struct gg_node *node, struct gg_arena *arena)
{
    struct mx_json *out = NULL;
    const char *key;
    switch (gg_node_kind(node)) {
    case GG_NODE_MAP: /* users, events, notifications: one level, of levels */
        out = mx_json_object(arena);
        for (size_t i = 0; i < gg_node_count(node); i++) {
            const struct gg_node *value = gg_node_at(node, i, &key);
            if (gg_node_kind(value) == GG_NODE_INT)
                mx_json_set(out, arena, key, mx_json_new_i64(arena, gg_node_int(value)));
        }
        return out;
    case GG_NODE_INT:
        return mx_json_new_i64(arena, gg_node_int(node));
    default:
        return NULL;
    }
}

/* default_power_level_content_override: by preset, whole members of the content. */
static void add_configured_levels(struct mx_room_plan *p, struct mx_json *content)
{
    const struct gg_node *all = gg_config_node(p->chain->server->config, "default_power_level_content_override");
    const struct gg_node *mine = all != NULL ? gg_node_get(all, p->preset->name) : NULL;
    const char *key;
    for (size_t i = 0; mine != NULL && gg_node_kind(mine) == GG_NODE_MAP && i < gg_node_count(mine); i++) {
        struct mx_json *value = json_of(gg_node_at(mine, i, &key), p->chain->arena);
        if (value != NULL)
            mx_json_set(content, p->chain->arena, key, value);
    }
}

/* Creators of version 12 are above power levels, and not among them. */
static int check_creators_absent(struct mx_room_plan *p, const struct mx_json *levels, struct gg_error *err)
{
    const struct mx_json *users = mx_json_member(levels, "users");
    if (!p->version->creators_privileged || users == NULL || users->kind != MX_JSON_OBJECT)
        return 0;
    if (mx_json_member(users, gg_arena_strndup(p->chain->arena, p->creator.s, p->creator.n)) != NULL)
        return gg_refuse(err, 400, "M_UNKNOWN", "Creator user %.*s must not appear in content.users", GG_FMT(p->creator));
    return 0;
}

static int add_power_levels(struct mx_room_plan *p, struct gg_error *err)
{
    struct gg_arena *arena = p->chain->arena;
    const struct mx_json *over = mx_json_member(p->body, "power_level_content_override");
    const struct mx_json *given = from_initial_state(p, "m.room.power_levels");
    if (given != NULL)
        return mx_room_plan_add(p, "m.room.power_levels", GG_STR(""), given, err);
    if (over != NULL && over->kind == MX_JSON_NULL)
        over = NULL;
    if (over != NULL && over->kind != MX_JSON_OBJECT)
        return gg_refuse(err, 400, "M_BAD_JSON", "power_level_content_override must be an object");
    if (over != NULL && over->n > MX_CHAIN_MAX)
        return gg_refuse(err, 400, "M_BAD_JSON", "power_level_content_override has too many members");
    const struct mx_json *users = over != NULL ? mx_json_member(over, "users") : NULL;
    if (users != NULL && !p->version->creators_privileged && mx_json_member(users, gg_arena_strndup(arena, p->creator.s, p->creator.n)) == NULL)
        return gg_refuse(err, 400, "M_BAD_JSON", "Not a valid power_level_content_override: 'users' does not hold the creator");
    struct mx_json *content = default_levels(p);
    add_configured_levels(p, content);
    for (uint32_t i = 0; over != NULL && i < over->n; i++)
        mx_json_set(content, arena, gg_arena_strndup(arena, over->members[i].key.s, over->members[i].key.n),
                    over->members[i].value);
    int rc = check_creators_absent(p, content, err);
    return rc == 0 ? mx_room_plan_add(p, "m.room.power_levels", GG_STR(""), content, err) : rc;
}

static int add_preset_state(struct mx_room_plan *p, struct gg_error *err)
{
    int rc = 0;
    if (p->alias.s != NULL && !in_initial_state(p, "m.room.canonical_alias"))
        rc = add_simple(p, "m.room.canonical_alias", "alias", p->alias, err);
    if (rc == 0 && !in_initial_state(p, "m.room.join_rules"))
        rc = add_simple(p, "m.room.join_rules", "join_rule", gg_str(p->preset->join_rule), err);
    if (rc == 0 && !in_initial_state(p, "m.room.history_visibility"))
        rc = add_simple(p, "m.room.history_visibility", "history_visibility", gg_str(p->preset->history_visibility), err);
    if (rc == 0 && p->preset->guests && !in_initial_state(p, "m.room.guest_access"))
        rc = add_simple(p, "m.room.guest_access", "guest_access", GG_STR("can_join"), err);
    return rc;
}

/* encryption_enabled_by_default_for_room_type: "invite" is for the rooms that one is invited to. */
static int add_encryption(struct mx_room_plan *p, struct gg_error *err)
{
    const char *which = gg_config_text(p->chain->server->config, "encryption_enabled_by_default_for_room_type");
    bool private = strcmp(p->preset->join_rule, "public") != 0;
    if (p->upgrade || in_initial_state(p, "m.room.encryption") ||
        !(strcmp(which, "all") == 0 || (strcmp(which, "invite") == 0 && private)))
        return 0;
    return add_simple(p, "m.room.encryption", "algorithm", GG_STR("m.megolm.v1.aes-sha2"), err);
}

static int add_initial_state(struct mx_room_plan *p, struct gg_error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && p->initial_state != NULL && i < p->initial_state->n; i++) {
        const struct mx_json *e = p->initial_state->items[i];
        struct gg_str type = mx_json_text(mx_json_member(e, "type")), key = mx_json_text(mx_json_member(e, "state_key"));
        if (gg_str_is(type, "m.room.power_levels") && key.n == 0)
            continue; /* stands already: the creator's word on who may send the rest */
        if (gg_str_is(type, "m.room.create"))
            return gg_refuse(err, 400, "M_BAD_JSON", "initial_state cannot hold %.*s", GG_FMT(type));
        rc = mx_room_plan_add(p, gg_arena_strndup(p->chain->arena, type.s, type.n), key.s != NULL ? key : GG_STR(""),
                      mx_json_member(e, "content"), err);
    }
    return rc;
}

static int add_topic(struct mx_room_plan *p, struct gg_str topic, struct gg_error *err)
{
    struct gg_arena *arena = p->chain->arena;
    struct mx_json *content = mx_json_object(arena), *rich = mx_json_object(arena), *texts = mx_json_array(arena);
    struct mx_json *text = mx_json_object(arena);
    mx_json_set(text, arena, "body", mx_json_new_string(arena, topic));
    mx_json_push(texts, arena, text);
    mx_json_set(rich, arena, "m.text", texts);
    mx_json_set(content, arena, "topic", mx_json_new_string(arena, topic));
    mx_json_set(content, arena, "m.topic", rich); /* client-server API, m.room.topic: the rich form beside the plain one */
    return mx_room_plan_add(p, "m.room.topic", GG_STR(""), content, err);
}

static int add_names(struct mx_room_plan *p, struct gg_error *err)
{
    struct gg_str name = mx_json_text(mx_json_member(p->body, "name"));
    struct gg_str topic = mx_json_text(mx_json_member(p->body, "topic"));
    int rc = 0;
    if (name.s != NULL)
        rc = add_simple(p, "m.room.name", "name", name, err);
    if (rc == 0 && topic.s != NULL)
        rc = add_topic(p, topic, err);
    return rc;
}

bool mx_room_plan_named_before(const struct mx_room_plan *p, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++)
        if (gg_str_eq(p->invites->items[k]->text, p->invites->items[i]->text))
            return true;
    return false;
}

static int add_invites(struct mx_room_plan *p, struct gg_error *err)
{
    struct gg_str stripped = {0};
    int rc = 0;
    if (p->invites != NULL && p->invites->n > 0)
        rc = mx_stripped_state(p->chain, &stripped, err);
    for (uint32_t i = 0; rc == 0 && p->invites != NULL && i < p->invites->n; i++) {
        struct gg_str user = p->invites->items[i]->text, content;
        if (mx_room_plan_named_before(p, i) || !mx_is_mine(p->chain->server, user))
            continue; /* others' servers are asked when the room stands */
        rc = mx_member_content(p->chain->server, user, GG_STR("invite"), (struct gg_str){0}, (struct gg_str){0}, p->is_direct,
                               p->chain->arena, &content, err);
        struct mx_chain_event e = {.type = GG_STR("m.room.member"), .sender = p->creator, .state_key = user,
                                   .content = content, .device_id = p->chain->requester->device_id,
                                   .stripped = stripped};
        if (rc == 0)
            rc = mx_chain_add(p->chain, &e, err);
    }
    return rc;
}

int mx_room_plan_add_events(struct mx_room_plan *p, struct gg_error *err)
{
    int (*const steps[])(struct mx_room_plan *, struct gg_error *) = {add_create, add_creator_join, add_power_levels,
                                                              add_preset_state, add_initial_state, add_names, add_encryption,
                                                                     add_invites};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < GG_COUNT(steps); i++)
        rc = steps[i](p, err);
    return rc;
}
