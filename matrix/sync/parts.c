/* matrix/sync/parts.c: the table of the members of /sync outside rooms, and the walk over it. */
#include "sync/parts.h"

#include "e2ee/sync_parts.h"
#include "groups/in_sync.h"
#include "presence/in_sync.h"

/* One line for each: global account data (answer.c), and what other folders add. */
const struct mx_sync_part *const mx_sync_parts[] = {
    &mx_sync_part_account_data,
    &mx_sync_part_to_device,
    &mx_sync_part_device_lists,
    &mx_sync_part_key_counts,
    &mx_sync_part_presence,
    &mx_sync_part_groups,
    NULL,
};

_Static_assert(GG_COUNT(mx_sync_parts) <= MX_SYNC_MAX_PARTS, "each part has a place in struct mx_sync");

int mx_sync_begin_parts(struct mx_sync *sync, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && mx_sync_parts[i] != NULL; i++) {
        if (mx_sync_parts[i]->begin == NULL)
            continue;
        rc = mx_sync_parts[i]->begin(sync, err);
        if (rc != 0)
            gg_error_prefix(err, "/sync, %s", mx_sync_parts[i]->name);
    }
    return rc;
}

int mx_sync_gather_parts(struct mx_sync *sync, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && mx_sync_parts[i] != NULL; i++) {
        sync->gathered[i] = NULL;
        rc = mx_sync_parts[i]->gather(sync, &sync->gathered[i], err);
        if (rc != 0)
            gg_error_prefix(err, "/sync, %s", mx_sync_parts[i]->name);
    }
    return rc;
}

bool mx_sync_parts_have_news(const struct mx_sync *sync)
{
    for (size_t i = 0; mx_sync_parts[i] != NULL; i++)
        if (sync->gathered[i] != NULL &&
            (mx_sync_parts[i]->has_news == NULL || mx_sync_parts[i]->has_news(sync, sync->gathered[i])))
            return true;
    return false;
}

void mx_sync_write_parts(const struct mx_sync *sync, struct gg_buf *out)
{
    for (size_t i = 0; mx_sync_parts[i] != NULL; i++)
        mx_sync_parts[i]->write(sync, sync->gathered[i], out);
}
