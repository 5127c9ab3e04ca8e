/* part.c: the purges of a process: tasks that it can carry out, and state groups that it deletes. */
#include <ganglion/fiber.h>
#include <ganglion/log.h>

#include "parts.h"
#include "purge/purge.h"
#include "rooms/blocked.h"
#include "storage/purge/purge.h"

static struct gg_logger logger = {"ganglion.purge"};

/* A group waits ten minutes: somebody may be building on it whom we cannot see yet. */
enum { GROUPS_MS = 60000, WAIT_MS = 600000, MOST_GROUPS = 2000 };

static void delete_groups(void *arg)
{
    struct mx_server *server = arg;
    struct gg_error err = GG_ERROR_INIT;
    bool done = false;
    int status = 0;
    for (int i = 0; !status && !done && !gg_cancelled() && i < MOST_GROUPS; i++)
        status = mx_purge_next_group(server, gg_wall_ms() - WAIT_MS, &done, &err);
    if (status && !gg_cancelled())
        gg_warn(&logger, "deleting state groups: %s", err.message);
}

static int make(struct mx_server *server, struct gg_error *err)
{
    mx_blocked_make(server);
    mx_purge_history_make(server);
    mx_purge_room_make(server);
    gg_host_every(server->host, "state_groups", GROUPS_MS, true, delete_groups, server);
    return 0;
}

const struct mx_part mx_part_purge = {.name = "purge", .make = make};
