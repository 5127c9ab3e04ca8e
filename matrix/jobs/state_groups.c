/* state_groups.c: state groups that nothing names go (facts database 5.1). */
#include <ganglion/fiber.h>

#include "jobs/jobs.h"
#include "storage/purge/purge.h"

/* A group waits ten minutes: somebody may be building on it whom we cannot see yet. */
enum { WAIT_MS = 600000, MOST = 2000 };

int mx_job_state_groups(struct mx_server *server, struct gg_error *err)
{
    bool done = false;
    int status = 0;
    for (int i = 0; !status && !done && !gg_cancelled() && i < MOST; i++)
        status = mx_purge_next_group(server, gg_wall_ms() - WAIT_MS, &done, err);
    return status;
}
