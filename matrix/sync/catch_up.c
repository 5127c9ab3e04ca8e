/* matrix/sync/catch_up.c: a token may come from a process that is ahead of us. */
#include "sync/catch_up.h"

#include <ganglion/db.h>

/* Others are seldom further ahead than SOON_MS; who is not there by then may be waited for in vain. */
enum { SOON_MS = 500, CATCH_UP_MS = 10000 };

static const struct gg_stmt last_given = {"SELECT coalesce(pg_sequence_last_value($1::regclass), 0)", GG_LANE_POINT};

static int wait_for(struct gg_stream *stream, int64_t position, int64_t deadline, struct gg_error *err)
{
    int rc = gg_stream_upto(stream) < position ? gg_stream_wait_upto(stream, position, deadline) : 0;
    return rc == 0 || rc == GG_E_TIMEOUT ? 0 : gg_fail(err, rc, "waiting for the stream %s", gg_stream_def(stream)->name);
}

/* What is above all ids that were ever given is of no stream that we know. */
static int wait_for_given(struct mx_server *server, struct gg_stream *stream, int64_t position, int64_t deadline, struct gg_error *err)
{
    const char *sequence = gg_stream_def(stream)->sequence;
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = sequence != NULL ? gg_db_read(server->db, &last_given, GG_PARAMS(gg_p_text(sequence)), arena, &rows, err) : 0;
    if (rc == 0 && sequence != NULL && gg_rows_i64(rows, 0, 0) < position)
        position = gg_rows_i64(rows, 0, 0);
    gg_arena_free(arena);
    return rc != 0 ? rc : wait_for(stream, position, deadline, err);
}

int mx_sync_catch_up(struct mx_server *server, const struct mx_token *since, struct gg_error *err)
{
    const struct {
        struct gg_stream *stream;
        int64_t position;
    } waits[] = {{server->events, since->room.at.min},
                 {server->receipts, since->receipts.min},
                 {server->account_data, since->account_data},
                 {server->presence, since->presence},
                 {server->push_rules, since->push_rules},
                 {server->to_device, since->to_device},
                 {server->device_lists, since->device_lists.min}};
    int64_t soon = gg_deadline(SOON_MS), deadline = gg_deadline(CATCH_UP_MS);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < GG_COUNT(waits); i++)
        rc = wait_for(waits[i].stream, waits[i].position, soon, err);
    for (size_t i = 0; rc == 0 && i < GG_COUNT(waits); i++)
        if (gg_stream_upto(waits[i].stream) < waits[i].position)
            rc = wait_for_given(server, waits[i].stream, waits[i].position, deadline, err);
    return rc;
}
