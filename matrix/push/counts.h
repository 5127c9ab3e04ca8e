/* matrix/push/counts.h: how much a user has not read: notifications, highlights and unread messages since their read
 * receipts, by room and thread (facts database 4.9; client-server API, "Receiving notifications"). */
#ifndef MX_PUSH_COUNTS_H
#define MX_PUSH_COUNTS_H

#include <ganglion/matrix/server.h>

struct mx_push_counts {
    int64_t notify, highlight;
    int64_t unread; /* org.matrix.msc2654.unread_count; 0 unless msc2654_enabled */
};
struct mx_push_thread {
    struct gg_str thread_id; /* the event id of its root */
    struct mx_push_counts counts;
};
struct mx_push_room {
    struct mx_push_counts main;            /* what is in no thread */
    const struct mx_push_thread *threads;  /* those that have any */
    size_t n_threads;
};

/* Of n rooms that the user is joined to, in the order asked, with one read. out has n entries; threads are in the arena. */
GG_YIELDS GG_CHECKED int mx_push_count(struct mx_server *server, struct gg_str user_id, const struct gg_str *room_ids,
                                       size_t n, struct gg_arena *arena, struct mx_push_room *out, struct gg_error *err);
/* Main timeline and threads together: what clients that know nothing of threads are told. */
struct mx_push_counts mx_push_total(const struct mx_push_room *room);
/* The number on the app's icon: rooms with notifications (by_room: push.group_unread_count_by_room), or the notifications
 * themselves, and invitations. */
GG_YIELDS GG_CHECKED int mx_push_badge(struct mx_server *server, struct gg_str user_id, bool by_room, int64_t *out,
                                       struct gg_error *err);
/* Appends ,"unread_notifications":{...} and, as the filter asks (by_thread) and the configuration says,
 * ,"unread_thread_notifications":{...} and ,"org.matrix.msc2654.unread_count":n: members of a joined room in /sync. */
void mx_push_write_counts(const struct mx_server *server, const struct mx_push_room *room, bool by_thread,
                          struct gg_buf *out);

#endif
