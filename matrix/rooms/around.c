/* matrix/rooms/around.c: what happened in a room before and after an event. */
#include "rooms/around.h"

int mx_around(struct mx_server *server, struct gg_str user_id, const struct mx_access *access, const struct mx_event *event,
              size_t n_before, size_t n_after, const struct mx_filter *filter, struct gg_arena *arena, struct mx_around *out,
              struct gg_error *err)
{
    struct mx_page_query q = {.room_id = event->room_id, .backwards = true, .limit = n_before, .filter = filter,
                              .from = {.depth = event->depth, .at = {.min = event->meta.stream_ordering - 1}}};
    int rc = mx_history_page(server, user_id, access, &q, arena, &out->before, err);
    q.backwards = false;
    q.limit = n_after;
    q.from.at.min = event->meta.stream_ordering;
    if (rc == 0)
        rc = mx_history_page(server, user_id, access, &q, arena, &out->after, err);
    if (rc != 0)
        return rc;
    const struct mx_event *last = out->after.n > 0 ? out->after.events[out->after.n - 1] : event;
    return mx_store_state_after(server, last->event_id, arena, &out->state, err);
}
