/* matrix/rooms/around.h: what happened in a room before and after an event. */
#ifndef MX_ROOMS_AROUND_H
#define MX_ROOMS_AROUND_H

#include "rooms/history.h"

struct mx_around {
    struct mx_page before, after;  /* each away from the event */
    const struct mx_state *state;  /* after the last event of it all; held by the arena */
};
/* At most so many on each side; filter NULL: all. */
GG_YIELDS GG_CHECKED int mx_around(struct mx_server *server, struct gg_str user_id, const struct mx_access *access,
                                   const struct mx_event *event, size_t n_before, size_t n_after, const struct mx_filter *filter,
                                   struct gg_arena *arena, struct mx_around *out, struct gg_error *err);

#endif
