/* matrix/api/federation_devices.c: devices and keys of our users, asked for by other servers (facts http-api 4). */
#include "api/params.h"
#include "federation/device_serve.h"

#include <ganglion/matrix/api.h>

enum { LARGE = 200 * 65536 }; /* as much as a client may ask of us at once */

static int answer(struct gg_request *rq, struct gg_buf *out, int rc)
{
    if (rc == 0)
        return gg_reply_buf(rq, 200, out);
    gg_buf_done(out);
    return rc;
}

static int get_devices(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_buf out = GG_BUF_INIT;
    return answer(rq, &out, mx_fed_serve_devices(mx_server_of_request(rq), mx_api_param(rq, "user_id"), gg_request_arena(rq),
                                                 &out, err));
}

static int query_keys(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_buf out = GG_BUF_INIT;
    return answer(rq, &out, mx_fed_serve_keys(mx_server_of_request(rq), gg_request_body(rq), gg_request_arena(rq), &out, err));
}

static int claim_keys(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_buf out = GG_BUF_INIT;
    return answer(rq, &out, mx_fed_serve_claim(mx_server_of_request(rq), gg_request_body(rq), gg_request_arena(rq), &out, err));
}

const struct gg_route mx_routes_federation_devices[] = {
    {.method = "GET", .path = "/_matrix/federation/v1/user/devices/{user_id}", .handler = get_devices, .resource = "federation",
     .auth = GG_AUTH_SERVER, .flags = GG_ROUTE_CANCELLABLE, .doc = "the devices of one of our users"},
    {.method = "POST", .path = "/_matrix/federation/v1/user/keys/query", .handler = query_keys, .resource = "federation",
     .auth = GG_AUTH_SERVER, .flags = GG_ROUTE_JSON, .max_body = LARGE, .doc = "keys of our users' devices"},
    {.method = "POST", .path = "/_matrix/federation/v1/user/keys/claim", .handler = claim_keys, .resource = "federation",
     .auth = GG_AUTH_SERVER, .flags = GG_ROUTE_JSON, .max_body = LARGE, .doc = "take one-time keys of our users' devices"},
    {0},
};
