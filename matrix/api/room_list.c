/* matrix/api/room_list.c: the public list of rooms (client-server API, "Listing rooms"). */
#include "api/params.h"
#include "api/rooms.h"

#include "directory/publish.h"
#include "directory/published.h"
#include "persist/writer.h"

#include <ganglion/config.h>
#include <ganglion/matrix/id.h>

/* ---- the list ---- */

static int not_ours(struct mx_server *server, struct gg_str name, struct gg_error *err)
{
    if (name.s == NULL || name.n == 0 || gg_str_is(name, server->name))
        return 0;
    if (!mx_server_name_valid(name))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid server name: %.*s", GG_FMT(name));
    return gg_refuse(err, 502, "M_UNKNOWN", "Failed to fetch room list of %.*s", GG_FMT(name));
}

static int reply_list(struct gg_request *rq, struct mx_list_query *q, struct gg_str server_name, struct gg_str since,
                      struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct mx_list_token token;
    int rc = not_ours(server, server_name, err);
    if (rc == 0 && since.n > 0) {
        rc = mx_list_token_parse(since, gg_request_arena(rq), &token, err);
        q->since = &token;
    }
    if (rc != 0)
        return rc;
    struct gg_buf buf = GG_BUF_INIT;
    rc = mx_published_rooms(server, q, gg_request_arena(rq), &buf, err);
    if (rc == 0)
        return gg_reply_buf(rq, 200, &buf);
    gg_buf_done(&buf);
    return rc;
}

int mx_api_public_rooms(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_list_query q = {0};
    const char *since = gg_request_query(rq, "since"), *server_name = gg_request_query(rq, "server");
    if (mx_requester_of(rq) == NULL && !gg_config_bool(mx_server_of_request(rq)->config, "allow_public_rooms_without_auth"))
        return gg_refuse(err, 401, "M_MISSING_TOKEN", "Missing access token");
    int rc = gg_request_query_i64(rq, "limit", 0, &q.limit, err);
    if (rc == 0 && q.limit < 0)
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter limit must be a positive integer.");
    return rc == 0 ? reply_list(rq, &q, gg_str(server_name), gg_str(since), err) : rc;
}

static int read_limit(struct gg_str body, struct mx_list_query *q, struct gg_error *err)
{
    struct gg_str limit = mx_json_get(body, "limit");
    q->limit = 100;
    if (limit.s == NULL || gg_str_is(limit, "null"))
        return 0;
    if (!mx_json_i64(limit, &q->limit) || q->limit < 0)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "limit must be a positive integer");
    return 0;
}

static int read_types(struct gg_str filter, struct mx_list_query *q, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str types = mx_json_get(filter, "room_types");
    if (types.s == NULL || gg_str_is(types, "null"))
        return 0;
    if (!mx_json_is_array(types))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "room_types must be a list");
    struct gg_str *wanted = GG_NEW_ARRAY(arena, struct gg_str, mx_json_length(types) + 1);
    struct mx_json_iter it = mx_json_iter(types);
    while (mx_json_next(&it)) {
        struct gg_str type = mx_storable(mx_json_string(it.value, arena));
        if (type.s != NULL)
            wanted[q->n_room_types++] = type;
        else if (gg_str_is(it.value, "null"))
            q->untyped = true;
        else
            return gg_refuse(err, 400, "M_INVALID_PARAM", "room_types must hold texts and null");
    }
    q->typed = true;
    q->room_types = wanted;
    return 0;
}

static int read_filter(struct gg_str body, struct mx_list_query *q, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str filter = mx_json_get(body, "filter");
    if (filter.s == NULL || gg_str_is(filter, "null"))
        return 0;
    if (!mx_json_is_object(filter))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "filter must be an object");
    struct gg_str term = mx_json_get(filter, "generic_search_term");
    if (term.s != NULL && !gg_str_is(term, "null")) {
        if (!mx_json_is_string(term))
            return gg_refuse(err, 400, "M_INVALID_PARAM", "generic_search_term must be a string");
        term = mx_storable(mx_json_string(term, arena));
        q->term = term.s != NULL ? term : GG_STR("\xef\xbf\xbf"); /* what no database text holds matches nothing */
        if (q->term.n == 0)
            q->term.s = NULL;
    }
    return read_types(filter, q, arena, err);
}

