/* matrix/storage/state_groups/resolve.c: state resolution over what the database holds.
 *
 * The algorithm itself is pure (mx_resolve) and runs on a thread, so that a heavy room stalls nobody. It cannot read,
 * so the auth chains of the conflicted events are read first; what it still missed is read and it runs again. */
#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <stdlib.h>

#include "../chains/difference.h"
#include "groups.h"

static struct gg_logger logger = {"ganglion.state"};

enum {
    DIFFERENCE_MAX = 50000, /* events that the auth chains of two states may differ by */
    AHEAD_MAX = 20000,      /* of the conflicted events' auth chains that are read before they are asked for */
    EVENTS_MAX = 200000,    /* that one resolution may look at: more is somebody's malice */
    THREADS = 2,            /* that resolve at the same time, one for each room: the rest is for whoever needs one soon */
};

struct job {
    const struct mx_room_version *version;
    const struct mx_state *const *maps;
    size_t n;
    struct gg_map *events;  /* id -> const struct mx_event *, NULL: known to be missing */
    struct gg_map *missing; /* ids that were asked for and are not in events */
    struct mx_state *result;
    int status;
    struct gg_error err;
    const struct gg_str *difference; /* NULL: not known */
    size_t n_difference;
};

static const struct mx_event *look_up(void *arg, struct gg_str id)
{
    struct job *job = arg;
    const struct mx_event *event = gg_map_get(job->events, id);
    if (!event && !gg_map_has(job->events, id))
        gg_map_put(job->missing, id, NULL);
    return event;
}

static void run_job(void *arg)
{
    struct job *job = arg;
    struct mx_resolve_io io = {look_up, job, job->difference, job->n_difference};
    job->status = mx_resolve(job->version, job->maps, job->n, &io, &job->result, &job->err);
}

/* A turn on a thread: a room has one at a time, so that a heavy one does not keep the others from theirs. */
static int run_in_turn(struct mx_server *server, struct gg_str room_id, struct job *job)
{
    struct mx_store *store = mx_store_of(server);
    int status = 0;
    while (!status && (gg_map_count(store->resolving) >= THREADS || gg_map_has(store->resolving, room_id)))
        status = gg_cond_wait(&store->resolved, GG_FOREVER);
    if (status)
        return status;
    gg_map_put(store->resolving, room_id, NULL);
    status = gg_offload(run_job, job);
    gg_map_delete(store->resolving, room_id);
    gg_cond_broadcast(&store->resolved);
    return status;
}

static int load(struct mx_server *server, struct job *job, const struct gg_str *ids, size_t n, struct gg_arena *arena,
                struct gg_error *err)
{
    const struct mx_event **events = GG_NEW_ARRAY(arena, const struct mx_event *, n ? n : 1);
    int status = mx_store_events(server, ids, n, true, arena, events, err);
    for (size_t i = 0; i < n && !status; i++)
        gg_map_put(job->events, ids[i], (void *)(uintptr_t)events[i]);
    return status;
}

static size_t append(struct gg_str *to, size_t at, const struct gg_str *ids, size_t n)
{
    if (n)
        memcpy(to + at, ids, n * sizeof(*ids));
    return at + n;
}

/* The auth difference: events with places and those without. */
static int take_difference(struct mx_server *server, struct job *job, const struct mx_auth_difference *found,
                           struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str *placed, *all;
    size_t n;
    int status = mx_chain_events(server, found->stretches, found->n_stretches, DIFFERENCE_MAX, arena, &placed, &n, err);
    if (status)
        return status;
    all = GG_NEW_ARRAY(arena, struct gg_str, n + found->n_loose + 1);
    job->n_difference = append(all, append(all, 0, placed, n), found->loose, found->n_loose);
    job->difference = all;
    return 0;
}

/* Reads at once what the resolution will most likely ask for: conflicted events, the difference, their auth chains. */
static int load_ahead(struct mx_server *server, struct job *job, const struct mx_auth_difference *found,
                      struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str *below = NULL, *ids;
    struct gg_error none = GG_ERROR_INIT;
    size_t n_below = 0, n;
    int status = mx_chain_events(server, found->below, found->n_below, AHEAD_MAX, arena, &below, &n_below, &none);
    if (status && status != GG_E_LIMIT) {
        *err = none;
        return status;
    }
    ids = GG_NEW_ARRAY(arena, struct gg_str, found->n_conflicted + job->n_difference + n_below + 1);
    n = append(ids, 0, found->conflicted, found->n_conflicted);
    n = append(ids, n, job->difference, job->n_difference);
    return load(server, job, ids, append(ids, n, below, n_below), arena, err);
}

/* By the chain cover index; where that does not help, the resolution asks for events as it comes to them. */
static int prepare(struct mx_server *server, struct job *job, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_auth_difference found;
    struct mx_chain_walk walk;
    mx_chain_walk_init(&walk, server, arena);
    int status = mx_auth_difference_find(&walk, job->maps, job->n, &found, err);
    if (!status)
        status = take_difference(server, job, &found, arena, err);
    if (!status)
        status = load_ahead(server, job, &found, arena, err);
    if (status == GG_E_LIMIT) {
        gg_info(&logger, "state resolution without the chain cover: %s", err->message);
        *err = (struct gg_error){0};
        status = 0;
    }
    mx_chain_walk_done(&walk);
    return status;
}

static int load_missing(struct mx_server *server, struct job *job, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str id, *ids = GG_NEW_ARRAY(arena, struct gg_str, gg_map_count(job->missing) + 1);
    size_t n = 0;
    for (size_t i = 0; gg_map_next(job->missing, &i, &id, NULL);)
        ids[n++] = gg_arena_str(arena, id);
    gg_map_clear(job->missing);
    if (gg_map_count(job->events) + n > EVENTS_MAX)
        return gg_fail(err, GG_E_LIMIT, "a state resolution over more than %d events", EVENTS_MAX);
    return load(server, job, ids, n, arena, err);
}

static void unref_state(void *state)
{
    mx_state_unref(state);
}

int mx_store_resolve(struct mx_server *server, struct gg_str room_id, const struct mx_room_version *version,
                     const struct mx_state *const *maps, size_t n, struct gg_arena *arena, const struct mx_state **out,
                     struct gg_error *err)
{
    struct job job = {.version = version, .maps = maps, .n = n, .events = gg_map_new(NULL), .missing = gg_map_new(NULL)};
    int status = prepare(server, &job, arena, err);
    while (!status) {
        status = run_in_turn(server, room_id, &job);
        if (status) {
            status = gg_fail(err, status, "state resolution of %.*s could not run", GG_FMT(room_id));
            break;
        }
        if (!gg_map_count(job.missing))
            break;
        if (!job.status)
            mx_state_unref(job.result); /* made without those events: again with them */
        status = load_missing(server, &job, arena, err);
    }
    if (!status && job.status) {
        *err = job.err;
        status = job.status;
    }
    if (!status) {
        gg_arena_defer(arena, unref_state, job.result);
        *out = job.result;
    }
    gg_map_free(job.events);
    gg_map_free(job.missing);
    return status;
}
