/* matrix/storage/state_groups/resolve.c: state resolution over what the database holds.
 *
 * The algorithm itself is pure (mx_resolve) and runs on a thread, so that a heavy room stalls nobody. It cannot read,
 * so the auth chains of the conflicted events are read first; what it still missed is read and it runs again. */
#include <ganglion/fiber.h>
#include <stdlib.h>

#include "groups.h"

static const struct gg_stmt select_auth_chain = {"WITH RECURSIVE c(id) AS (SELECT unnest($1::text[]) UNION SELECT "
                                                 "a.auth_id FROM event_auth a JOIN c ON a.event_id = c.id)"
                                                 " SELECT id FROM c",
                                                 GG_LANE_SCAN};

struct job {
    const struct mx_room_version *version;
    const struct mx_state *const *maps;
    size_t n;
    struct gg_map *events;  /* id -> const struct mx_event *, NULL: known to be missing */
    struct gg_map *missing; /* ids that were asked for and are not in events */
    struct mx_state *result;
    int status;
    struct gg_error err;
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
    struct mx_resolve_io io = {look_up, job};
    job->status = mx_resolve(job->version, job->maps, job->n, &io, &job->result, &job->err);
}

/* Ids that the maps do not agree on, each once. */
static struct gg_str *conflicted(const struct mx_state *const *maps, size_t n, struct gg_arena *arena, size_t *n_out)
{
    struct gg_map *seen = gg_map_new(NULL);
    struct mx_state_entry e;
    for (size_t m = 0; m < n; m++)
        for (size_t i = 0; mx_state_next(maps[m], &i, &e);) {
            bool same = true;
            for (size_t k = 0; k < n && same; k++)
                same = k == m || gg_str_eq(mx_state_get(maps[k], e.type, e.state_key), e.event_id);
            if (!same)
                gg_map_put(seen, e.event_id, NULL);
        }
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, gg_map_count(seen) + 1), id;
    size_t count = 0;
    for (size_t i = 0; gg_map_next(seen, &i, &id, NULL);)
        ids[count++] = gg_arena_str(arena, id);
    gg_map_free(seen);
    *n_out = count;
    return ids;
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

static int load_chains(struct mx_server *server, struct job *job, struct gg_arena *arena, struct gg_error *err)
{
    size_t n;
    struct gg_str *ids = conflicted(job->maps, job->n, arena, &n);
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &select_auth_chain, GG_PARAMS(gg_p_texts(ids, n)), arena, &rows, err);
    if (status)
        return status;
    n = gg_rows_count(rows);
    ids = GG_NEW_ARRAY(arena, struct gg_str, n ? n : 1);
    for (size_t i = 0; i < n; i++)
        ids[i] = gg_rows_str(rows, i, 0);
    return load(server, job, ids, n, arena, err);
}

static int load_missing(struct mx_server *server, struct job *job, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str id, *ids = GG_NEW_ARRAY(arena, struct gg_str, gg_map_count(job->missing) + 1);
    size_t n = 0;
    for (size_t i = 0; gg_map_next(job->missing, &i, &id, NULL);)
        ids[n++] = gg_arena_str(arena, id);
    gg_map_clear(job->missing);
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
    struct job job = {version, maps, n, gg_map_new(NULL), gg_map_new(NULL), NULL, 0, GG_ERROR_INIT};
    int status = load_chains(server, &job, arena, err);
    while (!status) {
        status = gg_offload(run_job, &job);
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
