/* matrix/api/user_directory.c: POST /user_directory/search (client-server API, "User Directory"). */
#include "api/params.h"

#include <ganglion/config.h>
#include <ganglion/matrix/api.h>
#include <ganglion/matrix/user_directory.h>

enum { USUAL_LIMIT = 10, MOST = 50 };

static void set_text(json_t *object, const char *key, struct gg_str text)
{
    json_object_set_new(object, key, text.s != NULL ? json_stringn(text.s, text.n) : json_null());
}

static int answer(struct gg_request *rq, const struct mx_directory_result *found)
{
    json_t *results = json_array();
    for (size_t i = 0; i < found->n; i++) {
        json_t *one = json_object();
        set_text(one, "user_id", found->v[i].user_id);
        set_text(one, "display_name", found->v[i].display_name);
        set_text(one, "avatar_url", found->v[i].avatar_url);
        json_array_append_new(results, one);
    }
    return gg_reply_json(rq, 200, json_pack("{s:b, s:o}", "limited", found->limited, "results", results));
}

static int read_query(const struct gg_request *rq, json_t *body, struct mx_directory_query *out, struct gg_error *err)
{
    json_t *term = json_object_get(body, "search_term"), *limit = json_object_get(body, "limit");
    if (term == NULL)
        return gg_refuse(err, 400, "M_UNKNOWN", "`search_term` is required field");
    if (!json_is_string(term))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "search_term must be a string");
    if (limit != NULL && !json_is_integer(limit))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "limit must be a whole number");
    json_int_t n = limit != NULL ? json_integer_value(limit) : USUAL_LIMIT;
    *out = (struct mx_directory_query){.user_id = gg_str(mx_requester_of(rq)->user_id),
                                       .term = gg_strn(json_string_value(term), json_string_length(term)),
                                       .limit = (size_t)(n < 0 ? 0 : n > MOST ? MOST : n)};
    return 0;
}

static int search(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct mx_directory_query query;
    struct mx_directory_result found = {.v = NULL};
    json_t *body = gg_request_json(rq, err);
    if (body == NULL)
        return err->code;
    if (!gg_config_bool(server->config, "user_directory.enabled"))
        return answer(rq, &found);
    int rc = read_query(rq, body, &query, err);
    if (rc == 0)
        rc = mx_directory_search(server, &query, gg_request_arena(rq), &found, err);
    return rc < 0 ? rc : answer(rq, &found);
}

const struct gg_route mx_routes_user_directory[] = {
    {.method = "POST", .path = "/_matrix/client/(r0|v3|v2_alpha|api/v1|unstable)/user_directory/search", .handler = search,
     .resource = "client", .auth = GG_AUTH_USER, .flags = GG_ROUTE_JSON | GG_ROUTE_CANCELLABLE,
     .limiter = "rc_user_directory", .doc = "find users by name"},
    {0},
};
