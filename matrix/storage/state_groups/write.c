/* matrix/storage/state_groups/write.c: stores state groups (facts database 5.1).
 *
 * A delta may only add or replace entries, its parent must not be deleted meanwhile (its row is locked and a pending
 * deletion is put off), and a chain of deltas ends at MX_GROUP_CHAIN_MAX. */

#include <stdlib.h>

#include "groups.h"

/* A run of deltas on a parent whose chain is known to be short enough: everything in one statement, ids ascending in
 * the order of the events. $1 room, $2 parent, $3..$6 event id, type, state key, of each delta. */
static const struct gg_stmt insert_run = {
    "WITH ev AS MATERIALIZED (SELECT nextval('state_group_id_seq') AS id, $2::bigint AS base, u.* FROM"
    " unnest($3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS u(event_id, type, state_key, n)),"
    " parent AS (SELECT id FROM state_groups WHERE id = $2 FOR KEY SHARE),"
    " bump AS (UPDATE state_groups_pending_deletion SET sequence_number = DEFAULT, insertion_ts = $6"
    " WHERE state_group = $2 RETURNING 1),"
    " made AS (INSERT INTO state_groups (id, room_id, event_id) SELECT ev.id, $1, ev.event_id FROM ev, parent "
    "RETURNING id),"
    " edges AS (INSERT INTO state_group_edges (state_group, prev_state_group)"
    " SELECT ev.id, COALESCE(lag(ev.id) OVER (ORDER BY ev.n), ev.base) FROM ev, parent),"
    " entries AS (INSERT INTO state_groups_state (state_group, room_id, type, state_key, event_id)"
    " SELECT ev.id, $1, ev.type, ev.state_key, ev.event_id FROM ev, parent)"
    " SELECT id, (SELECT count(*) FROM bump) FROM made ORDER BY id",
    GG_LANE_POINT};

static const struct gg_stmt insert_empty = {
    "INSERT INTO state_groups (id, room_id, event_id) VALUES (nextval('state_group_id_seq'), $1, $2) RETURNING id",
    GG_LANE_POINT};

/* One group; $3 is 0 when it is stored whole. Same parent rules as above. */
static const struct gg_stmt insert_map = {
    "WITH parent AS (SELECT id FROM state_groups WHERE id = $3 FOR KEY SHARE),"
    " bump AS (UPDATE state_groups_pending_deletion SET sequence_number = DEFAULT, insertion_ts = $7"
    " WHERE state_group = $3 RETURNING 1),"
    " made AS (INSERT INTO state_groups (id, room_id, event_id) SELECT nextval('state_group_id_seq'), $1, $2"
    " WHERE $3 = 0 OR EXISTS (SELECT 1 FROM parent) RETURNING id),"
    " edges AS (INSERT INTO state_group_edges (state_group, prev_state_group) SELECT id, $3 FROM made WHERE $3 <> 0),"
    " entries AS (INSERT INTO state_groups_state (state_group, room_id, type, state_key, event_id)"
    " SELECT m.id, $1, u.* FROM made m, unnest($4::text[], $5::text[], $6::text[]) u)"
    " SELECT id, (SELECT count(*) FROM bump) FROM made",
    GG_LANE_POINT};

static int parent_gone(int64_t parent, struct gg_error *err)
{
    return gg_fail(err, GG_E_CONFLICT, "state group %lld was deleted meanwhile", (long long)parent);
}

static int make_empty(struct mx_store *store, struct gg_str room_id, struct gg_str event_id, int64_t *out,
                      struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_write(store->server->db, &insert_empty, GG_PARAMS(gg_p_str(room_id), gg_p_str(event_id)), arena,
                             &rows, err);
    if (!status) {
        *out = gg_rows_i64(rows, 0, 0);
        struct mx_state *state = mx_state_new();
        mx_groups_keep(store, *out, state, 1);
        mx_state_unref(state);
    }
    gg_arena_free(arena);
    return status;
}

/* The state events events[from..to) as deltas one upon the other on base. */
static int make_run(struct mx_store *store, struct gg_str room_id, int64_t base, const struct mx_event *const *events,
                    const size_t *places, size_t n, int64_t *made, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, n), *types = GG_NEW_ARRAY(arena, struct gg_str, n);
    struct gg_str *keys = GG_NEW_ARRAY(arena, struct gg_str, n);
    for (size_t i = 0; i < n; i++) {
        const struct mx_event *e = events[places[i]];
        ids[i] = e->event_id;
        types[i] = e->type;
        keys[i] = e->state_key;
    }
    struct gg_rows *rows;
    int status = gg_db_write(store->server->db, &insert_run,
                             GG_PARAMS(gg_p_str(room_id), gg_p_i64(base), gg_p_texts(ids, n), gg_p_texts(types, n),
                                       gg_p_texts(keys, n), gg_p_i64(gg_wall_ms())),
                             arena, &rows, err);
    if (!status && gg_rows_count(rows) != n)
        status = parent_gone(base, err);
    for (size_t i = 0; i < n && !status; i++)
        made[i] = gg_rows_i64(rows, i, 0);
    gg_arena_free(arena);
    return status;
}

/* The entries that state has beyond base; false when base has keys that state lacks (no delta is possible). */
static bool delta_of(const struct mx_state *base, const struct mx_state *state, struct gg_arena *arena,
                     struct mx_state_entry **out, size_t *n_out)
{
    struct mx_state_entry e, *list = GG_NEW_ARRAY(arena, struct mx_state_entry, mx_state_count(state) + 1);
    size_t n = 0, shared = 0;
    for (size_t i = 0; mx_state_next(state, &i, &e);) {
        struct gg_str old = base ? mx_state_get(base, e.type, e.state_key) : gg_strn(NULL, 0);
        shared += old.s != NULL;
        if (!old.s || !gg_str_eq(old, e.event_id))
            list[n++] = e;
    }
    *out = list;
    *n_out = n;
    return !base || shared == mx_state_count(base);
}

