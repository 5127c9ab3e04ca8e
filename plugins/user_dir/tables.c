/* The tables of the role, each ended by NULL. */
#include "tables.h"

#include <ganglion/matrix/api.h>
#include <ganglion/matrix/config.h>

const struct gg_route *const user_dir_routes[] = {
    mx_routes_user_directory,
    NULL,
};
const struct gg_config_key *const user_dir_keys[] = {
    mx_config_keys,
    NULL,
};
