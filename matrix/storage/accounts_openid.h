/* storage/accounts_openid.h: the table open_id_tokens. */
#ifndef MX_STORAGE_ACCOUNTS_OPENID_H
#define MX_STORAGE_ACCOUNTS_OPENID_H

#include <ganglion/matrix/server.h>

GG_YIELDS GG_CHECKED int mx_openid_add(struct mx_server *server, struct gg_str token, struct gg_str user_id,
                                       int64_t until_ms, struct gg_error *err);
/* Whose token it is; s NULL: unknown or expired. */
GG_YIELDS GG_CHECKED int mx_openid_find(struct mx_server *server, struct gg_str token, struct gg_arena *arena,
                                        struct gg_str *user_out, struct gg_error *err);

#endif
