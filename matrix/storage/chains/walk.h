/* matrix/storage/chains/walk.h: auth chains by the chain cover index, without reading the events in them. Private to
 * matrix/.
 *
 * What has no place in the index (not written yet, its auth events were not held, a room of before the index) is walked one
 * by one; everything is bounded, nothing recursive. */
#ifndef MATRIX_STORAGE_CHAINS_WALK_H
#define MATRIX_STORAGE_CHAINS_WALK_H

#include "links.h"

struct mx_chain_walk {
    struct mx_server *server;
    struct gg_arena *arena;
    struct mx_links links;
    struct gg_map *asked;  /* chain (8 bytes): the links that start there have been read */
    struct gg_map *places; /* event id -> struct mx_walk_node * */
};
enum { MX_WALK_LOOSE_MAX = 20000, MX_WALK_ROUNDS_MAX = 1000 };

/* What some events lead to, themselves included. */
struct mx_chain_set {
    struct mx_reached placed;
    struct gg_map *loose; /* ids of what has no place */
};

void mx_chain_walk_init(struct mx_chain_walk *walk, struct mx_server *server, struct gg_arena *arena);
void mx_chain_walk_done(struct mx_chain_walk *walk);
/* Reads what is needed to follow the events' auth chains. Events that nobody holds lead nowhere. GG_E_LIMIT: too much of
 * it has no place. */
GG_YIELDS GG_CHECKED int mx_chain_walk_learn(struct mx_chain_walk *walk, const struct gg_str *ids, size_t n,
                                             struct gg_error *err);
/* What the caller knows already: the event is not looked up, nor are links that start at its chain. */
void mx_chain_walk_put(struct mx_chain_walk *walk, struct gg_str id, struct mx_chain_place place);
/* Adds learnt events and their auth chains to a set (zeroed by init). In memory. */
void mx_chain_set_init(struct mx_chain_set *set, struct gg_arena *arena);
void mx_chain_set_done(struct mx_chain_set *set);
void mx_chain_set_add(const struct mx_chain_walk *walk, struct mx_chain_set *set, const struct gg_str *ids, size_t n);
/* A learnt event's place; chain 0: none. */
struct mx_chain_place mx_chain_walk_place(const struct mx_chain_walk *walk, struct gg_str id);

/* A stretch of a chain: from is not in it, to is. */
struct mx_chain_stretch {
    int64_t chain, from, to;
};
/* The events of stretches, in the arena. GG_E_LIMIT: more than limit. */
GG_YIELDS GG_CHECKED int mx_chain_events(struct mx_server *server, const struct mx_chain_stretch *stretches, size_t n,
                                         size_t limit, struct gg_arena *arena, struct gg_str **ids_out, size_t *n_out,
                                         struct gg_error *err);

#endif
