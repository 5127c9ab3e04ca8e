/* admin_media_quarantine.c: administrators hide files from everybody, and look at what was hidden. */
#include "api/admin_media.h"
#include "media/upkeep/upkeep.h"
#include "storage/media/quarantine.h"

static struct gg_str who(const struct gg_request *rq)
{
    return gg_str(mx_requester_of(rq)->user_id);
}

static int one(struct gg_request *rq, struct gg_str by, struct gg_error *err)
{
    int64_t n;
    int rc = mx_quarantine_one(mx_server_of_request(rq), gg_str(gg_request_param(rq, "server_name")),
                               gg_str(gg_request_param(rq, "media_id")), by, &n, err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

int mx_admin_api_quarantine(void *self, struct gg_request *rq, struct gg_error *err)
{
    return one(rq, who(rq), err);
}

int mx_admin_api_unquarantine(void *self, struct gg_request *rq, struct gg_error *err)
{
    return one(rq, (struct gg_str){0}, err);
}

static int reply_number(struct gg_request *rq, int64_t n)
{
    json_t *answer = json_object();
    json_object_set_new(answer, "num_quarantined", json_integer(n));
    return gg_reply_json(rq, 200, answer);
}

int mx_admin_api_quarantine_room(void *self, struct gg_request *rq, struct gg_error *err)
{
    int64_t n;
    int rc = mx_quarantine_room(mx_server_of_request(rq), gg_str(gg_request_param(rq, "room_id")), who(rq), &n, err);
    return rc != 0 ? rc : reply_number(rq, n);
}

int mx_admin_api_quarantine_user(void *self, struct gg_request *rq, struct gg_error *err)
{
    int64_t n;
    int rc = mx_quarantine_user(mx_server_of_request(rq), gg_str(gg_request_param(rq, "user_id")), who(rq), &n, err);
    return rc != 0 ? rc : reply_number(rq, n);
}

/* ---- changes ---- */

enum { MOST = 1000 };

int mx_admin_api_quarantine_changes(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    int64_t from, reached, upto = gg_stream_upto(server->quarantined_media);
    struct gg_str changes;
    int rc = gg_request_query_count(rq, "from", 0, &from, err);
    if (rc == 0 && from > upto)
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "The token is from the future");
    if (rc == 0)
        rc = mx_quarantine_changes(server, from, upto, MOST, gg_request_arena(rq), &changes, &reached, err);
    if (rc != 0)
        return rc;
    struct gg_buf answer = GG_BUF_INIT;
    gg_buf_printf(&answer, "{\"next_batch\":%lld,\"changes\":%.*s}", (long long)reached, GG_FMT(changes));
    return gg_reply_buf(rq, 200, &answer);
}
