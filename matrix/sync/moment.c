/* matrix/sync/moment.c: positions are heard of through Redis, memberships are read from the database: one may be ahead. */
#include "sync/moment.h"

#include <ganglion/fiber.h>

enum { MAX_TRIES = 5, AHEAD_MS = 1000 };

/* The list stands if it is the same before and after the position was taken, and holds nothing that is newer. */
int mx_moment(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct mx_token *now,
              struct mx_user_rooms *rooms, struct gg_error *err)
{
    for (int i = 0; i < MAX_TRIES; i++) {
        struct mx_user_rooms before;
        int rc = mx_heads_room_list(server, user_id, arena, &before, err);
        if (rc == 0)
            rc = mx_token_now(server, now, err);
        if (rc == 0)
            rc = mx_heads_room_list(server, user_id, arena, rooms, err);
        if (rc != 0)
            return rc;
        int64_t newest = rooms->n > 0 ? rooms->v[rooms->newest[0]].stream_ordering : 0;
        bool ahead = newest > mx_position_max(&now->room.at);
        if (ahead ? gg_stream_wait_upto(server->events, newest, gg_deadline(AHEAD_MS)) != 0 : before.v == rooms->v)
            break;
    }
    return 0;
}
