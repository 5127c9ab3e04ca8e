/* deliver.c: one pusher tells its gateway what is new. */
#include "pool.h"

#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/matrix/store.h>
#include <ganglion/metrics.h>

static struct gg_logger logger = {"ganglion.pusher"};

enum { AT_ONCE = 20, FIRST_BACKOFF_MS = 1000, MAX_BACKOFF_MS = 3600000, GIVE_UP_MS = 24 * 3600 * 1000 };

static struct gg_metric processed = {.name = "synapse_http_httppusher_http_pushes_processed_total",
                                     .help = "Notifications that gateways took",
                                     .type = GG_COUNTER};
static struct gg_metric failed = {.name = "synapse_http_httppusher_http_pushes_failed_total",
                                  .help = "Notifications that gateways did not take",
                                  .type = GG_COUNTER};

static struct mx_server *server_of(const struct pusher *pusher)
{
    return pool_server(pusher->pool);
}

/* The pusher ends with its key; the row goes by the main process, which tells everybody. */
static int forget(struct pusher *pusher, struct gg_error *err)
{
    pusher->gone = true;
    return mx_pusher_remove(server_of(pusher), pusher->row.user_id, pusher->row.app_id, pusher->row.pushkey, err);
}

static void wait_by_chance(struct mx_server *server)
{
    int64_t most = gg_config_int(server->config, "push.jitter_delay");
    uint32_t random;
    if (most <= 0)
        return;
    gg_random_bytes(&random, sizeof(random));
    (void)gg_sleep((int64_t)(random % (uint64_t)most));
}

/* One event. 0: told, or nothing to tell any more. */
static int tell(struct pusher *pusher, const struct mx_push_news *news, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_server *server = server_of(pusher);
    const struct mx_event *event;
    struct gg_str body;
    int64_t badge;
    bool rejected;
    int rc = mx_store_events(server, &news->event_id, 1, false, arena, &event, err);
    if (rc < 0 || event == NULL || event->meta.rejected.s != NULL)
        return rc;
    if ((rc = mx_push_badge_of(server, pusher->row.user_id, &badge, err)) < 0 ||
        (rc = pusher_event_payload(pusher, news, event, badge, arena, &body, err)) < 0)
        return rc;
    wait_by_chance(server);
    rc = pusher_tell(pusher, body, arena, &rejected, err);
    if (rc == 0)
        pusher->badge_told = badge;
    return rc == 0 && rejected ? forget(pusher, err) : rc;
}

static int advance(struct pusher *pusher, int64_t to, bool success, struct gg_error *err)
{
    bool there = true;
    int rc = mx_pusher_delivered(server_of(pusher), &pusher->row, to, success, &there, err);
    if (rc < 0)
        return rc;
    pusher->row.last_stream_ordering = to;
    pusher->gone |= !there;
    if (success && pusher->row.failing_since != 0) {
        pusher->row.failing_since = 0;
        rc = mx_pusher_failing(server_of(pusher), &pusher->row, 0, err);
    }
    pusher->backoff_ms = success ? 0 : pusher->backoff_ms;
    return rc;
}

/* The gateway is given time, each time more; after a day this one notification is given up. */
static int put_off(struct pusher *pusher, const struct mx_push_news *news, const struct gg_error *why, struct gg_error *err)
{
    int64_t now = gg_wall_ms();
    int rc = 0;
    gg_metric_add(&failed, 1, NULL);
    gg_info(&logger, "%.*s of %.*s: %s", GG_FMT(pusher->row.app_id), GG_FMT(pusher->row.user_id), why->message);
    if (pusher->row.failing_since == 0) {
        pusher->row.failing_since = now;
        rc = mx_pusher_failing(server_of(pusher), &pusher->row, now, err);
    }
    if (rc == 0 && pusher->row.failing_since < now - GIVE_UP_MS) {
        pusher->backoff_ms = 0;
        return advance(pusher, news->stream_ordering, false, err);
    }
    pusher->backoff_ms = pusher->backoff_ms == 0                   ? FIRST_BACKOFF_MS
                         : pusher->backoff_ms * 2 > MAX_BACKOFF_MS ? MAX_BACKOFF_MS
                                                                   : pusher->backoff_ms * 2;
    return rc;
}

