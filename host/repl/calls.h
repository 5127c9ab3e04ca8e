/* repl/calls.h: calls between processes (facts replication 8): methods that we serve, and asking others. */
#ifndef GANGLION_HOST_REPL_CALLS_H
#define GANGLION_HOST_REPL_CALLS_H

#include "repl/repl.h"

struct gg_router;

/* Adds a route for each method that was registered by gg_repl_serve, and the host's own; before listening. */
GG_CHECKED int gg_calls_add_routes(struct gg_host *host, struct gg_error *err);
GG_YIELDS void gg_calls_stop(struct gg_host *host);
void gg_calls_free(struct gg_calls *calls);

/* Rows of an in-memory stream, asked of its writer (get_repl_stream_updates). */
GG_YIELDS GG_CHECKED int gg_calls_fetch_stream(struct gg_host *host, const char *instance, const char *stream,
                                               int64_t from, int64_t to, struct gg_arena *arena,
                                               struct gg_fetched **rows, size_t *n, int64_t *reached,
                                               struct gg_error *err);

#endif
