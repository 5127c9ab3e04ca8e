/* storage/admin/registration_tokens.h: tokens that let people register, as administrators manage them. */
#ifndef MX_STORAGE_ADMIN_REGISTRATION_TOKENS_H
#define MX_STORAGE_ADMIN_REGISTRATION_TOKENS_H

#include "storage/admin/ask.h"

extern const struct gg_stmt mx_admin_registration_tokens; /* (valid or NULL, now in ms) */
extern const struct gg_stmt mx_admin_registration_token;  /* (token) */

/* GG_NULL_I64: without limit. 400 M_INVALID_PARAM if it is there. */
GG_YIELDS GG_CHECKED int mx_admin_registration_token_add(struct mx_server *server, struct gg_str token, int64_t uses,
                                                         int64_t expiry_ms, struct gg_error *err);
/* 404 M_NOT_FOUND: no such token. */
GG_YIELDS GG_CHECKED int mx_admin_registration_token_set(struct mx_server *server, struct gg_str token, bool set_uses,
                                                         int64_t uses, bool set_expiry, int64_t expiry_ms,
                                                         struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_admin_registration_token_delete(struct mx_server *server, struct gg_str token,
                                                            struct gg_error *err);

#endif
