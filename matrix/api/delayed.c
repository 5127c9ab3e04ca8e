/* delayed.c: events that are to be sent later, and what becomes of them (MSC4140). */
#include "api/delayed.h"

#include <ganglion/matrix/api.h>
#include <ganglion/memory.h>

#include "accounts/accounts.h"
#include "api/params.h"
#include "api/rooms.h"
#include "delayed/delayed.h"

#define DELAYED "/_matrix/client/unstable/org.matrix.msc4140/delayed_events"

/* ---- scheduling ---- */

/* The same transaction again is answered with the same id, as far as this process remembers. */
static struct gg_str transaction_of(struct gg_request *rq, const struct mx_new_event *event)
{
    const struct mx_requester *who = mx_requester_of(rq);
    if (event->txn_id == NULL)
        return (struct gg_str){0};
    return gg_str(gg_arena_printf(gg_request_arena(rq), "%s\x1f%s\x1f%.*s\x1f%.*s\x1f%s", who->user_id,
                                  who->device_id != NULL ? who->device_id : "", GG_FMT(event->room_id), GG_FMT(event->type),
                                  event->txn_id));
}

static int delay_once(struct gg_request *rq, const struct mx_new_event *event, int64_t delay_ms, struct gg_str *id, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str key = transaction_of(rq, event);
    const char *known = key.s != NULL ? mx_cache_get(server->delays_asked, key) : NULL;
    if (known != NULL) {
        *id = gg_str(gg_arena_strdup(gg_request_arena(rq), known));
        return 0;
    }
    int rc = mx_delay(server, mx_requester_of(rq), event, delay_ms, gg_request_arena(rq), id, err);
    if (rc == 0 && key.s != NULL)
        mx_cache_put(server->delays_asked, key, gg_xstrndup(id->s, id->n), id->n, mx_cache_tick(server->delays_asked));
    return rc;
}

int mx_api_delay(struct gg_request *rq, const struct mx_new_event *event, bool *done_out, struct gg_error *err)
{
    int64_t delay_ms = -1;
    struct gg_str id;
    int rc = mx_api_query_natural(rq, "org.matrix.msc4140.delay", -1, &delay_ms, err);
    *done_out = delay_ms >= 0;
    if (rc != 0 || !*done_out)
        return rc;
    rc = delay_once(rq, event, delay_ms, &id, err);
    return rc != 0 ? rc : mx_api_reply_id(rq, "delay_id", id);
}

/* ---- managing ---- */

/* Whoever logged in is limited as a user, anybody else by address. */
static int limit(struct gg_request *rq, struct gg_error *err)
{
    const struct mx_principal *who = gg_request_principal(rq);
    return mx_limit(mx_server_of_request(rq), "rc_delayed_event_mgmt",
                    gg_str(who != NULL ? who->requester.user_id : gg_request_address(rq)), who, true, err);
}

typedef GG_YIELDS int action_fn(struct mx_server *server, struct gg_str id, struct gg_error *err);

