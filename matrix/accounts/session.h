/* accounts/session.h: sessions that only the main process makes: it counts the tokens' ids. */
#ifndef MX_ACCOUNTS_SESSION_H
#define MX_ACCOUNTS_SESSION_H

#include <ganglion/matrix/server.h>

/* A token without device by which an administrator acts as a user; valid_until_ms 0: for ever. Main process only. */
GG_YIELDS GG_CHECKED int mx_session_puppet(struct mx_server *server, struct gg_str admin_id, struct gg_str user_id,
                                           int64_t valid_until_ms, struct gg_arena *arena, struct gg_str *token_out,
                                           struct gg_error *err);

#endif
