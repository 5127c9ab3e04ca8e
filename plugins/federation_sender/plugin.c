/* federation_sender: everything that goes to other servers by itself. Any number of them share the destinations; the
 * main process and generic workers include it when the configuration names them. */
#include <ganglion/matrix/config.h>
#include <ganglion/matrix/role.h>
#include <ganglion/matrix/sender.h>

static const struct gg_config_key *const keys[] = {mx_config_keys, NULL};

/* As with Synapse, a process of this name may have listeners for requests, and serve them. */
static const struct gg_include includes[] = {
    {.role = "generic_worker", .resource = "client"},
    {.role = "generic_worker", .resource = "federation"},
    {0},
};

MX_ROLE("federation_sender", "what goes to other servers by itself", .includes = includes, .key_groups = keys,
        .migrations = mx_sender_migrations, .load = mx_sender_load);