/* "appservice|network" */
static int read_network(struct gg_str body, struct mx_list_query *q, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str id = mx_storable(mx_json_string(mx_json_get(body, "third_party_instance_id"), arena));
    bool all = mx_json_true(mx_json_get(body, "include_all_networks"));
    q->scope = all ? MX_LIST_ALL : MX_LIST_OWN;
    if (id.n == 0)
        return 0;
    if (all)
        return gg_refuse(err, 400, "M_UNKNOWN", "Can't use include_all_networks with an explicit network");
    const char *bar = memchr(id.s, '|', id.n);
    if (bar == NULL || memchr(bar + 1, '|', (size_t)(id.s + id.n - bar - 1)) != NULL)
        return gg_refuse(err, 400, "M_UNKNOWN", "Invalid ID '%.*s'", GG_FMT(id));
    q->scope = MX_LIST_NETWORK;
    q->appservice = gg_strn(id.s, (size_t)(bar - id.s));
    q->network = gg_strn(bar + 1, (size_t)(id.s + id.n - bar - 1));
    return 0;
}

int mx_api_search_public_rooms(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct mx_list_query q = {0};
    struct gg_str body;
    const char *server_name = gg_request_query(rq, "server");
    int rc = mx_api_object_body(rq, &body, err);
    if (rc == 0)
        rc = read_limit(body, &q, err);
    if (rc == 0)
        rc = read_filter(body, &q, arena, err);
    if (rc == 0)
        rc = read_network(body, &q, arena, err);
    if (rc != 0)
        return rc;
    return reply_list(rq, &q, gg_str(server_name), mx_json_string(mx_json_get(body, "since"), arena), err);
}

/* ---- one room's place on it ---- */

int mx_api_get_listed(void *self, struct gg_request *rq, struct gg_error *err)
{
    bool known, listed;
    int rc = mx_room_list_get(mx_server_of_request(rq), mx_api_param(rq, "room_id"), &known, &listed, err);
    if (rc == 0 && !known)
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Unknown room");
    if (rc != 0)
        return rc;
    struct gg_buf buf = GG_BUF_INIT;
    gg_buf_printf(&buf, "{\"visibility\":\"%s\"}", listed ? "public" : "private");
    return gg_reply_buf(rq, 200, &buf);
}

static int read_visibility(struct gg_request *rq, bool *listed, struct gg_error *err)
{
    struct gg_str body;
    int rc = mx_api_object_body(rq, &body, err);
    if (rc != 0)
        return rc;
    struct gg_str value = mx_json_get(body, "visibility"), text = mx_json_string(value, gg_request_arena(rq));
    *listed = value.s == NULL || gg_str_is(text, "public");
    if (!*listed && !gg_str_is(text, "private"))
        return gg_refuse(err, 400, "M_BAD_JSON", "visibility must be 'public' or 'private'");
    return 0;
}

int mx_api_put_listed(void *self, struct gg_request *rq, struct gg_error *err)
{
    bool listed;
    int rc = read_visibility(rq, &listed, err);
    if (rc == 0)
        rc = mx_room_publish(mx_server_of_request(rq), mx_requester_of(rq), mx_api_param(rq, "room_id"), listed,
                             gg_request_arena(rq), err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

/* Networks of appservices keep lists of their own. */
static int list_of_network(struct gg_request *rq, bool listed, struct gg_error *err)
{
    const struct mx_requester *requester = mx_requester_of(rq);
    if (requester->app_service == NULL)
        return gg_refuse(err, 403, "M_FORBIDDEN", "Only appservices can edit the appservice published room list");
    int rc = mx_room_list_set_network(mx_server_of_request(rq), gg_str(requester->app_service), mx_api_param(rq, "network_id"),
                                      mx_api_param(rq, "room_id"), listed, err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

int mx_api_put_network_listed(void *self, struct gg_request *rq, struct gg_error *err)
{
    bool listed;
    int rc = read_visibility(rq, &listed, err);
    return rc == 0 ? list_of_network(rq, listed, err) : rc;
}

int mx_api_delete_network_listed(void *self, struct gg_request *rq, struct gg_error *err)
{
    return list_of_network(rq, false, err);
}
