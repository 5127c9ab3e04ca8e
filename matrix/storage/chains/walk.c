/* matrix/storage/chains/walk.c: auth chains by the chain cover index. */
#include "walk.h"

#include <ganglion/matrix/store.h>

static const struct gg_stmt select_places = {
    "SELECT event_id, chain_id, sequence_number FROM event_auth_chains WHERE event_id = ANY ($1::text[])", GG_LANE_SCAN};
static const struct gg_stmt select_links = {
    "SELECT origin_chain_id, origin_sequence_number, target_chain_id, target_sequence_number FROM event_auth_chain_links"
    " WHERE origin_chain_id = ANY ($1::bigint[])",
    GG_LANE_SCAN};

struct mx_walk_node {
    struct mx_chain_place place;  /* chain 0: none */
    const struct mx_event *event; /* of one without a place; NULL: not held */
};

/* Ids or chains of the next round. */
struct round {
    struct gg_str *ids;
    int64_t *chains;
    size_t n_ids, n_chains, cap_ids, cap_chains;
};

static struct gg_str chain_key(const int64_t *chain)
{
    return gg_strn((const char *)chain, sizeof(*chain));
}

void mx_chain_walk_init(struct mx_chain_walk *walk, struct mx_server *server, struct gg_arena *arena)
{
    *walk = (struct mx_chain_walk){.server = server, .arena = arena, .asked = gg_map_new(NULL), .places = gg_map_new(NULL)};
    mx_links_init(&walk->links, arena);
}

void mx_chain_walk_done(struct mx_chain_walk *walk)
{
    mx_links_done(&walk->links);
    gg_map_free(walk->asked);
    gg_map_free(walk->places);
}

static void add_chain(struct mx_chain_walk *walk, struct round *round, int64_t chain)
{
    if (gg_map_has(walk->asked, chain_key(&chain)))
        return;
    gg_map_put(walk->asked, chain_key(&chain), NULL);
    if (round->n_chains == round->cap_chains) {
        round->cap_chains = round->cap_chains ? round->cap_chains * 2 : 64;
        int64_t *more = GG_NEW_ARRAY(walk->arena, int64_t, round->cap_chains);
        if (round->n_chains)
            memcpy(more, round->chains, round->n_chains * sizeof(*more));
        round->chains = more;
    }
    round->chains[round->n_chains++] = chain;
}

static void add_id(struct mx_chain_walk *walk, struct round *round, struct gg_str id)
{
    if (gg_map_has(walk->places, id))
        return;
    gg_map_put(walk->places, id, GG_NEW(walk->arena, struct mx_walk_node));
    if (round->n_ids == round->cap_ids) {
        round->cap_ids = round->cap_ids ? round->cap_ids * 2 : 64;
        struct gg_str *more = GG_NEW_ARRAY(walk->arena, struct gg_str, round->cap_ids);
        if (round->n_ids)
            memcpy(more, round->ids, round->n_ids * sizeof(*more));
        round->ids = more;
    }
    round->ids[round->n_ids++] = id;
}

static int read_places(struct mx_chain_walk *walk, const struct round *now, struct round *next, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(walk->server->db, &select_places, GG_PARAMS(gg_p_texts(now->ids, now->n_ids)), walk->arena, &rows,
                        err);
    for (size_t i = 0; !rc && i < gg_rows_count(rows); i++) {
        struct mx_walk_node *node = gg_map_get(walk->places, gg_rows_str(rows, i, 0));
        if (!node)
            continue;
        node->place = (struct mx_chain_place){gg_rows_i64(rows, i, 1), gg_rows_i64(rows, i, 2)};
        add_chain(walk, next, node->place.chain);
    }
    return rc;
}

/* Those of a round that have no place: they are read, and what they cite comes next. */
static int read_loose(struct mx_chain_walk *walk, const struct round *now, struct round *next, size_t *n_loose,
                      struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(walk->arena, struct gg_str, now->n_ids + 1);
    size_t n = 0;
    for (size_t i = 0; i < now->n_ids; i++)
        if (!((const struct mx_walk_node *)gg_map_get(walk->places, now->ids[i]))->place.chain)
            ids[n++] = now->ids[i];
    if (!n)
        return 0;
    if ((*n_loose += n) > MX_WALK_LOOSE_MAX)
        return gg_fail(err, GG_E_LIMIT, "more than %d events without a place in the chain cover", MX_WALK_LOOSE_MAX);
    const struct mx_event **events = GG_NEW_ARRAY(walk->arena, const struct mx_event *, n);
    int rc = mx_store_events(walk->server, ids, n, true, walk->arena, events, err);
    for (size_t i = 0; !rc && i < n; i++) {
        ((struct mx_walk_node *)gg_map_get(walk->places, ids[i]))->event = events[i];
        for (size_t k = 0; events[i] && k < events[i]->n_auth; k++)
            add_id(walk, next, events[i]->auth_events[k]); /* the arena holds the event */
    }
    return rc;
}

static int read_links(struct mx_chain_walk *walk, const struct round *now, struct round *next, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(walk->server->db, &select_links, GG_PARAMS(gg_p_i64s(now->chains, now->n_chains)), walk->arena,
                        &rows, err);
    for (size_t i = 0; !rc && i < gg_rows_count(rows); i++) {
        struct mx_chain_place from = {gg_rows_i64(rows, i, 0), gg_rows_i64(rows, i, 1)};
        struct mx_chain_place to = {gg_rows_i64(rows, i, 2), gg_rows_i64(rows, i, 3)};
        mx_links_add(&walk->links, from, to);
        add_chain(walk, next, to.chain);
    }
    return rc;
}

