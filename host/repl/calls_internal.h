/* repl/calls_internal.h: shared by the two sides of calls between processes. */
#ifndef GANGLION_HOST_REPL_CALLS_INTERNAL_H
#define GANGLION_HOST_REPL_CALLS_INTERNAL_H

#include "repl/calls.h"

#include <ganglion/buf.h>
#include <ganglion/fiber.h>
#include <ganglion/http.h>
#include <ganglion/list.h>
#include <ganglion/map.h>

struct gg_served { /* one method */
    const struct gg_method *method;
    void *self;
    struct gg_calls *calls;
    struct gg_route route; /* made from it */
    char *path;
    struct gg_map *answers; /* txn id -> struct gg_answer (methods with txn ids) */
};

struct gg_calls {
    struct gg_host *host;
    struct gg_map *served;  /* name -> struct gg_served */
    struct gg_scope *scope; /* methods run to their end even when the caller goes away */
    struct gg_list by_age;  /* answers of all methods with a txn id, oldest first */
    size_t kept, kept_bytes;
};

struct gg_calls *gg_calls_of(struct gg_host *host);
const struct gg_served *gg_calls_find(struct gg_host *host, const char *name);

/* calls_run.c: the handler of every method's route; self is its struct gg_served. */
GG_YIELDS int gg_calls_handle(void *self, struct gg_request *rq, struct gg_error *err);
void gg_calls_forget_answers(struct gg_calls *calls);

/* calls_wait.c: read-your-writes (facts replication 8.2). pos: `_INT_STREAM_POS` of a request, or NULL. */
GG_YIELDS GG_CHECKED int gg_calls_wait_positions(struct gg_host *host, const json_t *pos, struct gg_error *err);
/* The same for the streams of one instance. */
GG_YIELDS GG_CHECKED int gg_calls_wait_streams(struct gg_host *host, const char *instance, const json_t *streams,
                                               struct gg_error *err);
/* {"stream": position} of all streams of the shared channel that this process writes. Of a request: how far all is done, as what
 * is not may wait for the answer. Of an answer: how far anything is done, so that what was just done is read by the asker. */
void gg_calls_write_positions(struct gg_host *host, bool answer, struct gg_buf *out);

#endif
