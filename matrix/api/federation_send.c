/* matrix/api/federation_send.c: what servers send us (server-server API, "Transactions"), and EDUs that another process of
 * ours hands on (facts replication 9.4). */
#include "api/params.h"
#include "federation/edus.h"
#include "federation/inbound.h"
#include "federation/origin.h"

#include <ganglion/matrix/api.h>

enum { PDU_MAX = 65536, BODY_MAX = 200 * PDU_MAX }; /* as much as Synapse takes */

static int put_send(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str answer;
    (void)self;
    int rc = mx_fed_transaction(mx_server_of_request(rq), mx_origin_of(rq), gg_request_param(rq, "transaction_id"),
                                gg_request_body(rq), arena, &answer, err);
    return rc ? rc : gg_reply_text(rq, 200, "application/json", answer);
}

const struct gg_route mx_routes_federation_send[] = {
    {"PUT", "/_matrix/federation/v1/send/{transaction_id}", put_send, "federation", GG_AUTH_SERVER, 0, BODY_MAX, 0, NULL,
     "federation_in", "source", NULL, "Events and EDUs of another server"},
    {0},
};

static int fed_send_edu(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err)
{
    const char *origin = json_string_value(json_object_get(call->body, "origin"));
    const json_t *content = json_object_get(call->body, "content");
    if (!origin || !json_is_object(content))
        return gg_refuse(err, 400, "M_BAD_JSON", "origin or content is missing");
    int rc = mx_fed_edu_here(self, origin, call->args[0], content, err);
    if (rc == 0)
        *answer = json_object();
    return rc;
}

const struct gg_method mx_methods_federation[] = {
    {"fed_send_edu", 1, GG_METHOD_TXN, fed_send_edu, NULL, "An EDU of another server, for the writer of its stream"},
    {0},
};
