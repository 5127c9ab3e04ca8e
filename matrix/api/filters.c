/* filters.c: filters that a client keeps on the server (client-server API, "Filtering"). */
#include <ganglion/matrix/json.h>
#include <stdlib.h>

#include "api/accounts.h"
#include "filter/filter.h"

enum { DEPTH = 20 };

/* ---- the endpoints ---- */

static int check_owner(struct gg_request *rq, const char *verb, struct gg_error *err)
{
    return strcmp(gg_request_param(rq, "user_id"), mx_requester_of(rq)->user_id) == 0
               ? 0
               : gg_refuse(err, 403, "M_FORBIDDEN", "Cannot %s filters for other users", verb);
}

int mx_api_add_filter(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct mx_json *tree;
    int64_t id;
    int status = check_owner(rq, "create", err);
    if (!status)
        status = mx_filter_check_shape(gg_request_json(rq, err), err);
    if (!status)
        status = mx_json_parse(gg_request_body(rq), DEPTH, arena, &tree, err);
    if (status)
        return status;
    struct gg_buf canonical = GG_BUF_INIT;
    mx_json_canonical(&canonical, tree);
    status = mx_filters_add(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), gg_buf_view(&canonical),
                            &id, err);
    gg_buf_done(&canonical);
    if (status)
        return status;
    return gg_reply_json(rq, 200, json_pack("{ss}", "filter_id", gg_arena_printf(arena, "%lld", (long long)id)));
}

int mx_api_get_filter(void *self, struct gg_request *rq, struct gg_error *err)
{
    char *end;
    const char *text = gg_request_param(rq, "filter_id");
    struct gg_str json;
    int64_t id = strtoll(text, &end, 10);
    int status = check_owner(rq, "get", err);
    if (!status && (*end || end == text || id < 0))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid filter_id");
    if (!status)
        status = mx_filters_get(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), id,
                                gg_request_arena(rq), &json, err);
    return status ? status : gg_reply_text(rq, 200, "application/json", json);
}
