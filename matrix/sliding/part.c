/* matrix/sliding/part.c: sliding sync as a part of the process. */
#include "sliding/part.h"

#include "parts.h"
#include "sliding/connection.h"
#include "sliding/facts.h"
#include "sliding/labels.h"
#include "sliding/roster.h"

#include <ganglion/log.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/memory.h>

static struct gg_logger logger = {"ganglion.matrix.sliding"};

enum { EXPIRE_EVERY_MS = 3600 * 1000 };

static void expire(void *arg)
{
    struct gg_error err = GG_ERROR_INIT;
    if (mx_connections_expire(arg, &err) != 0)
        gg_warn(&logger, "ending unused connections: %s", err.message);
}

static int make(struct mx_server *server, struct gg_error *err)
{
    server->sliding = gg_xcalloc(1, sizeof(*server->sliding));
    mx_connections_make(server);
    mx_room_facts_make(server);
    mx_room_labels_make(server);
    mx_rosters_make(server);
    gg_host_every(server->host, "sliding_sync_connections", EXPIRE_EVERY_MS, true, expire, server);
    return 0;
}

static void free_all(struct mx_server *server)
{
    mx_cache_clear(server->sliding->positions);
    mx_cache_clear(server->sliding->facts);
    mx_cache_clear(server->sliding->rosters);
    mx_cache_clear(server->sliding->users);
    free(server->sliding);
    server->sliding = NULL;
}

const struct mx_part mx_part_sliding = {.name = "sliding", .make = make, .free = free_all};
