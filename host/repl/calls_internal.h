/* repl/calls_internal.h: shared by the two sides of calls between processes. */
#ifndef GANGLION_HOST_REPL_CALLS_INTERNAL_H
#define GANGLION_HOST_REPL_CALLS_INTERNAL_H

#include "repl/calls.h"

#include <ganglion/fiber.h>
#include <ganglion/http.h>
#include <ganglion/list.h>
#include <ganglion/map.h>

struct gg_served {           /* one method */
    const struct gg_method *method;
    void *self;
    struct gg_calls *calls;
    struct gg_route route;   /* made from it */
    char *path;
    struct gg_map *answers;  /* txn id -> struct answer (methods with txn ids) */
    struct gg_list by_age;   /* the same, oldest first */
};

struct gg_calls {
    struct gg_host *host;
    struct gg_map *served;   /* name -> struct gg_served */
    struct gg_list order;
    struct gg_scope *scope;  /* methods run to their end even when the caller goes away */
};

struct gg_calls *gg_calls_of(struct gg_host *host);
const struct gg_served *gg_calls_find(struct gg_host *host, const char *name);

/* calls_wait.c: read-your-writes (facts replication 8.2). streams: the object of `_INT_STREAM_POS.streams`. */
GG_YIELDS GG_CHECKED int gg_calls_wait_positions(struct gg_host *host, const json_t *int_stream_pos, struct gg_error *err);
/* {"stream": lowest local position} of all streams that this process writes. */
json_t *gg_calls_own_positions(struct gg_host *host);

#endif
