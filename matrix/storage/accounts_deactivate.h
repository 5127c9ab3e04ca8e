/* storage/accounts_deactivate.h: what the database forgets of an account that ends (facts database 4.1, "Deactivate"). */
#ifndef MX_STORAGE_ACCOUNTS_DEACTIVATE_H
#define MX_STORAGE_ACCOUNTS_DEACTIVATE_H

#include <ganglion/matrix/server.h>

/* One transaction: no password, no addresses, no directory entry, no account data, push rules and key backups;
 * deactivated; and erased, without a profile, if so asked. Leaves a row that says that the user has rooms to leave. */
GG_YIELDS GG_CHECKED int mx_users_end(struct mx_server *server, struct gg_str user_id, bool erase, struct gg_error *err);
/* Users who have rooms to leave. */
GG_YIELDS GG_CHECKED int mx_users_leaving(struct mx_server *server, struct gg_arena *arena, struct gg_str **out,
                                          size_t *n_out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_users_left(struct mx_server *server, struct gg_str user_id, struct gg_error *err);

#endif
