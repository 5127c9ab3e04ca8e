/* matrix/storage/events/placed.h: events of which the row in `events` was read before, as pages of a room's history do. */
#ifndef MX_STORAGE_EVENTS_PLACED_H
#define MX_STORAGE_EVENTS_PLACED_H

#include "../store.h"

/* An accepted event (outlier and rejection_reason say so) and where it stands. */
struct mx_placed {
    struct gg_str event_id, instance; /* instance s NULL: no writer is named, which is main */
    int64_t stream;
};
/* mx_store_events of one room's events, redactions applied, for half the work of the database. */
GG_YIELDS GG_CHECKED int mx_store_placed(struct mx_server *server, struct gg_str room_id, const struct mx_placed *placed,
                                         size_t n, struct gg_arena *arena, const struct mx_event **out,
                                         struct gg_error *err);

#endif
