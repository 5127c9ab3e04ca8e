/* repl/ids.h: streams for the rest of host/repl: the line reader, the announcer,
 * the calls between processes, and main, which loads and stops them.
 *
 * The reader applies what others announce (gg_stream_take); the announcer is told
 * by a hook that something moved, and asks what to publish. */
#ifndef GANGLION_HOST_REPL_IDS_H
#define GANGLION_HOST_REPL_IDS_H

#include "repl/ids_model.h"
#include "repl/repl.h"

#include <ganglion/fiber.h>

struct gg_streams;

/* ---- the set of streams ---- */

struct gg_streams_options {
    struct gg_db *db;
    struct gg_scope *scope; /* for the fiber that writes positions; NULL: the host's */
    const char *instance;   /* this process */
    /* NULL-ended names of a group of stream_writers. Borrowed; lives as long as the streams. */
    const char *const *(*writers)(void *self, const char *group, size_t *n_out);
    void *self;
};
struct gg_streams *gg_streams_new(const struct gg_streams_options *options);
void gg_streams_free(struct gg_streams *streams);
/* The host's own, made from its configuration; db may be set later (the load). */
struct gg_streams *gg_streams_of(struct gg_host *host);

struct gg_stream *gg_streams_register(struct gg_streams *streams, const struct gg_stream_def *def, void *self);
struct gg_stream *gg_streams_find(struct gg_streams *streams, const char *name);
size_t gg_streams_count(const struct gg_streams *streams);
struct gg_stream *gg_streams_at(const struct gg_streams *streams, size_t i); /* in order of registration */

/* Checks sequences against tables, removes positions of writers that the
 * configuration does not name, and loads positions and instance numbers: in one
 * transaction, before anything is served or announced. Refuses (GG_E_CONFLICT)
 * when stream_positions is ahead of a sequence. */
GG_YIELDS GG_CHECKED int gg_streams_load(struct gg_streams *streams, struct gg_db *db, struct gg_error *err);
/* The number of an instance in table instance_map; made if need be. */
GG_YIELDS GG_CHECKED int gg_streams_instance(struct gg_streams *streams, const char *name, int32_t *number_out,
                                             struct gg_error *err);
/* Writes positions that are due and stops writing behind: at shutdown, while the
 * database is still there. */
GG_YIELDS void gg_streams_stop(struct gg_streams *streams);

/* Called when something may have to be published: own ids finished, or others'
 * progress moved our own token. May not yield. */
void gg_streams_on_poke(struct gg_streams *streams, void (*poke)(void *self), void *self);

/* ---- one stream ---- */

void *gg_stream_self(const struct gg_stream *stream); /* as registered; first argument of def->fetch */

/* "current(w)": for instance == this process the token to announce. 0 before anything is known. */
int64_t gg_stream_current(const struct gg_stream *stream, const char *instance);
/* "Minimal local token": for _INT_STREAM_POS, and the bound below which no own rows can be. */
int64_t gg_stream_minimal_local(const struct gg_stream *stream);
/* The highest of our own ids that is done, though a lower one may hold the position back: an answer that stands on it is
 * read elsewhere only when the position is there. */
int64_t gg_stream_done_local(const struct gg_stream *stream);
/* Did this process ever draw an id since `token`? (the exception for caches in "position without rows") */
bool gg_stream_allocated_since(const struct gg_stream *stream, int64_t token);

/* Another writer is at token (its_own: as gg_ids_foreign): moves positions and wakes waiters; tells no follower. */
void gg_stream_foreign(struct gg_stream *stream, const char *instance, int64_t token, bool its_own);
bool gg_stream_followed(const struct gg_stream *stream); /* does anybody here want its rows? */
/* Calls the followers. */
void gg_stream_tell(struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows, size_t n,
                    bool moved);
/* Rows of one token of another writer (n may be 0: it is there, and there were none), in the order that matters:
 * followers, position, followers and waiters. Pokes. */
void gg_stream_take(struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows, size_t n);

/* Own rows handed over by gg_stream_finish_rows, of tokens in (from, to]: true if
 * they are all there are; then they need not be read from the database. Borrowed
 * until the next call about this stream or yield. */
bool gg_stream_handed(const struct gg_stream *stream, int64_t from, int64_t to, const struct gg_fetched **rows_out,
                      size_t *n_out);
/* Those up to token have been dealt with. */
void gg_stream_forget_handed(struct gg_stream *stream, int64_t token);

#endif
