/* host/repl/ids.c: streams: registering, allocating and finishing ids, asking and waiting. */
#include "repl/ids_internal.h"

#include <ganglion/memory.h>
#include "main/host.h"

#include <stdio.h>
#include <stdlib.h>

#include <ganglion/log.h>
#include <ganglion/topology.h>

static struct gg_logger logger = {"ganglion.repl.ids"};

struct waiter {
    struct gg_list link;
    struct gg_cond cond;
    const char *instance; /* NULL: upto */
    int64_t token;
    bool reached;
};

/* ---- the set ---- */

struct gg_streams *gg_streams_new(const struct gg_streams_options *options)
{
    struct gg_streams *streams = calloc(1, sizeof(*streams));
    GG_ASSERT(streams != NULL);
    streams->options = *options;
    streams->arena = gg_arena_new();
    streams->numbers = gg_map_new(NULL);
    gg_cond_init(&streams->written);
    return streams;
}

static void stream_free(struct gg_stream *stream)
{
    gg_ids_done(&stream->ids);
    gg_handed_done(&stream->handed);
    free(stream->followers);
    free(stream);
}

void gg_streams_free(struct gg_streams *streams)
{
    if (!streams)
        return;
    GG_ASSERT(!streams->writing);
    for (size_t i = 0; i < streams->n; i++)
        stream_free(streams->at[i]);
    free(streams->at);
    gg_map_free(streams->numbers);
    gg_arena_free(streams->arena);
    free(streams);
}

static const char *const *configured_writers(void *self, const char *group, size_t *n_out)
{
    const struct gg_host *host = self;
    return gg_topology_writers(host->config, group, n_out);
}

struct gg_streams *gg_streams_of(struct gg_host *host)
{
    struct gg_repl *repl = gg_repl_of(host);
    if (!repl->streams) {
        struct gg_streams_options options = {
            .scope = host->scope, .instance = host->instance, .writers = configured_writers, .self = host};
        repl->streams = gg_streams_new(&options);
    }
    return repl->streams;
}

size_t gg_streams_count(const struct gg_streams *streams)
{
    return streams->n;
}

struct gg_stream *gg_streams_at(const struct gg_streams *streams, size_t i)
{
    return i < streams->n ? streams->at[i] : NULL;
}

struct gg_stream *gg_streams_find(struct gg_streams *streams, const char *name)
{
    for (size_t i = 0; i < streams->n; i++) {
        if (strcmp(streams->at[i]->def.name, name) == 0)
            return streams->at[i];
    }
    return NULL;
}

void gg_streams_on_poke(struct gg_streams *streams, void (*poke)(void *self), void *self)
{
    streams->poke = poke;
    streams->poke_self = self;
}

static void poke(struct gg_stream *stream)
{
    if (stream->streams->poke)
        stream->streams->poke(stream->streams->poke_self);
}

/* ---- registering ---- */

static void find_writers(struct gg_stream *stream)
{
    static const char *const master[] = {GG_MASTER, NULL};
    struct gg_streams_options *o = &stream->streams->options;
    const char *group = stream->def.writers_key;
    stream->everybody = group && strcmp(group, "*") == 0;
    if (stream->everybody) {
        stream->ids.me = gg_ids_writer(&stream->ids, o->instance);
        return;
    }
    stream->writers = master;
    stream->n_writers = 1;
    if (group)
        stream->writers = o->writers(o->self, group, &stream->n_writers);
    for (size_t i = 0; i < stream->n_writers; i++) {
        struct gg_writer *writer = gg_ids_writer(&stream->ids, stream->writers[i]);
        writer->configured = true;
        if (strcmp(writer->name, o->instance) == 0)
            stream->ids.me = writer;
    }
}

struct gg_stream *gg_streams_register(struct gg_streams *streams, const struct gg_stream_def *def, void *self)
{
    GG_ASSERT(!streams->loaded && !gg_streams_find(streams, def->name));
    struct gg_stream *stream = calloc(1, sizeof(*stream));
    struct gg_stream **bigger = realloc(streams->at, (streams->n + 1) * sizeof(*bigger));
    GG_ASSERT(stream && bigger);
    streams->at = bigger;
    bigger[streams->n++] = stream;
    stream->streams = streams;
    stream->def = *def;
    stream->self = self;
    gg_ids_init(&stream->ids);
    gg_list_init(&stream->waiters);
    find_writers(stream);
    if (def->sequence)
        stream->allocate_stmt.sql = gg_arena_printf(
            streams->arena, "SELECT nextval('%s') FROM generate_series(1, $1::int)", def->sequence);
    return stream;
}

