/* matrix/api/rooms_membership.c: the client-server endpoints that change who is in a room (routes are in rooms_routes.c). */
#include "api/params.h"
#include "api/rooms.h"

#include "accounts/accounts.h"
#include "federation/directory.h"
#include "rooms/forget.h"
#include "rooms/third_party.h"
#include "storage/directory.h"

#include <ganglion/matrix/appservice.h>
#include <ganglion/matrix/id.h>

/* ---- how often ---- */

static int limit(struct gg_request *rq, const char *class, struct gg_str key, struct gg_error *err)
{
    return mx_limit(mx_server_of_request(rq), class, key, gg_request_principal(rq), true, err);
}

/* Joins of rooms that this server is in, by user and by room; of others by user, and more seldom. Who is in is free. */
static int limit_join(struct gg_request *rq, const struct mx_membership_change *change, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const struct mx_head *head;
    struct gg_str membership = {0}, user_id = gg_str(mx_requester_of(rq)->user_id);
    int rc = mx_heads_get(server, change->room_id, gg_request_arena(rq), &head, err);
    if (rc == GG_E_NOT_FOUND || (rc == 0 && head->n_joined == 0))
        return limit(rq, "rc_joins.remote", user_id, err);
    if (rc == 0)
        rc = mx_heads_membership(server, head, change->target, gg_request_arena(rq), &membership, err);
    if (rc != 0 || gg_str_is(membership, "join"))
        return rc;
    rc = limit(rq, "rc_joins.local", user_id, err);
    return rc == 0 ? limit(rq, "rc_joins_per_room", change->room_id, err) : rc;
}

static int limit_invite(struct gg_request *rq, const struct mx_membership_change *change, struct gg_error *err)
{
    int rc = limit(rq, "rc_invites.per_room", change->room_id, err);
    if (rc == 0)
        rc = limit(rq, "rc_invites.per_user", change->target, err);
    return rc == 0 ? limit(rq, "rc_invites.per_issuer", gg_str(mx_requester_of(rq)->user_id), err) : rc;
}

static int change_limited(struct gg_request *rq, const struct mx_membership_change *change, struct gg_str *event_id,
                          struct gg_error *err)
{
    int rc = 0;
    if (gg_str_is(change->membership, "join"))
        rc = limit_join(rq, change, err);
    else if (gg_str_is(change->membership, "invite"))
        rc = limit_invite(rq, change, err);
    if (rc != 0)
        return rc;
    return mx_room_membership(mx_server_of_request(rq), mx_requester_of(rq), change, gg_request_arena(rq), event_id, err);
}

/* ---- membership ---- */

static const struct {
    const char *action, *membership;
    bool names_target;
} actions[] = {{"join", "join", false}, {"leave", "leave", false}, {"invite", "invite", true},
               {"knock", "knock", false},
               {"kick", "leave", true}, {"ban", "ban", true},      {"unban", "leave", true}};

static int read_target(struct gg_request *rq, struct gg_str body, struct gg_str *target, struct gg_error *err)
{
    *target = mx_json_string(mx_json_get(body, "user_id"), gg_request_arena(rq));
    return target->s != NULL ? 0 : gg_refuse(err, 400, "M_MISSING_PARAM", "Missing required key: user_id");
}

/* whole_body: all of the body goes into the event, as it does with POST /join/{room}; else only the reason. */
static int change_membership(struct gg_request *rq, const char *action, struct gg_str room_id, const struct mx_api_room *via,
                             bool whole_body, struct gg_error *err)
{
    struct mx_membership_change change = {.room_id = room_id, .target = gg_str(mx_requester_of(rq)->user_id), .action = action};
    if (via != NULL) {
        change.servers = via->servers;
        change.n_servers = via->n_servers;
    }
    struct gg_str body, event_id;
    if (mx_requester_of(rq)->guest && strcmp(action, "join") != 0 && strcmp(action, "leave") != 0)
        return gg_refuse(err, 403, "M_FORBIDDEN", "Guest access not allowed");
    int rc = mx_api_object_body(rq, &body, err);
    for (size_t i = 0; rc == 0 && i < GG_COUNT(actions); i++) {
        if (strcmp(actions[i].action, action) != 0)
            continue;
        change.membership = gg_str(actions[i].membership);
        if (actions[i].names_target)
            rc = read_target(rq, body, &change.target, err);
    }
    if (rc != 0)
        return rc;
    if (whole_body)
        change.content = body;
    change.reason = mx_json_string(mx_json_get(body, "reason"), gg_request_arena(rq));
    return change_limited(rq, &change, &event_id, err);
}

