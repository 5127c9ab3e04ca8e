/* admin.c: what the handlers of the admin API share. */
#include "api/admin.h"

#include <ganglion/matrix/id.h>

int mx_admin_reply(struct gg_request *rq, struct gg_str json, const char *not_found, struct gg_error *err)
{
    struct gg_buf buf = GG_BUF_INIT;
    if (!json.s)
        return gg_refuse(err, 404, "M_NOT_FOUND", "%s", not_found);
    gg_buf_str(&buf, json);
    return gg_reply_buf(rq, 200, &buf);
}

int mx_admin_answer(struct gg_request *rq, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
                    const char *not_found, struct gg_error *err)
{
    struct gg_str json;
    int status = mx_admin_ask(mx_server_of_request(rq), stmt, params, n, gg_request_arena(rq), &json, err);
    return status ? status : mx_admin_reply(rq, json, not_found, err);
}

int mx_admin_target(struct gg_request *rq, const char *param, const char *foreign, const char *unknown, struct gg_str *out,
                    struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct mx_user user;
    *out = gg_str(gg_request_param(rq, param));
    if (!mx_user_id_valid(*out))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "%.*s is no user id", GG_FMT(*out));
    if (!mx_is_mine(server, *out))
        return gg_refuse(err, 400, "M_UNKNOWN", "%s", foreign);
    if (!unknown)
        return 0;
    int status = mx_users_get(server, *out, gg_request_arena(rq), &user, err);
    return status || user.id.s ? status : gg_refuse(err, 404, "M_NOT_FOUND", "%s", unknown);
}

int mx_admin_bool(const json_t *body, const char *key, bool fallback, bool *out, struct gg_error *err)
{
    const json_t *v = json_object_get(body, key);
    *out = v ? json_is_true(v) : fallback;
    return !v || json_is_boolean(v) ? 0
                                    : gg_refuse(err, 400, "M_BAD_JSON", "Param '%s' must be a boolean, if given", key);
}

int mx_admin_direction(const struct gg_request *rq, bool fallback_backwards, bool *backwards, struct gg_error *err)
{
    const char *dir = gg_request_query(rq, "dir");
    *backwards = dir ? dir[0] == 'b' : fallback_backwards;
    return !dir || strcmp(dir, "f") == 0 || strcmp(dir, "b") == 0
               ? 0
               : gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter 'dir' must be one of ['b', 'f']");
}

int mx_admin_page(const struct gg_request *rq, int64_t *from, int64_t *limit, struct gg_error *err)
{
    enum { LIMIT = 100, MOST = 100000 };
    const int64_t last = INT64_MAX / 2; /* both are added up */
    int status = gg_request_query_count(rq, "from", 0, from, err);
    if (!status)
        status = gg_request_query_count(rq, "limit", LIMIT, limit, err);
    if (!status && *limit > MOST)
        *limit = MOST;
    if (!status && *from > last)
        *from = last;
    return status;
}

int mx_admin_query_flag(const struct gg_request *rq, const char *key, int fallback, int *out, struct gg_error *err)
{
    bool value;
    *out = fallback;
    if (!gg_request_query(rq, key))
        return 0;
    int status = gg_request_query_bool(rq, key, false, &value, err);
    if (!status)
        *out = value;
    return status;
}
