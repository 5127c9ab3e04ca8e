/* matrix/sync/unread.c: notification counts of the joined rooms of an answer, with one read for all of them. */
#include "sync/sync.h"

int mx_sync_count_unread(struct mx_sync *sync, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(sync->arena, struct gg_str, sync->n + 1);
    struct mx_push_room *counts = GG_NEW_ARRAY(sync->arena, struct mx_push_room, sync->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < sync->n; i++)
        if (sync->rooms[i].kind == MX_SYNC_JOIN)
            ids[n++] = sync->rooms[i].room->room_id;
    int rc = mx_push_count(sync->server, gg_str(sync->query->requester->user_id), ids, n, sync->arena, counts, err);
    n = 0;
    for (size_t i = 0; rc == 0 && i < sync->n; i++)
        if (sync->rooms[i].kind == MX_SYNC_JOIN)
            sync->rooms[i].unread = counts[n++];
    return rc;
}
