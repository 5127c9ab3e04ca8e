/* matrix/api/spaces.c: what is told of rooms that one need not be in: hierarchies of spaces, summaries, rooms in common. */
#include "api/params.h"
#include "api/rooms.h"

#include "federation/directory.h"
#include "federation/spaces.h"
#include "rooms/hierarchy.h"
#include "rooms/mutual.h"
#include "rooms/summary.h"
#include "storage/directory.h"

#include <ganglion/matrix/id.h>

static int reply_or_drop(struct gg_request *rq, struct gg_buf *buf, int rc)
{
    if (rc == 0)
        return gg_reply_buf(rq, 200, buf);
    gg_buf_done(buf);
    return rc;
}

/* The servers of `via`, in either spelling. */
static size_t read_via(struct gg_request *rq, const struct gg_str **out)
{
    static const char *const keys[] = {"via", "server_name"};
    struct gg_arena *arena = gg_request_arena(rq);
    const char **values;
    size_t n = 0, taken = 0;
    for (size_t i = 0; n == 0 && i < GG_COUNT(keys); i++)
        n = gg_request_query_all(rq, keys[i], &values);
    struct gg_str *via = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    for (size_t i = 0; i < n; i++)
        if (mx_server_name_valid(gg_str(values[i])))
            via[taken++] = gg_str(values[i]);
    *out = via;
    return taken;
}

int mx_api_hierarchy(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_hierarchy_query q = {.room_id = mx_api_param(rq, "room_id"), .user_id = gg_str(mx_requester_of(rq)->user_id),
                                   .from = gg_str(mx_api_query_text(rq, "from")),
                                   .admin = gg_request_route(rq)->auth == GG_AUTH_ADMIN};
    int rc = gg_request_query_bool(rq, "suggested_only", false, &q.suggested_only, err);
    if (rc == 0)
        rc = mx_api_query_natural(rq, "limit", MX_HIERARCHY_MAX, &q.limit, err);
    if (rc == 0)
        rc = mx_api_query_natural(rq, "max_depth", -1, &q.max_depth, err);
    if (rc != 0)
        return rc;
    q.n_via = q.admin ? 0 : read_via(rq, &q.via);
    struct gg_buf buf = GG_BUF_INIT;
    return reply_or_drop(rq, &buf, mx_hierarchy(mx_server_of_request(rq), &q, gg_request_arena(rq), &buf, err));
}

/* ---- summary ---- */

/* The room, and the servers that may know it if we do not. */
struct summary_query {
    struct gg_str room_id, user_id; /* user_id s NULL: somebody without a login */
    const struct gg_str *via;
    size_t n_via;
    bool asked_via;
};

static int read_query(struct gg_request *rq, struct summary_query *q, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const struct mx_requester *requester = mx_requester_of(rq);
    struct gg_str name = mx_api_param(rq, "room_identifier"), *servers;
    *q = (struct summary_query){.user_id = requester != NULL ? gg_str(requester->user_id) : (struct gg_str){0}};
    q->asked_via = gg_request_query(rq, "via") != NULL;
    q->n_via = read_via(rq, &q->via);
    if (!mx_room_alias_valid(name) || mx_is_mine(server, name))
        return mx_api_find_room(rq, &q->room_id, err);
    int rc = mx_directory_find_alias(server, name, gg_request_arena(rq), &q->room_id, err);
    if (rc != 0 || q->room_id.s != NULL)
        return rc;
    rc = mx_fed_directory(server, name, gg_request_arena(rq), &q->room_id, &servers, err);
    if (rc == 0 && q->n_via == 0) {
        q->via = servers;
        while (q->via[q->n_via].s != NULL)
            q->n_via++;
        q->asked_via = true;
    }
    return rc;
}

static void close_summary(struct gg_buf *buf, const struct summary_query *q, struct gg_str membership)
{
    if (q->user_id.s != NULL) {
        gg_buf_lit(buf, ",\"membership\":");
        gg_buf_json_string(buf, membership.s != NULL ? membership : GG_STR("leave"));
    }
    gg_buf_char(buf, '}');
}

static int remote_membership(struct mx_server *server, const struct summary_query *q, struct gg_arena *arena, struct gg_str *out,
                             struct gg_error *err)
{
    struct mx_user_rooms rooms;
    *out = (struct gg_str){0};
    int rc = q->user_id.s != NULL ? mx_heads_room_list(server, q->user_id, arena, &rooms, err) : 0;
    const struct mx_user_room *own = rc == 0 && q->user_id.s != NULL ? mx_user_rooms_find(&rooms, q->room_id) : NULL;
    if (own != NULL)
        *out = own->membership;
    return rc;
}

/* A room that is not known here, as other servers tell of it. */
static int remote_summary(struct gg_request *rq, const struct summary_query *q, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    struct mx_fed_space space;
    struct gg_str membership;
    struct gg_buf buf = GG_BUF_INIT;
    bool found;
    if (!q->asked_via)
        return gg_refuse(err, 400, "M_UNKNOWN", "Missing via to query remote room");
    int rc = mx_fed_space(server, q->room_id, q->via, q->n_via, true, arena, &space, &found, err);
    if (rc == 0 && found)
        rc = mx_fed_entry_visible(server, q->user_id, space.entry, arena, &found, err);
    if (rc == 0 && !found)
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Room not found or is not accessible");
    if (rc == 0)
        rc = remote_membership(server, q, arena, &membership, err);
    if (rc != 0)
        return rc;
    mx_fed_entry_write(&buf, space.entry);
    close_summary(&buf, q, membership);
    return gg_reply_buf(rq, 200, &buf);
}

int mx_api_room_summary(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    struct summary_query q;
    struct mx_summary summary;
    bool found = false;
    int rc = read_query(rq, &q, err);
    if (rc == 0)
        rc = mx_summary_find(server, q.user_id, q.room_id, arena, &summary, &found, err);
    if (rc != 0)
        return rc;
    if (!found && (summary.head == NULL || mx_state_count(summary.head->state) == 0)) /* where everybody has left: others know */
        return remote_summary(rq, &q, err);
    if (!found)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Room not found or is not accessible");
    struct gg_buf buf = GG_BUF_INIT;
    rc = mx_summary_write(server, &summary, arena, &buf, err);
    close_summary(&buf, &q, summary.membership);
    return reply_or_drop(rq, &buf, rc);
}

/* ---- rooms in common ---- */

int mx_api_mutual_rooms(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *other = gg_request_query(rq, "user_id"), *from = gg_request_query(rq, "from");
    if (other == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing string query parameter 'user_id'");
    if (!mx_user_id_valid(gg_str(other)))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid user_id query parameter");
    if (strcmp(other, mx_requester_of(rq)->user_id) == 0)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "You cannot request a list of shared rooms with yourself");
    struct gg_buf buf = GG_BUF_INIT;
    return reply_or_drop(rq, &buf, mx_mutual_rooms(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), gg_str(other),
                                                   gg_str(from), gg_request_arena(rq), &buf, err));
}
