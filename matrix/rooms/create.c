/* matrix/rooms/create.c: a new room, from the body of createRoom.
 *
 * All events are built and authorised in memory first, so a refused request leaves nothing behind; then they are
 * written as one run. */
#include "rooms/create.h"

#include "directory/rules.h"
#include "rooms/alias.h"
#include "rooms/membership.h"
#include "storage/directory.h"

#include <ganglion/buf.h>
#include <ganglion/config.h>
#include <ganglion/matrix/id.h>

/* The request, read and checked. */
struct plan {
    struct mx_chain *chain;
    struct mx_json *body;
    const struct mx_preset *preset;
    const struct mx_room_version *version;
    struct gg_str alias;            /* s NULL: none */
    struct gg_str creator;
    const struct mx_json *invites, *initial_state;
    bool is_public, is_direct;
};

static int bad(struct gg_error *err, const char *what)
{
    return gg_refuse(err, 400, "M_BAD_JSON", "%s", what);
}

/* ---- reading the body ---- */

static int read_version(struct plan *p, struct gg_error *err)
{
    const struct mx_json *v = mx_json_member(p->body, "room_version");
    p->version = p->chain->server->default_version;
    if (v == NULL)
        return 0;
    if (v->kind != MX_JSON_STRING)
        return bad(err, "room_version must be a string");
    p->version = mx_room_version_find(v->text);
    if (p->version == NULL)
        return gg_refuse(err, 400, "M_UNSUPPORTED_ROOM_VERSION", "Your homeserver does not support this room version");
    return 0;
}

static int read_preset(struct plan *p, struct gg_error *err)
{
    struct gg_str visibility = mx_json_text(mx_json_member(p->body, "visibility"));
    if (visibility.s != NULL && !gg_str_is(visibility, "public") && !gg_str_is(visibility, "private"))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "visibility must be public or private");
    p->is_public = gg_str_is(visibility, "public");
    const struct mx_json *preset = mx_json_member(p->body, "preset");
    if (preset == NULL) {
        p->preset = mx_preset_find(p->is_public ? GG_STR("public_chat") : GG_STR("private_chat"));
        return 0;
    }
    p->preset = mx_preset_find(mx_json_text(preset));
    return p->preset != NULL ? 0 : gg_refuse(err, 400, "M_BAD_JSON", "'preset' is not a valid preset");
}

static int read_alias(struct plan *p, struct gg_error *err)
{
    const struct mx_json *name = mx_json_member(p->body, "room_alias_name");
    struct gg_str text = mx_json_text(name);
    if (name == NULL || name->kind == MX_JSON_NULL || (text.s != NULL && text.n == 0))
        return 0;
    if (mx_alias_has_blanks(text))
        return gg_refuse(err, 400, "M_UNKNOWN", "Invalid characters in room alias");
    p->alias = gg_str(gg_arena_printf(p->chain->arena, "#%.*s:%s", GG_FMT(text), p->chain->server->name));
    if (text.s == NULL || text.n == 0 || !mx_room_alias_valid(p->alias))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "room_alias_name is not usable in an alias");
    struct gg_str taken;
    int rc = mx_directory_find_alias(p->chain->server, p->alias, p->chain->arena, &taken, err);
    if (rc == 0 && taken.s != NULL)
        rc = gg_refuse(err, 400, "M_ROOM_IN_USE", "Room alias already taken");
    return rc;
}

static int read_invites(struct plan *p, struct gg_error *err)
{
    p->invites = mx_json_member(p->body, "invite");
    if (p->invites == NULL)
        return 0;
    if (p->invites->kind != MX_JSON_ARRAY)
        return bad(err, "invite must be a list");
    if (p->invites->n > MX_CHAIN_MAX)
        return bad(err, "Too many users are invited at once");
    for (uint32_t i = 0; i < p->invites->n; i++) {
        struct gg_str user = mx_json_text(p->invites->items[i]);
        if (user.s == NULL || !mx_user_id_valid(user))
            return gg_refuse(err, 400, "M_UNKNOWN", "Invalid user_id: %.*s", GG_FMT(user));
        if (!mx_is_mine(p->chain->server, user))
            return gg_refuse(err, 403, "M_FORBIDDEN", "This server does not federate yet: %.*s cannot be invited", GG_FMT(user));
    }
    return 0;
}

