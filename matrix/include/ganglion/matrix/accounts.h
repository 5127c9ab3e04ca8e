/* ganglion/matrix/accounts.h: users of this server: what other parts of the Matrix library ask about them. */
#ifndef GANGLION_MATRIX_ACCOUNTS_H
#define GANGLION_MATRIX_ACCOUNTS_H

#include <ganglion/matrix/server.h>

/* The profile of a local user, in the arena; NULL where unset. 404 M_NOT_FOUND: no such user.
 * Read from the database each time: no process announces changes of profiles. */
GG_API GG_YIELDS GG_CHECKED int mx_profile_get(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                               const char **display_name_out, const char **avatar_url_out,
                                               struct gg_error *err);
/* Has the user's account expired (config account_validity)? Cached. */
GG_API GG_YIELDS GG_CHECKED int mx_account_expired(struct mx_server *server, struct gg_str user_id, bool *out,
                                                   struct gg_error *err);
/* A stored filter of the user, as JSON object text in the arena. 404 M_NOT_FOUND. */
GG_API GG_YIELDS GG_CHECKED int mx_user_filter_get(struct mx_server *server, struct gg_str user_id, const char *filter_id,
                                                   struct gg_arena *arena, struct gg_str *json_out, struct gg_error *err);

#endif
