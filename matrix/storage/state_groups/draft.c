/* matrix/storage/state_groups/draft.c: state groups that are written with their events.
 *
 * A commit for the groups before that of the events would be one too many. Their ids are drawn ahead, the room's writer
 * stores them in the events' transaction (tables.c, MX_T_NEW_GROUPS), and until then only it and the maker know of them. */
#include <ganglion/matrix/persist.h>

#include "groups.h"

static const struct gg_stmt draw_ids = {
    "SELECT nextval('state_group_id_seq') FROM generate_series(1::bigint, $1::bigint)", GG_LANE_POINT};

/* The lowest id of the pool that is above `parent`: Synapse reads a chain of deltas by "ORDER BY state_group DESC", so a
 * group's id must be higher than its parent's, which another process may have drawn after our pool. */
static bool from_pool(struct mx_group_ids *pool, int64_t parent, int64_t *out)
{
    while (pool->n && pool->ids[pool->n - 1] <= parent)
        pool->n--;
    if (!pool->n)
        return false;
    *out = pool->ids[--pool->n];
    return true;
}

static int draw(struct mx_store *store, int64_t parent, int64_t *out, struct gg_error *err)
{
    struct mx_group_ids *pool = &store->group_ids;
    while (!from_pool(pool, parent, out)) {
        struct gg_arena *arena = gg_arena_new();
        struct gg_rows *rows;
        int status = gg_db_write(store->server->db, &draw_ids, GG_PARAMS(gg_p_i64(MX_GROUP_IDS)), arena, &rows, err);
        /* Another fiber may have filled it meanwhile: what is left of ours is dropped. */
        for (size_t i = status ? 0 : gg_rows_count(rows); i > 0 && pool->n < MX_GROUP_IDS; i--)
            pool->ids[pool->n++] = gg_rows_i64(rows, i - 1, 0);
        gg_arena_free(arena);
        if (status)
            return status;
    }
    return 0;
}

struct draft {
    struct mx_store *store;
    struct mx_new_group *groups;
    size_t n;
    int64_t group, chain;   /* where we stand */
    struct mx_state *state; /* of group: one reference; NULL: not known here, but to the writer */
};

/* The next group is state, which the draft takes over. */
static int add(struct draft *d, struct mx_state *state, bool has_entry, struct gg_error *err)
{
    struct mx_new_group *group = &d->groups[d->n];
    if (d->state)
        mx_state_unref(d->state);
    d->state = state;
    int status = draw(d->store, d->group, &group->id, err);
    if (status)
        return status;
    group->parent = d->group;
    group->has_entry = has_entry;
    d->n++;
    d->group = group->id;
    d->chain++;
    if (state)
        mx_groups_keep(d->store, group->id, state, d->chain);
    return 0;
}

/* One reference; NULL stays NULL. */
static struct mx_state *state_with(const struct mx_state *state, const struct mx_event *event)
{
    struct mx_state *next = state ? mx_state_copy(state) : NULL;
    if (next)
        mx_state_set(next, event->type, event->state_key, event->event_id);
    return next;
}

static int add_events(struct draft *d, const struct mx_event *const *events, size_t n, int64_t *befores,
                      int64_t *groups, size_t *firsts, struct gg_error *err)
{
    int status = 0;
    for (size_t i = 0; i < n && !status; i++) {
        firsts[i] = i ? d->n : 0;
        befores[i] = d->group;
        if (mx_event_is_state(events[i]))
            status = add(d, state_with(d->state, events[i]), true, err);
        groups[i] = d->group;
    }
    firsts[n] = d->n;
    return status;
}

static size_t count_states(const struct mx_event *const *events, size_t n)
{
    size_t states = 0;
    for (size_t i = 0; i < n; i++)
        states += mx_event_is_state(events[i]);
    return states;
}

