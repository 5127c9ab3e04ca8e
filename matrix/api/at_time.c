/* matrix/api/at_time.c: the client-server endpoint that jumps to a date. */
#include "api/events_out.h"
#include "api/params.h"
#include "api/rooms.h"

#include "federation/at_time.h"

static int read_query(struct gg_request *rq, int64_t *ts, bool *backwards, struct gg_error *err)
{
    const char *dir = gg_request_query(rq, "dir");
    if (gg_request_query(rq, "ts") == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing required integer query parameter ts");
    int rc = mx_api_query_natural(rq, "ts", 0, ts, err);
    if (rc == 0 && dir != NULL && strcmp(dir, "b") != 0 && strcmp(dir, "f") != 0)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter 'dir' must be one of ['b', 'f']");
    *backwards = dir != NULL && dir[0] == 'b';
    return rc;
}

/* Only for those who may see the room as it is now. */
static int check_access(struct gg_request *rq, struct gg_error *err)
{
    struct mx_access access;
    int rc = mx_api_access(rq, &access, err);
    if (rc == 0 && !access.joined && !access.peeking)
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "User %s not in room %s, and room previews are disabled",
                       mx_requester_of(rq)->user_id, gg_request_param(rq, "room_id"));
    return rc;
}

int mx_api_timestamp_to_event(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str id;
    int64_t ts, found = 0;
    bool backwards = false;
    int rc = read_query(rq, &ts, &backwards, err);
    if (rc == 0)
        rc = check_access(rq, err);
    if (rc == 0)
        rc = mx_fed_event_at_time(mx_server_of_request(rq), mx_api_param(rq, "room_id"), ts, backwards, gg_request_arena(rq), &id, &found, err);
    if (rc == 0 && id.s == NULL)
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Unable to find event from %lld in direction %s", (long long)ts,
                       backwards ? "b" : "f");
    if (rc != 0)
        return rc;
    struct gg_buf buf = GG_BUF_INIT;
    gg_buf_lit(&buf, "{\"event_id\":");
    gg_buf_json_string(&buf, id);
    gg_buf_printf(&buf, ",\"origin_server_ts\":%lld}", (long long)found);
    return mx_api_answer(rq, &buf, 0);
}
