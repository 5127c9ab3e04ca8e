/* matrix/federation/missing.c: the auth events of an event, asked of who sent it where we do not hold them. */
#include "federation/missing.h"
#include "federation/client.h"
#include "federation/fetch.h"
#include "federation/receive.h"

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.federation.receive"};

enum {
    CHAIN_MAX = 20000,             /* events of an auth chain that are looked at */
    CHAIN_BYTES = 50 * 1024 * 1024 /* of the answer that holds it */
};

static int load(struct mx_server *server, const struct mx_event *event, struct gg_arena *arena, struct mx_fed_auth *out,
                struct gg_str *missing, size_t *n_missing, struct gg_error *err)
{
    out->events = GG_NEW_ARRAY(arena, const struct mx_event *, event->n_auth + 1);
    out->create = NULL;
    out->n = event->n_auth;
    *n_missing = 0;
    int rc = event->n_auth ? mx_store_events(server, event->auth_events, event->n_auth, true, arena, out->events, err) : 0;
    for (size_t i = 0; rc == 0 && i < out->n; i++) {
        if (!out->events[i])
            missing[(*n_missing)++] = event->auth_events[i];
        else if (mx_event_is(out->events[i], "m.room.create", ""))
            out->create = out->events[i];
    }
    return rc;
}

/* The whole chain at once: who lacks one of them mostly lacks more. That it is not to be had is no failure. */
static int fetch_chain(struct mx_server *server, const char *origin, const struct mx_event *event, struct gg_arena *arena,
                       struct gg_error *err)
{
    const char *room = gg_arena_strndup(arena, event->room_id.s, event->room_id.n);
    const char *id = gg_arena_strndup(arena, event->event_id.s, event->event_id.n);
    struct mx_fed_request rq = {.destination = origin,
                                .method = "GET",
                                .path = mx_fed_path(arena, "/_matrix/federation/v1/event_auth/%s/%s", room, id),
                                .max_answer = CHAIN_BYTES};
    struct gg_error why = GG_ERROR_INIT;
    struct gg_str body;
    const struct mx_event **events;
    size_t n;
    if (mx_fed_call(server, &rq, arena, &body, &why)) {
        gg_info(&logger, "the auth chain of %s is not to be had of %s: %s", id, origin, why.message);
        return gg_cancelled() ? gg_fail(err, GG_E_CANCELLED, "stopping") : 0;
    }
    int rc = mx_fed_checked_list(server, event->room_id, event->version, mx_json_get(body, "auth_chain"), CHAIN_MAX, arena,
                                 &events, &n, err);
    return rc ? rc : mx_fed_store_outliers(server, origin, event->room_id, event->version, events, n, arena, err);
}

static int fetch_single(struct mx_server *server, const char *origin, const struct mx_event *event,
                        const struct gg_str *ids, size_t n, struct gg_arena *arena, struct gg_error *err)
{
    const struct mx_event **events = GG_NEW_ARRAY(arena, const struct mx_event *, n + 1);
    size_t n_events = 0;
    int rc = mx_fed_fetch_events(server, origin, event->room_id, event->version, ids, n, arena, events, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (events[i])
            events[n_events++] = events[i];
    return rc ? rc : mx_fed_store_outliers(server, origin, event->room_id, event->version, events, n_events, arena, err);
}

int mx_fed_auth_events(struct mx_server *server, const char *origin, const struct mx_event *event,
                       struct gg_arena *arena, struct mx_fed_auth *out, struct gg_error *err)
{
    struct gg_str *missing = GG_NEW_ARRAY(arena, struct gg_str, event->n_auth + 1);
    size_t n;
    int rc = load(server, event, arena, out, missing, &n, err);
    if (rc == 0 && n && origin && (rc = fetch_chain(server, origin, event, arena, err)) == 0)
        rc = load(server, event, arena, out, missing, &n, err);
    if (rc == 0 && n && origin && (rc = fetch_single(server, origin, event, missing, n, arena, err)) == 0)
        rc = load(server, event, arena, out, missing, &n, err);
    if (rc == 0 && n)
        rc = gg_fail(err, GG_E_NOT_FOUND, "auth event %.*s is not to be had", GG_FMT(missing[0]));
    return rc;
}
