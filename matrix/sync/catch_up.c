/* matrix/sync/catch_up.c: a token may come from a process that is ahead of us. */
#include "sync/catch_up.h"

enum { CATCH_UP_MS = 10000 };

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
    int64_t deadline = gg_deadline(CATCH_UP_MS);
    for (size_t i = 0; i < GG_COUNT(waits); i++) {
        if (gg_stream_upto(waits[i].stream) >= waits[i].position)
            continue;
        int rc = gg_stream_wait_upto(waits[i].stream, waits[i].position, deadline);
        if (rc != 0 && rc != GG_E_TIMEOUT)
            return gg_fail(err, rc, "waiting for the stream %s", gg_stream_def(waits[i].stream)->name);
    }
    return 0;
}
