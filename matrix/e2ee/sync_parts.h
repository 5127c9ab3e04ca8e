/* matrix/e2ee/sync_parts.h: this folder's lines of the table of /sync's parts. */
#ifndef MX_E2EE_SYNC_PARTS_H
#define MX_E2EE_SYNC_PARTS_H

#include "e2ee/text.h"
#include "sync/parts.h"

extern const struct mx_sync_part mx_sync_part_to_device, mx_sync_part_device_lists, mx_sync_part_key_counts;

#endif