int mx_chain_walk_learn(struct mx_chain_walk *walk, const struct gg_str *ids, size_t n, struct gg_error *err)
{
    struct round now = {0};
    size_t loose = 0;
    int rc = 0;
    for (size_t i = 0; i < n; i++)
        add_id(walk, &now, gg_arena_str(walk->arena, ids[i]));
    for (int rounds = 0; !rc && (now.n_ids || now.n_chains); rounds++) {
        struct round next = {0};
        if (rounds == MX_WALK_ROUNDS_MAX)
            return gg_fail(err, GG_E_LIMIT, "auth chains deeper than %d links", MX_WALK_ROUNDS_MAX);
        if (now.n_ids)
            rc = read_places(walk, &now, &next, err);
        if (!rc && now.n_ids)
            rc = read_loose(walk, &now, &next, &loose, err);
        if (!rc && now.n_chains)
            rc = read_links(walk, &now, &next, err);
        now = next;
    }
    return rc;
}

void mx_chain_walk_put(struct mx_chain_walk *walk, struct gg_str id, struct mx_chain_place place)
{
    struct mx_walk_node *node = GG_NEW(walk->arena, struct mx_walk_node);
    node->place = place;
    gg_map_put(walk->places, id, node);
    gg_map_put(walk->asked, chain_key(&place.chain), NULL);
}

struct mx_chain_place mx_chain_walk_place(const struct mx_chain_walk *walk, struct gg_str id)
{
    const struct mx_walk_node *node = gg_map_get(walk->places, id);
    return node ? node->place : (struct mx_chain_place){0};
}

void mx_chain_set_init(struct mx_chain_set *set, struct gg_arena *arena)
{
    mx_reached_init(&set->placed, arena);
    set->loose = gg_map_new(NULL);
}

void mx_chain_set_done(struct mx_chain_set *set)
{
    mx_reached_done(&set->placed);
    gg_map_free(set->loose);
}

/* Takes one event; of one without a place, what it cites goes on the stack. */
static void take(const struct mx_chain_walk *walk, struct mx_chain_set *set, struct gg_str id, struct round *stack)
{
    const struct mx_walk_node *node = gg_map_get(walk->places, id);
    if (!node)
        return;
    if (node->place.chain) {
        mx_links_reach(&walk->links, &set->placed, node->place);
        return;
    }
    if (!node->event || gg_map_has(set->loose, id))
        return;
    gg_map_put(set->loose, id, NULL);
    size_t wanted = stack->n_ids + node->event->n_auth;
    if (wanted > stack->cap_ids) {
        stack->cap_ids = wanted * 2;
        struct gg_str *more = GG_NEW_ARRAY(walk->arena, struct gg_str, stack->cap_ids);
        if (stack->n_ids)
            memcpy(more, stack->ids, stack->n_ids * sizeof(*more));
        stack->ids = more;
    }
    for (size_t k = 0; k < node->event->n_auth; k++)
        stack->ids[stack->n_ids++] = node->event->auth_events[k];
}

void mx_chain_set_add(const struct mx_chain_walk *walk, struct mx_chain_set *set, const struct gg_str *ids, size_t n)
{
    struct round stack = {0};
    for (size_t i = 0; i < n; i++) {
        take(walk, set, ids[i], &stack);
        while (stack.n_ids)
            take(walk, set, stack.ids[--stack.n_ids], &stack);
    }
}

int mx_chain_events(struct mx_server *server, const struct mx_chain_stretch *stretches, size_t n, size_t limit,
                    struct gg_arena *arena, struct gg_str **ids_out, size_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT c.event_id FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS s (chain_id, beyond, upto)"
        " JOIN event_auth_chains AS c ON c.chain_id = s.chain_id AND c.sequence_number > s.beyond"
        " AND c.sequence_number <= s.upto LIMIT $4::bigint",
        GG_LANE_SCAN};
    int64_t *chains = GG_NEW_ARRAY(arena, int64_t, n + 1), *from = GG_NEW_ARRAY(arena, int64_t, n + 1);
    int64_t *to = GG_NEW_ARRAY(arena, int64_t, n + 1);
    struct gg_rows *rows;
    *n_out = 0;
    for (size_t i = 0; i < n; i++) {
        chains[i] = stretches[i].chain;
        from[i] = stretches[i].from;
        to[i] = stretches[i].to;
    }
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_i64s(chains, n), gg_p_i64s(from, n), gg_p_i64s(to, n),
                                                     gg_p_i64((int64_t)limit + 1)), arena, &rows, err);
    if (rc)
        return rc;
    if (gg_rows_count(rows) > limit)
        return gg_fail(err, GG_E_LIMIT, "more than %zu events in auth chains", limit);
    *ids_out = GG_NEW_ARRAY(arena, struct gg_str, gg_rows_count(rows) + 1);
    for (; *n_out < gg_rows_count(rows); (*n_out)++)
        (*ids_out)[*n_out] = gg_rows_str(rows, *n_out, 0);
    return 0;
}
