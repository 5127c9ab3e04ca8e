/* homeserver: the main process. It is the sum of the roles that the config has
 * not given to other processes, and what only one process may serve. */
#include "tables.h"

#include <ganglion/matrix/role.h>

static const struct gg_include includes[] = {
    {.role = "generic_worker"},
    {.role = "pusher", .duty = "pusher"},
    {.role = "appservice", .duty = "appservice"},
    {.role = "federation_sender", .duty = "federation_sender"},
    {.role = "media_repository", .duty = "media_repository"},
    {.role = "user_dir", .duty = "user_dir"},
    {0},
};

MX_ROLE("homeserver", "the main process", .includes = includes, .key_groups = homeserver_keys,
        .route_groups = homeserver_routes, .method_groups = homeserver_methods, .load = mx_role_load);
