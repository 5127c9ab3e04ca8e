/* matrix/storage/room_stats.h: statistics of rooms and users (facts database 3.3, 4.4). */
#ifndef MX_STORAGE_ROOM_STATS_H
#define MX_STORAGE_ROOM_STATS_H

#include <ganglion/matrix/server.h>

/* Counts the next changes of current state up to the stream position, about a thousand, in one transaction with the
 * position reached. *more: the batch was full. GG_E_CONFLICT: another process counts, too. */
GG_YIELDS GG_CHECKED int mx_room_stats_advance(struct mx_server *server, int64_t upto, struct gg_arena *arena, bool *more,
                                               struct gg_error *err);
/* Is every change of the room's state counted that is there now? */
GG_YIELDS GG_CHECKED int mx_room_stats_counted(struct mx_server *server, struct gg_str room_id, bool *out, struct gg_error *err);
/* Makes the rows of rooms, or of local users, anew from the current state, as they are at the position that the loop has
 * reached, in one transaction with what `with` writes. */
GG_YIELDS GG_CHECKED int mx_room_stats_rebuild(struct mx_server *server, const struct gg_str *rooms, size_t n,
                                               struct gg_arena *arena, gg_txn_fn *with, void *arg, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_user_stats_rebuild(struct mx_server *server, const struct gg_str *users, size_t n,
                                               struct gg_arena *arena, gg_txn_fn *with, void *arg, struct gg_error *err);

#endif
