/* host/repl/ids_model.c: which ids of a stream are persisted, as far as one process knows. */
#include "repl/ids_model.h"

#include <stdlib.h>

#include <ganglion/log.h>

/* More names than any deployment has; a process that talks nonsense must not fill our memory. */
enum { MAX_WRITERS = 2000 };
/* Runs of ids above a gap that is waited for: beyond these the gap is closed by positions alone. */
enum { MAX_SEEN = 4096 };

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void gg_ids_init(struct gg_ids *ids)
{
    memset(ids, 0, sizeof(*ids));
    ids->seen.limit = MAX_SEEN;
    gg_list_init(&ids->inflight);
}

void gg_ids_done(struct gg_ids *ids)
{
    for (size_t i = 0; i < ids->n_writers; i++) {
        free(ids->writers[i]->name);
        free(ids->writers[i]);
    }
    free(ids->writers);
    gg_ranges_done(&ids->unfinished);
    gg_ranges_done(&ids->finished);
    gg_ranges_done(&ids->seen);
}

const struct gg_writer *gg_ids_find(const struct gg_ids *ids, const char *name)
{
    for (size_t i = 0; i < ids->n_writers; i++) {
        if (strcmp(ids->writers[i]->name, name) == 0)
            return ids->writers[i];
    }
    return NULL;
}

struct gg_writer *gg_ids_writer(struct gg_ids *ids, const char *name)
{
    struct gg_writer *found = (struct gg_writer *)gg_ids_find(ids, name);
    if (found || ids->n_writers >= MAX_WRITERS)
        return found;
    struct gg_writer **bigger = realloc(ids->writers, (ids->n_writers + 1) * sizeof(*bigger));
    struct gg_writer *writer = calloc(1, sizeof(*writer));
    char *copy = strdup(name);
    GG_ASSERT(bigger && writer && copy);
    writer->name = copy;
    ids->writers = bigger;
    bigger[ids->n_writers++] = writer;
    return writer;
}

bool gg_ids_pending(const struct gg_ids *ids)
{
    return !gg_ranges_empty(&ids->unfinished) || !gg_list_empty(&ids->inflight);
}

/* ---- moving ---- */

/* The lowest position of the writers whose progress we depend on. Our own counts
 * only while we have something pending: else every id of ours is done, and a new
 * one will be above all that was ever seen. */
static int64_t lowest(const struct gg_ids *ids)
{
    int64_t low = INT64_MAX;
    for (size_t i = 0; i < ids->n_writers; i++) {
        const struct gg_writer *w = ids->writers[i];
        if (w != ids->me && w->known)
            low = min_of(low, w->pos);
    }
    bool own = ids->me && ids->me->known;
    if (low == INT64_MAX)
        return own ? ids->me->pos : 0;
    return own && gg_ids_pending(ids) ? min_of(low, ids->me->pos) : low;
}

/* Below this, nothing of ours is pending. What is persisted up to `upto` is complete, whatever is in flight: an id of
 * ours that is drawn and not known here yet would be a gap below it. */
static int64_t own_floor(const struct gg_ids *ids)
{
    int64_t low = gg_ranges_min(&ids->unfinished, INT64_MAX);
    if (!gg_list_empty(&ids->inflight))
        low = min_of(low, GG_CONTAINER(ids->inflight.next, struct gg_inflight, link)->floor + 1);
    return max_of(low, ids->upto + 1);
}

static void move_own(struct gg_ids *ids)
{
    int64_t top = gg_ranges_below(&ids->finished, own_floor(ids), 0);
    if (top == 0 || !ids->me)
        return;
    gg_ranges_remove_to(&ids->finished, top);
    ids->me->pos = max_of(ids->me->pos, top);
    ids->me->known = true;
    ids->local_max = max_of(ids->local_max, ids->me->pos);
}

static void advance(struct gg_ids *ids)
{
    ids->upto = max_of(ids->upto, lowest(ids));
    gg_ranges_remove_to(&ids->seen, ids->upto);
    if (ids->seen.n && ids->seen.at[0].first == ids->upto + 1) { /* a run without a gap */
        ids->upto = ids->seen.at[0].last;
        gg_ranges_remove_to(&ids->seen, ids->upto);
    }
    move_own(ids);
    ids->local_max = max_of(ids->local_max, ids->upto);
    if (!gg_ids_pending(ids))
        ids->local_max = max_of(ids->local_max, ids->max_seen);
}

void gg_ids_persisted(struct gg_ids *ids, int64_t first, int64_t last)
{
    if (last > ids->upto)
        gg_ranges_add(&ids->seen, max_of(first, ids->upto + 1), last);
    ids->max_seen = max_of(ids->max_seen, last);
    advance(ids);
}

void gg_ids_foreign(struct gg_ids *ids, struct gg_writer *writer, int64_t token, bool its_own)
{
    writer->pos = max_of(writer->pos, token);
    writer->known = true;
    ids->max_seen = max_of(ids->max_seen, token);
    if (its_own)
        gg_ids_persisted(ids, token, token);
    else
        advance(ids);
}

/* ---- own ids ---- */

void gg_ids_begin(struct gg_ids *ids, struct gg_inflight *flight)
{
    flight->floor = ids->max_seen;
    gg_list_push(&ids->inflight, &flight->link);
}

void gg_ids_record(struct gg_ids *ids, struct gg_inflight *flight, const int64_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        gg_ranges_add(&ids->unfinished, list[i], list[i]);
        ids->max_seen = max_of(ids->max_seen, list[i]);
    }
    gg_ids_abandon(ids, flight);
}

void gg_ids_abandon(struct gg_ids *ids, struct gg_inflight *flight)
{
    gg_list_remove(&flight->link);
    move_own(ids);
    advance(ids);
}

void gg_ids_finish(struct gg_ids *ids, const int64_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        gg_ranges_remove(&ids->unfinished, list[i]);
        gg_ranges_add(&ids->finished, list[i], list[i]);
    }
    move_own(ids);
    for (size_t i = 0; i < n; i++)
        gg_ids_persisted(ids, list[i], list[i]);
}

/* ---- asking ---- */

int64_t gg_ids_current(const struct gg_ids *ids, const struct gg_writer *writer)
{
    if (writer && writer == ids->me)
        return ids->local_max;
    return writer && writer->known ? max_of(writer->pos, ids->upto) : ids->upto;
}
