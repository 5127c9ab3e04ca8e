/* generic_worker: every request that more than one process may serve. */
#include "tables.h"

#include <ganglion/matrix/role.h>

/* Today's Synapse names any worker for these duties; the code of each lies in a file of its own. */
static const struct gg_include includes[] = {
    {.role = "pusher", .duty = "pusher"},
    {.role = "appservice", .duty = "appservice"},
    {.role = "federation_sender", .duty = "federation_sender"},
    {.role = "media_repository", .duty = "media_repository", .resource = "media"},
    {.role = "user_dir", .duty = "user_dir"},
    {0},
};

MX_ROLE("generic_worker", "requests of clients and servers", .includes = includes, .key_groups = generic_worker_keys,
        .route_groups = generic_worker_routes, .method_groups = generic_worker_methods,
        .load = mx_role_load);
