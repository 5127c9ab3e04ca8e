/* storage/purge/shutdown.h: what ending a room reads and writes beside events. */
#ifndef MX_STORAGE_PURGE_SHUTDOWN_H
#define MX_STORAGE_PURGE_SHUTDOWN_H

#include <ganglion/matrix/server.h>

/* (user id, membership) of local users who are joined, invited or knock. */
GG_YIELDS GG_CHECKED int mx_shutdown_members(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena,
                                             struct gg_rows **out, struct gg_error *err);
/* Is there a row for the room, and is a local user joined to it? */
GG_YIELDS GG_CHECKED int mx_shutdown_known(struct mx_server *server, struct gg_str room_id, bool *known, bool *inhabited,
                                           struct gg_error *err);
/* All aliases of a room become another's, made by who asked. */
GG_YIELDS GG_CHECKED int mx_shutdown_move_aliases(struct mx_server *server, struct gg_str from, struct gg_str to,
                                                  struct gg_str by, struct gg_error *err);

#endif
