/* matrix/presence/in_sync.h: the entry of presence in the table of sync/parts.c. */
#ifndef MX_PRESENCE_IN_SYNC_H
#define MX_PRESENCE_IN_SYNC_H

#include "sync/parts.h"

extern const struct mx_sync_part mx_sync_part_presence;

#endif
