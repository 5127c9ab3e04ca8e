/* From a parsed head to a handler in its fiber, and to the end of the request. */
#include "http/conn.h"

#include "base/clock.h"
#include "http/forward.h"
#include "main/host.h"

#include <ganglion/topology.h>
#include <stdlib.h>
#include <strings.h>

static struct gg_logger logger = {"ganglion.http"};

/* A refused request's body is read and dropped up to this size, so that the connection can go on. */
enum { SWALLOW_BYTES = 65536 };
/* A larger body is only asked for once its sender is known. */
enum { EARLY_BYTES = 65536 };

/* ---- when the head is there ---- */

static void refuse(struct gg_request *rq, int status, const char *errcode, const char *why)
{
    if (rq->refusal.code == 0)
        gg_refuse(&rq->refusal, status, errcode, "%s", why);
}

/* The first entry counts: a proxy in front is trusted to have set it. */
static void take_forwarded(struct gg_request *rq)
{
    const char *from = gg_request_header(rq, "X-Forwarded-For");
    if (from != NULL) {
        from += strspn(from, " ");
        size_t n = strcspn(from, ", ");
        if (n > 0 && n < GG_ADDRESS_SIZE)
            rq->address = gg_arena_strndup(gg_request_arena(rq), from, n);
    }
    const char *proto = gg_request_header(rq, "X-Forwarded-Proto");
    rq->https = proto != NULL ? strcasecmp(proto, "https") == 0 : rq->https;
}

static void take_id(struct gg_request *rq)
{
    const char *wanted = rq->port->request_id_header;
    const char *given = wanted != NULL ? gg_request_header(rq, wanted) : NULL;
    if (given != NULL && given[0] != '\0') {
        snprintf(rq->id, sizeof(rq->id), "%s", given);
        return;
    }
    /* by hand: this runs for each request, and snprintf is slow */
    char digits[24];
    size_t n = 0, at = strlen(rq->method);
    for (uint64_t id = rq->server->next_id++; n == 0 || id > 0; id /= 10)
        digits[n++] = (char)('0' + id % 10);
    memcpy(rq->id, rq->method, at);
    rq->id[at++] = '-';
    while (n > 0)
        rq->id[at++] = digits[--n];
    rq->id[at] = '\0';
}

static bool target_ok(struct gg_request *rq)
{
    const char *target = gg_request_target(rq);
    bool star = strcmp(rq->method, "OPTIONS") == 0 && strcmp(target, "*") == 0;
    if (star || (target[0] == '/' && target[1] != '/'))
        return true;
    rq->cut = true; /* whoever sends this takes us for something else */
    refuse(rq, 400, "M_UNKNOWN", "The request target must be a path");
    return false;
}

static void find_route(struct gg_request *rq)
{
    struct gg_str path = gg_strn(gg_request_target(rq), rq->n_path);
    uint32_t resources = rq->via != NULL ? ~(uint32_t)GG_RES_REPLICATION : rq->port->resources;
    int rc = gg_router_find(rq->server->router, rq->method, path, resources, &rq->match);
    if (rc == GG_E_INVALID) {
        char allowed[128];
        gg_router_allowed(rq->server->router, path, resources, allowed, sizeof(allowed));
        gg_reply_header(rq, "Allow", allowed);
        refuse(rq, 405, "M_UNRECOGNIZED", "Unrecognized request");
    } else if (rc < 0) {
        refuse(rq, 404, "M_UNRECOGNIZED", "Unrecognized request");
    }
}

static void bound_body(struct gg_request *rq)
{
    const struct gg_route *route = rq->match.entry->route;
    rq->streamed = (route->flags & GG_ROUTE_STREAMED) != 0 || route->handler == NULL;
    rq->max_body = route->max_body != 0 ? route->max_body : rq->streamed ? UINT64_MAX : rq->server->limits.default_body;
    if (rq->declared > 0 && (uint64_t)rq->declared > rq->max_body)
        refuse(rq, 413, "M_TOO_LARGE", "The body is too large");
}

void gg_dispatch_head(struct gg_request *rq)
{
    rq->n_path = strcspn(gg_request_target(rq), "?");
    rq->cors = (rq->port->resources & ~(uint32_t)GG_RES_REPLICATION) != 0;
    if (rq->port->x_forwarded)
        take_forwarded(rq);
    take_id(rq);
    const char *expect = gg_request_header(rq, "Expect");
    rq->expects = expect != NULL && strcasecmp(expect, "100-continue") == 0;
    rq->max_body = rq->server->limits.default_body;
    if (!target_ok(rq) || strcmp(rq->method, "OPTIONS") == 0 || rq->port->metrics)
        return;
    bool get = rq->head_method || strcmp(rq->method, "GET") == 0;
    if (get && gg_builtin_path(gg_strn(gg_request_target(rq), rq->n_path), rq->port->resources))
        return;
    if ((rq->port->resources & GG_RES_REPLICATION) != 0 && gg_forward_accept(rq) < 0)
        return;
    find_route(rq);
    if (rq->match.entry == NULL)
        return;
    rq->replication = (rq->match.entry->resources & (GG_RES_REPLICATION | GG_RES_METRICS)) != 0;
    rq->cors = !rq->replication;
    bound_body(rq);
}

/* ---- in the fiber ---- */

static bool elsewhere(const struct gg_request *rq)
{
    const struct gg_route *route = rq->match.entry->route;
    if (route->handler == NULL)
        return true;
    const struct gg_config *config = rq->server->host->config;
    return route->writer != NULL && config != NULL && !gg_topology_is_writer(config, route->writer);
}

