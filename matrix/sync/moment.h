/* matrix/sync/moment.h: one moment that an answer speaks of. */
#ifndef MX_SYNC_MOMENT_H
#define MX_SYNC_MOMENT_H

#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/token.h>

/* The newest position of this process, and the rooms that the user has then (the arena holds them): neither knows of a
 * membership that the other does not. What stands in the database and has not been heard of yet is waited for, a second at
 * most: after that (its writer died before it could tell) the list is ahead. */
GG_YIELDS GG_CHECKED int mx_moment(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                   struct mx_token *now, struct mx_user_rooms *rooms, struct gg_error *err);

#endif
