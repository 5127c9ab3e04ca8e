/* matrix/rooms/summary.c: what somebody who is not in a room is told of it, and who that is. */
#include "rooms/summary.h"

#include "federation/hosts.h"
#include "rooms/restricted.h"

enum { MAX_ALLOWED = 100 /* rooms of a guest list that are looked at for another server */ };

/* A text of the room's current state; s NULL: it does not say. */
static int fact(struct mx_server *server, const struct mx_head *head, const char *type, const char *key, struct gg_arena *arena,
                struct gg_str *out, struct gg_error *err)
{
    const struct mx_event *event;
    *out = (struct gg_str){0};
    int rc = mx_heads_state_event(server, head, type, GG_STR(""), arena, &event, err);
    if (rc == 0 && event != NULL)
        *out = mx_json_string(mx_json_get(event->content, key), arena);
    return rc;
}

/* ---- who may know ---- */

static bool open_to_all(const struct mx_head *head, struct gg_str rule)
{
    return gg_str_is(rule, "public") || (gg_str_is(rule, "knock") && head->version->knock) ||
           (gg_str_is(rule, "knock_restricted") && head->version->knock_restricted);
}

static int let_in_elsewhere(struct mx_server *server, const struct mx_head *head, struct gg_str user_id, struct gg_arena *arena,
                            bool *allowed, struct gg_error *err)
{
    const struct mx_event *rules;
    int rc = mx_heads_state_event(server, head, "m.room.join_rules", GG_STR(""), arena, &rules, err);
    if (rc != 0 || rules == NULL)
        return rc;
    return mx_restricted_allows(server, rules, user_id, arena, allowed, err);
}

struct door { /* what decides who may know */
    struct gg_str rule, visibility;
};

/* *known false: no such room here, or everybody has left. */
static int read_room(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena, struct mx_summary *out,
                     struct door *door, bool *known, struct gg_error *err)
{
    struct gg_str type;
    memset(out, 0, sizeof(*out));
    *known = false;
    int rc = mx_heads_get(server, room_id, arena, &out->head, err);
    if (rc == GG_E_NOT_FOUND) {
        *err = (struct gg_error)GG_ERROR_INIT;
        return 0;
    }
    if (rc != 0 || mx_state_count(out->head->state) == 0)
        return rc;
    *known = true;
    rc = fact(server, out->head, "m.room.join_rules", "join_rule", arena, &door->rule, err);
    if (rc == 0)
        rc = fact(server, out->head, "m.room.history_visibility", "history_visibility", arena, &door->visibility, err);
    if (rc == 0)
        rc = fact(server, out->head, "m.room.create", "type", arena, &type, err);
    out->space = rc == 0 && gg_str_is(type, "m.space");
    return rc;
}

static bool open_door(const struct mx_head *head, const struct door *door)
{
    return open_to_all(head, door->rule) || gg_str_is(door->visibility, "world_readable");
}

static bool has_guest_list(const struct mx_head *head, const struct door *door)
{
    return (gg_str_is(door->rule, "restricted") && head->version->restricted) ||
           (gg_str_is(door->rule, "knock_restricted") && head->version->knock_restricted);
}

int mx_summary_find(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_arena *arena,
                    struct mx_summary *out, bool *found, struct gg_error *err)
{
    struct door door;
    bool known;
    *found = false;
    int rc = read_room(server, room_id, arena, out, &door, &known, err);
    if (rc != 0 || !known)
        return rc;
    if (user_id.s != NULL)
        rc = mx_heads_membership(server, out->head, user_id, arena, &out->membership, err);
    *found = open_door(out->head, &door) || gg_str_is(out->membership, "join") || gg_str_is(out->membership, "invite");
    if (rc == 0 && !*found && user_id.s != NULL && has_guest_list(out->head, &door))
        rc = let_in_elsewhere(server, out->head, user_id, arena, found, err);
    return rc;
}

/* ---- other servers ---- */

static int host_joined(struct mx_server *server, struct gg_str room_id, struct gg_str host, struct gg_arena *arena, bool *out,
                       struct gg_error *err)
{
    struct mx_fed_hosts hosts;
    int rc = mx_fed_hosts_in_room(server, room_id, arena, &hosts, err);
    *out = rc == 0 && mx_fed_hosts_has(&hosts, host);
    if (rc == GG_E_NOT_FOUND) {
        *err = (struct gg_error)GG_ERROR_INIT;
        return 0;
    }
    return rc;
}

/* One of its users may be let in by a room that they are in; which of them is the other server's to know. */
static int host_on_guest_list(struct mx_server *server, const struct mx_head *head, struct gg_str host, struct gg_arena *arena,
                              bool *out, struct gg_error *err)
{
    const struct mx_event *rules;
    int rc = mx_heads_state_event(server, head, "m.room.join_rules", GG_STR(""), arena, &rules, err);
    *out = false;
    if (rc != 0 || rules == NULL)
        return rc;
    struct mx_json_iter it = mx_json_iter(mx_json_get(rules->content, "allow"));
    for (size_t n = 0; rc == 0 && !*out && n < MAX_ALLOWED && mx_json_next(&it); n++) {
        struct gg_str room_id = mx_json_string(mx_json_get(it.value, "room_id"), arena);
        if (room_id.s != NULL && gg_str_is(mx_json_string(mx_json_get(it.value, "type"), arena), "m.room_membership"))
            rc = host_joined(server, gg_arena_str(arena, room_id), host, arena, out, err);
    }
    return rc;
}

