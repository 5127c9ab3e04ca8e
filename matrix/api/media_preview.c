/* media_preview.c: GET /preview_url, on the old paths and on the new one. */
#include "api/media.h"
#include "media/preview/preview.h"

int mx_api_preview_url(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct mx_previews *previews = mx_previews_of(server);
    const char *url = gg_request_query(rq, "url");
    struct gg_str og;
    int64_t ts;
    if (previews == NULL)
        return gg_refuse(err, 404, "M_UNRECOGNIZED", "Unrecognized request");
    if (url == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing required query parameter 'url'");
    int rc = gg_request_query_i64(rq, "ts", gg_wall_ms(), &ts, err);
    if (rc == 0)
        rc = mx_preview_get(previews, url, gg_str(mx_requester_of(rq)->user_id), ts, gg_request_arena(rq), &og, err);
    if (rc != 0)
        return rc;
    struct gg_buf answer = GG_BUF_INIT;
    gg_buf_str(&answer, og);
    gg_reply_header(rq, "Cache-Control", "no-cache, no-store, must-revalidate");
    return gg_reply_buf(rq, 200, &answer);
}
