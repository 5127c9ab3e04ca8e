/* matrix/federation/serve.c: the part of a process that answers other servers' questions about rooms. */
#include "federation/serve.h"

#include "federation/state_ids.h"
#include "parts.h"

#include <ganglion/memory.h>
#include <stdlib.h>

/* The lists of a room of 20,000 members are some 2 MB. */
enum { STATE_IDS_BYTES = 16 * 1024 * 1024 };

static int serve_make(struct mx_server *server, struct gg_error *err)
{
    struct mx_fed_serving *serving = gg_xcalloc(1, sizeof(*serving));
    server->fed_serving = serving;
    serving->state_ids = mx_cache_new(server, &(struct mx_cache_def){"federation_state_ids", STATE_IDS_BYTES, mx_fed_state_ids_drop});
    serving->flights = gg_map_new(NULL);
    return 0;
}

static void serve_free(struct mx_server *server)
{
    if (server->fed_serving == NULL)
        return;
    gg_map_free(server->fed_serving->flights);
    free(server->fed_serving);
}

const struct mx_part mx_part_fed_serving = {.name = "federation serving", .make = serve_make, .free = serve_free};