int mx_summary_find_for_server(struct mx_server *server, struct gg_str host, struct gg_str room_id, struct gg_arena *arena,
                               struct mx_summary *out, bool *known, bool *found, struct gg_error *err)
{
    struct door door;
    *found = false;
    int rc = read_room(server, room_id, arena, out, &door, known, err);
    if (rc != 0 || !*known)
        return rc;
    *found = open_door(out->head, &door);
    if (!*found)
        rc = host_joined(server, room_id, host, arena, found, err);
    if (rc == 0 && !*found && has_guest_list(out->head, &door))
        rc = host_on_guest_list(server, out->head, host, arena, found, err);
    return rc;
}

/* ---- what they are told ---- */

/* In the order in which Synapse writes them. */
static const struct {
    const char *member, *type, *key;
} before_count[] = {{"name", "m.room.name", "name"},
                    {"topic", "m.room.topic", "topic"},
                    {"canonical_alias", "m.room.canonical_alias", "alias"}},
  after_flags[] = {{"room_type", "m.room.create", "type"}, {"encryption", "m.room.encryption", "algorithm"}};

static void add_text(struct gg_buf *out, const char *member, struct gg_str value)
{
    if (value.s == NULL)
        return;
    gg_buf_printf(out, ",\"%s\":", member);
    gg_buf_json_string(out, value);
}

static int add_fact(struct mx_server *server, const struct mx_head *head, const char *member, const char *type, const char *key,
                    struct gg_arena *arena, struct gg_buf *out, struct gg_error *err)
{
    struct gg_str value;
    int rc = fact(server, head, type, key, arena, &value, err);
    if (rc == 0)
        add_text(out, member, value);
    return rc;
}

static int add_flag(struct mx_server *server, const struct mx_head *head, const char *member, const char *type, const char *key,
                    const char *value, struct gg_arena *arena, struct gg_buf *out, struct gg_error *err)
{
    struct gg_str found;
    int rc = fact(server, head, type, key, arena, &found, err);
    gg_buf_printf(out, ",\"%s\":%s", member, rc == 0 && gg_str_is(found, value) ? "true" : "false");
    return rc;
}

/* The rooms whose members are let in. */
static void add_allowed(const struct mx_event *rules, struct gg_arena *arena, struct gg_buf *out)
{
    bool first = true;
    struct mx_json_iter it = mx_json_iter(mx_json_get(rules->content, "allow"));
    gg_buf_lit(out, ",\"allowed_room_ids\":[");
    while (mx_json_next(&it)) {
        struct gg_str room_id = mx_json_string(mx_json_get(it.value, "room_id"), arena);
        if (room_id.s == NULL || !gg_str_is(mx_json_string(mx_json_get(it.value, "type"), arena), "m.room_membership"))
            continue;
        gg_buf_text(out, first ? "" : ",");
        first = false;
        gg_buf_json_string(out, room_id);
    }
    gg_buf_char(out, ']');
}

static int add_join_rule(struct mx_server *server, const struct mx_head *head, struct gg_arena *arena, struct gg_buf *out,
                         struct gg_error *err)
{
    const struct mx_event *rules;
    int rc = mx_heads_state_event(server, head, "m.room.join_rules", GG_STR(""), arena, &rules, err);
    struct gg_str rule = rc == 0 && rules != NULL ? mx_json_string(mx_json_get(rules->content, "join_rule"), arena) : (struct gg_str){0};
    add_text(out, "join_rule", rule);
    if ((gg_str_is(rule, "restricted") && head->version->restricted) ||
        (gg_str_is(rule, "knock_restricted") && head->version->knock_restricted))
        add_allowed(rules, arena, out);
    return rc;
}

int mx_summary_write(struct mx_server *server, const struct mx_summary *summary, struct gg_arena *arena, struct gg_buf *out,
                     struct gg_error *err)
{
    const struct mx_head *head = summary->head;
    int rc = 0;
    gg_buf_lit(out, "{\"room_id\":");
    gg_buf_json_string(out, head->room_id);
    add_text(out, "room_version", gg_str(head->version->id));
    for (size_t i = 0; rc == 0 && i < GG_COUNT(before_count); i++)
        rc = add_fact(server, head, before_count[i].member, before_count[i].type, before_count[i].key, arena, out, err);
    gg_buf_printf(out, ",\"num_joined_members\":%zu", head->n_joined);
    if (rc == 0)
        rc = add_fact(server, head, "avatar_url", "m.room.avatar", "url", arena, out, err);
    if (rc == 0)
        rc = add_flag(server, head, "world_readable", "m.room.history_visibility", "history_visibility", "world_readable", arena, out, err);
    if (rc == 0)
        rc = add_flag(server, head, "guest_can_join", "m.room.guest_access", "guest_access", "can_join", arena, out, err);
    for (size_t i = 0; rc == 0 && i < GG_COUNT(after_flags); i++)
        rc = add_fact(server, head, after_flags[i].member, after_flags[i].type, after_flags[i].key, arena, out, err);
    return rc == 0 ? add_join_rule(server, head, arena, out, err) : rc;
}
