/* matrix/api/sync.c: GET /sync: computes, and waits while there is nothing to say. */
#include "accounts/accounts.h"
#include "presence/presence.h"
#include "sync/catch_up.h"
#include "sync/moment.h"
#include "sync/parts.h"
#include "sync/shared.h"
#include "usage/usage.h"

#include <ganglion/fiber.h>
#include <ganglion/matrix/api.h>
#include <ganglion/matrix/notifier.h>

enum { MAX_TIMEOUT_MS = 24 * 3600 * 1000 };

/* One look. The waiter was set up before, so what comes while we look is not lost. */
static int look(struct mx_sync *sync, struct gg_error *err)
{
    int rc = mx_moment(sync->server, gg_str(sync->query->requester->user_id), sync->arena, &sync->now, &sync->user_rooms, err);
    return rc != 0 ? rc : mx_sync_compute(sync, err);
}

/* What the token acknowledges, once, whatever the number of rounds. */
static int begin_parts(struct mx_server *server, const struct mx_sync_query *query, struct gg_error *err)
{
    struct mx_sync sync = {.server = server, .query = query, .arena = gg_arena_new()};
    int rc = mx_sync_begin_parts(&sync, err);
    gg_arena_free(sync.arena);
    return rc;
}

/* Each round has an arena of its own: a client that waits for minutes must not pile up what the rounds looked at. */
static int round_trip(struct mx_server *server, const struct mx_sync_query *query, int64_t deadline, bool *again,
                      struct gg_buf *out, struct gg_error *err)
{
    struct mx_sync sync = {.server = server, .query = query, .arena = gg_arena_new()};
    struct mx_waiter *waiter = NULL;
    int rc = 0;
    bool may_wait = query->has_since && !query->full_state && gg_now_ms() < deadline;
    *again = false;
    if (may_wait)
        rc = mx_wait_begin_everywhere(server, gg_str(query->requester->user_id), &waiter, err);
    if (rc == 0)
        rc = look(&sync, err);
    if (rc == 0 && may_wait && mx_sync_empty(&sync)) {
        int waited = mx_wait(waiter, deadline);
        *again = waited == 0;
        if (waited == GG_E_CANCELLED)
            rc = gg_fail(err, waited, "the client went away");
    }
    if (rc == 0 && !*again)
        mx_sync_write(&sync, out);
    mx_wait_end(waiter);
    gg_arena_free(sync.arena);
    return rc;
}

/* Who syncs is there, as often as the limit allows: what is above it is not refused, it just does not count. */
static void begin_visit(struct gg_request *rq, const struct mx_sync_query *query, struct mx_visit **visit)
{
    struct mx_server *server = mx_server_of_request(rq);
    const struct mx_principal *principal = gg_request_principal(rq);
    struct gg_error err = GG_ERROR_INIT;
    const char *key = gg_arena_printf(gg_request_arena(rq), "sync %s", principal->requester.user_id);
    if (query->set_presence != MX_OFFLINE &&
        mx_limit(server, "rc_presence.per_user", gg_str(key), principal, true, &err) == 0)
        mx_presence_visit_begin(server, &principal->requester, query->set_presence, visit);
}

static int compute_answer(struct mx_server *server, const struct mx_sync_query *query, int64_t deadline, struct gg_buf *out,
                          struct gg_error *err)
{
    bool again = true;
    int rc = 0;
    while (rc == 0 && again)
        rc = round_trip(server, query, deadline, &again, out, err);
    return rc;
}

/* What makes two requests ask the same: who (the device sees its own transaction ids), and all parameters. */
static struct gg_str key_of(struct gg_request *rq)
{
    static const char *const params[] = {"since", "filter", "timeout", "full_state", "set_presence", "use_state_after",
                                         "org.matrix.msc4222.use_state_after"};
    const struct mx_requester *requester = mx_requester_of(rq);
    struct gg_buf key = GG_BUF_INIT;
    gg_buf_printf(&key, "%s\n%s\n%s", requester->user_id, requester->device_id != NULL ? requester->device_id : "",
                  requester->device_id != NULL ? "" : requester->access_token);
    for (size_t i = 0; i < GG_COUNT(params); i++) {
        const char *value = gg_request_query(rq, params[i]);
        gg_buf_char(&key, '\n');
        gg_buf_json_string(&key, gg_str(value != NULL ? value : ""));
    }
    struct gg_str copy = gg_arena_str(gg_request_arena(rq), gg_buf_view(&key));
    gg_buf_done(&key);
    return copy;
}

static int share_answer(struct gg_request *rq, const struct mx_sync_query *query, int64_t deadline, struct gg_buf *out,
                        struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str key = key_of(rq);
    for (;;) {
        bool own;
        struct mx_shared_answer *answer = mx_shared_join(server->shared_syncs, key, &own);
        if (own) {
            int rc = compute_answer(server, query, deadline, out, err);
            mx_shared_done(server->shared_syncs, key, answer, rc == 0 ? out : NULL);
            return rc;
        }
        int rc = mx_shared_wait(answer, out);
        if (rc != GG_E_CONFLICT)
            return rc == 0 ? 0 : gg_fail(err, rc, "waiting for the same answer");
    }
}

static int handle_sync(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct mx_sync_query query;
    struct gg_buf out = GG_BUF_INIT;
    struct mx_visit *visit = NULL;
    int rc = mx_sync_read_query(rq, &query, err);
    if (rc == 0)
        rc = mx_usage_check(server, mx_requester_of(rq), err);
    if (rc == 0)
        mx_usage_seen(server, gg_str(mx_requester_of(rq)->user_id));
    if (rc == 0 && query.has_since)
        rc = mx_sync_catch_up(server, &query.since, err);
    if (rc == 0 && query.has_since)
        rc = begin_parts(server, &query, err);
    if (rc == 0)
        begin_visit(rq, &query, &visit);
    int64_t timeout = query.timeout_ms > MAX_TIMEOUT_MS ? MAX_TIMEOUT_MS : query.timeout_ms;
    int64_t deadline = gg_deadline(timeout);
    if (rc == 0)
        rc = share_answer(rq, &query, deadline, &out, err);
    mx_presence_visit_end(visit);
    if (rc == 0)
        return gg_reply_buf(rq, 200, &out);
    gg_buf_done(&out);
    return rc;
}

const struct gg_route mx_routes_sync[] = {
    {.method = "GET", .path = "/_matrix/client/(v2_alpha|r0|v3|unstable)/sync", .handler = handle_sync, .resource = "client",
     .auth = GG_AUTH_GUEST, .flags = GG_ROUTE_CANCELLABLE | GG_ROUTE_LONG_POLL, .pool = "sync", .balance = "user",
     .doc = "what the client has not seen yet"},
    {0},
};
