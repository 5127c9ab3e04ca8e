/* generic_worker: every request that more than one process may serve. */
#include "tables.h"

#include <ganglion/matrix/config.h>
#include <ganglion/matrix/server.h>

static const char *const worker_apps[] = {"synapse.app.generic_worker", NULL};

/* Today's Synapse names any worker for these duties; the code of each lies in a file of its own. */
static const struct gg_include includes[] = {
    {.role = "pusher", .duty = "pusher"},
    {.role = "appservice", .duty = "appservice"},
    {.role = "federation_sender", .duty = "federation_sender"},
    {.role = "media_repository", .duty = "media_repository", .resource = "media"},
    {.role = "user_dir", .duty = "user_dir"},
    {0},
};

static int check(const struct gg_host *host, struct gg_error *err)
{
    return mx_config_check(gg_host_config(host), err);
}

GG_PLUGIN("generic_worker", .version = GANGLION_VERSION, .summary = "requests of clients and servers",
          .license = "Apache-2.0", .worker_apps = worker_apps, .includes = includes, .key_groups = generic_worker_keys,
          .route_groups = generic_worker_routes, .method_groups = generic_worker_methods, .check = check,
          .load = mx_role_load);
