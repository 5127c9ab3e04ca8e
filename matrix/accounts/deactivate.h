/* accounts/deactivate.h: the end of an account. */
#ifndef MX_ACCOUNTS_DEACTIVATE_H
#define MX_ACCOUNTS_DEACTIVATE_H

#include "accounts/accounts.h"

/* Ends an account: bindings at identity servers (*unbound_out: all of them could be taken back; NULL: who cares), sessions, password, addresses and data go at once; the rooms are left afterwards, which goes on after
 * a restart. erase: also the profile, and new readers see nothing that the user wrote. On any process. */
GG_YIELDS GG_CHECKED int mx_deactivate(struct mx_server *server, struct gg_str user_id, bool erase,
                                       bool *unbound_out, struct gg_error *err);
void mx_deactivate_make(struct mx_server *server);

#endif
