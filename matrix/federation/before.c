/* matrix/federation/before.c: the state before an event that others made (server-server API, "Room State Resolution"):
 * the states after its prev_events, resolved when they differ, as a stored state group. */
#include "federation/place.h"

/* The different groups of the prev_events that we hold with their state; *all: none is missing. */
static int groups_of_prevs(struct mx_server *server, const struct mx_event *event, struct gg_arena *arena, int64_t **out,
                           size_t *n_out, struct gg_str *missing, struct gg_error *err)
{
    int64_t *groups = GG_NEW_ARRAY(arena, int64_t, event->n_prev + 1);
    size_t n = 0;
    *missing = gg_strn(NULL, 0);
    int rc = event->n_prev ? mx_store_state_groups_of(server, event->prev_events, event->n_prev, groups, err) : 0;
    for (size_t i = 0; rc == 0 && i < event->n_prev; i++) {
        bool known = false;
        for (size_t k = 0; k < n && !known; k++)
            known = groups[k] == groups[i];
        if (!groups[i])
            *missing = event->prev_events[i];
        else if (!known)
            groups[n++] = groups[i];
    }
    *out = groups;
    *n_out = n;
    return rc;
}

static bool count_one(void *arg, const struct mx_state_entry *a, const struct mx_state_entry *b)
{
    (void)a;
    (void)b;
    ++*(size_t *)arg;
    return true;
}

/* The state as a group: one of those in hand if it is the same, else a new one as a delta of the nearest. */
static int as_group(struct mx_server *server, const struct mx_event *event, const struct mx_state *state,
                    const int64_t *groups, const struct mx_state *const *maps, size_t n, int64_t *out,
                    struct gg_error *err)
{
    size_t best = SIZE_MAX;
    int64_t nearest = 0;
    for (size_t i = 0; i < n; i++) {
        size_t differences = 0;
        mx_state_diff(maps[i], state, count_one, &differences);
        if (differences == 0) {
            *out = groups[i];
            return 0;
        }
        if (differences < best) {
            best = differences;
            nearest = groups[i];
        }
    }
    return mx_store_map_group(server, event->room_id, event->event_id, state, nearest, out, err);
}

static int load_maps(struct mx_server *server, const int64_t *groups, size_t n, struct gg_arena *arena,
                     const struct mx_state ***out, struct gg_error *err)
{
    const struct mx_state **maps = *out = GG_NEW_ARRAY(arena, const struct mx_state *, n + 1);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = mx_store_group_state(server, groups[i], arena, &maps[i], err);
    return rc;
}

static void unref_state(void *state)
{
    mx_state_unref(state);
}

static const struct mx_state *empty_state(struct gg_arena *arena)
{
    struct mx_state *state = mx_state_new();
    gg_arena_defer(arena, unref_state, state);
    return state;
}

int mx_fed_before_of_prevs(struct mx_server *server, const struct mx_event *event, struct gg_arena *arena,
                           struct mx_fed_before *out, struct gg_error *err)
{
    int64_t *groups;
    size_t n;
    struct gg_str missing;
    const struct mx_state **maps;
    *out = (struct mx_fed_before){empty_state(arena), 0};
    int rc = groups_of_prevs(server, event, arena, &groups, &n, &missing, err);
    if (rc == 0 && missing.s)
        rc = gg_fail(err, GG_E_NOT_FOUND, "the state after %.*s is not known", GG_FMT(missing));
    if (rc == 0)
        rc = load_maps(server, groups, n, arena, &maps, err);
    if (rc || n == 0)
        return rc;
    out->group = groups[0];
    out->state = maps[0];
    if (n == 1)
        return 0;
    rc = mx_store_resolve(server, event->room_id, event->version, maps, n, arena, &out->state, err);
    return rc ? rc : as_group(server, event, out->state, groups, maps, n, &out->group, err);
}

int mx_fed_before_of_map(struct mx_server *server, const struct mx_event *event, const struct mx_state *state,
                         struct gg_arena *arena, struct mx_fed_before *out, struct gg_error *err)
{
    int64_t *groups;
    size_t n;
    struct gg_str missing;
    const struct mx_state **maps;
    *out = (struct mx_fed_before){state, 0};
    int rc = groups_of_prevs(server, event, arena, &groups, &n, &missing, err);
    if (rc == 0)
        rc = load_maps(server, groups, n, arena, &maps, err);
    return rc ? rc : as_group(server, event, state, groups, maps, n, &out->group, err);
}
