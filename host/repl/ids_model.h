/* repl/ids_model.h: which ids of a stream are persisted, as far as one process knows.
 *
 * Pure bookkeeping without I/O (facts: replication, "in-memory model"). Ids come
 * from a sequence in order, but are committed out of order and by several
 * writers. Ids are positive here; a stream that stores them negated negates at
 * the edge of the database. */
#ifndef GANGLION_HOST_REPL_IDS_MODEL_H
#define GANGLION_HOST_REPL_IDS_MODEL_H

#include "repl/ids_ranges.h"

#include <ganglion/list.h>

struct gg_writer {
    char *name;
    int64_t pos;   /* as known here; 0: never heard of */
    bool known;    /* pos is set */
    bool configured;
};

/* An allocation that was begun: ids drawn since then may be above floor. */
struct gg_inflight {
    struct gg_list link;
    int64_t floor;
};

struct gg_ids {
    struct gg_writer **writers; /* stable pointers */
    size_t n_writers;
    struct gg_writer *me;       /* NULL: does not write */
    struct gg_ranges unfinished, finished, seen;
    struct gg_list inflight;    /* oldest first, so the lowest floor first */
    int64_t upto, max_seen, local_max;
};

void gg_ids_init(struct gg_ids *ids);
void gg_ids_done(struct gg_ids *ids);
/* Adds if need be; NULL when there are absurdly many. */
struct gg_writer *gg_ids_writer(struct gg_ids *ids, const char *name);
const struct gg_writer *gg_ids_find(const struct gg_ids *ids, const char *name);

/* Own allocations: begin, then either record what was drawn or abandon. */
void gg_ids_begin(struct gg_ids *ids, struct gg_inflight *flight);
void gg_ids_record(struct gg_ids *ids, struct gg_inflight *flight, const int64_t *list, size_t n);
void gg_ids_abandon(struct gg_ids *ids, struct gg_inflight *flight);
/* Committed or rolled back. */
void gg_ids_finish(struct gg_ids *ids, const int64_t *list, size_t n);

/* Another writer is done up to token, and what it did up to there is known here. its_own: it drew token itself (rows came
 * with it). A writer that has nothing to do tells how far it has seen *others*: such an id is no more known here by that
 * than it was, and may not close the gap below it. */
void gg_ids_foreign(struct gg_ids *ids, struct gg_writer *writer, int64_t token, bool its_own);
/* All of the range is known to be persisted. */
void gg_ids_persisted(struct gg_ids *ids, int64_t first, int64_t last);

/* "Current token" of a writer; NULL or unheard of: upto. */
int64_t gg_ids_current(const struct gg_ids *ids, const struct gg_writer *writer);
bool gg_ids_pending(const struct gg_ids *ids);

#endif
