/* matrix/rooms/show.h: what clients are shown beside an event's stored bytes: the state that it replaced, the redaction
 * that emptied it, what the reader was in the room at that moment, and what relates to it. */
#ifndef MX_ROOMS_SHOW_H
#define MX_ROOMS_SHOW_H

#include "rooms/relations.h"

/* Of events[i]; all live in the arena. */
struct mx_show {
    const struct mx_event *const *events; /* NULL entries are left out of what is written */
    size_t n;
    const struct mx_event **replaced, **redactions; /* NULL: none */
    struct gg_str *memberships;                     /* s NULL: not shown */
    const struct mx_bundle **bundles;               /* of relations; NULL, or NULL entries: not shown */
};
/* Reads replaced events and redactions, at most one statement for all. The array of events is borrowed. */
GG_YIELDS GG_CHECKED int mx_show_read(struct mx_server *server, const struct mx_event *const *events, size_t n,
                                      struct gg_arena *arena, struct mx_show *out, struct gg_error *err);

/* Events [first, first + n) of a show lie in this room; `membership` holds since the stream ordering `since`. */
struct mx_show_room {
    struct gg_str room_id, membership;
    int64_t since;
    size_t first, n;
};
/* The user's membership at each event (MSC4115); at most one statement for all rooms. "leave" before they ever came. What
 * users said who were erased since (spec "Deactivating an account") is emptied for those who were not joined then: the
 * show's events are others afterwards. */
GG_YIELDS GG_CHECKED int mx_show_memberships(struct mx_server *server, struct gg_str user_id, const struct mx_show_room *rooms,
                                             size_t n, struct mx_show *show, struct gg_arena *arena, struct gg_error *err);
/* What the events that relate to each add to it (rooms/relations.h); for all that shows history. */
GG_YIELDS GG_CHECKED int mx_show_relations(struct mx_server *server, struct gg_str user_id, struct mx_show *show,
                                           struct gg_arena *arena, struct gg_error *err);
void mx_show_write(struct gg_buf *out, const struct mx_show *show, size_t i, const struct mx_client_format *format);

#endif