#define ACTION(name_)                                                                        \
    int mx_api_##name_(void *self, struct gg_request *rq, struct gg_error *err)              \
    {                                                                                        \
        int rc = change_membership(rq, #name_, mx_api_param(rq, "room_id"), NULL, false, err);           \
        return rc != 0 ? rc : gg_reply_empty_object(rq);                                     \
    }
ACTION(leave)
ACTION(kick)
ACTION(ban)
ACTION(unban)

static bool names_address(struct gg_str body)
{
    return mx_json_get(body, "medium").s != NULL || mx_json_get(body, "address").s != NULL;
}

static int invite_address(struct gg_request *rq, struct gg_str body, struct gg_error *err)
{
    struct mx_third_party whom;
    int rc = mx_third_party_read(body, gg_request_arena(rq), &whom, err);
    if (rc == 0)
        rc = limit(rq, "rc_third_party_invite", gg_str(mx_requester_of(rq)->user_id), err);
    return rc != 0 ? rc : mx_third_party_invite(mx_server_of_request(rq), mx_requester_of(rq), mx_api_param(rq, "room_id"), &whom,
                                                gg_request_arena(rq), err);
}

int mx_api_invite(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str body;
    int rc = mx_api_object_body(rq, &body, err);
    if (rc == 0 && mx_json_get(body, "user_id").s == NULL && names_address(body) && !mx_requester_of(rq)->guest)
        rc = invite_address(rq, body, err);
    else if (rc == 0)
        rc = change_membership(rq, "invite", mx_api_param(rq, "room_id"), NULL, false, err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

/* Who was invited by address brings the proof that the address is theirs. */
static int take_up_invite(struct gg_request *rq, struct gg_str room_id, struct gg_error *err)
{
    struct gg_str body, proof;
    int rc = mx_api_object_body(rq, &body, err);
    if (rc != 0 || (proof = mx_json_get(body, "third_party_signed")).s == NULL || gg_str_is(proof, "null"))
        return rc;
    return mx_third_party_exchange(mx_server_of_request(rq), room_id, mx_json_string(mx_json_get(proof, "sender"), gg_request_arena(rq)),
                                   proof, gg_request_arena(rq), err);
}

int mx_api_join_room(void *self, struct gg_request *rq, struct gg_error *err)
{
    int rc = take_up_invite(rq, mx_api_param(rq, "room_id"), err);
    if (rc == 0)
        rc = change_membership(rq, "join", mx_api_param(rq, "room_id"), NULL, false, err);
    return rc != 0 ? rc : mx_api_reply_id(rq, "room_id", mx_api_param(rq, "room_id"));
}

/* Servers that the client names: `via`, or `server_name` as it was called first. */
static void read_servers(struct gg_request *rq, struct mx_api_room *out)
{
    const char **values;
    size_t n = gg_request_query_all(rq, "via", &values);
    if (n == 0)
        n = gg_request_query_all(rq, "server_name", &values);
    struct gg_str *servers = GG_NEW_ARRAY(gg_request_arena(rq), struct gg_str, n + 1);
    for (size_t i = 0; i < n; i++)
        servers[i] = gg_str(values[i]);
    out->servers = servers;
    out->n_servers = n;
}

static int find_alias(struct gg_request *rq, struct gg_str alias, struct mx_api_room *out, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str *servers;
    if (!mx_is_mine(server, alias)) {
        int asked = mx_fed_directory(server, alias, gg_request_arena(rq), &out->room_id, &servers, err);
        for (out->servers = servers; asked == 0 && servers[out->n_servers].s != NULL;)
            out->n_servers++;
        return asked;
    }
    int rc = mx_appservices_find_alias(server, alias, gg_request_arena(rq), &out->room_id, err);
    if (rc == 0 && out->room_id.s == NULL)
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Room alias %.*s not found", GG_FMT(alias));
    return rc;
}

int mx_api_find_room_via(struct gg_request *rq, struct mx_api_room *out, struct gg_error *err)
{
    struct gg_str name = mx_api_param(rq, "room_identifier");
    *out = (struct mx_api_room){.room_id = name};
    if (mx_room_id_valid(name)) {
        read_servers(rq, out);
        return 0;
    }
    if (!mx_room_alias_valid(name))
        return gg_refuse(err, 400, "M_UNKNOWN", "%.*s was not legal room ID or room alias", GG_FMT(name));
    return find_alias(rq, name, out, err);
}

int mx_api_find_room(struct gg_request *rq, struct gg_str *room_id, struct gg_error *err)
{
    struct mx_api_room room;
    int rc = mx_api_find_room_via(rq, &room, err);
    *room_id = room.room_id;
    return rc;
}

int mx_api_join(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_api_room room;
    int rc = mx_api_find_room_via(rq, &room, err);
    if (rc == 0)
        rc = take_up_invite(rq, room.room_id, err);
    if (rc == 0)
        rc = change_membership(rq, "join", room.room_id, &room, true, err);
    return rc != 0 ? rc : mx_api_reply_id(rq, "room_id", room.room_id);
}

int mx_api_knock(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_api_room room;
    int rc = mx_api_find_room_via(rq, &room, err);
    if (rc == 0)
        rc = change_membership(rq, "knock", room.room_id, &room, false, err);
    return rc != 0 ? rc : mx_api_reply_id(rq, "room_id", room.room_id);
}

int mx_api_put_member(struct gg_request *rq, const struct mx_new_event *event, struct gg_str *event_id, struct gg_error *err)
{
    struct gg_str membership = mx_json_string(mx_json_get(event->content, "membership"), gg_request_arena(rq));
    if (membership.s == NULL)
        return gg_refuse(err, 400, "M_BAD_JSON", "Content of m.room.member needs a membership");
    struct mx_membership_change change = {.room_id = event->room_id, .target = event->state_key, .membership = membership,
                                          .content = event->content, .origin_server_ts = event->origin_server_ts,
                                          .action = gg_arena_strndup(gg_request_arena(rq), membership.s, membership.n)};
    return change_limited(rq, &change, event_id, err);
}

int mx_api_forget(void *self, struct gg_request *rq, struct gg_error *err)
{
    int rc = mx_room_forget(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), mx_api_param(rq, "room_id"), err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}
