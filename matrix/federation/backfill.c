/* matrix/federation/backfill.c: older history of a room, asked of the servers that have it.
 *
 * When it is asked for, where and of whom follows Synapse: it is what clients of mixed deployments see. */
#include "federation/backfill.h"

#include "federation/candidates.h"
#include "federation/client.h"
#include "federation/hosts.h"
#include "federation/inbound.h"
#include "federation/pulled.h"
#include "federation/visible.h"
#include "rooms/chain.h"
#include "storage/federation/backfill.h"

#include <ganglion/buf.h>
#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/memory.h>

#include <stdlib.h>

static struct gg_logger logger = {"ganglion.federation"};

enum {
    EVENTS = 100,   /* asked for at once */
    POINTS = 50,    /* looked at */
    ASKED_FOR = 5,  /* points in one request */
    DENIED_MAX = 5, /* refusals after which nobody else is asked */
    CITING = 20,    /* events that are looked at for whether a point is of use */
    ONE_SERVER_MS = 20000,
    ALL_MS = 45000, /* a client waits for it */
    ANSWER_BYTES = 16 * 1024 * 1024,
    BIG_HOLE = 2, /* in depth */
    HOLES = 3,
    BEHIND = 20, /* rooms at once whose history is asked for while nobody waits */
};

/* ---- where to ask ---- */

struct near {
    int64_t depth;
    struct mx_backfill_point *points;
    size_t n;
};

