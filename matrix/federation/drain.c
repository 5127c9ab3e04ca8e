/* matrix/federation/drain.c: each room's staged events, one after the other, under the room's lock (facts replication 10.1).
 *
 * Rooms take turns of a few events; so many at once, and so many of them for one server, that neither a heavy room nor a
 * server that answers slowly keeps the others waiting. */
#include "federation/fetch.h"
#include "federation/inbound.h"

#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.federation.receive"};

#define EVENTS_LOCK "new_event_during_purge_lock"

enum {
    TURN = 20,         /* events of one turn of a room */
    RUNNING = 60,      /* rooms that are worked at */
    RUNNING_OF_ONE = 20, /* of them, for one origin */
    ROOMS = 20000,     /* rooms that wait; what is more is found by the sweep */
    HEAVY = 1000         /* staged events of a room, after which it is looked at what can be dropped (Synapse: 100; we are
                            faster, and what is dropped leaves a gap) */
};

struct draining {
    struct gg_list link; /* inbound.waiting, while no fiber works at it */
    struct mx_fed_inbound *inbound;
    char *room_id, *origin; /* who brought the next event */
    bool again;             /* something was staged meanwhile */
};

static unsigned *busy_of(struct mx_fed_inbound *inbound, const char *origin)
{
    unsigned *n = gg_map_get(inbound->busy, gg_str(origin));
    if (!n) {
        n = gg_xcalloc(1, sizeof(*n));
        gg_map_put(inbound->busy, gg_str(origin), n);
    }
    return n;
}

static void not_busy(struct mx_fed_inbound *inbound, const char *origin)
{
    if (--*busy_of(inbound, origin) == 0)
        gg_map_delete(inbound->busy, gg_str(origin));
}

void mx_fed_draining_free(void *draining)
{
    struct draining *d = draining;
    gg_list_remove(&d->link);
    free(d->room_id);
    free(d->origin);
    free(d);
}

static void forget(struct draining *d)
{
    gg_map_take(d->inbound->rooms, gg_str(d->room_id));
    mx_fed_draining_free(d);
}

/* ---- one turn ---- */

static int handle(struct draining *d, const struct mx_staged *staged, size_t n, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_server *server = d->inbound->server;
    struct gg_lock *lock = NULL;
    struct gg_str ids[TURN];
    bool held[TURN], asked = false; /* others are asked in a turn: what they tell may be among the staged */
    size_t done = 0;
    for (size_t i = 0; i < n; i++)
        ids[i] = staged[i].event_id;
    int rc = gg_rwlock_acquire(server->host, EVENTS_LOCK, d->room_id, false, &lock, err);
    if (rc == 0)
        rc = mx_fed_are_held(server, ids, n, arena, held, err);
    for (size_t i = 0; i < n; i++) /* several servers bring the same */
        for (size_t k = 0; k < i && rc == 0; k++)
            held[i] |= gg_str_eq(ids[k], ids[i]);
    while (rc == 0 && done < n) {
        rc = mx_fed_handle_staged(server, gg_str(d->room_id), &staged[done], !held[done] && !asked, &asked, err);
        done += rc == 0;
    }
    gg_lock_release(lock);
    struct gg_error other = GG_ERROR_INIT;
    int removed = mx_staging_remove(server, gg_str(d->room_id), staged, done, arena, &other);
    if (rc == 0 && removed) {
        *err = other;
        rc = removed;
    }
    return rc;
}

/* Under the room's lock. *left: there is more. */
static int turn(struct draining *d, bool *left, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_server *server = d->inbound->server;
    struct mx_staged *staged;
    size_t n, n_waiting = 0;
    int rc = mx_staging_next(server, gg_str(d->room_id), TURN + 1, arena, &staged, &n, err);
    *left = n > TURN;
    if (rc == 0 && *left) {
        rc = mx_staging_count(server, gg_str(d->room_id), HEAVY + 1, &n_waiting, err);
        if (rc == 0 && n_waiting > HEAVY && (rc = mx_fed_prune_staged(server, gg_str(d->room_id), err)) == 0)
            rc = mx_staging_next(server, gg_str(d->room_id), TURN + 1, arena, &staged, &n, err);
    }
    *left = rc == 0 && n > TURN;
    if (*left) { /* the next turn is for who brought the next event */
        free(d->origin);
        d->origin = gg_xmalloc(staged[TURN].origin.n + 1);
        memcpy(d->origin, staged[TURN].origin.s, staged[TURN].origin.n + 1);
    }
    if (rc == 0)
        rc = handle(d, staged, n > TURN ? TURN : n, arena, err);
    gg_arena_free(arena);
    return rc;
}

