/* matrix/rooms/tie_ends.h: several forward extremities of a room become one. */
#ifndef MX_ROOMS_TIE_ENDS_H
#define MX_ROOMS_TIE_ENDS_H

#include <ganglion/matrix/heads.h>

/* If a room has more ends than `most`, one of our users in it, whose power suffices, sends an event that stands on all of them
 * and that no client is shown. 0 also when nobody may. */
GG_YIELDS GG_CHECKED int mx_room_tie_ends(struct mx_server *server, struct gg_str room_id, size_t most, struct gg_arena *arena,
                                          struct gg_error *err);

#endif