static int insert_entries(struct mx_store *store, struct gg_str room_id, struct gg_str event_id, int64_t parent,
                          const struct mx_state_entry *entries, size_t n, int64_t *out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1), *types = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    struct gg_str *keys = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    for (size_t i = 0; i < n; i++) {
        types[i] = entries[i].type;
        keys[i] = entries[i].state_key;
        ids[i] = entries[i].event_id;
    }
    struct gg_rows *rows;
    int status = gg_db_write(store->server->db, &insert_map,
                             GG_PARAMS(gg_p_str(room_id), gg_p_str(event_id), gg_p_i64(parent), gg_p_texts(types, n),
                                       gg_p_texts(keys, n), gg_p_texts(ids, n), gg_p_i64(gg_wall_ms())),
                             arena, &rows, err);
    if (!status && !gg_rows_count(rows))
        status = parent_gone(parent, err);
    if (!status)
        *out = gg_rows_i64(rows, 0, 0);
    gg_arena_free(arena);
    return status;
}

int mx_store_map_group(struct mx_server *server, struct gg_str room_id, struct gg_str event_id,
                       const struct mx_state *state, int64_t prev, int64_t *out, struct gg_error *err)
{
    struct mx_store *store = mx_store_of(server);
    struct gg_arena *arena = gg_arena_new();
    const struct mx_state *base = NULL;
    int64_t chain = 0, parent = prev;
    struct mx_state_entry *entries;
    size_t n;
    int status = prev ? mx_group_load(store, prev, arena, &base, &chain, err) : 0;
    if (status)
        goto out;
    if (!delta_of(base, state, arena, &entries, &n) || chain >= MX_GROUP_CHAIN_MAX) {
        parent = 0;
        (void)delta_of(NULL, state, arena, &entries, &n);
    }
    status = insert_entries(store, room_id, event_id, parent, entries, n, out, err);
    if (!status)
        mx_groups_keep(store, *out, state, parent ? chain + 1 : 1);
out:
    gg_arena_free(arena);
    return status;
}

/* ---- runs of events ---- */

struct run {
    struct mx_store *store;
    struct gg_str room_id;
    const struct mx_event *const *events;
    int64_t *befores, *groups;
    int64_t group, chain;   /* where we stand */
    struct mx_state *state; /* of group: one reference */
};

/* Takes the made groups over: after each event its group, its map in the cache. */
static void advance(struct run *run, const size_t *places, const int64_t *made, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct mx_event *e = run->events[places[i]];
        struct mx_state *next = mx_state_copy(run->state);
        mx_state_set(next, e->type, e->state_key, e->event_id);
        mx_state_unref(run->state);
        run->state = next;
        run->group = made[i];
        run->chain++;
        run->groups[places[i]] = made[i];
        mx_groups_keep(run->store, made[i], next, run->chain);
    }
}

/* The next group is stored whole: its chain would grow too long. */
static int store_whole(struct run *run, size_t place, struct gg_error *err)
{
    const struct mx_event *e = run->events[place];
    struct mx_state *next = mx_state_copy(run->state);
    mx_state_set(next, e->type, e->state_key, e->event_id);
    int status = mx_store_map_group(run->store->server, run->room_id, e->event_id, next, 0, &run->group, err);
    mx_state_unref(run->state);
    run->state = next;
    run->chain = 1;
    run->groups[place] = run->group;
    return status;
}

static int store_states(struct run *run, const size_t *places, size_t n, struct gg_arena *arena, struct gg_error *err)
{
    int64_t *made = GG_NEW_ARRAY(arena, int64_t, n);
    for (size_t done = 0; done < n;) {
        if (run->chain >= MX_GROUP_CHAIN_MAX) {
            int status = store_whole(run, places[done++], err);
            if (status)
                return status;
            continue;
        }
        size_t room = (size_t)(MX_GROUP_CHAIN_MAX - run->chain), take = n - done < room ? n - done : room;
        int status = make_run(run->store, run->room_id, run->group, run->events, places + done, take, made, err);
        if (status)
            return status;
        advance(run, places + done, made, take);
        done += take;
    }
    return 0;
}

int mx_store_new_groups(struct mx_server *server, struct gg_str room_id, int64_t base,
                        const struct mx_event *const *events, size_t n, int64_t *befores, int64_t *groups,
                        struct gg_error *err)
{
    struct run run = {mx_store_of(server), room_id, events, befores, groups, base, 1, NULL};
    struct gg_arena *arena = gg_arena_new();
    size_t *places = GG_NEW_ARRAY(arena, size_t, n ? n : 1), n_states = 0;
    const struct mx_state *state;
    int status = 0;
    for (size_t i = 0; i < n; i++) {
        groups[i] = 0;
        if (mx_event_is_state(events[i]))
            places[n_states++] = i;
    }
    if (!base && n)
        status = make_empty(run.store, room_id, events[0]->event_id, &run.group, err);
    if (status || !n_states)
        goto place;
    if ((status = mx_group_load(run.store, run.group, arena, &state, &run.chain, err)))
        goto out;
    int64_t first = run.group;
    run.state = mx_state_ref(state);
    status = store_states(&run, places, n_states, arena, err);
    mx_state_unref(run.state);
    run.group = first;
place:
    for (size_t i = 0; i < n && !status; i++) {
        befores[i] = run.group;
        if (groups[i])
            run.group = groups[i];
        else
            groups[i] = run.group;
    }
out:
    gg_arena_free(arena);
    return status;
}
