/* matrix/rooms/history.h: pages of a room's history. */
#ifndef MX_ROOMS_HISTORY_H
#define MX_ROOMS_HISTORY_H

#include "filter/filter.h"
#include "rooms/access.h"

#include <ganglion/matrix/token.h>

struct mx_page_query {
    struct gg_str room_id;
    struct mx_room_token from;         /* exclusive forwards, inclusive backwards: positions lie between events */
    const struct mx_room_token *to;    /* NULL: no bound */
    bool backwards;
    size_t limit;                      /* events that pass, at most */
    const struct mx_filter *filter;    /* NULL: all */
};
struct mx_page {
    const struct mx_event **events;    /* in the direction of travel; held by the arena */
    size_t n, n_matched;               /* n_matched: with those that the filter wants and the user may not see */
    struct mx_room_token end;          /* where the next page starts */
    bool more;                         /* the database holds further events in that direction */
};

/* Events of the room in history order (topological, then stream), without rejected, soft-failed and outlier ones, and
 * only what the user may see. access may be NULL for the server's own use: then all are visible. */
GG_YIELDS GG_CHECKED int mx_history_page(struct mx_server *server, struct gg_str user_id, const struct mx_access *access,
                                         const struct mx_page_query *query, struct gg_arena *arena, struct mx_page *out,
                                         struct gg_error *err);

#endif
