/* matrix/storage/federation/graph.h: walks over a room's graph of events, in bounded steps and without recursion. */
#ifndef MX_STORAGE_FEDERATION_GRAPH_H
#define MX_STORAGE_FEDERATION_GRAPH_H

#include <ganglion/matrix/event.h>
#include <ganglion/matrix/server.h>

struct mx_graph_walk {
    struct gg_str room_id;
    const struct gg_str *from; /* where the walk towards the past begins */
    size_t n_from;
    const struct gg_str *stop; /* neither these nor what is only behind them */
    size_t n_stop;
    bool with_from;            /* the first ones belong to what is found */
    int64_t min_depth;         /* nothing less deep */
    size_t limit;              /* at most so many, the deepest ones */
};
/* Ids in the arena, newest first (depth, then stream ordering). What is an outlier, rejected or of another room is passed
 * over, and so is what is behind it. */
GG_YIELDS GG_CHECKED int mx_graph_walk(struct mx_server *server, const struct mx_graph_walk *walk, struct gg_arena *arena,
                                       struct gg_str **ids_out, size_t *n_out, struct gg_error *err);

/* All that the events' auth events lead to (spec "Auth chain"): one of `ids` itself only if another one's chain has it. Each
 * once, no particular order, in the arena. */
GG_YIELDS GG_CHECKED int mx_graph_auth_chain(struct mx_server *server, const struct gg_str *ids, size_t n,
                                             struct gg_arena *arena, struct gg_str **ids_out, size_t *n_out,
                                             struct gg_error *err);

/* Of one event: what it cites, and the chains of that. */
GG_YIELDS GG_CHECKED int mx_graph_auth_chain_of(struct mx_server *server, const struct mx_event *event,
                                                struct gg_arena *arena, struct gg_str **ids_out, size_t *n_out,
                                                struct gg_error *err);

#endif
