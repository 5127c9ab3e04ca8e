/* matrix/storage/federation/complexity.h: how much a room costs a server that is in it: by the entries of its state. */
#ifndef MX_STORAGE_FEDERATION_COMPLEXITY_H
#define MX_STORAGE_FEDERATION_COMPLEXITY_H

#include <ganglion/matrix/server.h>

enum { MX_COMPLEXITY_UNIT = 500 }; /* state events for a complexity "v1" of 1 */

/* *open: who is not in the room may know of it (anybody may join it, or read it). An unknown room has no state and is not
 * open. The count is the one that statistics keep. */
GG_YIELDS GG_CHECKED int mx_room_complexity(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena, bool *open,
                                            int64_t *state_events, struct gg_error *err);

#endif
