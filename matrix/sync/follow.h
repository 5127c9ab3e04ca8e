/* matrix/sync/follow.h: feeds changes and notifier from the streams. */
#ifndef MX_SYNC_FOLLOW_H
#define MX_SYNC_FOLLOW_H

#include <ganglion/matrix/server.h>

void mx_sync_follow(struct mx_server *server); /* at load */
void mx_sync_start(struct mx_server *server);  /* once positions are known */

#endif
