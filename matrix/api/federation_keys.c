/* federation_keys.c: who we are, for other servers: keys, ours and others', and our version. */
#include "federation/own_keys.h"

#include <ganglion/matrix/api.h>
#include <ganglion/matrix/id.h>

enum { QUERY_BYTES = 1 << 20, QUERY_DEPTH = 16 };

static int get_server_keys(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_buf out = GG_BUF_INIT;
    mx_json_write(&out, mx_own_keys(mx_server_of_request(rq), gg_wall_ms(), gg_request_arena(rq)));
    return gg_reply_buf(rq, 200, &out);
}

static int answer(struct gg_request *rq, const struct mx_notary_ask *asks, size_t n, struct gg_error *err)
{
    struct gg_buf out = GG_BUF_INIT;
    int rc = mx_notary_answer(mx_server_of_request(rq), asks, n, gg_request_arena(rq), &out, err);
    if (!rc)
        return gg_reply_buf(rq, 200, &out);
    gg_buf_done(&out);
    return rc;
}

static int get_query(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *name = gg_request_param(rq, "server"), *id = gg_request_param(rq, "key_id");
    struct mx_notary_id wanted = {gg_str(id), -1};
    struct mx_notary_ask ask = {gg_str(name), NULL, 0};
    int rc = gg_request_query_i64(rq, "minimum_valid_until_ts", -1, &wanted.valid_until_ms, err);
    if (rc)
        return rc;
    if (id && id[0]) {
        ask.ids = &wanted;
        ask.n = 1;
    }
    return answer(rq, &ask, mx_server_name_valid(ask.server) && ask.server.n <= MX_ID_MAX, err);
}

static int post_query(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_notary_ask *asks;
    struct mx_json *body;
    size_t n;
    int rc = mx_json_parse(gg_request_body(rq), QUERY_DEPTH, gg_request_arena(rq), &body, err);
    if (!rc)
        rc = mx_notary_read(body, gg_request_arena(rq), &asks, &n, err);
    return rc ? rc : answer(rq, asks, n, err);
}

static int get_version(void *self, struct gg_request *rq, struct gg_error *err)
{
    return gg_reply_json(rq, 200, json_pack("{s{ssss}}", "server", "name", "Ganglion", "version", GANGLION_VERSION));
}

const struct gg_route mx_routes_federation_keys[] = {
    {.method = "GET", .path = "/_matrix/key/v2/server(|/)", .handler = get_server_keys, .resource = "keys|federation",
     .flags = GG_ROUTE_CANCELLABLE, .doc = "our signing keys"},
    {.method = "GET", .path = "/_matrix/key/v2/server/{key_id}", .handler = get_server_keys,
     .resource = "keys|federation", .flags = GG_ROUTE_CANCELLABLE, .doc = "our signing keys (of old)"},
    {.method = "GET", .path = "/_matrix/key/v2/query/{server}(|/)", .handler = get_query, .resource = "keys|federation",
     .flags = GG_ROUTE_CANCELLABLE, .doc = "what we know of a server's keys"},
    {.method = "GET", .path = "/_matrix/key/v2/query/{server}/{key_id}", .handler = get_query,
     .resource = "keys|federation", .flags = GG_ROUTE_CANCELLABLE, .doc = "what we know of one key (of old)"},
    {.method = "POST", .path = "/_matrix/key/v2/query", .handler = post_query, .resource = "keys|federation",
     .flags = GG_ROUTE_CANCELLABLE, .max_body = QUERY_BYTES, .doc = "what we know of servers' keys"},
    {.method = "GET", .path = "/_matrix/federation/v1/version", .handler = get_version, .resource = "federation",
     .flags = GG_ROUTE_CANCELLABLE, .doc = "name and version of this server"},
    {0},
};
