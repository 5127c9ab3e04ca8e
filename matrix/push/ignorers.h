/* matrix/push/ignorers.h: who ignores a user (client-server API, "Ignoring Users"): their messages notify nobody of them. */
#ifndef MX_PUSH_IGNORERS_H
#define MX_PUSH_IGNORERS_H

#include "push/push.h"

void mx_push_ignorers_make(struct mx_server *server); /* the cache; rows of the caches stream keep it true */
/* *out: a map whose keys are the local users who ignore user_id; borrowed until the next yield; NULL: nobody does. */
GG_YIELDS GG_CHECKED int mx_push_ignorers(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                          const struct gg_map **out, struct gg_error *err);

#endif
