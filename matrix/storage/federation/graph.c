/* matrix/storage/federation/graph.c: the walk towards the past of a room.
 *
 * Events are taken deepest first from a heap. What lies behind the events that wait is read for many of them at once and
 * some generations ahead, within a bound: rooms are mostly one long line, and a statement for each event of it is what
 * takes the time; rooms made to hurt are wide and deep, and no statement may read all of them. */
#include "storage/federation/graph.h"

#include <ganglion/map.h>

/* Edges lead to events that may not be held, or only as outliers: those do not count. */
static const struct gg_stmt read_ahead = {
    "WITH RECURSIVE w(id, generation) AS (SELECT unnest($1::text[]), 0 UNION"
    " SELECT g.prev_event_id, w.generation + 1 FROM w JOIN event_edges g ON g.event_id = w.id WHERE w.generation < 12)"
    " SELECT e.event_id, e.depth, e.stream_ordering,"
    " (SELECT array_agg(x.prev_event_id) FROM event_edges x WHERE x.event_id = e.event_id)"
    " FROM w JOIN LATERAL (SELECT event_id, depth, stream_ordering FROM events v WHERE v.event_id = w.id AND v.room_id = $2"
    " AND NOT v.outlier AND v.rejection_reason IS NULL OFFSET 0) e ON true LIMIT 400", GG_LANE_POINT};

enum { ASK_AT_ONCE = 50 };

struct node {
    struct gg_str id;
    int64_t depth, stream;
    struct gg_str *prev;
    size_t n_prev;
    bool queued;
};

struct walk {
    struct mx_server *server;
    const struct mx_graph_walk *q;
    struct gg_arena *arena;
    struct gg_map *nodes;   /* id -> struct node *, NULL: asked for and not there */
    struct gg_map *stops;
    struct node **heap;     /* deepest first */
    size_t n_heap, cap_heap;
    struct gg_str *wanted;  /* ids that belong into the heap and have not been read */
    size_t n_wanted, cap_wanted;
};

/* ---- the heap ---- */

static bool before(const struct node *a, const struct node *b)
{
    return a->depth != b->depth ? a->depth > b->depth : a->stream > b->stream;
}

static void swap(struct node **heap, size_t i, size_t k)
{
    struct node *node = heap[i];
    heap[i] = heap[k];
    heap[k] = node;
}

static void push(struct walk *w, struct node *node)
{
    if (w->n_heap == w->cap_heap) {
        w->cap_heap = w->cap_heap > 0 ? w->cap_heap * 2 : 64;
        struct node **more = GG_NEW_ARRAY(w->arena, struct node *, w->cap_heap);
        if (w->n_heap > 0)
            memcpy(more, w->heap, w->n_heap * sizeof(*more));
        w->heap = more;
    }
    size_t i = w->n_heap++;
    w->heap[i] = node;
    for (; i > 0 && before(w->heap[i], w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(w->heap, i, (i - 1) / 2);
}

static struct node *pop(struct walk *w)
{
    struct node *top = w->heap[0];
    w->heap[0] = w->heap[--w->n_heap];
    for (size_t i = 0, k; (k = 2 * i + 1) < w->n_heap; i = k) {
        if (k + 1 < w->n_heap && before(w->heap[k + 1], w->heap[k]))
            k++;
        if (!before(w->heap[k], w->heap[i]))
            break;
        swap(w->heap, i, k);
    }
    return top;
}

/* ---- what is known, what is wanted ---- */

static void want(struct walk *w, struct gg_str id)
{
    if (gg_map_has(w->stops, id))
        return;
    struct node *node = gg_map_get(w->nodes, id);
    if (node != NULL && !node->queued) {
        node->queued = true;
        push(w, node);
    }
    if (gg_map_has(w->nodes, id))
        return;
    if (w->n_wanted == w->cap_wanted) {
        w->cap_wanted = w->cap_wanted > 0 ? w->cap_wanted * 2 : 64;
        struct gg_str *more = GG_NEW_ARRAY(w->arena, struct gg_str, w->cap_wanted);
        if (w->n_wanted > 0)
            memcpy(more, w->wanted, w->n_wanted * sizeof(*more));
        w->wanted = more;
    }
    w->wanted[w->n_wanted++] = id;
}

static void keep(struct walk *w, const struct gg_rows *rows, size_t i)
{
    struct gg_str id = gg_rows_str(rows, i, 0);
    if (gg_map_get(w->nodes, id) != NULL)
        return;
    struct node *node = GG_NEW(w->arena, struct node);
    node->id = id;
    node->depth = gg_rows_i64(rows, i, 1);
    node->stream = gg_rows_i64(rows, i, 2);
    node->prev = gg_rows_texts(rows, i, 3, w->arena, &node->n_prev);
    gg_map_put(w->nodes, id, node);
}

/* Reads what is wanted, some of it at a time, and what lies behind it. */
static int read_wanted(struct walk *w, struct gg_error *err)
{
    int rc = 0;
    while (rc == 0 && w->n_wanted > 0) {
        struct gg_rows *rows;
        size_t n = w->n_wanted < ASK_AT_ONCE ? w->n_wanted : ASK_AT_ONCE;
        struct gg_str *asked = w->wanted + (w->n_wanted - n);
        w->n_wanted -= n;
        rc = gg_db_read(w->server->db, &read_ahead, GG_PARAMS(gg_p_texts(asked, n), gg_p_str(w->q->room_id)), w->arena, &rows, err);
        for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
            keep(w, rows, i);
        struct gg_str *copy = GG_NEW_ARRAY(w->arena, struct gg_str, n); /* `want` may write where they stand */
        memcpy(copy, asked, n * sizeof(*copy));
        for (size_t i = 0; rc == 0 && i < n; i++) {
            if (!gg_map_has(w->nodes, copy[i]))
                gg_map_put(w->nodes, copy[i], NULL);
            want(w, copy[i]);
        }
    }
    return rc;
}

static bool is_from(const struct mx_graph_walk *q, struct gg_str id)
{
    for (size_t i = 0; i < q->n_from; i++)
        if (gg_str_eq(q->from[i], id))
            return true;
    return false;
}

static int walk(struct walk *w, struct gg_str *ids, size_t *n_out, struct gg_error *err)
{
    const struct mx_graph_walk *q = w->q;
    *n_out = 0;
    for (size_t i = 0; i < q->n_stop; i++)
        gg_map_put(w->stops, q->stop[i], NULL);
    for (size_t i = 0; i < q->n_from; i++)
        want(w, q->from[i]);
    int rc = read_wanted(w, err);
    while (rc == 0 && w->n_heap > 0 && *n_out < q->limit) {
        struct node *node = pop(w);
        if (node->depth < q->min_depth)
            break; /* the others are no deeper */
        if (q->with_from || !is_from(q, node->id))
            ids[(*n_out)++] = node->id;
        for (size_t i = 0; i < node->n_prev; i++)
            want(w, node->prev[i]);
        rc = read_wanted(w, err);
    }
    return rc;
}

int mx_graph_walk(struct mx_server *server, const struct mx_graph_walk *q, struct gg_arena *arena, struct gg_str **ids_out,
                  size_t *n_out, struct gg_error *err)
{
    struct walk w = {.server = server, .q = q, .arena = arena, .nodes = gg_map_new(NULL), .stops = gg_map_new(NULL)};
    *ids_out = GG_NEW_ARRAY(arena, struct gg_str, q->limit + 1);
    int rc = walk(&w, *ids_out, n_out, err);
    gg_map_free(w.nodes);
    gg_map_free(w.stops);
    return rc;
}
