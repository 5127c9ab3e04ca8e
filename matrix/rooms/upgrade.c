/* matrix/rooms/upgrade.c: a room is replaced by one of another version (client-server API, "Room Upgrades").
 *
 * The events of both rooms are made in memory first. Then the new room is written, the aliases move, and the old room is
 * closed by one run: tombstone, its canonical alias, its power levels. */
#include "rooms/upgrade.h"

#include "directory/published.h"
#include "rooms/create_plan.h"
#include "rooms/inherit.h"
#include "rooms/standing.h"
#include "rooms/upgrade_levels.h"
#include "storage/directory.h"
#include "usage/usage.h"

#include <ganglion/buf.h>
#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.rooms"};

enum { RUN = 300, MAX_BANS = 5000, AGAIN_MS = 5 * 60 * 1000 };

/* State (with an empty key) that the new room begins with; power levels apart. */
static const char *const copied[] = {"m.room.join_rules",   "m.room.name",       "m.room.topic",  "m.room.history_visibility",
                                     "m.room.guest_access", "m.room.avatar",     "m.room.encryption",
                                     "m.room.server_acl",   "m.room.related_groups"};

struct rest { /* what follows in the new room when it stands: bans, a space's children, the alias, the levels */
    struct gg_str type, state_key, content;
};
struct upgrade {
    struct mx_server *server;
    const struct mx_requester *requester;
    const struct mx_room_upgrade *asked;
    struct gg_arena *arena;
    struct mx_chain *old;
    struct mx_room_plan plan;
    struct mx_json *initial_state;
    struct rest *rest;
    size_t n_rest, cap_rest;
    struct gg_str new_room, tombstone, alias; /* alias: content of the old canonical alias, s NULL: none */
};

static int parse(struct upgrade *u, const struct mx_event *event, struct mx_json **out, struct gg_error *err)
{
    return mx_json_parse(event->content, 1000, u->arena, out, err);
}

static struct gg_str text_of(struct upgrade *u, const struct mx_json *v)
{
    struct gg_buf buf = GG_BUF_INIT;
    mx_json_write(&buf, v);
    struct gg_str text = gg_arena_str(u->arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return text;
}

static void add_rest(struct upgrade *u, struct gg_str type, struct gg_str state_key, struct gg_str content)
{
    if (u->n_rest == u->cap_rest) {
        size_t cap = u->cap_rest > 0 ? 2 * u->cap_rest : 64;
        struct rest *more = GG_NEW_ARRAY(u->arena, struct rest, cap);
        if (u->n_rest > 0)
            memcpy(more, u->rest, u->n_rest * sizeof(*more));
        u->rest = more;
        u->cap_rest = cap;
    }
    u->rest[u->n_rest++] = (struct rest){type, gg_arena_str(u->arena, state_key), gg_arena_str(u->arena, content)};
}

static void add_initial(struct upgrade *u, const char *type, struct mx_json *content)
{
    struct mx_json *event = mx_json_object(u->arena);
    mx_json_set(event, u->arena, "type", mx_json_new_string(u->arena, gg_str(type)));
    mx_json_set(event, u->arena, "state_key", mx_json_new_string(u->arena, GG_STR("")));
    mx_json_set(event, u->arena, "content", content);
    mx_json_push(u->initial_state, u->arena, event);
}

/* ---- what the old room was ---- */

static int copy_state(struct upgrade *u, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < GG_COUNT(copied); i++) {
        const struct mx_event *event;
        struct mx_json *content;
        rc = mx_chain_state_event(u->old, gg_str(copied[i]), GG_STR(""), &event, err);
        if (rc != 0 || event == NULL)
            continue;
        rc = parse(u, event, &content, err);
        if (rc == 0)
            add_initial(u, copied[i], content);
    }
    return rc;
}

static size_t creators_of(struct upgrade *u, struct gg_str **out)
{
    const struct mx_json *more = u->asked->additional_creators;
    size_t n = 0, n_more = more != NULL ? more->n : 0;
    *out = GG_NEW_ARRAY(u->arena, struct gg_str, n_more + 1);
    (*out)[n++] = gg_str(u->requester->user_id);
    for (size_t i = 0; i < n_more; i++)
        (*out)[n++] = mx_json_text(more->items[i]);
    return n;
}

