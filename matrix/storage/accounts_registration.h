/* storage/accounts_registration.h: what is written around a registration: registration tokens, consent, guests that
 * become users. */
#ifndef MX_STORAGE_ACCOUNTS_REGISTRATION_H
#define MX_STORAGE_ACCOUNTS_REGISTRATION_H

#include <ganglion/matrix/server.h>

/* Could somebody register with the token now? */
GG_YIELDS GG_CHECKED int mx_registration_token_valid(struct mx_server *server, struct gg_str token, bool *out,
                                                     struct gg_error *err);
/* Takes one use of it, which is pending until it is spent or the session is swept; *out false: it is not valid. */
GG_YIELDS GG_CHECKED int mx_registration_token_reserve(struct mx_server *server, struct gg_str token, bool *out,
                                                       struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_registration_token_spend(struct mx_server *server, struct gg_str token,
                                                     struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_users_consent(struct mx_server *server, struct gg_str user_id, struct gg_str version,
                                          struct gg_error *err);
/* A guest becomes an ordinary user. 403 M_FORBIDDEN: the user is no guest. */
GG_YIELDS GG_CHECKED int mx_users_upgrade(struct mx_server *server, struct gg_str user_id, struct gg_str password_hash,
                                          struct gg_error *err);

#endif
