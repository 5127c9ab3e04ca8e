/* matrix/rooms/hierarchy.h: the rooms of a space, and of the spaces in it (client-server API, "Spaces"). */
#ifndef MX_ROOMS_HIERARCHY_H
#define MX_ROOMS_HIERARCHY_H

#include <ganglion/buf.h>
#include <ganglion/matrix/rooms.h>

enum { MX_HIERARCHY_MAX = 50 }; /* rooms of one page */

struct mx_hierarchy_query {
    struct gg_str room_id, user_id;
    struct gg_str from;      /* a page's next_batch; s NULL: from the start */
    const struct gg_str *via; /* servers that may know the first room */
    size_t n_via;
    int64_t limit;           /* rooms of the page */
    int64_t max_depth;       /* -1: all the way down */
    bool suggested_only;
    bool admin;              /* a server administrator asks: every room that is known here */
};
/* Appends the answer. Depth first, children in the space's order, each room once; rooms that we are not in are asked of
 * the servers that their space names (of those that do not answer in time the next page tells). 403 where the user may not know the first
 * room; 400 M_INVALID_PARAM for a token that is unknown, expired or of another question. */
GG_YIELDS GG_CHECKED int mx_hierarchy(struct mx_server *server, const struct mx_hierarchy_query *query, struct gg_arena *arena,
                                      struct gg_buf *out, struct gg_error *err);

#endif