/* There is no identity server to ask; who wants one is told so before a room exists. */
static int read_third_party_invites(struct plan *p, struct gg_error *err)
{
    const struct mx_json *invites = mx_json_member(p->body, "invite_3pid");
    if (invites == NULL || invites->kind == MX_JSON_NULL || (invites->kind == MX_JSON_ARRAY && invites->n == 0))
        return 0;
    return gg_refuse(err, 400, "M_INVALID_PARAM", "Invites by third-party identifier are not offered by this server");
}

static int read_initial_state(struct plan *p, struct gg_error *err)
{
    p->initial_state = mx_json_member(p->body, "initial_state");
    if (p->initial_state == NULL)
        return 0;
    if (p->initial_state->kind != MX_JSON_ARRAY)
        return bad(err, "initial_state must be a list");
    for (uint32_t i = 0; i < p->initial_state->n; i++) {
        const struct mx_json *e = p->initial_state->items[i];
        const struct mx_json *content = e->kind == MX_JSON_OBJECT ? mx_json_member(e, "content") : NULL;
        if (content == NULL || content->kind != MX_JSON_OBJECT || mx_json_text(mx_json_member(e, "type")).s == NULL)
            return bad(err, "initial_state: each event needs a type and an object as content");
        const struct mx_json *key = mx_json_member(e, "state_key");
        if (key != NULL && key->kind != MX_JSON_STRING)
            return bad(err, "initial_state: state_key must be a string");
    }
    return 0;
}

static int read_text(struct plan *p, const char *key, struct gg_error *err)
{
    const struct mx_json *v = mx_json_member(p->body, key);
    if (v == NULL || v->kind == MX_JSON_NULL || v->kind == MX_JSON_STRING)
        return 0;
    return gg_refuse(err, 400, "M_UNKNOWN", "'%s' not a string type", key);
}

static int read_plan(struct plan *p, struct gg_error *err)
{
    const struct mx_json *direct = mx_json_member(p->body, "is_direct");
    p->is_direct = direct != NULL && direct->kind == MX_JSON_TRUE;
    int rc = read_version(p, err);
    if (rc == 0)
        rc = read_preset(p, err);
    if (rc == 0)
        rc = read_text(p, "name", err);
    if (rc == 0)
        rc = read_text(p, "topic", err);
    if (rc == 0)
        rc = read_invites(p, err);
    if (rc == 0)
        rc = read_third_party_invites(p, err);
    if (rc == 0)
        rc = read_initial_state(p, err);
    return rc == 0 ? read_alias(p, err) : rc;
}

/* ---- adding events ---- */

