/* matrix/rooms/restricted.c: joins of those who are let in because they are in another room (join rules restricted and
 * knock_restricted, room versions 8 and later). */
#include "rooms/restricted.h"

#include <ganglion/buf.h>
#include <ganglion/matrix/id.h>

enum { MAX_SERVERS = 20 }; /* that are asked to let a user in */

static int joined_in(struct mx_server *server, struct gg_str room_id, struct gg_str user_id, struct gg_arena *arena,
                     bool *joined, struct gg_error *err)
{
    const struct mx_head *head;
    *joined = false;
    int rc = mx_heads_get(server, room_id, arena, &head, err);
    if (rc == GG_E_NOT_FOUND)
        return 0;
    struct gg_str membership;
    if (rc == 0)
        rc = mx_heads_membership(server, head, user_id, arena, &membership, err);
    if (rc == 0)
        *joined = gg_str_is(membership, "join");
    return rc;
}

int mx_restricted_allows(struct mx_server *server, const struct mx_event *join_rules, struct gg_str user_id,
                         struct gg_arena *arena, bool *allowed, struct gg_error *err)
{
    *allowed = false;
    struct mx_json_iter it = mx_json_iter(mx_json_get(join_rules->content, "allow"));
    while (!*allowed && mx_json_next(&it)) {
        struct gg_str type = mx_json_string(mx_json_get(it.value, "type"), arena);
        struct gg_str room_id = mx_json_string(mx_json_get(it.value, "room_id"), arena);
        if (!gg_str_is(type, "m.room_membership") || room_id.s == NULL)
            continue;
        int rc = joined_in(server, gg_arena_str(arena, room_id), user_id, arena, allowed, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static void add_server(struct gg_str *names, size_t *n, struct gg_str name)
{
    for (size_t i = 0; i < *n; i++)
        if (gg_str_eq(names[i], name))
            return;
    if (*n < MAX_SERVERS && name.n > 0)
        names[(*n)++] = name;
}

/* A local member who may invite: their name in the join is what other servers check. Without one: whose users may. */
static int find_inviter(struct mx_chain *chain, struct gg_str *out, struct mx_restricted_servers *elsewhere, struct gg_error *err)
{
    const struct mx_event *levels;
    const struct mx_head *head;
    out->s = NULL;
    int rc = mx_chain_state_event(chain, GG_STR("m.room.power_levels"), GG_STR(""), &levels, err);
    if (rc == 0)
        rc = mx_heads_get(chain->server, chain->room_id, chain->arena, &head, err);
    const struct gg_str *users;
    size_t n = 0, n_names = 0;
    if (rc == 0)
        rc = mx_heads_joined(chain->server, head, chain->arena, &users, &n, err);
    if (rc != 0)
        return rc;
    struct gg_str *names = GG_NEW_ARRAY(chain->arena, struct gg_str, MAX_SERVERS);
    struct mx_power power = mx_power_read(levels, chain->create, chain->arena);
    int64_t need = mx_power_for(&power, "invite"), best = INT64_MIN;
    for (size_t i = 0; i < n; i++) {
        int64_t level = mx_power_of_user(&power, users[i]);
        if (level >= need && !mx_is_mine(chain->server, users[i])) {
            add_server(names, &n_names, mx_id_domain(users[i]));
        } else if (level >= need && level > best) {
            best = level;
            *out = gg_arena_str(chain->arena, users[i]);
        }
    }
    *elsewhere = (struct mx_restricted_servers){names, out->s == NULL ? n_names : 0};
    return 0;
}

/* Is one of ours joined to every room that the rule names? */
static int knows_all(struct mx_server *server, const struct mx_event *join_rules, struct gg_arena *arena, bool *all,
                     struct gg_error *err)
{
    int rc = 0;
    *all = true;
    for (struct mx_json_iter it = mx_json_iter(mx_json_get(join_rules->content, "allow")); rc == 0 && *all && mx_json_next(&it);) {
        struct gg_str room_id = mx_json_string(mx_json_get(it.value, "room_id"), arena);
        const struct mx_head *head;
        const struct gg_str *users;
        size_t n = 0;
        if (room_id.s == NULL || !gg_str_is(mx_json_string(mx_json_get(it.value, "type"), arena), "m.room_membership"))
            continue;
        rc = mx_heads_get(server, gg_arena_str(arena, room_id), arena, &head, err);
        *all = false;
        if (rc == GG_E_NOT_FOUND) {
            *err = (struct gg_error)GG_ERROR_INIT;
            return 0;
        }
        if (rc == 0)
            rc = mx_heads_joined(server, head, arena, &users, &n, err);
        for (size_t i = 0; rc == 0 && i < n && !*all; i++)
            *all = mx_is_mine(server, users[i]);
    }
    return rc;
}

int mx_restricted_check(struct mx_server *server, const struct mx_room_version *version, const struct mx_event *join_rules,
                        struct gg_str user_id, struct gg_str before, struct gg_arena *arena, bool *asked, struct gg_error *err)
{
    *asked = false;
    if (!version->restricted || join_rules == NULL || gg_str_is(before, "join") || gg_str_is(before, "invite"))
        return 0;
    struct gg_str name = mx_json_string(mx_json_get(join_rules->content, "join_rule"), arena);
    if (!gg_str_is(name, "restricted") && !gg_str_is(name, "knock_restricted"))
        return 0;
    *asked = true;
    bool allowed, all = true;
    int rc = mx_restricted_allows(server, join_rules, user_id, arena, &allowed, err);
    if (rc == 0 && !allowed && !mx_is_mine(server, user_id))
        rc = knows_all(server, join_rules, arena, &all, err);
    if (rc != 0 || allowed)
        return rc;
    if (!all)
        return gg_refuse(err, 400, "M_UNABLE_TO_AUTHORISE_JOIN", "Unable to check if %.*s is in allowed rooms.", GG_FMT(user_id));
    return gg_refuse(err, 403, "M_FORBIDDEN", "You do not belong to any of the required rooms/spaces to join this room.");
}

int mx_restricted_join(struct mx_chain *chain, struct gg_str target, struct gg_str before, struct gg_str *more,
                       struct mx_restricted_servers *elsewhere, struct gg_error *err)
{
    const struct mx_event *rule;
    struct gg_str inviter = {0};
    struct gg_error refused = GG_ERROR_INIT;
    struct mx_restricted_servers others = {0};
    bool asked;
    if (elsewhere != NULL)
        *elsewhere = others;
    int rc = mx_chain_state_event(chain, GG_STR("m.room.join_rules"), GG_STR(""), &rule, err);
    if (rc != 0)
        return rc;
    int allowed = mx_restricted_check(chain->server, chain->version, rule, target, before, chain->arena, &asked, &refused);
    if (!asked)
        return 0;
    rc = find_inviter(chain, &inviter, &others, err);
    if (rc != 0)
        return rc;
    if (elsewhere != NULL && others.n > 0) { /* who can let them in, knows whom */
        *elsewhere = others;
        return 0;
    }
    if (allowed != 0) {
        *err = refused;
        return allowed;
    }
    if (inviter.s == NULL)
        return gg_refuse(err, 400, "M_UNABLE_TO_GRANT_JOIN", "No user of this server can let you into the room");
    struct mx_json *content = mx_json_object(chain->arena);
    if (more->s != NULL) {
        rc = mx_json_parse(*more, 100, chain->arena, &content, err);
        if (rc != 0)
            return rc;
    }
    mx_json_set(content, chain->arena, "join_authorised_via_users_server", mx_json_new_string(chain->arena, inviter));
    struct gg_buf buf = GG_BUF_INIT;
    mx_json_write(&buf, content);
    *more = gg_arena_str(chain->arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return 0;
}
