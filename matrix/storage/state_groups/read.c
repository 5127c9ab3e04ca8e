/* matrix/storage/state_groups/read.c: the state of a group, and the groups of events (facts database 5.1). */
#include <stdio.h>
#include <ganglion/memory.h>

#include "groups.h"

/* From the group to its root, nearest first; of a group that does not exist, nothing. */
static const struct gg_stmt select_chain = {
    "WITH RECURSIVE chain(grp, n) AS ("
    " SELECT id, 0 FROM state_groups WHERE id = $1"
    " UNION ALL SELECT e.prev_state_group, c.n + 1 FROM state_group_edges e JOIN chain c ON e.state_group = c.grp)"
    " SELECT grp FROM chain ORDER BY n",
    GG_LANE_POINT};

/* What these groups say, nearest first: the nearest entry of each key wins. */
static const struct gg_stmt select_entries = {
    "SELECT DISTINCT ON (s.type, s.state_key) s.type, s.state_key, s.event_id"
    " FROM unnest($1::bigint[]) WITH ORDINALITY c(grp, n) JOIN state_groups_state s ON s.state_group = c.grp"
    " ORDER BY s.type, s.state_key, c.n",
    GG_LANE_SCAN};

static const struct gg_stmt select_groups_of = {
    "SELECT w.place, g.state_group FROM unnest($1::text[]) WITH ORDINALITY w(id, place)"
    " JOIN event_to_state_groups g ON g.event_id = w.id",
    GG_LANE_POINT};

struct group_key {
    char text[24];
    struct gg_str str;
};

static void key_of(int64_t group, struct group_key *key)
{
    key->str = gg_strn(key->text, (size_t)snprintf(key->text, sizeof(key->text), "%lld", (long long)group));
}

void mx_groups_keep(struct mx_store *store, int64_t group, const struct mx_state *state, int64_t chain)
{
    struct group_key key;
    key_of(group, &key);
    struct mx_held_group *held = gg_xcalloc(1, sizeof(*held));
    held->state = mx_state_ref(state);
    held->chain = chain;
    mx_cache_put(store->groups, key.str, held, mx_state_bytes(state), mx_cache_tick(store->groups));
}

void mx_groups_drop(struct mx_store *store, int64_t group)
{
    struct group_key key;
    key_of(group, &key);
    mx_cache_drop(store->groups, key.str);
}

void mx_event_group_keep(struct mx_store *store, struct gg_str event_id, int64_t group)
{
    int64_t *value = gg_xmalloc(sizeof(*value));
    *value = group;
    mx_cache_put(store->event_groups, event_id, value, sizeof(*value), mx_cache_tick(store->event_groups));
}

static void unref_state(void *state)
{
    mx_state_unref(state);
}

static const struct mx_state *lend(struct mx_state *state, struct gg_arena *arena)
{
    gg_arena_defer(arena, unref_state, state);
    return state;
}

static const struct mx_state *held_state(struct mx_store *store, struct gg_str key, struct gg_arena *arena,
                                         int64_t *chain)
{
    struct mx_held_group *held = mx_cache_get(store->groups, key);
    if (!held)
        return NULL;
    if (chain)
        *chain = held->chain;
    return lend(mx_state_ref(held->state), arena);
}

const struct mx_state *mx_groups_held(struct mx_store *store, int64_t group, struct gg_arena *arena)
{
    struct group_key key;
    key_of(group, &key);
    return held_state(store, key.str, arena, NULL);
}

static int read_chain(struct mx_store *store, int64_t group, struct gg_arena *arena, int64_t **out, size_t *n_out,
                      struct gg_error *err)
{
    struct gg_rows *rows;
    int status = gg_db_read(store->server->db, &select_chain, GG_PARAMS(gg_p_i64(group)), arena, &rows, err);
    if (status)
        return status;
    if (!(*n_out = gg_rows_count(rows)))
        return gg_fail(err, GG_E_INTERNAL, "state group %lld does not exist", (long long)group);
    *out = GG_NEW_ARRAY(arena, int64_t, *n_out);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = gg_rows_i64(rows, i, 0);
    return 0;
}

