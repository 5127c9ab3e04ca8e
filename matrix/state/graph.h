/* graph.h: the auth events that a resolution reaches, as a graph of numbered nodes, read as they are needed.
 *
 * Edges lead from an event to the events that it cites. In formats whose ids are
 * not hashes somebody may have made a circle: every walk marks where it was. */
#ifndef MX_STATE_GRAPH_H
#define MX_STATE_GRAPH_H

#include <ganglion/map.h>
#include <ganglion/matrix/state.h>

struct gnode {
    const struct mx_event *event; /* NULL: not held */
    uint32_t *auth, n_auth;       /* nodes; known once expanded */
    bool expanded;
    bool conflicted;   /* member of the conflicted state set */
    bool full;         /* member of the full conflicted set */
    bool sorted;       /* was taken into the list of power events */
    uint32_t walk;     /* the last walk that was here */
    uint32_t sets;     /* in how many state sets' auth chains */
    uint32_t missing;  /* Kahn: cited events that are not out yet */
    uint32_t position; /* mainline: 2 for its oldest event and what leads there first; 1: nowhere; 0: not known */
    int64_t power;     /* of the sender, by the event's own auth events */
};

struct list {
    uint32_t *items;
    size_t n, cap;
};

struct graph {
    const struct mx_resolve_io *io;
    struct gg_arena *arena;
    struct gg_map *index; /* event id -> node number + 1 */
    struct gnode *nodes;
    uint32_t n, cap, walk;
    struct list stack;
};

void graph_init(struct graph *g, const struct mx_resolve_io *io, struct gg_arena *arena);
void graph_done(struct graph *g);
/* The event's node; read when it is new. */
uint32_t graph_node(struct graph *g, struct gg_str event_id);
/* Makes sure that node->auth is known. Pointers to nodes are void afterwards. */
void graph_expand(struct graph *g, uint32_t node);
void list_push(struct list *list, struct gg_arena *arena, uint32_t item);

/* Walks down from the nodes of `from` (taken in) over edges for which follow(g, to, arg) holds (NULL: all); each node
 * once. visit (may be NULL) returns false to end the walk. */
typedef bool graph_fn(struct graph *g, uint32_t node, void *arg);
void graph_walk(struct graph *g, const struct list *from, graph_fn *follow, graph_fn *visit, void *arg);
/* The event cited by node that is (type, ""); UINT32_MAX: none. */
uint32_t graph_cited(struct graph *g, uint32_t node, const char *type);

#endif
