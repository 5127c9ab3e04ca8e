/* host/repl/ids_positions.c: the stream_positions rows of this process, written behind.
 *
 * A write of ours moves the row soon after, in a transaction of its own; many
 * moves become one. What a crash loses is found again from the tables at start. */
#include "repl/ids_internal.h"

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.repl.ids"};

enum { PAUSE_MS = 100, RETRY_MS = 1000, MAX_BATCH = 64 };

/* Only forward: up, and for streams that are stored negated, down. */
static const struct gg_stmt upsert = {
    "INSERT INTO stream_positions AS old (stream_name, instance_name, stream_id)"
    " SELECT name, $1, id FROM unnest($2::text[], $3::bigint[]) AS new (name, id)"
    " ON CONFLICT (stream_name, instance_name) DO UPDATE SET stream_id = EXCLUDED.stream_id"
    " WHERE CASE WHEN EXCLUDED.stream_id < 0 THEN EXCLUDED.stream_id < old.stream_id"
    " ELSE EXCLUDED.stream_id > old.stream_id END",
    0};

struct batch {
    struct gg_stream *streams[MAX_BATCH];
    struct gg_str names[MAX_BATCH];
    int64_t ids[MAX_BATCH];
    size_t n;
};

static void collect(struct gg_streams *streams, struct batch *batch)
{
    batch->n = 0;
    for (size_t i = 0; i < streams->n && batch->n < MAX_BATCH; i++) {
        struct gg_stream *stream = streams->at[i];
        if (!stream->position_due)
            continue;
        stream->position_due = false;
        int64_t token = gg_ids_current(&stream->ids, stream->ids.me);
        batch->streams[batch->n] = stream;
        batch->names[batch->n] = gg_str(stream->def.position_name);
        batch->ids[batch->n++] = stream->def.negative ? -token : token;
    }
}

/* False: nothing was due, or it did not work and is due again. */
static GG_YIELDS int write_due(struct gg_streams *streams, size_t *n_out)
{
    struct batch batch;
    struct gg_error err = GG_ERROR_INIT;
    collect(streams, &batch);
    *n_out = batch.n;
    if (batch.n == 0)
        return 0;
    int rc = gg_db_write(streams->options.db, &upsert,
                         GG_PARAMS(gg_p_text(streams->options.instance), gg_p_texts(batch.names, batch.n),
                                   gg_p_i64s(batch.ids, batch.n)),
                         NULL, NULL, &err);
    if (rc == 0)
        return 0;
    gg_warn(&logger, "positions could not be written: %s", err.message);
    for (size_t i = 0; i < batch.n; i++)
        batch.streams[i]->position_due = true;
    return rc;
}

static void writer_main(void *arg)
{
    struct gg_streams *streams = arg;
    size_t n = 1;
    while (n && !gg_cancelled()) {
        int rc = write_due(streams, &n);
        if (gg_sleep(rc ? RETRY_MS : PAUSE_MS))
            break;
    }
    streams->writing = false;
    gg_cond_broadcast(&streams->written);
}

void gg_positions_due(struct gg_stream *stream)
{
    struct gg_streams *streams = stream->streams;
    if (!stream->def.position_name || stream->everybody || !stream->def.sequence || !stream->ids.me)
        return;
    stream->position_due = true;
    if (streams->writing || streams->stopping || !streams->options.db)
        return;
    streams->writing = gg_spawn(streams->options.scope, "repl.positions", writer_main, streams) != NULL;
}

void gg_streams_stop(struct gg_streams *streams)
{
    size_t n;
    streams->stopping = true;
    gg_shield_begin();
    while (streams->writing)
        (void)gg_cond_wait(&streams->written, GG_FOREVER);
    if (streams->options.db)
        (void)write_due(streams, &n);
    gg_shield_end();
}
