/* matrix/rooms/tie_ends.c: several forward extremities of a room become one. */
#include "rooms/tie_ends.h"

#include "rooms/chain.h"

#include <ganglion/matrix/id.h>

enum { TRIES = 10 }; /* users of ours who are asked */

static int send_as(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_arena *arena, bool *sent,
                   struct gg_error *err)
{
    struct gg_str localpart = mx_id_localpart(user_id);
    const struct mx_requester us = {.user_id = gg_arena_strndup(arena, user_id.s, user_id.n),
                                    .localpart = gg_arena_strndup(arena, localpart.s, localpart.n)};
    const struct mx_chain_event event = {.type = GG_STR("org.matrix.dummy_event"), .sender = gg_str(us.user_id), .content = GG_STR("{}")};
    struct mx_chain *chain = GG_NEW(arena, struct mx_chain);
    int rc = mx_chain_begin(chain, server, &us, room_id, arena, err);
    if (rc == 0)
        rc = mx_chain_add(chain, &event, err);
    if (rc == 0)
        rc = mx_chain_commit(chain, NULL, NULL, err);
    mx_chain_done(chain);
    *sent = rc == 0;
    if (rc != GG_E_FORBIDDEN)
        return rc;
    *err = (struct gg_error)GG_ERROR_INIT; /* another one may */
    return 0;
}

static int send_as_any(struct mx_server *server, const struct mx_head *head, struct gg_arena *arena, struct gg_error *err)
{
    const struct gg_str *users;
    size_t n, tried = 0;
    bool sent = false;
    int rc = mx_heads_joined(server, head, arena, &users, &n, err);
    for (size_t i = 0; rc == 0 && !sent && i < n && tried < TRIES; i++) {
        if (!mx_is_mine(server, users[i]))
            continue;
        tried++;
        rc = send_as(server, users[i], head->room_id, arena, &sent, err);
    }
    return rc;
}

int mx_room_tie_ends(struct mx_server *server, struct gg_str room_id, size_t most, struct gg_arena *arena, struct gg_error *err)
{
    const struct mx_head *head;
    struct mx_room_lock *lock;
    int rc = mx_heads_extremities(server, room_id, arena, &head, err);
    if (rc != 0 || head->n_extremities <= most)
        return rc;
    rc = mx_room_lock(server, room_id, &lock, err);
    if (rc != 0)
        return rc;
    rc = mx_heads_extremities(server, room_id, arena, &head, err); /* others may have tied them while we waited */
    if (rc == 0 && head->n_extremities > most)
        rc = send_as_any(server, head, arena, err);
    mx_room_unlock(server, lock);
    return rc;
}