static int64_t distance(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

/* The nearest first; of two that are equally near, the one that comes first on the way back. */
static void sort_points(struct near *near)
{
    for (size_t i = 1; i < near->n; i++)
        for (size_t k = i; k > 0; k--) {
            struct mx_backfill_point *a = &near->points[k - 1], *b = &near->points[k];
            int64_t da = distance(a->depth, near->depth), db = distance(b->depth, near->depth);
            if (da < db || (da == db && (a->depth <= near->depth || b->depth > near->depth)))
                break;
            struct mx_backfill_point moved = *a;
            *a = *b;
            *b = moved;
        }
}

/* What lies before events that we may not see would not be shown to us either. */
static int is_of_use(struct mx_server *server, struct gg_str event_id, struct gg_arena *arena, bool *out,
                     struct gg_error *err)
{
    struct gg_str *ids;
    size_t n;
    *out = false;
    int rc = mx_backfill_citing(server, event_id, CITING, arena, &ids, &n, err);
    const struct mx_event **events = GG_NEW_ARRAY(arena, const struct mx_event *, CITING + 1);
    const struct mx_event **shown = GG_NEW_ARRAY(arena, const struct mx_event *, CITING + 1);
    if (rc == 0)
        rc = mx_store_events(server, ids, n, true, arena, events, err);
    if (rc != 0)
        return rc;
    memcpy(shown, events, n * sizeof(*events));
    rc = mx_fed_visible(server, gg_str(server->name), shown, n, arena, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        *out |= events[i] != NULL && shown[i] == events[i];
    return rc;
}

static int choose(struct mx_server *server, const struct near *near, struct gg_arena *arena, struct gg_str *out,
                  size_t *n_out, struct gg_error *err)
{
    int rc = 0;
    *n_out = 0;
    for (size_t i = 0; rc == 0 && i < near->n && *n_out < ASKED_FOR; i++) {
        bool use;
        rc = is_of_use(server, near->points[i].event_id, arena, &use, err);
        if (rc == 0 && use)
            out[(*n_out)++] = near->points[i].event_id;
    }
    return rc;
}

/* ---- asking ---- */

static const char *path_of(struct gg_str room_id, const struct gg_str *ids, size_t n, struct gg_arena *arena)
{
    struct gg_buf path = GG_BUF_INIT;
    gg_buf_lit(&path, "/_matrix/federation/v1/backfill/");
    gg_buf_urlencode(&path, room_id);
    gg_buf_printf(&path, "?limit=%d", EVENTS);
    for (size_t i = 0; i < n; i++) {
        gg_buf_lit(&path, "&v=");
        gg_buf_urlencode(&path, ids[i]);
    }
    const char *out = gg_arena_strndup(arena, path.data, path.n);
    gg_buf_done(&path);
    return out;
}

static int ask_one(struct mx_server *server, const char *name, struct gg_str room_id, const char *path,
                   struct gg_arena *arena, struct gg_error *err)
{
    struct mx_fed_request request = {
        .destination = name, .method = "GET", .path = path, .timeout_ms = ONE_SERVER_MS, .max_answer = ANSWER_BYTES};
    struct gg_str body;
    int rc = mx_fed_call(server, &request, arena, &body, err);
    return rc == 0 ? mx_fed_place_pulled(server, name, room_id, mx_json_get(body, "pdus"), EVENTS, arena, err) : rc;
}

static int ask_all(struct mx_server *server, struct gg_str room_id, const char *path, struct gg_arena *arena,
                   bool *told, struct gg_error *err)
{
    struct mx_candidates servers = {0};
    struct gg_str *names;
    size_t n, denied = 0;
    int rc = mx_backfill_servers(server, room_id, MX_CANDIDATES_MAX, arena, &names, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        mx_candidates_add(server, &servers, names[i], arena);
    for (size_t i = 0; rc == 0 && i < servers.n && !*told && denied < DENIED_MAX; i++) {
        struct gg_error why = GG_ERROR_INIT;
        *told = ask_one(server, servers.names[i], room_id, path, arena, &why) == 0;
        if (*told)
            break;
        denied += !why.inward && why.http_status >= 400 && why.http_status < 500;
        gg_info(&logger, "no history of %.*s from %s: %s", GG_FMT(room_id), servers.names[i], why.message);
        if (gg_cancelled() || gg_get_deadline() <= gg_now_ms())
            return gg_fail(err, GG_E_TIMEOUT, "asking for history");
    }
    return rc;
}

/* ---- whether to ask ---- */

static int backfill_locked(struct mx_server *server, struct gg_str room_id, int64_t depth, size_t limit,
                           struct gg_arena *arena, bool *told, struct gg_error *err)
{
    struct near near = {.depth = depth};
    struct gg_str ids[ASKED_FOR];
    struct gg_lock *purging;
    size_t n = 0;
    int rc = mx_backfill_points(server, room_id, depth + EVENTS, POINTS, arena, &near.points, &near.n, err);
    if (rc != 0 || near.n == 0)
        return rc;
    sort_points(&near);
    if (depth - 2 * (int64_t)limit > near.points[0].depth)
        return 0; /* the page does not come near it */
    rc = choose(server, &near, arena, ids, &n, err);
    if (rc != 0 || n == 0)
        return rc;
    rc = gg_rwlock_acquire(server->host, "purge_pagination_lock", gg_arena_strndup(arena, room_id.s, room_id.n), false,
                           &purging, err);
    if (rc != 0)
        return rc;
    rc = ask_all(server, room_id, path_of(room_id, ids, n, arena), arena, told, err);
    gg_lock_release(purging);
    return rc;
}

int mx_backfill(struct mx_server *server, struct gg_str room_id, int64_t depth, size_t limit, bool *told,
                struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_room_lock *lock;
    *told = false;
    /* No room is called so: nobody who sends in the room waits for us. */
    int rc = mx_room_lock(server, gg_str(gg_arena_printf(arena, "history %.*s", GG_FMT(room_id))), &lock, err);
    if (rc == 0) {
        rc = backfill_locked(server, room_id, depth, limit, arena, told, err);
        server->fed_inbound->told += *told;
        mx_room_unlock(server, lock);
    }
    gg_arena_free(arena);
    return rc;
}

/* ---- pages ---- */

/* A few single events that nobody could tell us of are no reason to let a client wait. */
static bool has_holes(const struct mx_page *page, size_t limit)
{
    size_t holes = 0;
    if (page->n_matched < limit)
        return true;
    for (size_t i = 1; i < page->n; i++) {
        int64_t step = page->events[i - 1]->depth - page->events[i]->depth;
        if (step > BIG_HOLE)
            return true;
        holes += step > 1;
    }
    return holes > HOLES;
}

static int depth_of(struct mx_server *server, const struct mx_page_query *q, struct gg_arena *arena, int64_t *out,
                    struct gg_error *err)
{
    const struct mx_head *head;
    *out = q->from.depth;
    if (*out >= 0)
        return 0;
    int rc = mx_heads_extremities(server, q->room_id, arena, &head, err);
    *out = rc == 0 ? head->max_depth : 0;
    return rc;
}

/* Else there is nobody to ask: what a room of ours alone lacks at its beginning nobody has. */
static bool others_are_there(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena)
{
    const struct mx_head *head;
    struct mx_fed_hosts hosts;
    struct gg_error err = GG_ERROR_INIT;
    if (mx_heads_get(server, room_id, arena, &head, &err) != 0)
        return false;
    mx_fed_hosts_of_head(server, head, arena, &hosts);
    return mx_fed_hosts_others(server, &hosts);
}

/* Within its time; what was placed by then stays. */
static void fill(struct mx_server *server, const struct mx_page_query *q, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    int64_t depth, deadline = gg_get_deadline(), mine = gg_deadline(ALL_MS);
    bool told;
    gg_set_deadline(mine < deadline ? mine : deadline);
    int rc = depth_of(server, q, arena, &depth, &err);
    if (rc == 0)
        rc = mx_backfill(server, q->room_id, depth, q->limit, &told, &err);
    if (rc != 0)
        gg_info(&logger, "history of %.*s: %s", GG_FMT(q->room_id), err.message);
    gg_set_deadline(deadline);
}

/* ---- behind pages that show no holes ----
 *
 * A branch that we lack is not seen where another one fills the page; who comes again finds it. */

struct behind {
    struct mx_server *server;
    struct mx_page_query query; /* room_id, limit and from */
};

static void behind_fiber(void *arg)
{
    struct behind *b = arg;
    struct gg_arena *arena = gg_arena_new();
    fill(b->server, &b->query, arena);
    gg_arena_free(arena);
    gg_map_delete(b->server->fed_inbound->filling, b->query.room_id);
    free((char *)(uintptr_t)b->query.room_id.s);
    free(b);
}

static void fill_behind(struct mx_server *server, const struct mx_page_query *query)
{
    struct mx_fed_inbound *inbound = server->fed_inbound;
    if (inbound->scope == NULL || gg_map_count(inbound->filling) >= BEHIND || gg_map_has(inbound->filling, query->room_id))
        return;
    struct behind *b = gg_xcalloc(1, sizeof(*b));
    b->server = server;
    b->query = (struct mx_page_query){.limit = query->limit, .from = query->from};
    b->query.room_id = gg_strn(gg_xstrndup(query->room_id.s, query->room_id.n), query->room_id.n);
    gg_map_put(inbound->filling, b->query.room_id, NULL);
    if (gg_spawn(inbound->scope, "history", behind_fiber, b))
        return;
    gg_map_delete(inbound->filling, b->query.room_id);
    free((char *)(uintptr_t)b->query.room_id.s);
    free(b);
}

int mx_backfill_page(struct mx_server *server, struct gg_str user_id, const struct mx_access *access,
                     const struct mx_page_query *query, struct gg_arena *arena, struct mx_page *out,
                     struct gg_error *err)
{
    uint64_t before = server->fed_inbound->told;
    int rc = mx_history_page(server, user_id, access, query, arena, out, err);
    if (rc != 0 || !query->backwards || query->limit == 0 || !others_are_there(server, query->room_id, arena))
        return rc;
    if (!has_holes(out, query->limit)) {
        fill_behind(server, query);
        return 0;
    }
    fill(server, query, arena);
    /* also when it was somebody else who was told while we waited: the page may have been read in the midst of that */
    return server->fed_inbound->told != before ? mx_history_page(server, user_id, access, query, arena, out, err) : 0;
}
