/* matrix/rooms/invited_profile.h: what an invite says of its target, where that is another server's user. */
#ifndef MX_ROOMS_INVITED_PROFILE_H
#define MX_ROOMS_INVITED_PROFILE_H

#include <ganglion/matrix/server.h>

/* The content with the names that the target's server tells, unless it has names; the content as it was (s may be NULL)
 * where that server does not tell in a few seconds. Not under a room's lock. In the arena. */
GG_YIELDS struct gg_str mx_invited_profile(struct mx_server *server, struct gg_str target, struct gg_str content,
                                           struct gg_arena *arena);

#endif