static int wait_whole_body(struct gg_request *rq, struct gg_error *err)
{
    int rc = 0;
    while (rc == 0 && !rq->complete)
        rc = gg_request_wait_more(rq, err);
    return rc;
}

static int handle(struct gg_request *rq, struct gg_error *err)
{
    const struct gg_router_entry *entry = rq->match.entry;
    const struct gg_route *route = entry->route;
    struct gg_host *host = rq->server->host;
    int rc = gg_request_decode_params(rq, err);
    if (rc < 0)
        return rc;
    rq->passing = elsewhere(rq);
    if (rq->passing)
        return gg_forward(rq, err);
    rc = gg_request_check_query(rq, err);
    if (rc == 0)
        rc = gg_host_authenticate(host, rq, route->auth, err);
    if (rc == 0 && !rq->streamed)
        rc = wait_whole_body(rq, err);
    if (rc == 0 && route->limiter != NULL)
        rc = gg_host_limit(host, rq, route->limiter, err);
    if (rc == 0 && (route->flags & GG_ROUTE_JSON) != 0)
        rc = gg_request_check_json(rq, err);
    if (rc == 0)
        rc = route->handler(entry->self, rq, err);
    if (rq->principal != NULL)
        gg_host_seen(host, rq);
    return rc;
}

/* A handler's failure becomes an answer, or, too late for one, the end of the connection. */
static void settle(struct gg_request *rq, int rc, struct gg_error *err)
{
    if (rc < 0 && err->http_status >= 500 && rc != GG_E_CANCELLED && rc != GG_E_CLOSED)
        gg_warn(&logger, "%s %s failed: %s (%s)", rq->method, rq->match.entry->spelling, err->message,
                gg_status_name(rc));
    if (rq->replied) {
        if (rq->streaming && !rq->ended && rc == 0)
            rc = gg_reply_end(rq, err);
        rq->cut = rq->cut || (rq->streaming && !rq->ended);
        return;
    }
    if (rc == 0) {
        gg_err(&logger, "the handler of %s %s answered nothing", rq->method, rq->match.entry->spelling);
        gg_refuse(err, 500, "M_UNKNOWN", "Internal server error");
    } else if (err->code == 0) {
        gg_fail(err, rc, "%s", gg_status_name(rc));
    }
    gg_reply_error(rq, err);
    if (rc == GG_E_CANCELLED && rq->conn == NULL)
        rq->status = 499; /* nobody reads it; tells it apart in the access log */
}

static void run(void *arg)
{
    struct gg_request *rq = arg;
    const struct gg_route *route = rq->match.entry->route;
    struct gg_error err = GG_ERROR_INIT;
    rq->fiber = gg_self();
    gg_set_tag(rq->id);
    if (route->deadline_ms != 0)
        gg_set_deadline(gg_deadline(route->deadline_ms));
    else if ((route->flags & (GG_ROUTE_LONG_POLL | GG_ROUTE_STREAMED)) == 0)
        gg_set_deadline(gg_deadline(rq->server->limits.default_deadline_ms));
    int rc = handle(rq, &err);
    settle(rq, rc, &err);
    rq->fiber = NULL;
    gg_request_finish(rq);
}

/* ---- from the parser ---- */

static void start(struct gg_request *rq)
{
    rq->started = true;
    rq->early = !rq->complete;
    rq->began_us = gg_clock_us();
    if (gg_builtin(rq)) {
        gg_request_finish(rq);
        return;
    }
    rq->fiber = gg_spawn(rq->server->scope, rq->match.entry->spelling, run, rq);
    if (rq->fiber != NULL)
        return;
    refuse(rq, 503, "M_UNKNOWN", "The server cannot take more requests now");
    rq->cut = true;
    gg_reply_error(rq, &rq->refusal);
    gg_request_finish(rq);
}

static bool may_swallow(const struct gg_request *rq)
{
    return !rq->cut && rq->keep_alive && rq->head_done && !rq->expects && rq->declared >= 0 &&
           rq->declared <= SWALLOW_BYTES;
}

static bool wants_early(const struct gg_request *rq)
{
    const struct gg_router_entry *entry = rq->match.entry;
    if (!rq->head_done || entry == NULL)
        return false;
    if (rq->streamed)
        return true;
    bool known_by_head = entry->route->auth != GG_AUTH_NONE && entry->route->auth != GG_AUTH_SERVER;
    return known_by_head && (rq->declared < 0 || rq->declared > EARLY_BYTES);
}

/* Answers at once; a small body that is still to come is thrown away, so that the connection goes on. */
static void answer_refusal(struct gg_request *rq)
{
    rq->started = true;
    rq->began_us = gg_clock_us();
    rq->swallowing = !rq->complete && may_swallow(rq);
    gg_reply_error(rq, &rq->refusal);
    rq->settled = true;
    if (!rq->swallowing || rq->conn == NULL)
        gg_request_finish(rq);
}

void gg_dispatch(struct gg_request *rq)
{
    if (rq->swallowing) {
        if (rq->complete)
            gg_request_finish(rq);
    } else if (rq->started) {
        gg_cond_broadcast(&rq->wake);
    } else if (rq->refusal.code != 0) {
        answer_refusal(rq);
    } else if (rq->complete || wants_early(rq)) {
        start(rq);
    } else if (rq->head_done) {
        gg_reply_continue(rq);
    }
}

void gg_request_finish(struct gg_request *rq)
{
    struct gg_http_conn *conn = rq->conn;
    gg_access_note(rq);
    if (gg_self() != NULL)
        gg_set_tag(NULL); /* the id goes with the request, and the next one may begin below */
    if (conn != NULL)
        gg_http_conn_done(conn);
    gg_request_drop(rq);
}
