/* matrix/heads/heads.h: private parts of the heads; the persister changes them after its commits. */
#ifndef MATRIX_HEADS_HEADS_H
#define MATRIX_HEADS_HEADS_H

#include <ganglion/map.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/matrix/heads.h>

#include "../cache/flight.h"

struct mx_heads {
    struct mx_server *server;
    struct mx_cache *rooms; /* room id -> struct mx_held_head */
    struct gg_map *flights; /* rooms being read */
    struct mx_cache *users; /* local user id -> struct user_rooms (users.c) */
    struct gg_map *user_flights;
    struct mx_cache *expected; /* event id -> struct expected (expect.c) */
};

/* A forward extremity. */
struct mx_extremity {
    struct gg_str event_id;
    int64_t depth, group; /* group 0: not known */
};

/* What is behind a struct mx_head. Immutable once it is in the cache. */
struct mx_held_head {
    struct mx_head head; /* first */
    int refs;
    int64_t state_position; /* stream id of the last change of state that is in it */
    const struct mx_extremity *ends;
    struct mx_state *members; /* (membership, user id) -> event id of the member event */
    size_t bytes;
};

static inline const struct mx_held_head *mx_held_head(const struct mx_head *head)
{
    return (const struct mx_held_head *)(const void *)head;
}

/* What a commit, or a row of the stream, changed. */
struct mx_head_member {
    struct gg_str user_id, event_id, membership; /* event_id s NULL: gone */
};
struct mx_head_change {
    int64_t position;
    const struct mx_state *state;         /* NULL: unchanged */
    const struct mx_head_member *members; /* that changed with it */
    size_t n_members;
    bool new_ends; /* ends replace the forward extremities (n_ends 0: not known) */
    const struct mx_extremity *ends;
    size_t n_ends;
};

/* One reference. Strings are copied, maps referenced. */
struct mx_held_head *mx_head_make(struct gg_str room_id, const struct mx_room_version *version, struct mx_state *state,
                                  struct mx_state *members, const struct mx_extremity *ends, size_t n_ends,
                                  size_t n_joined, size_t n_invited, int64_t position, int64_t state_position);
/* old as the change leaves it: one reference. */
struct mx_held_head *mx_head_changed(const struct mx_held_head *old, const struct mx_head_change *change);
struct gg_str mx_head_membership(const struct mx_held_head *head, struct gg_str user_id);

/* Our own commit: the head, if it is held, follows; a load that runs is told to start anew. */
void mx_heads_apply(struct mx_server *server, struct gg_str room_id, const struct mx_head_change *change);
void mx_heads_forget(struct mx_server *server, struct gg_str room_id);
void mx_heads_forget_user(struct mx_server *server, struct gg_str user_id);

/* An event that we have handed to another process: when its row comes we know what it does to the extremities. */
void mx_heads_expect(struct mx_server *server, const struct mx_event *event, int64_t group);
/* The extremities after the event of the row; false: not known. ends has room for head->n_extremities + 1. */
bool mx_heads_expected(struct mx_heads *heads, const struct mx_held_head *head, struct gg_str event_id,
                       struct mx_extremity *ends, size_t *n_out);

void mx_heads_follow(struct mx_server *server);
void mx_heads_free_expected(void *value);
void mx_heads_free_user(void *value);

#endif
