/* matrix/push/part.c: push as a part of the process. */
#include "parts.h"
#include "push/push.h"

#include <ganglion/config.h>
#include <ganglion/memory.h>
#include <stdlib.h>

static int make(struct mx_server *server, struct gg_error *err)
{
    struct mx_push *push = server->push = gg_xcalloc(1, sizeof(*push));
    push->server = server;
    push->enabled = gg_config_bool(server->config, "push.enabled");
    push->count_unread = gg_config_bool(server->config, "experimental_features.msc2654_enabled");
    push->unstable_threads = gg_config_bool(server->config, "experimental_features.msc3773_enabled");
    return 0;
}

static void free_part(struct mx_server *server)
{
    free(server->push);
    server->push = NULL;
}

const struct mx_part mx_part_push = {.name = "push", .make = make, .free = free_part};
