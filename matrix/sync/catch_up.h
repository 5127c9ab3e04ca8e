/* matrix/sync/catch_up.h: a token may come from a process that is ahead of us. */
#ifndef MX_SYNC_CATCH_UP_H
#define MX_SYNC_CATCH_UP_H

#include <ganglion/matrix/token.h>

/* Until this process knows what the token's maker knew, for at most ten seconds: answering at once would show the past.
 * What nobody can have known (a forged token, one of a database that was set back) is not waited for. */
GG_YIELDS GG_CHECKED int mx_sync_catch_up(struct mx_server *server, const struct mx_token *since, struct gg_error *err);

#endif