struct gg_stream *gg_stream_register(struct gg_host *host, const struct gg_stream_def *def, void *self)
{
    return gg_streams_register(gg_streams_of(host), def, self);
}

struct gg_stream *gg_stream_find(struct gg_host *host, const char *name)
{
    return gg_streams_find(gg_streams_of(host), name);
}

const struct gg_stream_def *gg_stream_def(const struct gg_stream *stream)
{
    return &stream->def;
}

void *gg_stream_self(const struct gg_stream *stream)
{
    return stream->self;
}

void gg_stream_follow(struct gg_stream *stream, gg_stream_apply_fn *apply, void *self)
{
    struct gg_follower *bigger = realloc(stream->followers, (stream->n_followers + 1) * sizeof(*bigger));
    GG_ASSERT(bigger != NULL);
    stream->followers = bigger;
    bigger[stream->n_followers++] = (struct gg_follower){apply, self};
}

bool gg_stream_followed(const struct gg_stream *stream)
{
    return stream->n_followers > 0;
}

void gg_stream_tell(struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows, size_t n,
                    bool moved)
{
    for (size_t i = 0; i < stream->n_followers; i++)
        stream->followers[i].apply(stream->followers[i].self, stream, instance, token, rows, n, moved);
}

/* ---- waiting ---- */

static bool has_reached(const struct gg_stream *stream, const struct waiter *w)
{
    int64_t at = w->instance ? gg_stream_position(stream, w->instance) : stream->ids.upto;
    return at >= w->token;
}

static void wake_waiters(struct gg_stream *stream)
{
    GG_LIST_EACH (it, &stream->waiters) {
        struct waiter *w = GG_CONTAINER(it, struct waiter, link);
        if (has_reached(stream, w)) {
            gg_list_remove(&w->link);
            w->reached = true;
            gg_cond_signal(&w->cond);
        }
    }
}

static GG_YIELDS int wait_for(struct gg_stream *stream, const char *instance, int64_t token, int64_t deadline)
{
    struct waiter now = {.instance = instance, .token = token};
    if (has_reached(stream, &now))
        return 0;
    struct waiter *w = calloc(1, sizeof(*w));
    GG_ASSERT(w != NULL);
    *w = now;
    int rc = 0;
    gg_cond_init(&w->cond);
    gg_list_push(&stream->waiters, &w->link);
    while (!w->reached && rc == 0)
        rc = gg_cond_wait(&w->cond, deadline);
    gg_list_remove(&w->link);
    rc = w->reached ? 0 : rc;
    free(w);
    return rc;
}

int gg_stream_wait(struct gg_stream *stream, const char *instance, int64_t token, int64_t deadline)
{
    return wait_for(stream, instance, token, deadline);
}

int gg_stream_wait_upto(struct gg_stream *stream, int64_t token, int64_t deadline)
{
    return wait_for(stream, NULL, token, deadline);
}

/* ---- own ids ---- */

/* The end of an allocation, and finishing, may move what others wait for. */
static void own_moved(struct gg_stream *stream)
{
    gg_handed_release(stream);
    wake_waiters(stream);
    gg_positions_due(stream);
    poke(stream);
}

static GG_YIELDS int draw(struct gg_stream *stream, struct gg_txn *txn, size_t n, struct gg_arena *arena,
                          struct gg_rows **rows_out, struct gg_error *err)
{
    const struct gg_stmt *stmt = &stream->allocate_stmt;
    int rc = txn ? gg_txn_exec(txn, stmt, GG_PARAMS(gg_p_i32((int32_t)n)), arena, rows_out, err)
                 : gg_db_write(stream->streams->options.db, stmt, GG_PARAMS(gg_p_i32((int32_t)n)), arena, rows_out, err);
    if (rc == 0 && gg_rows_count(*rows_out) != n)
        rc = gg_fail(err, GG_E_PROTOCOL, "wanted %zu ids of %s", n, stream->def.name);
    return rc;
}

