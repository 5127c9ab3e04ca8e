/* matrix/storage/chains/chains.c: places new state events in the chain cover index (facts database 5.3). */
#include "chains.h"

#include <ganglion/map.h>

#include "../store.h"
#include "links.h"

/* One round trip: 'a' what is known of the auth events, 'l' the links that lead on from their chains, 'p' events of the
 * room that wait for their auth events, 'x' the room has no index (an old one). $1 auth event ids, $2 room. */
static const struct gg_stmt select_known = {
    "WITH RECURSIVE a AS (SELECT w.id, s.type, s.state_key, c.chain_id, c.sequence_number FROM unnest($1::text[]) w(id)"
    " JOIN state_events s ON s.event_id = w.id LEFT JOIN event_auth_chains c ON c.event_id = w.id),"
    " r(chain) AS (SELECT DISTINCT chain_id FROM a WHERE chain_id IS NOT NULL"
    " UNION SELECT l.target_chain_id FROM r JOIN event_auth_chain_links l ON l.origin_chain_id = r.chain)"
    " SELECT 'a' AS kind, id, type, state_key, chain_id, sequence_number,"
    " (SELECT max(x.sequence_number) FROM event_auth_chains x WHERE x.chain_id = a.chain_id), NULL::bigint,"
    " CASE WHEN chain_id IS NULL THEN (SELECT array_agg(auth_id) FROM event_auth x WHERE x.event_id = a.id) END FROM a"
    " UNION ALL SELECT 'l', NULL, NULL, NULL, l.origin_chain_id, l.origin_sequence_number, l.target_chain_id,"
    " l.target_sequence_number, NULL FROM r JOIN event_auth_chain_links l ON l.origin_chain_id = r.chain"
    " UNION ALL SELECT 'p', t.event_id, t.type, t.state_key, NULL, NULL, NULL, NULL,"
    " (SELECT array_agg(auth_id) FROM event_auth x WHERE x.event_id = t.event_id)"
    " FROM event_auth_chain_to_calculate t WHERE t.room_id = $2"
    " UNION ALL SELECT 'x', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM rooms"
    " WHERE room_id = $2 AND NOT has_auth_chain_index",
    GG_LANE_POINT};

static const struct gg_stmt draw_ids = {
    "SELECT nextval('event_auth_chain_id') FROM generate_series(1::bigint, $1::bigint)", GG_LANE_POINT};

enum node_state { NODE_OPEN, NODE_PLACED, NODE_POSTPONED };

/* A state event that has, or is to get, a place. */
struct node {
    struct gg_str id, type, state_key;
    const struct gg_str *auth;
    size_t n_auth;
    const struct mx_event *event; /* of the batch; NULL: an older one */
    bool pending;                 /* has a row in event_auth_chain_to_calculate */
    int state;
    bool fresh; /* placed now */
    struct mx_chain_place place;
    int64_t chain_max; /* highest sequence of its chain, when it was read */
};

struct work {
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_map *index; /* id -> struct node * */
    struct node **nodes;
    size_t n, cap;
    struct mx_links links;
    bool no_index;
    struct gg_map *tops; /* chain as text -> int64_t *: highest sequence used so far */
};

static struct node *add_node(struct work *w, struct gg_str id)
{
    struct node *node = gg_map_get(w->index, id);
    if (node)
        return node;
    node = GG_NEW(w->arena, struct node);
    node->id = id;
    gg_map_put(w->index, id, node);
    if (w->n == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 32;
        struct node **nodes = GG_NEW_ARRAY(w->arena, struct node *, w->cap);
        if (w->n)
            memcpy(nodes, w->nodes, w->n * sizeof(*nodes));
        w->nodes = nodes;
    }
    w->nodes[w->n++] = node;
    return node;
}

static int64_t *top_of(struct work *w, int64_t chain)
{
    struct gg_str key = gg_strn((const char *)&chain, sizeof(chain));
    int64_t *top = gg_map_get(w->tops, key);
    if (!top) {
        top = GG_NEW(w->arena, int64_t);
        gg_map_put(w->tops, key, top);
    }
    return top;
}

