/* matrix/sliding/roster.h: the rooms of a user in the order of their newest activity, kept from request to request:
 * only rooms in which something happened are looked at anew. */
#ifndef MX_SLIDING_ROSTER_H
#define MX_SLIDING_ROSTER_H

#include "sliding/facts.h"
#include "sliding/labels.h"

/* What stays the same while the user's memberships and account data do. */
struct mx_roster_base {
    uint64_t id;                      /* tells it from any other of this process */
    const struct mx_user_room *rooms; /* all of them */
    size_t n;
    const struct mx_room_labels *labels;
    struct gg_map *places; /* room id -> place in rooms, from 1 */
};
struct mx_roster {
    const struct mx_roster_base *base;
    const struct mx_room_facts *facts; /* of base->rooms, of those that are listed; without names */
    const uint32_t
        *order; /* places in base->rooms (from 0) of the rooms that may stand in lists, newest activity first */
    size_t n_order;
};

void mx_rosters_make(struct mx_server *server); /* the cache */
/* The arena holds it. */
GG_YIELDS GG_CHECKED int mx_roster_get(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                       const struct mx_roster **out, struct gg_error *err);
/* NULL: not a room of the user's. */
const struct mx_user_room *mx_roster_room(const struct mx_roster *roster, struct gg_str room_id, size_t *place);

#endif
