/* matrix/rooms/auto_join.c: the rooms that new users find themselves in. */
#include "rooms/auto_join.h"

#include "federation/directory.h"
#include "rooms/create.h"
#include "storage/directory.h"

#include <ganglion/buf.h>
#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/matrix/id.h>

static struct gg_logger logger = {"ganglion.rooms"};

static struct mx_requester requester_of(struct gg_str user_id, bool guest, struct gg_arena *arena)
{
    struct gg_str localpart = mx_id_localpart(user_id);
    return (struct mx_requester){.user_id = gg_arena_strndup(arena, user_id.s, user_id.n),
                                 .localpart = gg_arena_strndup(arena, localpart.s, localpart.n), .guest = guest};
}

/* Who makes the rooms and invites to those that one cannot just enter; s NULL: not configured. */
static struct gg_str host_of(struct mx_server *server, struct gg_arena *arena)
{
    const char *localpart = gg_config_text(server->config, "auto_join_mxid_localpart");
    return localpart != NULL ? gg_str(gg_arena_printf(arena, "@%s:%s", localpart, server->name)) : (struct gg_str){0};
}

/* ---- making them ---- */

/* Bots and support accounts do not count: they may be there before the server's first user. */
static const struct gg_stmt real_users = {
    "SELECT count(*) FROM (SELECT 1 FROM users WHERE COALESCE(user_type, '') = '' AND is_guest = 0 AND appservice_id IS NULL LIMIT 2) u",
    GG_LANE_POINT};

static int is_first_user(struct mx_server *server, struct gg_arena *arena, bool *first, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &real_users, GG_NO_PARAMS, arena, &rows, err);
    *first = rc == 0 && gg_rows_i64(rows, 0, 0) == 1;
    return rc;
}

static int make_room(struct mx_server *server, struct gg_str maker, struct gg_str alias, struct gg_arena *arena,
                     struct gg_str *room_id, struct gg_error *err)
{
    struct mx_requester requester = requester_of(maker, false, arena);
    struct gg_str taken;
    struct gg_buf body = GG_BUF_INIT;
    bool federated = gg_config_bool(server->config, "autocreate_auto_join_rooms_federated");
    gg_buf_lit(&body, "{\"preset\":");
    gg_buf_json_string(&body, gg_str(gg_config_text(server->config, "autocreate_auto_join_room_preset")));
    gg_buf_lit(&body, ",\"room_alias_name\":");
    gg_buf_json_string(&body, mx_id_localpart(alias));
    gg_buf_printf(&body, ",\"creation_content\":{\"m.federate\":%s}}", federated ? "true" : "false");
    int rc = mx_room_create(server, &requester, gg_buf_view(&body), arena, room_id, &taken, err);
    gg_buf_done(&body);
    return rc;
}

/* ---- entering them ---- */

static int change(struct mx_server *server, struct gg_str who, bool guest, struct gg_str room_id, struct gg_str target,
                  const char *action, const struct gg_str *servers, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_requester requester = requester_of(who, guest, arena);
    struct gg_str event_id;
    struct mx_membership_change c = {.room_id = room_id, .target = target, .membership = gg_str(action), .action = action,
                                     .servers = servers};
    while (servers != NULL && servers[c.n_servers].s != NULL)
        c.n_servers++;
    requester.admin = strcmp(action, "invite") == 0; /* the server's own invite: block_non_admin_invites is not meant */
    return mx_room_membership(server, &requester, &c, arena, &event_id, err);
}

static int needs_invite(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena, bool *needs, struct gg_error *err)
{
    const struct mx_head *head;
    const struct mx_event *rules = NULL;
    int rc = mx_heads_get(server, room_id, arena, &head, err);
    if (rc == 0)
        rc = mx_heads_state_event(server, head, "m.room.join_rules", GG_STR(""), arena, &rules, err);
    *needs = rc == 0 && (rules == NULL || gg_str_is(mx_json_string(mx_json_get(rules->content, "join_rule"), arena), "invite"));
    return rc;
}

static int enter(struct mx_server *server, struct gg_str user_id, bool guest, struct gg_str alias, bool first,
                 struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str room_id = alias, host = host_of(server, arena), maker = host.s != NULL ? host : user_id, *servers = NULL;
    bool needs = false, elsewhere = alias.s[0] == '#' && !mx_is_mine(server, alias);
    int rc = 0;
    if (elsewhere)
        rc = mx_fed_directory(server, alias, arena, &room_id, &servers, err);
    else if (alias.s[0] == '#')
        rc = mx_directory_find_alias(server, alias, arena, &room_id, err);
    if (rc == 0 && room_id.s == NULL && first && mx_is_mine(server, alias)) {
        rc = make_room(server, maker, alias, arena, &room_id, err);
        if (rc != 0 || gg_str_eq(maker, user_id))
            return rc; /* who makes a room is in it */
    }
    if (rc == 0 && room_id.s == NULL)
        return gg_refuse(err, 404, "M_NOT_FOUND", "there is no such room");
    if (rc == 0 && host.s != NULL && !elsewhere)
        rc = needs_invite(server, room_id, arena, &needs, err);
    if (rc == 0 && needs)
        rc = change(server, host, false, room_id, user_id, "invite", NULL, arena, err);
    return rc == 0 ? change(server, user_id, guest, room_id, user_id, "join", servers, arena, err) : rc;
}

void mx_auto_join(struct mx_server *server, struct gg_str user_id, bool guest, struct gg_arena *arena)
{
    size_t n;
    const char *const *rooms = gg_config_texts(server->config, "auto_join_rooms", &n);
    struct gg_error err = GG_ERROR_INIT;
    bool first = false;
    if (n == 0 || (guest && !gg_config_bool(server->config, "auto_join_rooms_for_guests")))
        return;
    if (!guest && gg_config_bool(server->config, "autocreate_auto_join_rooms") && is_first_user(server, arena, &first, &err) != 0)
        gg_warn(&logger, "is %.*s the first user? %s", GG_FMT(user_id), err.message);
    for (size_t i = 0; i < n; i++) {
        err = (struct gg_error)GG_ERROR_INIT;
        if (enter(server, user_id, guest, gg_str(rooms[i]), first, arena, &err) != 0)
            gg_warn(&logger, "%.*s did not join %s: %s", GG_FMT(user_id), rooms[i], err.message);
    }
}
