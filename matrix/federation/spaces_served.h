/* matrix/federation/spaces_served.h: what we tell other servers of a space and its rooms (server-server API, "Spaces"). */
#ifndef MX_FEDERATION_SPACES_SERVED_H
#define MX_FEDERATION_SPACES_SERVED_H

#include <ganglion/buf.h>
#include <ganglion/matrix/heads.h>

/* Appends {"room", "children", "inaccessible_children"}: rooms that are not known here are in neither list. 404
 * M_NOT_FOUND where the origin may not know the room. */
GG_YIELDS GG_CHECKED int mx_fed_serve_hierarchy(struct mx_server *server, struct gg_str origin, struct gg_str room_id,
                                                bool suggested_only, struct gg_arena *arena, struct gg_buf *out,
                                                struct gg_error *err);

#endif