/* Whoever stands too low to set all that the room has is raised until it is set. Creators of version 12 need not be. */
static int copy_levels(struct upgrade *u, struct gg_error *err)
{
    const struct mx_event *event;
    struct mx_json *content, *levels, *raised = NULL;
    struct gg_str *creators;
    int rc = mx_chain_state_event(u->old, GG_STR("m.room.power_levels"), GG_STR(""), &event, err);
    if (rc != 0 || event == NULL)
        return rc;
    rc = parse(u, event, &content, err);
    if (rc != 0)
        return rc;
    size_t n = creators_of(u, &creators);
    levels = mx_levels_for_version(content, u->asked->version, creators, n, u->arena);
    if (!u->asked->version->creators_privileged)
        raised = mx_levels_raised(levels, gg_str(u->requester->user_id), u->arena);
    add_initial(u, "m.room.power_levels", raised != NULL ? raised : levels);
    if (raised != NULL)
        add_rest(u, GG_STR("m.room.power_levels"), GG_STR(""), text_of(u, levels));
    return 0;
}

static int copy_bans(struct upgrade *u, struct gg_error *err)
{
    struct gg_str *ids;
    size_t n;
    int rc = mx_directory_bans(u->server, u->asked->room_id, MAX_BANS, u->arena, &ids, &n, err);
    const struct mx_event **events = rc == 0 ? GG_NEW_ARRAY(u->arena, const struct mx_event *, n + 1) : NULL;
    if (rc == 0)
        rc = mx_store_events(u->server, ids, n, false, u->arena, events, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (events[i] != NULL)
            add_rest(u, GG_STR("m.room.member"), events[i]->state_key, events[i]->content);
    return rc;
}

/* A space keeps its children; those that were taken out have an empty content. */
static int copy_children(struct upgrade *u, struct gg_error *err)
{
    struct gg_str type = mx_json_string(mx_json_get(u->old->create->content, "type"), u->arena);
    if (!gg_str_is(type, "m.space"))
        return 0;
    struct gg_str *ids = GG_NEW_ARRAY(u->arena, struct gg_str, mx_state_count(u->old->state) + 1);
    struct mx_state_entry entry;
    size_t n = 0;
    for (size_t i = 0; mx_state_next_of(u->old->state, GG_STR("m.space.child"), &i, &entry);)
        ids[n++] = entry.event_id;
    const struct mx_event **events = GG_NEW_ARRAY(u->arena, const struct mx_event *, n + 1);
    int rc = mx_store_events(u->server, ids, n, false, u->arena, events, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (events[i] != NULL && mx_json_length(events[i]->content) > 0)
            add_rest(u, GG_STR("m.space.child"), events[i]->state_key, events[i]->content);
    return rc;
}

static int copy_alias(struct upgrade *u, struct gg_error *err)
{
    const struct mx_event *event;
    int rc = mx_chain_state_event(u->old, GG_STR("m.room.canonical_alias"), GG_STR(""), &event, err);
    if (rc != 0 || event == NULL || mx_json_length(event->content) == 0)
        return rc;
    u->alias = gg_arena_str(u->arena, event->content);
    add_rest(u, GG_STR("m.room.canonical_alias"), GG_STR(""), u->alias);
    return 0;
}

static int read_old_room(struct upgrade *u, struct gg_error *err)
{
    int (*const steps[])(struct upgrade *, struct gg_error *) = {copy_state, copy_children, copy_bans, copy_alias, copy_levels};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < GG_COUNT(steps); i++)
        rc = steps[i](u, err);
    return rc;
}

/* ---- the old room's last words ---- */

static int add_old(struct upgrade *u, const char *type, struct gg_str content, struct gg_error *err)
{
    struct mx_chain_event e = {.type = gg_str(type), .sender = gg_str(u->requester->user_id), .state_key = GG_STR(""),
                               .content = content, .device_id = u->requester->device_id};
    return mx_chain_add(u->old, &e, err);
}

static int add_tombstone(struct upgrade *u, struct gg_error *err)
{
    struct mx_json *content = mx_json_object(u->arena);
    mx_json_set(content, u->arena, "body", mx_json_new_string(u->arena, GG_STR("This room has been replaced")));
    mx_json_set(content, u->arena, "replacement_room", mx_json_new_string(u->arena, u->new_room));
    int rc = add_old(u, "m.room.tombstone", text_of(u, content), err);
    if (rc == 0)
        u->tombstone = gg_arena_str(u->arena, u->old->events[u->old->n - 1]->event_id);
    return rc;
}

/* Who may close a room need not be one who may take its alias or its voice away: then these stay. */
static void add_if_allowed(struct upgrade *u, const char *type, struct gg_str content)
{
    struct gg_error err = GG_ERROR_INIT;
    if (add_old(u, type, content, &err) != 0)
        gg_info(&logger, "%s of the old room %.*s stays: %s", type, GG_FMT(u->asked->room_id), err.message);
}

static int add_closing(struct upgrade *u, struct gg_error *err)
{
    const struct mx_event *levels;
    struct mx_json *content, *restricted = NULL;
    if (u->alias.s != NULL)
        add_if_allowed(u, "m.room.canonical_alias", GG_STR("{}"));
    int rc = mx_chain_state_event(u->old, GG_STR("m.room.power_levels"), GG_STR(""), &levels, err);
    if (rc == 0 && levels != NULL)
        rc = parse(u, levels, &content, err);
    if (rc == 0 && levels != NULL)
        restricted = mx_levels_restricted(content, u->arena);
    if (restricted != NULL)
        add_if_allowed(u, "m.room.power_levels", text_of(u, restricted));
    return rc;
}

/* ---- the new room ---- */

static struct mx_json *creation_content(struct upgrade *u)
{
    struct gg_arena *arena = u->arena;
    struct mx_json *content = mx_json_object(arena), *predecessor = mx_json_object(arena);
    struct gg_str old = u->old->create->content, type = mx_json_string(mx_json_get(old, "type"), arena);
    struct gg_str federate = mx_json_get(old, "m.federate");
    mx_json_set(predecessor, arena, "room_id", mx_json_new_string(arena, u->asked->room_id));
    if (u->tombstone.s != NULL) /* before version 12, whose ids come of the create event itself */
        mx_json_set(predecessor, arena, "event_id", mx_json_new_string(arena, u->tombstone));
    mx_json_set(content, arena, "predecessor", predecessor);
    if (gg_str_is(federate, "false"))
        mx_json_set(content, arena, "m.federate", mx_json_new_bool(arena, false));
    if (type.s != NULL)
        mx_json_set(content, arena, "type", mx_json_new_string(arena, type));
    if (u->asked->additional_creators != NULL && u->asked->version->creators_privileged)
        mx_json_set(content, arena, "additional_creators", mx_json_copy_level(u->asked->additional_creators, arena));
    return content;
}

static int build_new_room(struct upgrade *u, struct gg_error *err)
{
    struct gg_arena *arena = u->arena;
    struct mx_json *body = mx_json_object(arena);
    mx_json_set(body, arena, "room_version", mx_json_new_string(arena, gg_str(u->asked->version->id)));
    mx_json_set(body, arena, "creation_content", creation_content(u));
    mx_json_set(body, arena, "initial_state", u->initial_state);
    struct mx_chain *chain = GG_NEW(arena, struct mx_chain);
    *chain = (struct mx_chain){.server = u->server, .requester = u->requester, .arena = arena};
    u->plan = (struct mx_room_plan){.chain = chain, .body = body, .creator = gg_str(u->requester->user_id), .upgrade = true};
    int rc = mx_room_plan_read(&u->plan, err);
    if (rc != 0)
        return rc;
    mx_chain_begin_empty(chain, u->server, u->requester, u->asked->version, u->new_room, arena);
    chain->now_ms = mx_room_creation_time(u->server);
    rc = mx_room_plan_add_events(&u->plan, err);
    if (rc == 0)
        u->new_room = gg_arena_str(arena, chain->room_id);
    return rc;
}

static int add_to_new(struct mx_chain *chain, struct upgrade *u, size_t *next, struct gg_error *err)
{
    int rc = 0;
    for (; rc == 0 && *next < u->n_rest && chain->n < RUN; (*next)++) {
        const struct rest *r = &u->rest[*next];
        struct mx_chain_event e = {.type = r->type, .sender = gg_str(u->requester->user_id), .state_key = r->state_key,
                                   .content = r->content, .device_id = u->requester->device_id};
        rc = mx_chain_add(chain, &e, err);
    }
    return rc;
}

static int write_run(struct upgrade *u, size_t *next, struct gg_error *err)
{
    struct mx_chain *chain = GG_NEW(u->arena, struct mx_chain);
    struct mx_room_lock *lock;
    int rc = mx_room_lock(u->server, u->new_room, &lock, err);
    if (rc != 0)
        return rc;
    rc = mx_chain_begin(chain, u->server, u->requester, u->new_room, u->arena, err);
    if (rc == 0)
        rc = add_to_new(chain, u, next, err);
    if (rc == 0)
        rc = mx_chain_commit(chain, NULL, NULL, err);
    mx_chain_done(chain);
    mx_room_unlock(u->server, lock);
    return rc;
}

static int write_new_room(struct upgrade *u, struct gg_error *err)
{
    size_t next = 0;
    bool taken;
    int rc = add_to_new(u->plan.chain, u, &next, err);
    if (rc == 0)
        rc = mx_room_plan_write(&u->plan, &taken, err);
    while (rc == 0 && next < u->n_rest)
        rc = write_run(u, &next, err);
    return rc;
}

/* ---- one after the other ---- */

/* The same user asks again, perhaps because the answer was lost. */
static int answered_before(struct upgrade *u, bool *known, struct gg_error *err)
{
    const struct mx_event *event;
    const struct mx_room_version *version;
    *known = false;
    int rc = mx_chain_state_event(u->old, GG_STR("m.room.tombstone"), GG_STR(""), &event, err);
    if (rc != 0 || event == NULL || !gg_str_is(event->sender, u->requester->user_id) ||
        event->origin_server_ts < u->old->now_ms - AGAIN_MS)
        return rc;
    struct gg_str id = mx_json_string(mx_json_get(event->content, "replacement_room"), u->arena);
    if (id.s == NULL || mx_store_room_version(u->server, id, &version, err) != 0) {
        *err = (struct gg_error)GG_ERROR_INIT;
        return 0;
    }
    *known = version == u->asked->version;
    u->new_room = gg_arena_str(u->arena, id);
    return 0;
}

/* Before version 12 the new room names the tombstone; from then on its id is known only when its events are made. */
static int build_both(struct upgrade *u, struct gg_error *err)
{
    bool late = u->asked->version->room_id_is_hash;
    u->new_room = mx_room_id_draw(u->server, u->asked->version, u->arena);
    int rc = read_old_room(u, err);
    if (rc == 0 && !late)
        rc = add_tombstone(u, err);
    if (rc == 0)
        rc = build_new_room(u, err);
    if (rc == 0 && late)
        rc = add_tombstone(u, err);
    return rc == 0 ? add_closing(u, err) : rc;
}

static int upgrade_locked(struct upgrade *u, struct gg_error *err)
{
    bool known = false;
    int rc = mx_chain_begin(u->old, u->server, u->requester, u->asked->room_id, u->arena, err);
    if (rc == GG_E_FORBIDDEN)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Unknown room id %.*s", GG_FMT(u->asked->room_id));
    if (rc == 0)
        rc = answered_before(u, &known, err);
    if (rc != 0 || known)
        return rc;
    rc = build_both(u, err);
    if (rc == 0)
        rc = write_new_room(u, err);
    if (rc == 0)
        rc = mx_directory_move(u->server, u->asked->room_id, u->new_room, err);
    mx_published_forget(u->server);
    if (rc == 0)
        rc = mx_chain_commit(u->old, NULL, NULL, err);
    if (rc == 0)
        mx_room_inherit(u->server, gg_str(u->requester->user_id), u->asked->room_id, u->new_room, u->arena);
    return rc;
}

int mx_room_upgrade(struct mx_server *server, const struct mx_requester *requester, const struct mx_room_upgrade *upgrade,
                    struct gg_arena *arena, struct gg_str *new_room_out, struct gg_error *err)
{
    struct upgrade u = {.server = server, .requester = requester, .asked = upgrade, .arena = arena,
                        .old = GG_NEW(arena, struct mx_chain), .initial_state = mx_json_array(arena)};
    struct mx_room_lock *lock;
    int rc = mx_usage_check_sender(server, requester, err);
    if (rc == 0)
        rc = mx_standing_create(requester, err);
    if (rc == 0 && requester->shadow_banned) {
        rc = mx_standing_pretend(arena, new_room_out, err);
        *new_room_out = gg_str(gg_arena_printf(arena, "!%.*s:%s", 18, rc == 0 ? new_room_out->s + 1 : "", server->name));
        return rc;
    }
    if (rc == 0)
        rc = mx_room_lock(server, upgrade->room_id, &lock, err);
    if (rc != 0)
        return rc;
    gg_shield_begin(); /* two rooms change: not one without the other */
    rc = upgrade_locked(&u, err);
    gg_shield_end();
    if (u.plan.chain != NULL)
        mx_chain_done(u.plan.chain);
    mx_chain_done(u.old);
    mx_room_unlock(server, lock);
    *new_room_out = u.new_room;
    return rc;
}
