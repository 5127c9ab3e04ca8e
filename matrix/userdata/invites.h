/* matrix/userdata/invites.h: who does not want to be invited (MSC4380, account data m.invite_permission_config). */
#ifndef MX_USERDATA_INVITES_H
#define MX_USERDATA_INVITES_H

#include <ganglion/matrix/server.h>

/* 0, or 403 M_INVITE_BLOCKED where the user, one of ours, blocks all invites. */
GG_YIELDS GG_CHECKED int mx_invites_check(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                          struct gg_error *err);

#endif
