/* matrix/api/e2ee_keys.c: keys/upload, query, claim and changes (client-server API, "Key management API"). */
#include "api/e2ee.h"
#include "api/params.h"
#include "e2ee/device_lists.h"
#include "e2ee/key_counts.h"
#include "e2ee/keys.h"
#include "e2ee/text.h"

/* Old clients name the device in the path: it must be the one that their token belongs to, or, for a device that receives
 * while nobody is there, the user's dehydrated one. */
static int device_of_path(struct gg_request *rq, struct gg_str *out, struct gg_error *err)
{
    static const struct gg_stmt dehydrated = {
        "SELECT 1 FROM dehydrated_devices WHERE user_id = $1 AND device_id = $2", GG_LANE_POINT};
    const struct mx_requester *who = mx_requester_of(rq);
    struct gg_str named = mx_api_param(rq, "device_id");
    struct gg_rows *rows;
    if (named.s == NULL || gg_str_eq(named, gg_str(who->device_id)))
        return mx_api_own_device(rq, out, err);
    int rc = gg_db_read(mx_server_of_request(rq)->db, &dehydrated, GG_PARAMS(gg_p_text(who->user_id), gg_p_str(named)),
                        gg_request_arena(rq), &rows, err);
    if (rc == 0 && gg_rows_count(rows) == 0)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "The access token belongs to another device");
    *out = named;
    return rc;
}

static int reply_counts(struct gg_request *rq, struct gg_str device_id, struct gg_error *err)
{
    struct gg_str counts;
    int rc = mx_key_counts(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), device_id, gg_request_arena(rq),
                           &counts, NULL, err);
    if (rc != 0)
        return rc;
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_lit(&out, "{\"one_time_key_counts\":");
    gg_buf_str(&out, counts);
    gg_buf_char(&out, '}');
    return gg_reply_buf(rq, 200, &out);
}

int mx_api_keys_count(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str device_id;
    int rc = device_of_path(rq, &device_id, err);
    return rc != 0 ? rc : reply_counts(rq, device_id, err);
}

int mx_api_keys_upload(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str user_id = gg_str(mx_requester_of(rq)->user_id), device_id;
    struct mx_key_upload upload;
    int rc = device_of_path(rq, &device_id, err);
    if (rc == 0)
        rc = mx_keys_read_upload(gg_request_body(rq), user_id, device_id, gg_request_arena(rq), &upload, err);
    if (rc == 0)
        rc = mx_keys_upload(server, user_id, device_id, &upload, err);
    return rc != 0 ? rc : reply_counts(rq, device_id, err);
}

/* How long other servers may take: in the body, as the specification has it, or in the query, where Synapse reads it. */
static int timeout_of(struct gg_request *rq, int64_t *out, struct gg_error *err)
{
    enum { USUAL_MS = 10000, MOST_MS = 50000 }; /* what a request may take has to suffice for it */
    int64_t named;
    if (!mx_json_i64(mx_json_get(gg_request_body(rq), "timeout"), &named) || named < 0)
        named = USUAL_MS;
    int rc = gg_request_query_count(rq, "timeout", named, out, err);
    *out = *out > MOST_MS ? MOST_MS : *out;
    return rc;
}

int mx_api_keys_query(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str *users;
    struct mx_key_query *queries;
    size_t n_users, n_queries;
    int64_t timeout;
    struct gg_buf out = GG_BUF_INIT;
    int rc = timeout_of(rq, &timeout, err);
    if (rc == 0)
        rc = mx_keys_read_query(gg_request_body(rq), gg_request_arena(rq), &users, &n_users, &queries, &n_queries, err);
    if (rc == 0)
        rc = mx_keys_query(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), users, n_users, queries, n_queries,
                           timeout, gg_request_arena(rq), &out, err);
    if (rc == 0)
        return gg_reply_buf(rq, 200, &out);
    gg_buf_done(&out);
    return rc;
}

int mx_api_keys_claim(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_key_claim *claims;
    size_t n;
    int64_t timeout;
    struct gg_buf out = GG_BUF_INIT;
    int rc = timeout_of(rq, &timeout, err);
    if (rc == 0)
        rc = mx_keys_read_claim(gg_request_body(rq), gg_request_arena(rq), &claims, &n, err);
    if (rc == 0)
        rc = mx_keys_claim(mx_server_of_request(rq), claims, n, timeout, gg_request_arena(rq), &out, err);
    if (rc == 0)
        return gg_reply_buf(rq, 200, &out);
    gg_buf_done(&out);
    return rc;
}

/* Like sync, it does not show the past to who has a token of a process that is ahead. */
static int catch_up(struct mx_server *server, const struct mx_token *from, struct gg_error *err)
{
    enum { CATCH_UP_MS = 10000 };
    int64_t deadline = gg_deadline(CATCH_UP_MS);
    int rc = gg_stream_wait_upto(server->device_lists, from->device_lists.min, deadline);
    if (rc == 0 || rc == GG_E_TIMEOUT)
        rc = gg_stream_wait_upto(server->events, from->room.at.min, deadline);
    return rc == 0 || rc == GG_E_TIMEOUT ? 0 : gg_fail(err, rc, "waiting for the streams of a token");
}

/* `to` is asked for by the specification; the answer is up to now in any case, as Synapse's is: the client's next sync
 * tells the rest again, which does no harm. */
int mx_api_keys_changes(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str user_id = gg_str(mx_requester_of(rq)->user_id);
    const char *from = gg_request_query(rq, "from");
    struct mx_token since, now;
    const struct mx_user_room *rooms;
    size_t n;
    struct mx_device_lists lists;
    if (from == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing string query parameter 'from'");
    int rc = mx_token_parse(server, from, &since, err);
    if (rc == 0)
        rc = catch_up(server, &since, err);
    if (rc == 0)
        rc = mx_token_now(server, &now, err);
    if (rc == 0)
        rc = mx_heads_rooms_of(server, user_id, gg_request_arena(rq), &rooms, &n, err);
    if (rc == 0)
        rc = mx_device_lists_between(server, user_id, rooms, n, &since, &now, gg_request_arena(rq), &lists, err);
    if (rc != 0)
        return rc;
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_lit(&out, "{\"changed\":");
    mx_write_names(&out, lists.changed, lists.n_changed);
    gg_buf_lit(&out, ",\"left\":");
    mx_write_names(&out, lists.left, lists.n_left);
    gg_buf_char(&out, '}');
    return gg_reply_buf(rq, 200, &out);
}