struct turn {
    bool left;    /* there may be more */
    bool failing; /* the gateway wants time */
};

/* Everything up to `upto`, a few at a time. */
static int tell_some(struct pusher *pusher, int64_t upto, struct gg_arena *arena, struct turn *turn, struct gg_error *err)
{
    struct mx_push_news *news;
    size_t n;
    int rc = mx_push_unread_news(server_of(pusher), pusher->row.user_id, pusher->row.last_stream_ordering, upto, AT_ONCE,
                                 arena, &news, &n, err);
    for (size_t i = 0; rc == 0 && i < n && !pusher->gone && !turn->failing && !pool_draining(pusher->pool); i++) {
        struct gg_error why = GG_ERROR_INIT;
        int told = tell(pusher, &news[i], arena, &why);
        if (gg_cancelled())
            return gg_fail(err, GG_E_CANCELLED, "stopping");
        if (told < 0) {
            rc = put_off(pusher, &news[i], &why, err);
            turn->failing = pusher->backoff_ms > 0;
        } else {
            gg_metric_add(&processed, 1, NULL);
            rc = pusher->gone ? 0 : advance(pusher, news[i].stream_ordering, true, err);
        }
    }
    turn->left = rc == 0 && n == AT_ONCE;
    if (rc == 0 && n < AT_ONCE && !turn->failing && pusher->row.last_stream_ordering < upto)
        pusher->row.last_stream_ordering = upto; /* for this process: the row moves with what is told */
    return rc;
}

static int tell_badge(struct pusher *pusher, struct gg_arena *arena, struct gg_error *err)
{
    int64_t badge;
    bool rejected;
    int rc = mx_push_badge_of(server_of(pusher), pusher->row.user_id, &badge, err);
    if (rc < 0 || badge == pusher->badge_told)
        return rc;
    rc = pusher_tell(pusher, pusher_badge_payload(pusher, badge, arena), arena, &rejected, err);
    pusher->badge_told = badge; /* a number that was lost is made good by the next one */
    return rc == 0 && rejected ? forget(pusher, err) : rc;
}

/* Badges are told besides; a gateway that does not take one is not waited for. */
static void tell_badge_if_wanted(struct pusher *pusher, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    if (!pusher->badge || pusher->gone)
        return;
    pusher->badge = false;
    if (tell_badge(pusher, arena, &err) < 0 && !gg_cancelled())
        gg_info(&logger, "%.*s of %.*s: %s", GG_FMT(pusher->row.app_id), GG_FMT(pusher->row.user_id), err.message);
}

void pusher_deliver(struct pusher *pusher)
{
    for (struct turn turn = {.left = true}; turn.left && !pusher->gone && !pool_draining(pusher->pool) && !gg_cancelled();) {
        struct gg_error err = GG_ERROR_INIT;
        struct gg_arena *arena = gg_arena_new();
        turn = (struct turn){.left = false};
        pusher->news = false;
        int rc = tell_some(pusher, gg_stream_upto(server_of(pusher)->events), arena, &turn, &err);
        if (rc == 0 && !turn.failing)
            tell_badge_if_wanted(pusher, arena);
        gg_arena_free(arena);
        if (rc < 0 && !gg_cancelled()) { /* the database, perhaps */
            gg_warn(&logger, "%.*s of %.*s: %s", GG_FMT(pusher->row.app_id), GG_FMT(pusher->row.user_id), err.message);
            pusher->backoff_ms = pusher->backoff_ms > FIRST_BACKOFF_MS ? pusher->backoff_ms : FIRST_BACKOFF_MS;
        }
        if (rc == 0 && !turn.failing)
            pusher->backoff_ms = 0; /* also when nothing was left to tell: what comes next is told at once */
        turn.left = rc == 0 && !turn.failing && (turn.left || pusher->news || pusher->badge);
    }
}
