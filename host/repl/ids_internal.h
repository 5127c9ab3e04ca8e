/* repl/ids_internal.h: struct gg_stream, for the ids*.c files only. */
#ifndef GANGLION_HOST_REPL_IDS_INTERNAL_H
#define GANGLION_HOST_REPL_IDS_INTERNAL_H

#include "repl/ids.h"

#include <ganglion/map.h>

struct gg_follower {
    gg_stream_apply_fn *apply;
    void *self;
};

/* Own rows, ascending by token: those above the own position wait for a lower id
 * to be finished; those below wait for the announcer. */
struct gg_handed {
    struct gg_fetched *rows;
    size_t n, cap, bytes;
    int64_t hole; /* highest token whose rows we were not given, or had to drop */
    int64_t told; /* followers were told of rows up to here */
};

struct gg_stream {
    struct gg_streams *streams;
    struct gg_stream_def def;
    void *self;
    struct gg_follower *followers;
    size_t n_followers;
    const char *const *writers; /* configured; n_writers 0: any process ("*") */
    size_t n_writers;
    bool everybody;
    struct gg_ids ids;
    struct gg_handed handed;
    struct gg_list waiters;     /* ids.c */
    int64_t last_allocated;
    struct gg_stmt allocate_stmt;
    bool position_due;          /* ids_positions.c */
};

struct gg_streams {
    struct gg_streams_options options;
    struct gg_stream **at;
    size_t n;
    struct gg_arena *arena; /* statements' texts; live as long as prepared statements */
    void (*poke)(void *self);
    void *poke_self;
    bool loaded, stopping, writing; /* writing: the fiber of ids_positions.c runs */
    struct gg_cond written;
    struct gg_map *numbers;  /* instance name -> number, as a pointer */
};

/* Positions of own streams changed: write them soon. */
void gg_positions_due(struct gg_stream *stream);
GG_YIELDS GG_CHECKED int gg_instances_load(struct gg_streams *streams, struct gg_txn *txn, struct gg_error *err);

/* Rows kept for followers and the announcer. */
void gg_handed_add(struct gg_stream *stream, const struct gg_fetched *rows, size_t n_rows);
void gg_handed_hole(struct gg_stream *stream, const int64_t *ids, size_t n);
/* Tells followers of those that the own position has passed. */
void gg_handed_release(struct gg_stream *stream);
void gg_handed_done(struct gg_handed *handed);

#endif