static int act(struct gg_request *rq, action_fn *action, struct gg_error *err)
{
    int rc = limit(rq, err);
    if (rc == 0)
        rc = action(mx_server_of_request(rq), mx_api_param(rq, "delay_id"), err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

static int handle_cancel(void *self, struct gg_request *rq, struct gg_error *err)
{
    return act(rq, mx_delay_cancel, err);
}

static int handle_send(void *self, struct gg_request *rq, struct gg_error *err)
{
    return act(rq, mx_delay_send, err);
}

static int handle_restart(void *self, struct gg_request *rq, struct gg_error *err)
{
    return act(rq, mx_delay_restart, err);
}

/* The form of old names the action in the body. */
static int handle_action(void *self, struct gg_request *rq, struct gg_error *err)
{
    static const struct {
        const char *name;
        action_fn *action;
    } actions[] = {{"cancel", mx_delay_cancel}, {"restart", mx_delay_restart}, {"send", mx_delay_send}};
    struct gg_str body;
    int rc = mx_api_object_body(rq, &body, err);
    if (rc != 0)
        return rc;
    struct gg_str name = mx_json_get(body, "action");
    if (name.s == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "'action' is missing");
    name = mx_json_string(name, gg_request_arena(rq));
    for (size_t i = 0; i < GG_COUNT(actions); i++)
        if (gg_str_is(name, actions[i].name))
            return act(rq, actions[i].action, err);
    return gg_refuse(err, 400, "M_INVALID_PARAM", "'action' is not one of 'cancel', 'restart', 'send'");
}

/* ---- reading ---- */

/* old: with the members of earlier revisions, too. */
static void write_event(struct gg_buf *out, const struct mx_delayed *e, bool old)
{
    long long since = (long long)(e->send_ts - e->delay_ms), delay = (long long)e->delay_ms;
    gg_buf_lit(out, "{\"delay_id\":");
    gg_buf_json_string(out, e->id);
    gg_buf_lit(out, ",\"room_id\":");
    gg_buf_json_string(out, e->room_id);
    gg_buf_lit(out, ",\"type\":");
    gg_buf_json_string(out, e->type);
    if (e->state_key.s != NULL) {
        gg_buf_lit(out, ",\"state_key\":");
        gg_buf_json_string(out, e->state_key);
    }
    gg_buf_printf(out, ",\"delay_ms\":%lld,\"delayed_since_ts\":%lld", delay, since);
    if (old)
        gg_buf_printf(out, ",\"delay\":%lld,\"running_since\":%lld", delay, since);
    gg_buf_lit(out, ",\"content\":");
    gg_buf_str(out, e->content);
    gg_buf_char(out, '}');
}

static int read_own(struct gg_request *rq, struct gg_str id, struct mx_delayed **out, size_t *n, struct gg_error *err)
{
    int rc = limit(rq, err);
    return rc != 0 ? rc : mx_delayed_list(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->localpart), id, gg_request_arena(rq), out, n, err);
}

static int handle_get(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_buf out = GG_BUF_INIT;
    struct mx_delayed *events;
    size_t n = 0;
    int rc = read_own(rq, mx_api_param(rq, "delay_id"), &events, &n, err);
    if (rc != 0 || n == 0)
        return rc != 0 ? rc : gg_refuse(err, 404, "M_NOT_FOUND", "Delayed event not found");
    write_event(&out, &events[0], false);
    return gg_reply_buf(rq, 200, &out);
}

static int handle_list(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_buf out = GG_BUF_INIT;
    struct mx_delayed *events;
    size_t n = 0;
    int rc = read_own(rq, (struct gg_str){0}, &events, &n, err);
    if (rc != 0)
        return rc;
    gg_buf_lit(&out, "{\"delayed_events\":[");
    for (size_t i = 0; i < n; i++) {
        gg_buf_text(&out, i > 0 ? "," : "");
        write_event(&out, &events[i], true);
    }
    gg_buf_lit(&out, "]}");
    return gg_reply_buf(rq, 200, &out);
}

/* ---- what main is told ---- */

static int added(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    mx_delaying_wake(self);
    *answer_out = json_object();
    return 0;
}

static int cancel_all(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    int rc = mx_delay_cancel_all(self, gg_str(call->args[0]), err);
    if (rc == 0)
        *answer_out = json_object();
    return rc;
}

const struct gg_method mx_methods_delayed[] = {
    {"added_delayed_event", 0, GG_METHOD_MAIN_ONLY, added, .doc = "An event was delayed: main looks when the next is due."},
    {"cancel_delayed_events_for_user", 1, GG_METHOD_MAIN_ONLY, cancel_all, .doc = "Takes a user's delayed events back."},
    {0},
};

#define ROUTE(method_, path_, handler_, ...) \
    {.method = method_, .path = path_, .handler = handler_, .resource = "client", __VA_ARGS__}

const struct gg_route mx_routes_delayed[] = {
    ROUTE("GET", DELAYED, handle_list, .auth = GG_AUTH_USER, .doc = "own events that are to be sent later"),
    ROUTE("GET", DELAYED "/{delay_id}", handle_get, .auth = GG_AUTH_USER, .doc = "one of them"),
    ROUTE("POST", DELAYED "/{delay_id}", handle_action, .auth = GG_AUTH_OPTIONAL, .writer = GG_WRITER_MAIN,
          .doc = "take back, send now or begin anew (old form)"),
    ROUTE("POST", DELAYED "/{delay_id}/cancel", handle_cancel, .auth = GG_AUTH_OPTIONAL, .writer = GG_WRITER_MAIN, .doc = "take back"),
    ROUTE("POST", DELAYED "/{delay_id}/send", handle_send, .auth = GG_AUTH_OPTIONAL, .writer = GG_WRITER_MAIN, .doc = "send now"),
    ROUTE("POST", DELAYED "/{delay_id}/restart", handle_restart, .auth = GG_AUTH_OPTIONAL, .doc = "begin the delay anew"),
    {0},
};