static int add_json(struct plan *p, const char *type, struct gg_str state_key, const struct mx_json *content,
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
static int add_simple(struct plan *p, const char *type, const char *key, struct gg_str value, struct gg_error *err)
{
    struct mx_json *content = mx_json_object(p->chain->arena);
    mx_json_set(content, p->chain->arena, key, mx_json_new_string(p->chain->arena, value));
    return add_json(p, type, GG_STR(""), content, err);
}

/* The content that initial_state gives a type (with an empty state key), or NULL. The last one wins. */
static const struct mx_json *from_initial_state(const struct plan *p, const char *type)
{
    const struct mx_json *found = NULL;
    for (uint32_t i = 0; p->initial_state != NULL && i < p->initial_state->n; i++) {
        const struct mx_json *e = p->initial_state->items[i];
        if (gg_str_is(mx_json_text(mx_json_member(e, "type")), type) && mx_json_text(mx_json_member(e, "state_key")).n == 0)
            found = mx_json_member(e, "content");
    }
    return found;
}

static bool in_initial_state(const struct plan *p, const char *type)
{
    return from_initial_state(p, type) != NULL;
}

/* From version 12 on creators stand above all power levels; those whom a trusted room starts with become creators too. */
static void add_creators(struct plan *p, struct mx_json *content)
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

static int add_create(struct plan *p, struct gg_error *err)
{
    struct gg_arena *arena = p->chain->arena;
    struct mx_json *content = mx_json_object(arena);
    const struct mx_json *given = mx_json_member(p->body, "creation_content");
    if (given != NULL && given->kind != MX_JSON_OBJECT)
        return bad(err, "creation_content must be an object");
    if (given != NULL)
        content = mx_json_copy_level(given, arena);
    mx_json_set(content, arena, "room_version", mx_json_new_string(arena, gg_str(p->version->id)));
    if (!p->version->implicit_creator)
        mx_json_set(content, arena, "creator", mx_json_new_string(arena, p->creator));
    add_creators(p, content);
    return add_json(p, "m.room.create", GG_STR(""), content, err);
}

static int add_creator_join(struct plan *p, struct gg_error *err)
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

static struct mx_json *default_levels(struct plan *p)
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

static int add_power_levels(struct plan *p, struct gg_error *err)
{
    struct gg_arena *arena = p->chain->arena;
    const struct mx_json *over = mx_json_member(p->body, "power_level_content_override");
    const struct mx_json *given = from_initial_state(p, "m.room.power_levels");
    if (given != NULL)
        return add_json(p, "m.room.power_levels", GG_STR(""), given, err);
    if (over != NULL && over->kind == MX_JSON_NULL)
        over = NULL;
    if (over != NULL && over->kind != MX_JSON_OBJECT)
        return bad(err, "power_level_content_override must be an object");
    if (over != NULL && over->n > MX_CHAIN_MAX)
        return bad(err, "power_level_content_override has too many members");
    const struct mx_json *users = over != NULL ? mx_json_member(over, "users") : NULL;
    if (users != NULL && !p->version->creators_privileged && mx_json_member(users, gg_arena_strndup(arena, p->creator.s, p->creator.n)) == NULL)
        return bad(err, "Not a valid power_level_content_override: 'users' does not hold the creator");
    struct mx_json *content = default_levels(p);
    for (uint32_t i = 0; over != NULL && i < over->n; i++)
        mx_json_set(content, arena, gg_arena_strndup(arena, over->members[i].key.s, over->members[i].key.n),
                    over->members[i].value);
    return add_json(p, "m.room.power_levels", GG_STR(""), content, err);
}

static int add_preset_state(struct plan *p, struct gg_error *err)
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

static int add_initial_state(struct plan *p, struct gg_error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && p->initial_state != NULL && i < p->initial_state->n; i++) {
        const struct mx_json *e = p->initial_state->items[i];
        struct gg_str type = mx_json_text(mx_json_member(e, "type")), key = mx_json_text(mx_json_member(e, "state_key"));
        if (gg_str_is(type, "m.room.power_levels") && key.n == 0)
            continue; /* stands already: the creator's word on who may send the rest */
        if (gg_str_is(type, "m.room.create") || (gg_str_is(type, "m.room.member") && !gg_str_eq(key, p->creator)))
            return gg_refuse(err, 400, "M_BAD_JSON", "initial_state cannot hold %.*s", GG_FMT(type));
        rc = add_json(p, gg_arena_strndup(p->chain->arena, type.s, type.n), key.s != NULL ? key : GG_STR(""),
                      mx_json_member(e, "content"), err);
    }
    return rc;
}

static int add_topic(struct plan *p, struct gg_str topic, struct gg_error *err)
{
    struct gg_arena *arena = p->chain->arena;
    struct mx_json *content = mx_json_object(arena), *rich = mx_json_object(arena), *texts = mx_json_array(arena);
    struct mx_json *text = mx_json_object(arena);
    mx_json_set(text, arena, "body", mx_json_new_string(arena, topic));
    mx_json_push(texts, arena, text);
    mx_json_set(rich, arena, "m.text", texts);
    mx_json_set(content, arena, "topic", mx_json_new_string(arena, topic));
    mx_json_set(content, arena, "m.topic", rich); /* client-server API, m.room.topic: the rich form beside the plain one */
    return add_json(p, "m.room.topic", GG_STR(""), content, err);
}

static int add_names(struct plan *p, struct gg_error *err)
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

