/* matrix/push/notified.h: the list of a user's notifications (client-server API, "Listing Notifications"). */
#ifndef MX_PUSH_NOTIFIED_H
#define MX_PUSH_NOTIFIED_H

#include <ganglion/matrix/server.h>

struct mx_push_notified {
    struct gg_str room_id, event_id;
    struct gg_str actions;     /* JSON list */
    struct gg_str profile_tag; /* s NULL: none */
    int64_t stream_ordering, received_ts;
    bool read;
};
/* Newest first, at most limit; before > 0: only those with a lower stream ordering. */
GG_YIELDS GG_CHECKED int mx_push_list_notified(struct mx_server *server, struct gg_str user_id, int64_t before,
                                               int64_t limit, bool only_highlights, struct gg_arena *arena,
                                               struct mx_push_notified **out, size_t *n_out, struct gg_error *err);

#endif
