/* ganglion/matrix/rooms.h: making events: what clients ask for, checked, built, handed to the room's persister. */
#ifndef GANGLION_MATRIX_ROOMS_H
#define GANGLION_MATRIX_ROOMS_H

#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/persist.h>
#include <ganglion/matrix/store.h>

struct mx_new_event {
    struct gg_str room_id, type;
    struct gg_str state_key;      /* s NULL: none */
    struct gg_str content;        /* JSON object text (checked) */
    struct gg_str redacts;        /* s NULL: none */
    const char *txn_id;           /* NULL: none */
    int64_t origin_server_ts;     /* 0: now */
    bool ratelimit;
    bool delayed;                 /* txn_id is no transaction's, but the id of a delayed event (MSC4140) */
};
/* Builds, authorises and persists one event (on the room's persister, by send_events when that is another process).
 * *event_id_out is in the arena; *stream_out may be NULL. The same state again, or a used txn id, gives the old event. */
GG_API GG_YIELDS GG_CHECKED int mx_room_send(struct mx_server *server, const struct mx_requester *requester,
                                             const struct mx_new_event *event, struct gg_arena *arena,
                                             struct gg_str *event_id_out, int64_t *stream_out, struct gg_error *err);
/* join, invite, leave, kick, ban, unban, knock: membership is what the target will have. */
struct mx_membership_change {
    struct gg_str room_id, target, membership;
    struct gg_str reason;         /* s NULL: none */
    struct gg_str content;        /* further members, JSON object text or s NULL */
    const char *action;           /* "join", "kick", ...: decides which prior memberships are fine */
    int64_t origin_server_ts;     /* 0: now */
    const struct gg_str *servers; /* that may know a room which this one does not: named by the client or an alias */
    size_t n_servers;
};
GG_API GG_YIELDS GG_CHECKED int mx_room_membership(struct mx_server *server, const struct mx_requester *requester,
                                                   const struct mx_membership_change *change, struct gg_arena *arena,
                                                   struct gg_str *event_id_out, struct gg_error *err);

#endif