/* Another process that has the lock handles what we have staged; what is staged while it gives the lock back is seen by
 * its own last look, or by ours. */
static int drain_turn(struct draining *d, bool *left, struct gg_error *err)
{
    struct mx_server *server = d->inbound->server;
    struct gg_lock *lock;
    size_t n;
    d->again = *left = false;
    int rc = gg_lock_try(server->host, MX_FED_ROOM_LOCK, d->room_id, &lock, err);
    if (rc || !lock)
        return rc;
    rc = turn(d, left, err);
    gg_lock_release(lock);
    if (rc || *left)
        return rc;
    rc = mx_staging_count(server, gg_str(d->room_id), 1, &n, err);
    *left = rc == 0 && n > 0;
    return rc;
}

static void start_some(struct mx_fed_inbound *inbound);

static void drain_fiber(void *arg)
{
    struct draining *d = arg;
    struct mx_fed_inbound *inbound = d->inbound;
    struct gg_error err = GG_ERROR_INIT;
    bool left = false;
    char *origin = strdup(d->origin); /* whose share this turn is of; the turn names the next */
    int rc = drain_turn(d, &left, &err);
    if (rc && !gg_cancelled())
        gg_warn(&logger, "handling staged events of %s: %s", d->room_id, err.message);
    inbound->n_running--;
    not_busy(inbound, origin);
    free(origin);
    if (rc == 0 && (left || d->again) && inbound->scope)
        gg_list_push(&inbound->waiting, &d->link);
    else
        forget(d);
    start_some(inbound);
}

/* ---- whose turn it is ---- */

static bool may_run(struct mx_fed_inbound *inbound, const struct draining *d)
{
    const unsigned *n = gg_map_get(inbound->busy, gg_str(d->origin));
    return !n || *n < RUNNING_OF_ONE;
}

static void start_some(struct mx_fed_inbound *inbound)
{
    GG_LIST_EACH (link, &inbound->waiting) {
        struct draining *d = GG_CONTAINER(link, struct draining, link);
        if (inbound->n_running >= RUNNING || !inbound->scope)
            return;
        if (!may_run(inbound, d))
            continue;
        if (!gg_spawn(inbound->scope, "federation room", drain_fiber, d))
            return; /* stopping: what is staged waits for the next start */
        gg_list_remove(&d->link);
        inbound->n_running++;
        ++*busy_of(inbound, d->origin);
    }
}

void mx_fed_drain(struct mx_fed_inbound *inbound, struct gg_str room_id, struct gg_str origin)
{
    struct draining *d = gg_map_get(inbound->rooms, room_id);
    if (d) {
        d->again = true;
        return;
    }
    if (!inbound->scope || gg_map_count(inbound->rooms) >= ROOMS)
        return;
    d = gg_xcalloc(1, sizeof(*d));
    d->inbound = inbound;
    d->room_id = strndup(room_id.s, room_id.n);
    d->origin = strndup(origin.s, origin.n);
    gg_list_init(&d->link);
    gg_map_put(inbound->rooms, gg_str(d->room_id), d);
    gg_list_push(&inbound->waiting, &d->link);
    start_some(inbound);
}

void mx_fed_drain_left(struct mx_fed_inbound *inbound)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct mx_staged_room *rooms;
    size_t n;
    if (mx_staging_rooms(inbound->server, ROOMS, arena, &rooms, &n, &err) == 0) {
        for (size_t i = 0; i < n; i++)
            mx_fed_drain(inbound, rooms[i].room_id, rooms[i].origin);
    } else if (!gg_cancelled()) {
        gg_warn(&logger, "looking for staged events: %s", err.message);
    }
    gg_arena_free(arena);
}
