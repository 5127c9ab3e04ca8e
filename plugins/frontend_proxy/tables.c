/* The tables of the role. */
#include "tables.h"

#include <ganglion/matrix/config.h>

#define CLIENT "/_matrix/client/(api/v1|r0|v3|unstable)"
#define UPLOAD_BODY (2u << 20) /* as where it is served */

/* A listener has only what it names; what a path belongs to is told by how it begins. */
#define PASS_ALL(path_, resource_)                                                                                     \
    PASS("GET", path_, resource_, GG_ROUTE_CANCELLABLE), PASS("PUT", path_, resource_, 0),                             \
        PASS("POST", path_, resource_, 0), PASS("DELETE", path_, resource_, 0)
/* No bound of the body: the server behind has one for each of its routes. */
#define PASS(method_, path_, resource_, flags_)                                                                        \
    {                                                                                                                  \
        .method = method_, .path = path_, .handler = frontend_pass_on, .resource = resource_,                          \
        .flags = GG_ROUTE_PREFIX | GG_ROUTE_STREAMED | GG_ROUTE_LONG_POLL | GG_ROUTE_UNLISTED | GG_ROUTE_OVERLAP | (flags_),              \
        .doc = "everything else is passed on"                                                                          \
    }
#define UPLOAD(path_)                                                                                                  \
    {                                                                                                                  \
        .method = "POST", .path = path_, .handler = frontend_keys_upload, .resource = "client", .auth = GG_AUTH_GUEST, \
        .max_body = UPLOAD_BODY, .doc = "one-time keys: counted here, stored by another process"                       \
    }

const struct gg_route frontend_proxy_routes[] = {
    UPLOAD(CLIENT "/keys/upload"),
    UPLOAD(CLIENT "/keys/upload/{device_id}"),
    /* Where presence is on this is one hop too many: no proxy is told to come here. */
    {.method = "PUT",
     .path = CLIENT "/presence/{user_id}/status",
     .handler = frontend_put_presence,
     .resource = "client",
     .auth = GG_AUTH_USER,
     .flags = GG_ROUTE_UNLISTED,
     .doc = "say whether one is there; nothing where presence is off"},
    PASS_ALL("/_matrix/client/", "client"),
    PASS_ALL("/_matrix/federation/", "federation"),
    PASS_ALL("/_matrix/key/", "federation|keys"),
    PASS_ALL("/_matrix/media/", "client|media"),
    PASS_ALL("/_synapse/", "client"),
    PASS_ALL("/", "client|federation|media"),
    {0},
};
const struct gg_config_key *const frontend_proxy_keys[] = {
    mx_config_keys,
    NULL,
};
