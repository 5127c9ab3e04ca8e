/* matrix/rooms/mutual.h: rooms that two users are both joined to (client-server API, "Mutual rooms"). */
#ifndef MX_ROOMS_MUTUAL_H
#define MX_ROOMS_MUTUAL_H

#include <ganglion/buf.h>
#include <ganglion/matrix/server.h>

/* Appends the answer, pages of 100. from: s NULL, or a page's next_batch; 400 M_INVALID_PARAM if it is none. */
GG_YIELDS GG_CHECKED int mx_mutual_rooms(struct mx_server *server, struct gg_str user_id, struct gg_str other, struct gg_str from,
                                         struct gg_arena *arena, struct gg_buf *out, struct gg_error *err);

#endif
