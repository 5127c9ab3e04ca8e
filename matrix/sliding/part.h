/* matrix/sliding/part.h: what a process keeps for sliding sync. */
#ifndef MX_SLIDING_PART_H
#define MX_SLIDING_PART_H

#include <ganglion/matrix/server.h>

struct mx_sliding_part {
    struct mx_cache *positions; /* connection position -> struct mx_connection */
    struct mx_cache *facts;     /* room, or room and user -> struct mx_room_facts (facts.c) */
    struct mx_cache *users;     /* user id -> what their account data says of rooms (labels.c) */
    struct mx_cache *rosters;   /* user id -> their rooms by activity (roster.c) */
    uint64_t bases;             /* rosters made from nothing so far */
};

#endif
