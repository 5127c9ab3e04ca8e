/* matrix/rooms/summary.c: what somebody who is not in a room is told of it, and who that is. */
#include "rooms/summary.h"

#include "rooms/restricted.h"

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

int mx_summary_find(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_arena *arena,
                    struct mx_summary *out, bool *found, struct gg_error *err)
{
    struct gg_str rule, visibility, type;
    memset(out, 0, sizeof(*out));
    *found = false;
    int rc = mx_heads_get(server, room_id, arena, &out->head, err);
    if (rc == GG_E_NOT_FOUND) {
        *err = (struct gg_error)GG_ERROR_INIT;
        return 0;
    }
    if (rc != 0 || mx_state_count(out->head->state) == 0) /* everybody has left */
        return rc;
    rc = fact(server, out->head, "m.room.join_rules", "join_rule", arena, &rule, err);
    if (rc == 0)
        rc = fact(server, out->head, "m.room.history_visibility", "history_visibility", arena, &visibility, err);
    if (rc == 0)
        rc = fact(server, out->head, "m.room.create", "type", arena, &type, err);
    if (rc == 0 && user_id.s != NULL)
        rc = mx_heads_membership(server, out->head, user_id, arena, &out->membership, err);
    if (rc != 0)
        return rc;
    out->space = gg_str_is(type, "m.space");
    *found = open_to_all(out->head, rule) || gg_str_is(visibility, "world_readable") ||
             gg_str_is(out->membership, "join") || gg_str_is(out->membership, "invite");
    if (!*found && user_id.s != NULL && gg_str_is(rule, "restricted") && out->head->version->restricted)
        rc = let_in_elsewhere(server, out->head, user_id, arena, found, err);
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
