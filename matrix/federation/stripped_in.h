/* matrix/federation/stripped_in.h: what other servers tell of a room that one of our users stands before: of an invite
 * (invite_room_state), of a knock (knock_room_state). Pure. */
#ifndef MX_FEDERATION_STRIPPED_IN_H
#define MX_FEDERATION_STRIPPED_IN_H

#include <ganglion/matrix/json.h>

/* The entries of a list (valid JSON text, or s NULL), whole events or stripped ones, each cut down to the four members that
 * clients are shown; what is no state event is left out, and so are entries beyond a hundred. A JSON array in the arena,
 * "[]" for what is no list. */
struct gg_str mx_stripped_clean(struct gg_str list, struct gg_arena *arena);

#endif
