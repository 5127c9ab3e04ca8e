/* matrix/federation/complexity.c: rooms of other servers that are too large for this one (limit_remote_rooms). */
#include "federation/complexity.h"

#include "federation/client.h"
#include "storage/accounts.h"

#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/matrix/rooms.h>

#include <stdlib.h>

static struct gg_logger logger = {"ganglion.federation"};

enum { STATE_EVENTS = 500 }; /* in a room of complexity 1 (MSC1769 left the measure to servers; Synapse's) */

struct asking {
    struct mx_server *server;
    struct gg_str room_id;
    struct gg_arena *arena;
    double complexity;
};

static int ask_one(void *arg, const char *name, struct gg_error *err)
{
    struct asking *a = arg;
    struct gg_str body;
    struct mx_fed_request request = {.destination = name,
                                     .method = "GET",
                                     .max_answer = 64 * 1024,
                                     .path = mx_fed_path(a->arena, "/_matrix/federation/unstable/rooms/%s/complexity",
                                                         gg_arena_strndup(a->arena, a->room_id.s, a->room_id.n))};
    int rc = mx_fed_call(a->server, &request, a->arena, &body, err);
    if (rc != 0)
        return rc;
    struct gg_str v1 = mx_json_get(body, "v1");
    char *end, *text = gg_arena_strndup(a->arena, v1.n > 0 ? v1.s : "", v1.n);
    a->complexity = strtod(text, &end);
    return v1.n > 0 && *end == '\0' ? 0 : gg_fail(err, GG_E_PROTOCOL, "the answer has no v1");
}

/* *known false: nobody could tell. */
static bool too_complex(struct mx_server *server, const struct mx_candidates *servers, struct gg_str room_id,
                        struct gg_arena *arena, bool *known)
{
    struct asking a = {.server = server, .room_id = room_id, .arena = arena};
    struct gg_error err = GG_ERROR_INIT;
    *known = false;
    for (size_t i = 0; i < servers->n && !*known; i++) { /* a refusal of one says nothing of the next */
        *known = ask_one(&a, servers->names[i], &err) == 0;
        if (!*known)
            gg_info(&logger, "%s did not tell how complex %.*s is: %s", servers->names[i], GG_FMT(room_id),
                    err.message);
    }
    return *known && a.complexity > gg_config_number(server->config, "limit_remote_rooms.complexity");
}

static int refuse(const struct mx_server *server, struct gg_error *err)
{
    return gg_refuse(err, 400, "M_RESOURCE_LIMIT_EXCEEDED", "%s",
                     gg_config_text(server->config, "limit_remote_rooms.complexity_error"));
}

/* By our own copy of its state, as other servers would count it. */
static int check_after(struct mx_server *server, const struct mx_requester *requester, const struct mx_join *join,
                       struct gg_arena *arena, struct gg_error *err)
{
    const struct mx_head *head;
    struct gg_str event_id;
    int rc = mx_heads_get(server, join->room_id, arena, &head, err);
    if (rc != 0)
        return rc;
    double complexity = (double)mx_state_count(head->state) / STATE_EVENTS;
    if (complexity <= gg_config_number(server->config, "limit_remote_rooms.complexity"))
        return 0;
    struct mx_membership_change leave = {
        .room_id = join->room_id, .target = join->user_id, .membership = GG_STR("leave"), .action = "leave"};
    rc = mx_room_membership(server, requester, &leave, arena, &event_id, err);
    return rc == 0 ? refuse(server, err) : rc;
}

int mx_complexity_join(struct mx_server *server, const struct mx_requester *requester, struct mx_candidates *servers,
                       const struct mx_join *join, struct gg_arena *arena, struct mx_joined *out, struct gg_error *err)
{
    bool known = true, limited = gg_config_bool(server->config, "limit_remote_rooms.enabled");
    if (limited && gg_config_bool(server->config, "limit_remote_rooms.admins_can_join")) {
        struct mx_user user;
        int rc = mx_users_get(server, join->user_id, arena, &user, err);
        if (rc != 0)
            return rc;
        limited = user.id.s == NULL || !user.admin;
    }
    if (limited && too_complex(server, servers, join->room_id, arena, &known))
        return refuse(server, err);
    int rc = mx_fed_join(server, servers, join, arena, out, err);
    return rc == 0 && !out->here && limited && !known ? check_after(server, requester, join, arena, err) : rc;
}
