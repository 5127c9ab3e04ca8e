/* matrix/rooms/access.h: who may read what of a room. */
#ifndef MX_ROOMS_ACCESS_H
#define MX_ROOMS_ACCESS_H

#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/store.h>

struct mx_access {
    const struct mx_head *head;            /* held by the arena */
    const struct mx_state *state;          /* the newest state that the user may see */
    struct gg_str membership;              /* now; s NULL: never in the room */
    bool joined, peeking, ever_joined;     /* peeking: allowed by world_readable alone */
    bool own_time;                         /* of shared history only what happened while they were in the room */
    const struct mx_event *out_of_band;    /* the leave, if it stands outside the room's history: then nothing else is seen */
    int64_t until;                         /* stream ordering at which an ex-member left: where they start to page
                                              backwards; INT64_MAX while joined */
    bool admin;                            /* a server administrator looks: everything is seen */
};

/* What a user may see of a room; 403 M_FORBIDDEN when nothing, as for those who are banned. */
GG_YIELDS GG_CHECKED int mx_room_access(struct mx_server *server, struct gg_str user_id, struct gg_str room_id,
                                        struct gg_arena *arena, struct mx_access *out, struct gg_error *err);
/* For the admin API: all of the room. 404 M_NOT_FOUND for an unknown one. */
GG_YIELDS GG_CHECKED int mx_room_access_admin(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena,
                                              struct mx_access *out, struct gg_error *err);
/* What /sync shows of a room that the user has left or was banned from: everything up to that, or, to those who were
 * never joined (ever_joined says so), nothing but that. */
GG_YIELDS GG_CHECKED int mx_room_access_left(struct mx_server *server, struct gg_str user_id, const struct mx_user_room *room,
                                             struct gg_arena *arena, struct mx_access *out, struct gg_error *err);
/* Only for those who are joined now: 403 otherwise. */
GG_YIELDS GG_CHECKED int mx_room_access_joined(struct mx_server *server, struct gg_str user_id, struct gg_str room_id,
                                               struct gg_arena *arena, struct mx_access *out, struct gg_error *err);
/* Which events the room's history visibility lets the user see (spec "Room History Visibility"). */
GG_YIELDS GG_CHECKED int mx_events_visible(struct mx_server *server, struct gg_str user_id, const struct mx_access *access,
                                           const struct mx_event *const *events, size_t n, struct gg_arena *arena,
                                           bool *visible, struct gg_error *err);

#endif
