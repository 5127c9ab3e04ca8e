/* The tables of the role, each ended by NULL. */
#include "tables.h"

#include <ganglion/matrix/api.h>
#include <ganglion/matrix/config.h>
#include <ganglion/matrix/media.h>

const struct gg_route *const media_repository_routes[] = {
    mx_routes_media,
    mx_routes_media_upkeep,
    NULL,
};
const struct gg_method *const media_repository_methods[] = {
    mx_methods_media,
    NULL,
};
const struct gg_config_key *const media_repository_keys[] = {
    mx_config_keys,
    NULL,
};
