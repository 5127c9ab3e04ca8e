/* matrix/sliding/facts.h: what lists of rooms are made of: a room's type, name, encryption and newest activity, from
 * the rows that the event writer keeps for it (sliding_sync_joined_rooms, sliding_sync_membership_snapshots), in memory
 * as long as nothing happens in the room. */
#ifndef MX_SLIDING_FACTS_H
#define MX_SLIDING_FACTS_H

#include <ganglion/matrix/heads.h>

struct mx_room_facts {
    bool known; /* false: nothing is known of its state, as of a foreign invite without any */
    bool encrypted;
    int64_t activity;   /* stream ordering: of the newest event while joined, else of the user's membership */
    int64_t bump_stamp; /* 0: none */
    struct gg_str type; /* s NULL: none */
    struct gg_str name; /* s NULL: none, or not asked for */
};

void mx_room_facts_make(struct mx_server *server); /* the cache */
/* Of each of the user's rooms, in the arena. Reads the database for rooms with news (one statement for those that the
 * user is in, one for the rest). */
GG_YIELDS GG_CHECKED int mx_room_facts(struct mx_server *server, struct gg_str user_id,
                                       const struct mx_user_room *const *rooms, size_t n, bool with_names,
                                       struct gg_arena *arena, struct mx_room_facts *out, struct gg_error *err);

#endif
