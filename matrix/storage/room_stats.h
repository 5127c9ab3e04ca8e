/* matrix/storage/room_stats.h: statistics of rooms and users (facts database 3.3, 4.4). */
#ifndef MX_STORAGE_ROOM_STATS_H
#define MX_STORAGE_ROOM_STATS_H

#include <ganglion/matrix/server.h>

/* Counts the next changes of current state up to the stream position, about a thousand, in one transaction with the
 * position reached. *more: there may be others. GG_E_CONFLICT: another process counts, too. */
GG_YIELDS GG_CHECKED int mx_room_stats_advance(struct mx_server *server, int64_t upto, struct gg_arena *arena, bool *more,
                                               struct gg_error *err);

#endif
