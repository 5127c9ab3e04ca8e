/* matrix/federation/join.h: a user of ours enters a room that this server is not in, or that it cannot let them into.
 */
#ifndef MX_FEDERATION_JOIN_H
#define MX_FEDERATION_JOIN_H

#include "federation/candidates.h"

#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/store.h>

struct mx_join {
    struct gg_str room_id, user_id;
    struct gg_str content; /* of the member event, JSON object text */
    bool again;            /* of a join: through the others although we are in the room by now */
};
struct mx_joined {
    struct gg_str event_id; /* in the arena */
    int64_t stream;         /* where it stands in the events stream */
    bool here;              /* nothing was done: another of ours was let in meanwhile, and we are in the room */
};

/* make_join and send_join through one of the servers, the room's state checked and stored, our join persisted upon it
 * with its full state (members are not left out: the room is whole when this returns). One at a time for each room and
 * process. Errors as mx_candidates_ask's; 404 M_UNKNOWN when no server is named; 403 when the state that came does not
 * allow our join. The calling process does all of it. */
GG_YIELDS GG_CHECKED int mx_fed_join(struct mx_server *server, struct mx_candidates *servers,
                                     const struct mx_join *join, struct gg_arena *arena, struct mx_joined *out,
                                     struct gg_error *err);
/* Is a user of this server joined to the room? By the current state that this process knows. */
GG_YIELDS GG_CHECKED int mx_fed_host_joined(struct mx_server *server, struct gg_str room_id, bool *joined,
                                            struct gg_error *err);

#endif
