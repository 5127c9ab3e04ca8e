/* homeserver: the main process. It is the sum of the roles that the config has
 * not given to other processes, and what only one process may serve. */
#include "tables.h"

#include <ganglion/matrix/config.h>
#include <ganglion/matrix/server.h>

static const char *const worker_apps[] = {"synapse.app.homeserver", NULL};

static const struct gg_include includes[] = {
    {.role = "generic_worker"},
    {.role = "pusher", .duty = "pusher"},
    {.role = "appservice", .duty = "appservice"},
    {.role = "federation_sender", .duty = "federation_sender"},
    {.role = "media_repository", .duty = "media_repository"},
    {.role = "user_dir", .duty = "user_dir"},
    {0},
};

static int check(const struct gg_host *host, struct gg_error *err)
{
    return mx_config_check(gg_host_config(host), err);
}

GG_PLUGIN("homeserver", .version = GANGLION_VERSION, .summary = "the main process", .license = "Apache-2.0",
          .worker_apps = worker_apps, .includes = includes, .key_groups = homeserver_keys,
          .route_groups = homeserver_routes, .method_groups = homeserver_methods, .check = check, .load = mx_role_load);
