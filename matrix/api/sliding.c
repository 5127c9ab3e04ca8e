/* matrix/api/sliding.c: POST .../org.matrix.simplified_msc3575/sync (MSC4186): computes, and waits while there is
 * nothing to say. */
#include "api/params.h"
#include "sliding/sliding.h"
#include "sync/catch_up.h"
#include "usage/usage.h"

#include <ganglion/fiber.h>
#include <ganglion/matrix/api.h>
#include <ganglion/matrix/notifier.h>

enum { MAX_TIMEOUT_MS = 24 * 3600 * 1000, MAX_BODY = 1 << 20 };

struct asking {
    struct mx_server *server;
    const struct mx_requester *requester;
    struct mx_sliding_request request;
    bool has_from;
    struct mx_token from;
    int64_t position, timeout_ms, deadline;
    struct mx_connection_name name;
    const struct mx_connection *connection;
};

static int read_request(struct gg_request *rq, struct asking *a, struct gg_error *err)
{
    const char *pos = gg_request_query(rq, "pos"), *token;
    a->server = mx_server_of_request(rq);
    a->requester = mx_requester_of(rq);
    int rc = mx_api_query_natural(rq, "timeout", 0, &a->timeout_ms, err);
    if (rc == 0 && pos != NULL) {
        rc = mx_sliding_pos_read(pos, &a->position, &token, err);
        if (rc == 0)
            rc = mx_token_parse(a->server, token, &a->from, err);
        if (rc == 0 && a->from.room.depth >= 0)
            rc = gg_refuse(err, 400, "M_UNKNOWN", "Invalid stream token");
        a->has_from = true;
    }
    if (rc == 0)
        rc = mx_sliding_request_read(gg_request_body(rq), gg_request_arena(rq), &a->request, err);
    a->name = (struct mx_connection_name){gg_str(a->requester->user_id),
                                          gg_str(a->requester->device_id != NULL ? a->requester->device_id : ""),
                                          a->request.conn_id};
    a->timeout_ms = a->timeout_ms > MAX_TIMEOUT_MS ? MAX_TIMEOUT_MS : a->timeout_ms;
    a->deadline = gg_deadline(a->timeout_ms);
    return rc;
}

/* Nothing new, at the client's own position: it is ahead of all that could be told. */
static int stand_still(const struct asking *a, struct gg_buf *out)
{
    struct mx_sliding s = {.server = a->server, .request = &a->request, .now = a->from, .position = a->position};
    mx_sliding_write(&s, out);
    return 0;
}

/* One look, in an arena of its own: a client that waits for minutes must not pile up what the looks saw. Nothing is
 * remembered for the connection but what is told. */
static int round_trip(const struct asking *a, bool *again, struct gg_buf *out, struct gg_error *err)
{
    struct mx_sliding s = {.server = a->server,
                           .requester = a->requester,
                           .request = &a->request,
                           .arena = gg_arena_new(),
                           .has_from = a->has_from,
                           .from = a->from,
                           .position = a->position,
                           .connection = a->connection};
    struct mx_waiter *waiter = NULL;
    bool may_wait = a->has_from && gg_now_ms() < a->deadline;
    int rc = 0;
    *again = false;
    if (may_wait)
        rc = mx_wait_begin_everywhere(s.server, gg_str(s.requester->user_id), &waiter, err);
    if (rc == 0)
        rc = mx_sliding_compute(&s, err);
    if (rc == 0 && may_wait && mx_sliding_empty(&s)) {
        int waited = mx_wait(waiter, a->deadline);
        *again = waited == 0;
        if (waited == GG_E_CANCELLED)
            rc = gg_fail(err, waited, "the client went away");
    }
    if (rc == 0 && !*again)
        rc = mx_sliding_remember(&s, &a->name, err);
    if (rc == 0 && !*again)
        mx_sliding_write(&s, out);
    mx_wait_end(waiter);
    gg_arena_free(s.arena);
    return rc;
}

static int handle_sliding(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct asking a = {0};
    struct gg_buf out = GG_BUF_INIT;
    bool again = true, behind = false;
    int rc = read_request(rq, &a, err);
    if (rc == 0)
        rc = mx_usage_check(a.server, a.requester, err);
    if (rc == 0)
        rc = mx_connection_at(a.server, &a.name, a.position, gg_request_arena(rq), &a.connection, err);
    if (rc == 0 && a.has_from)
        rc = mx_sync_catch_up(a.server, &a.from, err);
    behind = a.has_from && gg_stream_upto(a.server->events) < a.from.room.at.min;
    if (rc == 0 && behind)
        rc = stand_still(&a, &out);
    while (rc == 0 && !behind && again)
        rc = round_trip(&a, &again, &out, err);
    if (rc == 0)
        return gg_reply_buf(rq, 200, &out);
    gg_buf_done(&out);
    return rc;
}

const struct gg_route mx_routes_sliding[] = {
    {.method = "POST",
     .path = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync",
     .handler = handle_sliding,
     .resource = "client",
     .auth = GG_AUTH_GUEST,
     .flags = GG_ROUTE_CANCELLABLE | GG_ROUTE_LONG_POLL,
     .max_body = MAX_BODY,
     .pool = "sync",
     .balance = "user",
     .doc = "what has come of the rooms that a client looks at"},
    {0},
};
