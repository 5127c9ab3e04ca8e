/* matrix/userdata/ignored.h: whom a user ignores (client-server API, "Ignoring Users"). */
#ifndef MX_USERDATA_IGNORED_H
#define MX_USERDATA_IGNORED_H

#include <ganglion/matrix/server.h>

void mx_ignored_make(struct mx_server *server); /* the cache; rows of the caches stream keep it true */
/* User ids in the arena; most users ignore nobody, which is remembered too. */
GG_YIELDS GG_CHECKED int mx_ignored_users(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                          const struct gg_str **out, size_t *n_out, struct gg_error *err);

#endif