enum { MAX_LEAP = 1000000 }; /* more is somebody's nonsense on the channel, not a crash */

/* The last n ids of a draw that is above `floor`, which is known to be taken. A sequence goes back when PostgreSQL
 * crashes (what was drawn without a commit after it is forgotten) or a standby takes over; readers are past these ids
 * and would never look at them. */
static GG_YIELDS int draw_above(struct gg_stream *stream, struct gg_txn *txn, int64_t floor, size_t n, int64_t *ids,
                                struct gg_arena *arena, struct gg_error *err)
{
    struct gg_rows *rows = NULL;
    size_t wanted = n;
    int rc = draw(stream, txn, n, arena, &rows, err);
    int64_t first = rc == 0 ? gg_rows_i64(rows, 0, 0) : 0;
    if (rc == 0 && first <= floor && floor - first < MAX_LEAP) {
        gg_warn(&logger, "the ids of %s went back to %lld, %lld is taken already: going on above it", stream->def.name,
                (long long)first, (long long)floor);
        int64_t last = gg_rows_i64(rows, n - 1, 0);
        wanted += last < floor ? (size_t)(floor - last) : 0;
        rc = draw(stream, txn, wanted, arena, &rows, err);
    }
    for (size_t i = 0; rc == 0 && i < n; i++)
        ids[i] = gg_rows_i64(rows, wanted - n + i, 0);
    return rc;
}

int gg_stream_allocate(struct gg_stream *stream, struct gg_txn *txn, size_t n, int64_t *ids, struct gg_error *err)
{
    if (!stream->ids.me || !stream->def.sequence)
        return gg_fail(err, GG_E_INTERNAL, "%s does not write the stream %s", stream->streams->options.instance,
                       stream->def.name);
    if (!stream->streams->loaded)
        return gg_fail(err, GG_E_INTERNAL, "ids of %s are wanted before positions were loaded", stream->def.name);
    if (n == 0 || n > INT32_MAX - MAX_LEAP)
        return n ? gg_fail(err, GG_E_LIMIT, "too many ids at once") : 0;
    struct gg_inflight flight;
    struct gg_arena *arena = gg_arena_new();
    int64_t before = stream->ids.local_max;
    int64_t floor = stream->ids.max_seen > stream->last_allocated ? stream->ids.max_seen : stream->last_allocated;
    gg_ids_begin(&stream->ids, &flight);
    int rc = draw_above(stream, txn, floor, n, ids, arena, err);
    if (rc == 0) {
        stream->last_allocated = ids[n - 1] > stream->last_allocated ? ids[n - 1] : stream->last_allocated;
        gg_ids_record(&stream->ids, &flight, ids, n);
    } else {
        gg_ids_abandon(&stream->ids, &flight); /* drawn perhaps, and never used: a gap */
    }
    gg_arena_free(arena);
    if (stream->ids.local_max != before)
        own_moved(stream);
    return rc;
}

static void finish(struct gg_stream *stream, const int64_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) /* twice, or of somebody else: the caller's bug */
        GG_ASSERT(gg_ranges_has(&stream->ids.unfinished, ids[i]));
    gg_ids_finish(&stream->ids, ids, n);
    own_moved(stream);
}

static int64_t highest(const int64_t *ids, size_t n)
{
    int64_t top = ids[0];
    for (size_t i = 1; i < n; i++)
        top = ids[i] > top ? ids[i] : top;
    return top;
}

void gg_stream_finish(struct gg_stream *stream, const int64_t *ids, size_t n)
{
    if (n == 0)
        return;
    gg_handed_hole(stream, ids, n);
    gg_stream_tell(stream, stream->streams->options.instance, highest(ids, n), NULL, 0, false);
    finish(stream, ids, n);
}

void gg_stream_finish_rows(struct gg_stream *stream, const int64_t *ids, size_t n, const struct gg_fetched *rows,
                           size_t n_rows)
{
    if (n == 0)
        return;
    gg_handed_add(stream, rows, n_rows);
    finish(stream, ids, n);
}