/* state: that of base, NULL where it is not needed. */
static int draft(struct draft *d, const struct mx_state *state, const struct mx_event *const *events, size_t n,
                 int64_t *befores, int64_t *groups, struct mx_server *server, size_t *firsts, struct gg_error *err)
{
    int status = 0;
    if (state)
        d->state = mx_state_ref(state);
    else if (!d->group)
        status = add(d, mx_state_new(), false, err);
    if (!status)
        status = add_events(d, events, n, befores, groups, firsts, err);
    if (d->state)
        mx_state_unref(d->state);
    if (status)
        mx_store_drop_groups(server, d->groups, d->n);
    return status;
}

int mx_store_draft_groups(struct mx_server *server, int64_t base, const struct mx_event *const *events, size_t n,
                          int64_t *befores, int64_t *groups, struct gg_arena *arena, struct mx_new_group **new_groups,
                          size_t *firsts, bool *possible, struct gg_error *err)
{
    struct draft d = {.store = mx_store_of(server), .group = base};
    size_t n_states = count_states(events, n);
    const struct mx_state *state = NULL;
    int status = 0;
    *new_groups = d.groups = GG_NEW_ARRAY(arena, struct mx_new_group, n + 1);
    if (base && n_states && (status = mx_group_load(d.store, base, arena, &state, &d.chain, err)))
        return status;
    *possible = n > 0 && d.chain + (int64_t)n_states + !base <= MX_GROUP_CHAIN_MAX;
    return *possible ? draft(&d, state, events, n, befores, groups, server, firsts, err) : 0;
}

int mx_store_draft_groups_elsewhere(struct mx_server *server, int64_t base, const struct mx_event *const *events, size_t n,
                                    int64_t *befores, int64_t *groups, struct gg_arena *arena,
                                    struct mx_new_group **new_groups, size_t *firsts, bool *possible, struct gg_error *err)
{
    struct draft d = {.store = mx_store_of(server), .group = base};
    *new_groups = d.groups = GG_NEW_ARRAY(arena, struct mx_new_group, n + 1);
    *possible = n > 0 && (int64_t)count_states(events, n) + !base <= MX_GROUP_CHAIN_MAX;
    return *possible ? draft(&d, NULL, events, n, befores, groups, server, firsts, err) : 0;
}

void mx_store_drop_groups(struct mx_server *server, const struct mx_new_group *groups, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mx_groups_drop(mx_store_of(server), groups[i].id);
}

/* ---- another process's ---- */

/* What the group stands on, with room for one more on its chain. */
static int parent_of(struct mx_store *store, const struct mx_new_group *group, struct gg_arena *arena,
                     const struct mx_state **state, int64_t *chain, struct gg_error *err)
{
    *state = NULL;
    *chain = 0;
    if (group->parent == 0 && !group->has_entry)
        return 0;
    int status = mx_group_load(store, group->parent, arena, state, chain, err);
    if (!status && (group->id <= group->parent || *chain >= MX_GROUP_CHAIN_MAX))
        status = gg_fail(err, GG_E_CONFLICT, "state group %lld cannot stand on %lld", (long long)group->id, (long long)group->parent);
    return status;
}

int mx_store_take_groups(struct mx_server *server, const struct mx_event *event, const struct mx_new_group *groups, size_t n,
                         struct gg_error *err)
{
    struct mx_store *store = mx_store_of(server);
    struct gg_arena *arena = gg_arena_new();
    int status = 0;
    for (size_t i = 0; i < n && !status; i++) {
        const struct mx_state *parent;
        int64_t chain;
        status = parent_of(store, &groups[i], arena, &parent, &chain, err);
        if (status)
            break;
        struct mx_state *state = parent ? mx_state_copy(parent) : mx_state_new();
        if (groups[i].has_entry)
            mx_state_set(state, event->type, event->state_key, event->event_id);
        mx_groups_keep(store, groups[i].id, state, chain + 1);
        mx_state_unref(state);
    }
    gg_arena_free(arena);
    return status;
}
