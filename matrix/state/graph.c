/* graph.c: the auth events that a resolution reaches. */
#include "graph.h"

void list_push(struct list *list, struct gg_arena *arena, uint32_t item)
{
    if (list->n == list->cap) {
        uint32_t *more = gg_arena_array(arena, list->cap ? list->cap * 2 : 64, sizeof(*more));
        if (list->n)
            memcpy(more, list->items, list->n * sizeof(*more));
        list->items = more;
        list->cap = list->cap ? list->cap * 2 : 64;
    }
    list->items[list->n++] = item;
}

void graph_init(struct graph *g, const struct mx_resolve_io *io, struct gg_arena *arena)
{
    memset(g, 0, sizeof(*g));
    g->io = io;
    g->arena = arena;
    g->index = gg_map_new(NULL);
}

void graph_done(struct graph *g)
{
    gg_map_free(g->index);
}

uint32_t graph_node(struct graph *g, struct gg_str event_id)
{
    uintptr_t known = (uintptr_t)gg_map_get(g->index, event_id);
    if (known)
        return (uint32_t)(known - 1);
    if (g->n == g->cap) {
        uint32_t cap = g->cap ? g->cap * 2 : 256;
        struct gnode *more = GG_NEW_ARRAY(g->arena, struct gnode, cap);
        if (g->n)
            memcpy(more, g->nodes, g->n * sizeof(*more));
        g->nodes = more;
        g->cap = cap;
    }
    g->nodes[g->n].event = g->io->event(g->io->arg, event_id);
    gg_map_put(g->index, event_id, (void *)(uintptr_t)(g->n + 1));
    return g->n++;
}

void graph_expand(struct graph *g, uint32_t node)
{
    const struct mx_event *event = g->nodes[node].event;
    uint32_t *auth, n = 0;
    if (g->nodes[node].expanded)
        return;
    g->nodes[node].expanded = true;
    if (!event || !event->n_auth)
        return;
    auth = GG_NEW_ARRAY(g->arena, uint32_t, event->n_auth);
    for (size_t i = 0; i < event->n_auth; i++) {
        uint32_t cited = graph_node(g, event->auth_events[i]);
        if (g->nodes[cited].event)
            auth[n++] = cited;
    }
    g->nodes[node].auth = auth;
    g->nodes[node].n_auth = n;
}

static void enter(struct graph *g, uint32_t node)
{
    if (g->nodes[node].walk == g->walk)
        return;
    g->nodes[node].walk = g->walk;
    list_push(&g->stack, g->arena, node);
}

void graph_walk(struct graph *g, const struct list *from, graph_fn *follow, graph_fn *visit, void *arg)
{
    g->walk++;
    g->stack.n = 0;
    for (size_t i = 0; i < from->n; i++)
        enter(g, from->items[i]);
    while (g->stack.n) {
        uint32_t node = g->stack.items[--g->stack.n];
        if (visit && !visit(g, node, arg))
            return;
        graph_expand(g, node);
        for (uint32_t i = 0; i < g->nodes[node].n_auth; i++) {
            uint32_t to = g->nodes[node].auth[i];
            if (!follow || follow(g, to, arg))
                enter(g, to);
        }
    }
}

uint32_t graph_cited(struct graph *g, uint32_t node, const char *type)
{
    graph_expand(g, node);
    for (uint32_t i = 0; i < g->nodes[node].n_auth; i++) {
        uint32_t cited = g->nodes[node].auth[i];
        if (mx_event_is(g->nodes[cited].event, type, ""))
            return cited;
    }
    return UINT32_MAX;
}
