/* storage/purge/purge.h: what a purge deletes, one batch at a time, each in one transaction. */
#ifndef MX_STORAGE_PURGE_PURGE_H
#define MX_STORAGE_PURGE_PURGE_H

#include <ganglion/matrix/server.h>

/* ---- history (history.c) ---- */

struct mx_purge_batch {
    struct gg_str room_id;
    int64_t depth;             /* events below it go */
    bool local_too;            /* else this server's own messages become outliers, as state events do */
    int64_t at_depth, at_stream; /* in, out: the last event that was dealt with; start with INT64_MIN */
    size_t n;                  /* out: events dealt with; 0: there are no more */
};
/* Deletes the next events below the purge point, oldest first: backward extremities, state groups to be deleted and
 * counts of unread messages follow in the same transaction. */
GG_YIELDS GG_CHECKED int mx_purge_history_batch(struct mx_server *server, struct mx_purge_batch *batch, struct gg_error *err);
/* After the last batch: the room's least depth, and caches of all processes. */
GG_YIELDS GG_CHECKED int mx_purge_history_end(struct mx_server *server, struct gg_str room_id, struct gg_error *err);
/* Greatest depth of the room's forward extremities; 0: it has none. */
GG_YIELDS GG_CHECKED int mx_purge_deepest(struct mx_server *server, struct gg_str room_id, int64_t *out, struct gg_error *err);
/* Where everything that was received before a time (ms) lies below: the room's first event since then, or its last one.
 * 404 M_NOT_FOUND: nothing was received before it. */
GG_YIELDS GG_CHECKED int mx_purge_point(struct mx_server *server, struct gg_str room_id, int64_t before_ms, int64_t *depth,
                                        int64_t *stream, struct gg_error *err);

/* ---- rooms (room.c) ---- */

/* What lists of rooms and members read, first of all: nobody sees the room any more. */
GG_YIELDS GG_CHECKED int mx_purge_room_members(struct mx_server *server, struct gg_str room_id, struct gg_error *err);
/* Deletes some events with all that hangs on them, then some state groups; *n_out: how many. */
GG_YIELDS GG_CHECKED int mx_purge_room_events(struct mx_server *server, struct gg_str room_id, int64_t *n_out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_purge_room_groups(struct mx_server *server, struct gg_str room_id, int64_t *n_out, struct gg_error *err);
/* The rest, the row of the room last of all, and the caches. */
GG_YIELDS GG_CHECKED int mx_purge_room_end(struct mx_server *server, struct gg_str room_id, struct gg_error *err);

/* ---- state groups (groups.c) ---- */

/* One group that has waited long enough and that nothing names: its children are stored whole, then it goes. Groups that
 * are in use after all are taken off the list. *done: there is none left for now. */
GG_YIELDS GG_CHECKED int mx_purge_next_group(struct mx_server *server, int64_t waiting_since_ms, bool *done, struct gg_error *err);

#endif
