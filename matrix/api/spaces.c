/* matrix/api/spaces.c: what is told of rooms that one need not be in: hierarchies of spaces, summaries, rooms in common. */
#include "api/params.h"
#include "api/rooms.h"

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

static int read_count(struct gg_request *rq, const char *key, int64_t fallback, int64_t *out, struct gg_error *err)
{
    int rc = gg_request_query_i64(rq, key, fallback, out, err);
    if (rc == 0 && gg_request_query(rq, key) != NULL && *out < 0)
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter %s must be a positive integer.", key);
    return rc;
}

int mx_api_hierarchy(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_hierarchy_query q = {.room_id = mx_api_param(rq, "room_id"), .user_id = gg_str(mx_requester_of(rq)->user_id),
                                   .from = gg_str(gg_request_query(rq, "from")),
                                   .admin = gg_request_route(rq)->auth == GG_AUTH_ADMIN};
    int rc = gg_request_query_bool(rq, "suggested_only", false, &q.suggested_only, err);
    if (rc == 0)
        rc = read_count(rq, "limit", MX_HIERARCHY_MAX, &q.limit, err);
    if (rc == 0)
        rc = read_count(rq, "max_depth", -1, &q.max_depth, err);
    if (rc != 0)
        return rc;
    struct gg_buf buf = GG_BUF_INIT;
    return reply_or_drop(rq, &buf, mx_hierarchy(mx_server_of_request(rq), &q, gg_request_arena(rq), &buf, err));
}

/* ---- summary ---- */

static int not_found(struct gg_request *rq, struct gg_str room_id, struct gg_error *err)
{
    const struct mx_head *head;
    struct gg_error ignored = GG_ERROR_INIT;
    bool known = mx_heads_get(mx_server_of_request(rq), room_id, gg_request_arena(rq), &head, &ignored) == 0 &&
                 mx_state_count(head->state) > 0; /* that everybody has left is another server's to know */
    if (!known && gg_request_query(rq, "via") == NULL)
        return gg_refuse(err, 400, "M_UNKNOWN", "Missing via to query remote room");
    return gg_refuse(err, 404, "M_NOT_FOUND", "Room not found or is not accessible");
}

int mx_api_room_summary(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const struct mx_requester *requester = mx_requester_of(rq);
    struct gg_str room_id, user_id = requester != NULL ? gg_str(requester->user_id) : (struct gg_str){0};
    struct gg_arena *arena = gg_request_arena(rq);
    struct mx_summary summary;
    bool found = false;
    int rc = mx_api_find_room(rq, &room_id, err);
    if (rc == 0)
        rc = mx_summary_find(server, user_id, room_id, arena, &summary, &found, err);
    if (rc == 0 && !found)
        rc = not_found(rq, room_id, err);
    if (rc != 0)
        return rc;
    struct gg_buf buf = GG_BUF_INIT;
    rc = mx_summary_write(server, &summary, arena, &buf, err);
    if (user_id.s != NULL) {
        gg_buf_lit(&buf, ",\"membership\":");
        gg_buf_json_string(&buf, summary.membership.s != NULL ? summary.membership : GG_STR("leave"));
    }
    gg_buf_char(&buf, '}');
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
