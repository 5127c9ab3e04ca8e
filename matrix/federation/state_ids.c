/* matrix/federation/state_ids.c: the state before an event with its auth chain, as ids, kept for those who ask the same. */
#include "federation/state_ids.h"

#include "cache/flight.h"
#include "federation/place.h"
#include "federation/serve.h"
#include "storage/federation/graph.h"

#include <ganglion/memory.h>
#include <stdlib.h>

/* One block of memory: this, the array of ids, their bytes. */
struct held {
    struct mx_fed_state_ids ids; /* first */
    int refs;
};

void mx_fed_state_ids_drop(void *value)
{
    struct held *held = value;
    if (--held->refs == 0)
        free(held);
}

static const struct mx_fed_state_ids *lend(struct held *held, struct gg_arena *arena)
{
    held->refs++;
    gg_arena_defer(arena, mx_fed_state_ids_drop, held);
    return &held->ids;
}

static char *copy_ids(struct gg_str *to, char *text, const struct gg_str *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        memcpy(text, from[i].s, from[i].n);
        to[i] = gg_strn(text, from[i].n);
        text += from[i].n;
    }
    return text;
}

static struct held *hold(const struct gg_str *state, size_t n_state, const struct gg_str *auth, size_t n_auth, size_t *bytes)
{
    *bytes = sizeof(struct held) + (n_state + n_auth) * sizeof(struct gg_str);
    size_t start = *bytes;
    for (size_t i = 0; i < n_state; i++)
        *bytes += state[i].n;
    for (size_t i = 0; i < n_auth; i++)
        *bytes += auth[i].n;
    struct held *held = gg_xcalloc(1, *bytes);
    struct gg_str *ids = (struct gg_str *)(void *)(held + 1);
    char *text = copy_ids(ids, (char *)held + start, state, n_state);
    copy_ids(ids + n_state, text, auth, n_auth);
    held->ids = (struct mx_fed_state_ids){ids, ids + n_state, n_state, n_auth};
    held->refs = 1;
    return held;
}

static int work_out(struct mx_server *server, struct gg_str name, const struct mx_state *map, struct gg_arena *arena,
                    const struct mx_fed_state_ids **out, struct gg_error *err)
{
    struct gg_arena *scratch = gg_arena_new();
    struct mx_fed_serving *serving = server->fed_serving;
    uint64_t tick = mx_cache_tick(serving->state_ids);
    struct gg_str *state = GG_NEW_ARRAY(scratch, struct gg_str, mx_state_count(map) + 1), *auth;
    struct mx_state_entry entry;
    size_t n = 0, n_auth, bytes;
    for (size_t i = 0; mx_state_next(map, &i, &entry);)
        state[n++] = gg_arena_str(scratch, entry.event_id);
    int rc = mx_graph_auth_chain(server, state, n, scratch, &auth, &n_auth, err);
    if (rc == 0) {
        struct held *held = hold(state, n, auth, n_auth, &bytes);
        *out = lend(held, arena);
        mx_cache_put(serving->state_ids, name, held, bytes, tick);
    }
    gg_arena_free(scratch);
    return rc;
}

int mx_fed_state_ids_of(struct mx_server *server, struct gg_str name, const struct mx_state *state, struct gg_arena *arena,
                        const struct mx_fed_state_ids **out, struct gg_error *err)
{
    struct mx_fed_serving *serving = server->fed_serving;
    for (bool waited = false;; waited = true) {
        struct held *held = mx_cache_get(serving->state_ids, name);
        if (held != NULL) {
            *out = lend(held, arena);
            return 0;
        }
        if (waited) /* what another worked out was too large to keep, or failed */
            return work_out(server, name, state, arena, out, err);
        bool owner;
        struct mx_flight *flight = mx_flight_join(serving->flights, name, &owner);
        if (!owner) {
            int rc = mx_flight_wait(flight);
            if (rc != 0)
                return gg_fail(err, rc, "waiting for a room's auth chain");
            continue;
        }
        int rc = work_out(server, name, state, arena, out, err);
        mx_flight_land(serving->flights, name, flight);
        return rc;
    }
}

/* ---- before an event ---- */

static void unref_state(void *state)
{
    mx_state_unref(state);
}

/* Its own entry gives way to the one that it replaced. */
static int take_back(struct mx_server *server, const struct mx_event *event, struct mx_state *state, struct gg_arena *arena,
                     struct gg_error *err)
{
    struct gg_str replaced = mx_json_string(mx_json_get(event->unsigned_, "replaces_state"), arena);
    if (replaced.s == NULL) { /* the event of another server may say nothing of it */
        struct mx_fed_before before;
        int rc = mx_fed_before_of_prevs(server, event, arena, &before, err);
        if (rc == GG_E_NOT_FOUND)
            return gg_refuse(err, 404, "M_NOT_FOUND", "State not known at event %.*s", GG_FMT(event->event_id));
        if (rc != 0)
            return rc;
        replaced = before.state != NULL ? mx_state_get(before.state, event->type, event->state_key) : (struct gg_str){0};
    }
    if (replaced.s != NULL)
        mx_state_set(state, event->type, event->state_key, replaced);
    else
        mx_state_delete(state, event->type, event->state_key);
    return 0;
}

static int state_before(struct mx_server *server, const struct mx_event *event, struct gg_arena *arena,
                        const struct mx_state **out, struct gg_error *err)
{
    int rc = mx_store_state_after(server, event->event_id, arena, out, err);
    if (rc != 0 || !mx_event_is_state(event))
        return rc;
    struct mx_state *changed = mx_state_copy(*out);
    gg_arena_defer(arena, unref_state, changed);
    *out = changed;
    return take_back(server, event, changed, arena, err);
}

int mx_fed_state_ids_before(struct mx_server *server, struct gg_str room_id, struct gg_str event_id, struct gg_arena *arena,
                            const struct mx_fed_state_ids **out, struct gg_error *err)
{
    const struct mx_event *event;
    const struct mx_state *state;
    int64_t group;
    int rc = mx_store_events(server, &event_id, 1, true, arena, &event, err);
    if (rc != 0)
        return rc;
    if (event == NULL || event->meta.rejected.s != NULL || !gg_str_eq(event->room_id, room_id))
        return gg_refuse(err, 404, "M_NOT_FOUND", "Could not find event %.*s", GG_FMT(event_id));
    if (event->meta.outlier)
        return gg_refuse(err, 404, "M_NOT_FOUND", "State not known at event %.*s", GG_FMT(event_id));
    rc = mx_store_state_group_of(server, event_id, &group, err);
    if (rc == 0)
        rc = state_before(server, event, arena, &state, err);
    if (rc != 0)
        return rc;
    const char *name = mx_event_is_state(event) ? gg_arena_printf(arena, "e%.*s", GG_FMT(event_id))
                                                : gg_arena_printf(arena, "g%lld", (long long)group);
    return mx_fed_state_ids_of(server, gg_str(name), state, arena, out, err);
}
