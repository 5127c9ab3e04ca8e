/* matrix/groups/in_sync.h: the entry of communities in the table of sync/parts.c, and their place in tokens. */
#ifndef MX_GROUPS_IN_SYNC_H
#define MX_GROUPS_IN_SYNC_H

#include "sync/parts.h"

extern const struct mx_sync_part mx_sync_part_groups;
int64_t mx_groups_position(const struct mx_server *server); /* 0: there are none */

#endif