static void take_auth_row(struct work *w, const struct gg_rows *rows, size_t i, bool pending)
{
    struct node *node = add_node(w, gg_rows_str(rows, i, 1));
    if (node->type.s)
        return;
    node->type = gg_rows_str(rows, i, 2);
    node->state_key = gg_rows_str(rows, i, 3);
    node->pending = pending;
    node->auth = gg_rows_texts(rows, i, 8, w->arena, &node->n_auth);
    if (gg_rows_null(rows, i, 4))
        return;
    node->state = NODE_PLACED;
    node->place = (struct mx_chain_place){gg_rows_i64(rows, i, 4), gg_rows_i64(rows, i, 5)};
    int64_t *top = top_of(w, node->place.chain), max = gg_rows_i64(rows, i, 6);
    *top = max > *top ? max : *top;
}

/* Reads auth events that are cited and not yet known, until nothing is missing that could be read. */
static int read_known(struct work *w, struct gg_str room_id, struct gg_error *err)
{
    for (size_t seen = 0; seen < w->n;) {
        size_t n = 0, end = w->n, total = 0;
        for (size_t i = seen; i < end; i++)
            total += w->nodes[i]->n_auth;
        struct gg_str *ids = GG_NEW_ARRAY(w->arena, struct gg_str, total + 1);
        for (size_t i = seen; i < end; i++)
            for (size_t k = 0; k < w->nodes[i]->n_auth && w->nodes[i]->state == NODE_OPEN; k++)
                if (!gg_map_has(w->index, w->nodes[i]->auth[k]))
                    ids[n++] = w->nodes[i]->auth[k];
        struct gg_rows *rows;
        bool first = seen == 0;
        seen = end;
        if (!n && !first)
            continue;
        int status = gg_db_read(w->server->db, &select_known, GG_PARAMS(gg_p_texts(ids, n), gg_p_str(room_id)),
                                w->arena, &rows, err);
        if (status)
            return status;
        for (size_t i = 0; i < gg_rows_count(rows); i++) {
            char kind = gg_rows_str(rows, i, 0).s[0];
            w->no_index |= kind == 'x';
            if (kind == 'l')
                mx_links_add(&w->links, (struct mx_chain_place){gg_rows_i64(rows, i, 4), gg_rows_i64(rows, i, 5)},
                             (struct mx_chain_place){gg_rows_i64(rows, i, 6), gg_rows_i64(rows, i, 7)});
            else if (kind != 'x')
                take_auth_row(w, rows, i, kind == 'p');
        }
    }
    return 0;
}

static int draw(struct work *w, int64_t *out, struct gg_error *err)
{
    struct mx_chain_ids *pool = &mx_store_of(w->server)->chain_ids;
    while (!pool->n) {
        struct gg_rows *rows;
        int status = gg_db_write(w->server->db, &draw_ids, GG_PARAMS(gg_p_i64(MX_CHAIN_IDS)), w->arena, &rows, err);
        if (status)
            return status;
        /* Another fiber may have filled it meanwhile: what is left of ours is dropped. */
        for (size_t i = gg_rows_count(rows); i > 0 && pool->n < MX_CHAIN_IDS; i--)
            pool->ids[pool->n++] = gg_rows_i64(rows, i - 1, 0);
    }
    *out = pool->ids[--pool->n];
    return 0;
}

/* The first auth event of the same type and state key: the event continues its chain if that ends there. */
static int choose_place(struct work *w, struct node *node, struct gg_error *err)
{
    for (size_t k = 0; k < node->n_auth; k++) {
        struct node *auth = gg_map_get(w->index, node->auth[k]);
        if (!gg_str_eq(auth->type, node->type) || !gg_str_eq(auth->state_key, node->state_key))
            continue;
        int64_t *top = top_of(w, auth->place.chain);
        if (*top == auth->place.sequence) {
            node->place = (struct mx_chain_place){auth->place.chain, ++*top};
            return 0;
        }
        break;
    }
    node->place.sequence = 1;
    int status = draw(w, &node->place.chain, err);
    if (!status)
        *top_of(w, node->place.chain) = 1;
    return status;
}

