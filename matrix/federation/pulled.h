/* matrix/federation/pulled.h: history that we asked for finds its place. */
#ifndef MX_FEDERATION_PULLED_H
#define MX_FEDERATION_PULLED_H

#include <ganglion/matrix/store.h>

enum { MX_PULLED_GAPS_MAX = 10 }; /* states that are asked for while one answer is placed: each may be a large one */

/* Checks the PDUs of a JSON array and stores them, the oldest first, as history (at most max of them). Where what comes
 * before one is not held, the state there is asked of origin. What cannot be placed is left out and remembered as such.
 * GG_E_PROTOCOL: an event of another room is among them; nothing was stored. */
GG_YIELDS GG_CHECKED int mx_fed_place_pulled(struct mx_server *server, const char *origin, struct gg_str room_id,
                                             struct gg_str list, size_t max, struct gg_arena *arena,
                                             struct gg_error *err);

#endif
