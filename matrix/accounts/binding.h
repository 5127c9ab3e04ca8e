/* accounts/binding.h: addresses that identity servers publish as a user's. */
#ifndef MX_ACCOUNTS_BINDING_H
#define MX_ACCOUNTS_BINDING_H

#include "accounts/accounts.h"
#include "identity/identity.h"

/* Has an identity server publish the address that (sid, secret) prove there. Its own refusal, or 502. */
GG_YIELDS GG_CHECKED int mx_binding_make(struct mx_server *server, struct gg_str user_id,
                                         const struct mx_identity *identity, struct gg_str sid, struct gg_str secret,
                                         struct gg_arena *arena, struct gg_error *err);
/* Takes an address back from one identity server, or (id_server s NULL) from all at which this server had it bound.
 * *supported_out: false if one of them cannot do that, or if there is none. */
GG_YIELDS GG_CHECKED int mx_binding_undo(struct mx_server *server, struct gg_str user_id, struct gg_str medium,
                                         struct gg_str address, struct gg_str id_server, struct gg_arena *arena,
                                         bool *supported_out, struct gg_error *err);
/* All addresses of the user from all of them; failures are logged and make it false. */
GG_YIELDS GG_CHECKED int mx_binding_undo_all(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                             bool *supported_out, struct gg_error *err);

#endif
