/* matrix/api/room_list.c: the public list of rooms (client-server API, "Listing rooms"). */
#include "api/params.h"
#include "api/public_list.h"
#include "api/rooms.h"

#include "directory/publish.h"
#include "federation/room_lists.h"

#include <ganglion/config.h>
#include <ganglion/matrix/id.h>

/* ---- the list ---- */

/* false: it is ours. */
static int is_elsewhere(struct mx_server *server, struct gg_str name, bool *elsewhere, struct gg_error *err)
{
    *elsewhere = name.n > 0 && !gg_str_is(name, server->name);
    if (!*elsewhere || mx_server_name_valid(name))
        return 0;
    return gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid server name: %.*s", GG_FMT(name));
}

static int reply_remote(struct gg_request *rq, const struct mx_fed_list_query *query, struct gg_error *err)
{
    struct gg_str list;
    int rc = mx_fed_room_list(mx_server_of_request(rq), query, gg_request_arena(rq), &list, err);
    return rc != 0 ? rc : gg_reply_text(rq, 200, "application/json", list);
}

static int reply_list(struct gg_request *rq, struct mx_list_query *q, struct gg_str since, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    int rc = 0;
    if (since.n > 0) {
        struct mx_list_token *token = GG_NEW(arena, struct mx_list_token);
        rc = mx_list_token_parse(since, arena, token, err);
        q->since = token;
    }
    if (rc != 0)
        return rc;
    struct gg_buf buf = GG_BUF_INIT;
    rc = mx_published_rooms(mx_server_of_request(rq), q, arena, &buf, err);
    if (rc == 0)
        return gg_reply_buf(rq, 200, &buf);
    gg_buf_done(&buf);
    return rc;
}

int mx_api_public_rooms(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_list_query q = {0};
    const char *since = gg_request_query(rq, "since"), *server_name = gg_request_query(rq, "server");
    bool elsewhere = false;
    if (mx_requester_of(rq) == NULL && !gg_config_bool(mx_server_of_request(rq)->config, "allow_public_rooms_without_auth"))
        return gg_refuse(err, 401, "M_MISSING_TOKEN", "Missing access token");
    int rc = mx_api_query_natural(rq, "limit", 0, &q.limit, err);
    if (rc == 0)
        rc = is_elsewhere(mx_server_of_request(rq), gg_str(server_name), &elsewhere, err);
    if (rc == 0 && elsewhere)
        return reply_remote(rq, &(struct mx_fed_list_query){.server_name = gg_str(server_name), .since = gg_str(since),
                                                            .limit = q.limit}, err);
    return rc == 0 ? reply_list(rq, &q, gg_str(since), err) : rc;
}

int mx_api_search_public_rooms(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct mx_list_query q = {0};
    struct gg_str body;
    bool elsewhere = false;
    const char *server_name = gg_request_query(rq, "server");
    int rc = mx_api_content_body(rq, &body, err);
    if (rc == 0)
        rc = mx_public_list_read(body, arena, &q, err);
    if (rc == 0)
        rc = is_elsewhere(mx_server_of_request(rq), gg_str(server_name), &elsewhere, err);
    if (rc != 0)
        return rc;
    struct gg_str since = mx_json_string(mx_json_get(body, "since"), arena), filter = mx_json_get(body, "filter");
    if (!elsewhere)
        return reply_list(rq, &q, since, err);
    const struct mx_fed_list_query asked = {
        .server_name = gg_str(server_name), .since = since, .limit = q.limit,
        .network = mx_json_string(mx_json_get(body, "third_party_instance_id"), arena),
        .all_networks = mx_json_true(mx_json_get(body, "include_all_networks")),
        .filter = mx_json_is_object(filter) ? filter : (struct gg_str){0}};
    return reply_remote(rq, &asked, err);
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
    int rc = mx_api_content_body(rq, &body, err);
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
