/* The tables of the role, each ended by NULL. */
#include "tables.h"

#include <ganglion/matrix/api.h>
#include <ganglion/matrix/config.h>

const struct gg_route *const homeserver_routes[] = {
    mx_routes_accounts_main,
    mx_routes_admin,
    mx_routes_welcome,
    NULL,
};
const struct gg_method *const homeserver_methods[] = {
    NULL,
};
const struct gg_config_key *const homeserver_keys[] = {
    mx_config_keys,
    NULL,
};
