/* matrix/federation/visible.h: what of a room's events another server may see (client-server API, "Room History
 * Visibility", for the whole of a server's users). */
#ifndef MX_FEDERATION_VISIBLE_H
#define MX_FEDERATION_VISIBLE_H

#include <ganglion/matrix/store.h>

/* Replaces what the server may not see by its redacted form: events[i] is a reference of the arena all the same. NULL entries
 * stay. What users said who were erased since is redacted as well. */
GG_YIELDS GG_CHECKED int mx_fed_visible(struct mx_server *server, struct gg_str origin, const struct mx_event **events,
                                        size_t n, struct gg_arena *arena, struct gg_error *err);

#endif
