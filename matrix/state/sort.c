/* sort.c: reverse topological power ordering and mainline ordering (specification, room version 2 "State resolution").
 */
#include "sort.h"
#include <stdlib.h>

/* ---- reverse topological power ordering: Kahn's algorithm over a heap ---- */

static int by_age(const struct mx_event *x, const struct mx_event *y)
{
    if (x->origin_server_ts != y->origin_server_ts)
        return x->origin_server_ts < y->origin_server_ts ? -1 : 1;
    return gg_str_cmp(x->event_id, y->event_id);
}

/* Greater power first, then earlier, then lower id. */
static bool is_before(const struct graph *g, uint32_t a, uint32_t b)
{
    const struct gnode *x = &g->nodes[a], *y = &g->nodes[b];
    if (x->power != y->power)
        return x->power > y->power;
    return by_age(x->event, y->event) < 0;
}

static void heap_push(struct graph *g, struct list *heap, uint32_t node)
{
    size_t i;
    list_push(heap, g->arena, node);
    for (i = heap->n - 1; i > 0 && is_before(g, node, heap->items[(i - 1) / 2]); i = (i - 1) / 2)
        heap->items[i] = heap->items[(i - 1) / 2];
    heap->items[i] = node;
}

static uint32_t heap_pop(struct graph *g, struct list *heap)
{
    uint32_t top = heap->items[0], moving = heap->items[--heap->n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= heap->n)
            break;
        if (child + 1 < heap->n && is_before(g, heap->items[child + 1], heap->items[child]))
            child++;
        if (!is_before(g, heap->items[child], moving))
            break;
        heap->items[i] = heap->items[child];
        i = child;
    }
    if (heap->n)
        heap->items[i] = moving;
    return top;
}

/* The sender's power by the event's own auth events. */
static int64_t power_of_sender(struct graph *g, uint32_t node)
{
    uint32_t levels = graph_cited(g, node, "m.room.power_levels"), create = graph_cited(g, node, "m.room.create");
    struct mx_power power = mx_power_read(levels == UINT32_MAX ? NULL : g->nodes[levels].event,
                                          create == UINT32_MAX ? NULL : g->nodes[create].event, g->arena);
    if (levels == UINT32_MAX && create == UINT32_MAX)
        return 0;
    return mx_power_of_user(&power, g->nodes[node].event->sender);
}

struct citing {
    struct list *lists; /* of each node: sorted nodes that cite it */
};

/* Counts for each event what it waits for, and who waits for it. */
static struct citing prepare(struct graph *g, const struct list *events)
{
    struct citing c;
    for (size_t i = 0; i < events->n; i++)
        g->nodes[events->items[i]].power = power_of_sender(g, events->items[i]);
    c.lists = GG_NEW_ARRAY(g->arena, struct list, g->n);
    for (size_t i = 0; i < events->n; i++) {
        struct gnode *n = &g->nodes[events->items[i]];
        for (uint32_t k = 0; k < n->n_auth; k++) {
            if (!g->nodes[n->auth[k]].sorted)
                continue;
            n->missing++;
            list_push(&c.lists[n->auth[k]], g->arena, events->items[i]);
        }
    }
    return c;
}

void sort_by_power(struct graph *g, struct list *events)
{
    struct citing c = prepare(g, events);
    struct list heap = {0}, out = {0};
    for (size_t i = 0; i < events->n; i++)
        if (!g->nodes[events->items[i]].missing)
            heap_push(g, &heap, events->items[i]);
    while (heap.n) {
        uint32_t node = heap_pop(g, &heap);
        list_push(&out, g->arena, node);
        for (size_t i = 0; i < c.lists[node].n; i++)
            if (--g->nodes[c.lists[node].items[i]].missing == 0)
                heap_push(g, &heap, c.lists[node].items[i]);
    }
    *events = out;
}

/* ---- mainline ordering ---- */

/* The chain of power levels from a node on, up to one whose position is known; circles end it. */
static struct list chain_of(struct graph *g, uint32_t node)
{
    struct list line = {0};
    g->walk++;
    for (uint32_t at = node; at != UINT32_MAX && g->nodes[at].walk != g->walk;
         at = graph_cited(g, at, "m.room.power_levels")) {
        g->nodes[at].walk = g->walk;
        list_push(&line, g->arena, at);
        if (g->nodes[at].position)
            break;
    }
    return line;
}

/* Numbers the mainline from its oldest event on. */
static void mark_mainline(struct graph *g, uint32_t power_levels)
{
    struct list line = {0};
    if (power_levels != UINT32_MAX && g->nodes[power_levels].event)
        line = chain_of(g, power_levels);
    for (size_t i = 0; i < line.n; i++)
        g->nodes[line.items[i]].position = (uint32_t)(line.n - i) + 1;
}

struct placed {
    const struct mx_event *event;
    uint32_t position, node;
};

/* Where the event's power levels first lead to the mainline. All events of the chain lead there, too. */
static uint32_t position_of(struct graph *g, uint32_t node)
{
    struct list line = chain_of(g, node);
    uint32_t position = g->nodes[line.items[line.n - 1]].position;
    if (!position)
        position = 1;
    for (size_t i = 0; i < line.n; i++)
        g->nodes[line.items[i]].position = position;
    return position;
}

static int by_position(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    if (x->position != y->position)
        return x->position < y->position ? -1 : 1;
    return by_age(x->event, y->event);
}

void sort_by_mainline(struct graph *g, struct list *events, uint32_t power_levels)
{
    struct placed *placed = GG_NEW_ARRAY(g->arena, struct placed, events->n + 1);
    mark_mainline(g, power_levels);
    for (size_t i = 0; i < events->n; i++) {
        uint32_t node = events->items[i];
        placed[i] = (struct placed){g->nodes[node].event, position_of(g, node), node};
    }
    qsort(placed, events->n, sizeof(*placed), by_position);
    for (size_t i = 0; i < events->n; i++)
        events->items[i] = placed[i].node;
}