/* The nearest group of the chain that the cache has is where the reading ends: of a large room whose members come one by one
 * only what is new is read, and the maps share the rest. The state is lent to the caller whether or not the cache has a
 * place for it. */
static int read_group(struct mx_store *store, int64_t group, struct gg_arena *caller, const struct mx_state **out,
                      int64_t *chain, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    const struct mx_state *base = NULL;
    int64_t *groups = NULL;
    size_t n, n_read = 0;
    int status = read_chain(store, group, arena, &groups, &n, err);
    if (status)
        goto out;
    while (n_read < n && !(base = mx_groups_held(store, groups[n_read], arena)))
        n_read++;
    status = gg_db_read(store->server->db, &select_entries, GG_PARAMS(gg_p_i64s(groups, n_read)), arena, &rows, err);
    if (status)
        goto out;
    struct mx_state *state = base ? mx_state_copy(base) : mx_state_new();
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        mx_state_set(state, gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_str(rows, i, 2));
    mx_groups_keep(store, group, state, (int64_t)n);
    if (chain)
        *chain = (int64_t)n;
    *out = lend(state, caller);
out:
    gg_arena_free(arena);
    return status;
}

int mx_group_load(struct mx_store *store, int64_t group, struct gg_arena *arena, const struct mx_state **out,
                  int64_t *chain, struct gg_error *err)
{
    struct group_key key;
    key_of(group, &key);
    for (;;) {
        if ((*out = held_state(store, key.str, arena, chain)))
            return 0;
        bool owner;
        struct mx_flight *flight = mx_flight_join(store->group_flights, key.str, &owner);
        int status = 0;
        if (owner) {
            status = read_group(store, group, arena, out, chain, err);
            mx_flight_land(store->group_flights, key.str, flight);
        } else if ((status = mx_flight_wait(flight))) {
            return gg_fail(err, status, "waiting for a state group");
        }
        if (status || *out)
            return status;
    }
}

int mx_store_group_state(struct mx_server *server, int64_t group, struct gg_arena *arena, const struct mx_state **out,
                         struct gg_error *err)
{
    return mx_group_load(mx_store_of(server), group, arena, out, NULL, err);
}

int mx_store_state_groups_of(struct mx_server *server, const struct gg_str *event_ids, size_t n, int64_t *groups,
                             struct gg_error *err)
{
    struct mx_store *store = mx_store_of(server);
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, n ? n : 1);
    size_t *places = GG_NEW_ARRAY(arena, size_t, n ? n : 1), todo = 0;
    int status = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t *held = mx_cache_get(store->event_groups, event_ids[i]);
        groups[i] = held ? *held : 0;
        if (!held) {
            places[todo] = i;
            ids[todo++] = event_ids[i];
        }
    }
    struct gg_rows *rows;
    if (todo &&
        !(status = gg_db_read(server->db, &select_groups_of, GG_PARAMS(gg_p_texts(ids, todo)), arena, &rows, err)))
        for (size_t i = 0; i < gg_rows_count(rows); i++) {
            size_t place = places[gg_rows_i64(rows, i, 0) - 1];
            groups[place] = gg_rows_i64(rows, i, 1);
            mx_event_group_keep(store, event_ids[place], groups[place]);
        }
    gg_arena_free(arena);
    return status;
}

int mx_store_state_group_of(struct mx_server *server, struct gg_str event_id, int64_t *out, struct gg_error *err)
{
    return mx_store_state_groups_of(server, &event_id, 1, out, err);
}

int mx_store_state_after(struct mx_server *server, struct gg_str event_id, struct gg_arena *arena,
                         const struct mx_state **out, struct gg_error *err)
{
    int64_t group;
    int status = mx_store_state_group_of(server, event_id, &group, err);
    if (status)
        return status;
    if (!group)
        return gg_refuse(err, 404, "M_NOT_FOUND", "The state at this event is not known");
    return mx_store_group_state(server, group, arena, out, err);
}