/* Links to the auth events of other chains, but for those that another auth event leads to. */
static void add_links(struct work *w, const struct node *node)
{
    for (size_t k = 0; k < node->n_auth; k++) {
        struct node *auth = gg_map_get(w->index, node->auth[k]);
        bool reached = auth->place.chain == node->place.chain;
        for (size_t j = 0; j < node->n_auth && !reached; j++) {
            struct node *other = gg_map_get(w->index, node->auth[j]);
            reached = j != k && mx_links_path(&w->links, other->place, auth->place);
        }
        if (!reached)
            mx_links_add_new(&w->links, node->place, auth->place);
    }
}

/* 1: all its auth events have places; 0: some are still open; -1: one is not held, or is postponed itself. */
static int readiness(const struct work *w, const struct node *node)
{
    for (size_t k = 0; k < node->n_auth; k++) {
        const struct node *auth = gg_map_get(w->index, node->auth[k]);
        if (!auth || auth->state == NODE_POSTPONED)
            return -1;
        if (auth->state == NODE_OPEN)
            return 0;
    }
    return 1;
}

/* Auth events first: passes over the open nodes, until one changes nothing. */
static int place_all(struct work *w, struct gg_error *err)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < w->n; i++) {
            struct node *node = w->nodes[i];
            int ready = node->state == NODE_OPEN ? readiness(w, node) : 0;
            if (!ready)
                continue;
            moved = true;
            node->state = NODE_POSTPONED;
            if (ready < 0)
                continue;
            int status = choose_place(w, node, err);
            if (status)
                return status;
            node->state = NODE_PLACED;
            node->fresh = true;
            add_links(w, node);
        }
    }
    return 0;
}

static void give(const struct work *w, struct mx_chain_plan *out)
{
    struct gg_str *placed = GG_NEW_ARRAY(w->arena, struct gg_str, w->n + 1);
    out->places = GG_NEW_ARRAY(w->arena, struct mx_chain_place, w->n + 1);
    out->postponed = GG_NEW_ARRAY(w->arena, const struct mx_event *, w->n + 1);
    out->caught_up = GG_NEW_ARRAY(w->arena, struct gg_str, w->n + 1);
    out->placed = placed;
    for (size_t i = 0; i < w->n; i++) {
        const struct node *node = w->nodes[i];
        if (node->fresh) {
            out->places[out->n_placed] = node->place;
            placed[out->n_placed++] = node->id;
            if (node->pending)
                out->caught_up[out->n_caught_up++] = node->id;
        } else if (node->event && node->state != NODE_PLACED) {
            out->postponed[out->n_postponed++] = node->event;
        }
    }
    out->links = mx_links_new(&w->links, &out->n_links);
}

int mx_chains_prepare(struct mx_server *server, struct gg_str room_id, const struct mx_event *const *events, size_t n,
                      struct gg_arena *arena, struct mx_chain_plan *out, struct gg_error *err)
{
    memset(out, 0, sizeof(*out));
    if (!n)
        return 0;
    struct work w = {.server = server, .arena = arena, .index = gg_map_new(NULL), .tops = gg_map_new(NULL)};
    mx_links_init(&w.links, arena);
    for (size_t i = 0; i < n; i++) {
        struct node *node = add_node(&w, events[i]->event_id);
        node->event = events[i];
        node->type = events[i]->type;
        node->state_key = events[i]->state_key;
        node->auth = events[i]->auth_events;
        node->n_auth = events[i]->n_auth;
    }
    int status = read_known(&w, room_id, err);
    if (!status && !w.no_index && !(status = place_all(&w, err)))
        give(&w, out);
    mx_links_done(&w.links);
    gg_map_free(w.index);
    gg_map_free(w.tops);
    return status;
}
