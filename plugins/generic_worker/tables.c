/* The tables of the role, each ended by NULL. */
#include "tables.h"

#include <ganglion/matrix/api.h>
#include <ganglion/matrix/config.h>
#include <ganglion/matrix/media.h>

const struct gg_route *const generic_worker_routes[] = {
    mx_routes_accounts,
    mx_routes_accounts_main,
    mx_routes_admin,
    mx_routes_rooms,
    mx_routes_delayed,
    mx_routes_sync,
    mx_routes_federation_send,
    mx_routes_sliding,
    mx_routes_push,
    mx_routes_userdata,
    mx_routes_presence,
    mx_routes_old_sync,
    mx_routes_e2ee,
    mx_routes_federation_keys,
    mx_routes_federation_people,
    mx_routes_groups,
    mx_routes_federation_groups,
    mx_routes_user_directory,
    mx_routes_appservice,
    mx_routes_federation_proxy,
    mx_routes_federation_devices,
    mx_routes_federation_rooms,
    mx_routes_federation_membership,
    mx_routes_federation_whitelist,
    mx_routes_pushers,
    mx_routes_media_elsewhere,
    mx_routes_media_upkeep_elsewhere,
    NULL,
};
const struct gg_method *const generic_worker_methods[] = {
    mx_methods_accounts,
    mx_methods_federation,
    mx_methods_userdata,
    mx_methods_push,
    mx_methods_pushers,
    mx_methods_e2ee,
    mx_methods_peers,
    mx_methods_presence,
    mx_methods_remote_membership,
    mx_methods_media,
    mx_methods_delayed,
    NULL,
};
const struct gg_config_key *const generic_worker_keys[] = {
    mx_config_keys,
    NULL,
};