static int add_invites(struct plan *p, struct gg_error *err)
{
    struct gg_str stripped = {0};
    int rc = 0;
    if (p->invites != NULL && p->invites->n > 0)
        rc = mx_stripped_state(p->chain, &stripped, err);
    for (uint32_t i = 0; rc == 0 && p->invites != NULL && i < p->invites->n; i++) {
        struct gg_str user = p->invites->items[i]->text, content;
        rc = mx_member_content(p->chain->server, user, GG_STR("invite"), (struct gg_str){0}, (struct gg_str){0}, p->is_direct,
                               p->chain->arena, &content, err);
        struct mx_chain_event e = {.type = GG_STR("m.room.member"), .sender = p->creator, .state_key = user,
                                   .content = content, .device_id = p->chain->requester->device_id,
                                   .invite_state = stripped};
        if (rc == 0)
            rc = mx_chain_add(p->chain, &e, err);
    }
    return rc;
}

static int add_all(struct plan *p, struct gg_error *err)
{
    int (*const steps[])(struct plan *, struct gg_error *) = {add_create, add_creator_join, add_power_levels,
                                                              add_preset_state, add_initial_state, add_names, add_invites};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < GG_COUNT(steps); i++)
        rc = steps[i](p, err);
    return rc;
}

/* ---- writing ---- */

enum { MAX_TRIES = 5 };

static int write_all(struct plan *p, bool *taken, struct gg_error *err)
{
    struct mx_chain *chain = p->chain;
    size_t n_aliases = p->alias.s != NULL;
    if (n_aliases > 0 && !mx_may_create_alias(chain->server, p->creator, chain->room_id, p->alias))
        return gg_refuse(err, 403, "M_FORBIDDEN", "Not allowed to create alias");
    /* Who may not publish it has the room all the same. */
    bool listed = p->is_public && mx_may_publish_room(chain->server, p->creator, chain->room_id, &p->alias, n_aliases);
    int rc = mx_directory_add_room(chain->server, chain->room_id, p->creator, p->version, listed, err);
    *taken = rc == GG_E_CONFLICT && strcmp(gg_db_sqlstate(), "23505") == 0;
    if (rc == 0 && p->alias.s != NULL)
        rc = mx_directory_add_alias(chain->server, p->alias, chain->room_id, p->creator, err);
    return rc == 0 ? mx_chain_commit(chain, NULL, NULL, err) : rc;
}

static struct gg_str draw_room_id(struct mx_server *server, const struct mx_room_version *version, struct gg_arena *arena)
{
    if (version->room_id_is_hash)
        return (struct gg_str){0};
    char opaque[19];
    gg_random_text(opaque, 18, GG_LETTERS);
    return gg_str(gg_arena_printf(arena, "!%s:%s", opaque, server->name));
}

/* taken: the room id is in use, which another process can bring about for ids that are hashes. */
static int create_once(struct mx_server *server, const struct mx_requester *requester, struct gg_str body,
                       struct mx_chain *chain, struct plan *p, bool *taken, struct gg_error *err)
{
    struct gg_arena *arena = chain->arena;
    int rc = mx_json_parse(body, 200, arena, &p->body, err);
    if (rc == 0)
        rc = read_plan(p, err);
    if (rc != 0)
        return rc;
    mx_chain_begin_empty(chain, server, requester, p->version, draw_room_id(server, p->version, arena), arena);
    chain->now_ms = mx_room_creation_time(server);
    rc = add_all(p, err);
    return rc == 0 ? write_all(p, taken, err) : rc;
}

int mx_room_create(struct mx_server *server, const struct mx_requester *requester, struct gg_str body,
                   struct gg_arena *arena, struct gg_str *room_id_out, struct gg_str *alias_out, struct gg_error *err)
{
    struct mx_chain *chain = GG_NEW(arena, struct mx_chain);
    struct plan p;
    bool taken;
    int rc, tries = 0;
    do {
        taken = false;
        *chain = (struct mx_chain){.server = server, .requester = requester, .arena = arena};
        p = (struct plan){.chain = chain, .creator = gg_str(requester->user_id)};
        rc = create_once(server, requester, body, chain, &p, &taken, err);
        if (rc == 0) {
            *room_id_out = gg_arena_str(arena, chain->room_id);
            *alias_out = p.alias;
        }
        mx_chain_done(chain);
    } while (taken && ++tries < MAX_TRIES);
    return rc;
}
