/* matrix/persist/announce.h: after a commit: this process's caches and heads, and the streams' rows. */
#ifndef MATRIX_PERSIST_ANNOUNCE_H
#define MATRIX_PERSIST_ANNOUNCE_H

#include "writer.h"

/* Caches first, positions last; the rows that RDATA will carry are built once and given to gg_stream_finish_rows. */
void mx_announce(struct mx_server *server, struct mx_plan *const *plans, size_t n, const int64_t *live, size_t n_live,
                 const int64_t *back, size_t n_back, struct gg_arena *arena);

#endif