/* A stream in memory: one writer, and a token that is simply where it is. */
static void set_token(struct gg_stream *stream, struct gg_writer *writer, int64_t token)
{
    writer->pos = token;
    writer->known = true;
    stream->ids.upto = stream->ids.max_seen = stream->ids.local_max = token;
}

int64_t gg_stream_advance(struct gg_stream *stream, const struct gg_str *rows, size_t n)
{
    GG_ASSERT(!stream->def.sequence && stream->ids.me);
    int64_t token = stream->ids.local_max + 1;
    const char *instance = stream->streams->options.instance;
    struct gg_row *told = n ? gg_xcalloc(n, sizeof(*told)) : NULL;
    for (size_t i = 0; i < n; i++)
        told[i] = (struct gg_row){instance, token, rows[i]};
    gg_stream_tell(stream, instance, token, told, n, false);
    set_token(stream, stream->ids.me, token);
    gg_stream_tell(stream, instance, token, told, n, true);
    free(told);
    wake_waiters(stream);
    poke(stream);
    return token;
}

/* ---- others ---- */

void gg_stream_foreign(struct gg_stream *stream, const char *instance, int64_t token, bool its_own)
{
    if (strcmp(instance, stream->streams->options.instance) == 0)
        return;
    struct gg_writer *writer = gg_ids_writer(&stream->ids, instance);
    if (!writer) {
        gg_warn(&logger, "%s: too many writers, %s is not followed", stream->def.name, instance);
        return;
    }
    const struct gg_writer *me = stream->ids.me;
    int64_t before = stream->ids.local_max, own = me ? me->pos : 0;
    if (stream->def.may_go_back || !stream->def.sequence)
        set_token(stream, writer, token);
    else
        gg_ids_foreign(&stream->ids, writer, token, its_own);
    if (me && me->pos != own) { /* it closed the gap below rows of ours */
        own_moved(stream);
        return;
    }
    wake_waiters(stream);
    if (me && stream->ids.local_max != before)
        poke(stream);
}

void gg_stream_take(struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows, size_t n)
{
    gg_stream_tell(stream, instance, token, rows, n, false);
    gg_stream_foreign(stream, instance, token, n > 0);
    gg_stream_tell(stream, instance, token, rows, n, true);
}

/* ---- asking ---- */

int64_t gg_stream_upto(const struct gg_stream *stream)
{
    return stream->ids.upto;
}

int64_t gg_stream_max_seen(const struct gg_stream *stream)
{
    return stream->ids.max_seen;
}

int64_t gg_stream_current(const struct gg_stream *stream, const char *instance)
{
    return gg_ids_current(&stream->ids, gg_ids_find(&stream->ids, instance));
}

int64_t gg_stream_position(const struct gg_stream *stream, const char *instance)
{
    return gg_stream_current(stream, instance);
}

int64_t gg_stream_minimal_local(const struct gg_stream *stream)
{
    const struct gg_ids *ids = &stream->ids;
    return ids->me && ids->me->known ? ids->me->pos : ids->upto;
}

int64_t gg_stream_done_local(const struct gg_stream *stream)
{
    int64_t low = gg_stream_minimal_local(stream);
    int64_t high = gg_ranges_below(&stream->ids.finished, INT64_MAX, low);
    return high > low ? high : low;
}

bool gg_stream_allocated_since(const struct gg_stream *stream, int64_t token)
{
    return stream->last_allocated > token;
}

size_t gg_stream_ahead(const struct gg_stream *stream, const char **names, int64_t *positions, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < stream->ids.n_writers && n < max; i++) {
        const struct gg_writer *w = stream->ids.writers[i];
        if (w->known && w->pos > stream->ids.upto) {
            names[n] = w->name;
            positions[n++] = w->pos;
        }
    }
    return n;
}

bool gg_stream_is_writer(const struct gg_stream *stream)
{
    return stream->ids.me != NULL;
}

const char *const *gg_stream_writers(const struct gg_stream *stream, size_t *n_out)
{
    static const char *const none[] = {NULL};
    if (n_out)
        *n_out = stream->n_writers;
    return stream->writers ? stream->writers : none;
}

const char *gg_stream_writer_of(const struct gg_stream *stream, struct gg_str key)
{
    if (stream->n_writers == 0)
        return stream->streams->options.instance;
    return stream->writers[gg_shard(key, stream->n_writers)];
}
