/* matrix/streams/streams.h: what reads the rows of each stream from the database (facts replication 5).
 *
 * Each fetch lives in the file of its domain; streams.c only lists them. */
#ifndef MATRIX_STREAMS_H
#define MATRIX_STREAMS_H

#include <ganglion/matrix/server.h>

gg_stream_fetch_fn mx_fetch_events;   /* matrix/storage/events/stream.c */
gg_stream_fetch_fn mx_fetch_backfill; /* matrix/storage/events/stream.c */
gg_stream_fetch_fn mx_fetch_caches;   /* matrix/cache/stream.c */

/* For a stream whose source is one statement: stmt takes (instance, from, to, limit) and answers (token, row as JSON
 * text) ascending; reached is the last token when the limit was met, else to. */
GG_YIELDS int mx_fetch_by(struct mx_server *server, const struct gg_stmt *stmt, const char *instance, int64_t from,
                          int64_t to, size_t limit, struct gg_arena *arena, struct gg_fetched **rows_out, size_t *n_out,
                          int64_t *reached_out, struct gg_error *err);

#endif
