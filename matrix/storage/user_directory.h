/* matrix/storage/user_directory.h: rows of the user directory (facts database 3.14). Writing is in
 * ganglion/matrix/user_directory.h. */
#ifndef MX_STORAGE_USER_DIRECTORY_H
#define MX_STORAGE_USER_DIRECTORY_H

#include "user_directory/text.h"

#include <ganglion/matrix/user_directory.h>

struct mx_directory_scope {
    bool everybody;      /* also those who share no room with the user */
    bool locals_only, locals_first, locked_too;
};
/* At most limit entries, best first. */
GG_YIELDS GG_CHECKED int mx_directory_find(struct mx_server *server, struct gg_str user_id,
                                           const struct mx_directory_terms *terms, const struct mx_directory_scope *scope,
                                           size_t limit, struct gg_arena *arena, struct mx_directory_result *out,
                                           struct gg_error *err);

/* Makes all rows of these rooms anew (a handful: all in one transaction), with what `with` writes; the position of the
 * directory stays. */
GG_YIELDS GG_CHECKED int mx_directory_rebuild_rooms(struct mx_server *server, const struct gg_str *room_ids, size_t n,
                                                    struct gg_arena *arena, gg_txn_fn *with, void *arg, struct gg_error *err);

/* Users of other servers whose profile is to be asked for. */
struct mx_directory_due {
    struct gg_str user_id;
    int64_t tries; /* that failed */
};
/* Oldest first, at most per_server of each server. */
GG_YIELDS GG_CHECKED int mx_directory_due(struct mx_server *server, int64_t now_ms, size_t per_server, size_t limit,
                                          struct gg_arena *arena, struct mx_directory_due **out, size_t *n_out,
                                          struct gg_error *err);
/* When the next one is; INT64_MAX: there is none. */
GG_YIELDS GG_CHECKED int mx_directory_next_due(struct mx_server *server, struct gg_arena *arena, int64_t *ms_out,
                                               struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_directory_put_off(struct mx_server *server, struct gg_str user_id, int64_t until_ms,
                                              struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_directory_give_up(struct mx_server *server, struct gg_str user_id, struct gg_error *err);

#endif
