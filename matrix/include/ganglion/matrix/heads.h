/* ganglion/matrix/heads.h: what this process knows of live rooms without asking the database.
 *
 * A head holds a room's forward extremities, current state and members; it is loaded on first use, kept by the events
 * stream, and evicted by bytes. Sending and syncing in a known room then reads nothing. */
#ifndef GANGLION_MATRIX_HEADS_H
#define GANGLION_MATRIX_HEADS_H

#include <ganglion/matrix/server.h>
#include <ganglion/matrix/state.h>

struct mx_head {
    struct gg_str room_id;
    const struct mx_room_version *version;
    const struct mx_state *state;            /* current state */
    const struct gg_str *extremities;        /* forward extremities; n_extremities 0: not known, ask mx_heads_extremities */
    size_t n_extremities;
    int64_t max_depth;                       /* over the extremities */
    const int64_t *extremity_groups;         /* state group after each; 0: not known */
    int64_t group;                           /* the state group of the current state; 0: not known */
    int64_t position;                        /* events stream position of the last change seen */
    size_t n_joined, n_invited;
};
/* A head is an immutable snapshot; the arena keeps a reference to it (mx_head_ref / unref keep it longer). 404 M_NOT_FOUND for an unknown room. */
GG_API GG_YIELDS GG_CHECKED int mx_heads_get(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena,
                                             const struct mx_head **out, struct gg_error *err);
/* Events stream position of the last change of the current state. */
GG_API int64_t mx_head_state_position(const struct mx_head *head);
GG_API struct mx_head *mx_head_ref(const struct mx_head *head);
GG_API void mx_head_unref(const struct mx_head *head); /* NULL is fine */
/* The same with forward extremities, depth and state group known: what a new event is built on. Reads them (one
 * statement) when something came from another process that we cannot place. */
GG_API GG_YIELDS GG_CHECKED int mx_heads_extremities(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena,
                                                     const struct mx_head **out, struct gg_error *err);
/* In memory, without I/O; borrowed until the next yield; NULL: not there. */
GG_API const struct mx_head *mx_heads_cached(struct mx_server *server, struct gg_str room_id);
/* The event of a current state entry, or NULL; from the cache or the database; the arena holds it. */
GG_API GG_YIELDS GG_CHECKED int mx_heads_state_event(struct mx_server *server, const struct mx_head *head, const char *type,
                                                     struct gg_str state_key, struct gg_arena *arena,
                                                     const struct mx_event **out, struct gg_error *err);
/* "join", "invite", "leave", "ban", "knock", or s NULL. */
GG_API GG_YIELDS GG_CHECKED int mx_heads_membership(struct mx_server *server, const struct mx_head *head, struct gg_str user_id,
                                                    struct gg_arena *arena, struct gg_str *out, struct gg_error *err);
/* Joined members (user ids, borrowed from the head). */
GG_API GG_YIELDS GG_CHECKED int mx_heads_joined(struct mx_server *server, const struct mx_head *head, struct gg_arena *arena,
                                                const struct gg_str **users_out, size_t *n_out, struct gg_error *err);

/* Rooms of a local user with the membership that local_current_membership has. */
struct mx_user_room {
    struct gg_str room_id, event_id, membership, sender;
    int64_t stream_ordering;      /* of the membership event */
    bool forgotten;
    const struct mx_room_version *version;
};
GG_API GG_YIELDS GG_CHECKED int mx_heads_rooms_of(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                                  const struct mx_user_room **out, size_t *n_out, struct gg_error *err);
/* The same list by room id (bytewise), with the places in it by the age of the membership: newest[0] is the youngest. As
 * long as nothing changes every caller gets the very same list: it is known by its address while an arena holds it. */
struct mx_user_rooms {
    const struct mx_user_room *v;
    size_t n;
    const uint32_t *newest;
};
GG_API GG_YIELDS GG_CHECKED int mx_heads_room_list(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                                   struct mx_user_rooms *out, struct gg_error *err);
/* NULL: not in the list. */
GG_API const struct mx_user_room *mx_user_rooms_find(const struct mx_user_rooms *rooms, struct gg_str room_id);

#endif
