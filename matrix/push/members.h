/* matrix/push/members.h: the local members of a room with their rules and names, ready to be asked.
 *
 * Kept for each room within a bound, and brought up to date by what differs between the room's head then and now: a
 * message in a known room reads nothing. */
#ifndef MX_PUSH_MEMBERS_H
#define MX_PUSH_MEMBERS_H

#include "push/user_rules.h"

#include <ganglion/matrix/heads.h>

struct mx_push_member {
    int refs;
    struct mx_push_user user;   /* texts follow the member in memory */
    struct mx_push_held *held;  /* NULL or stale: to be read */
};

struct mx_push_members {
    int refs;
    struct mx_state *members;   /* the head's, as of which the map is */
    struct gg_map *map;         /* user id -> struct mx_push_member */
    size_t bytes;
};

/* As of the head, with fresh rules. The arena keeps it; what changes afterwards shows at the next yield. */
GG_YIELDS GG_CHECKED int mx_push_members_of(struct mx_server *server, const struct mx_head *head, struct gg_arena *arena,
                                            struct mx_push_members **out, struct gg_error *err);
/* Those of the map but whom `without` (NULL: nobody) has: one reference each, which the arena gives back. Thousands are gone
 * over with pauses, in which the map changes. */
struct mx_push_member **mx_push_members_list(const struct mx_push_members *members, const struct gg_map *without,
                                             struct gg_arena *arena, size_t *n_out);
/* One who need not be a member: who is invited, for example. Lives as long as the arena. */
GG_YIELDS GG_CHECKED int mx_push_outsider(struct mx_server *server, struct gg_str user_id, struct gg_str display_name,
                                          struct gg_arena *arena, struct mx_push_member **out, struct gg_error *err);
void mx_push_members_free(void *members); /* for the cache */

#endif
