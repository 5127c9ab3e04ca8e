/* admin_media_routes.c: the routes of the admin API about media, and previews of links: served by the role media_repository, and known
 * to the others (facts http-api 2 and 5). */
#include <ganglion/matrix/api.h>

#include "api/admin_media.h"
#include "api/media.h"

#define V1 "/_synapse/admin/v1"
#define READ(path_, handler_, doc_)                                                                                        \
    {.method = "GET", .path = path_, .handler = handler_, .resource = "media", .auth = GG_AUTH_ADMIN,                      \
     .flags = GG_ROUTE_CANCELLABLE, .doc = doc_}
/* Files go one by one, and rooms are long. */
#define WRITE(method_, path_, handler_, doc_)                                                                              \
    {.method = method_, .path = path_, .handler = handler_, .resource = "media", .auth = GG_AUTH_ADMIN,                    \
     .deadline_ms = 3600000, .doc = doc_}

/* H(f): the handler f, or none. */
#define ROUTES(H)                                                                                                          \
    {.method = "GET", .path = "/_matrix/media/(r0|v3|v1)/preview_url", .handler = H(mx_api_preview_url),                   \
     .resource = "media", .auth = GG_AUTH_USER, .flags = GG_ROUTE_CANCELLABLE, .doc = "preview of a link"},                \
    {.method = "GET", .path = "/_matrix/client/v1/media/preview_url", .handler = H(mx_api_preview_url),                    \
     .resource = "client|media", .auth = GG_AUTH_USER, .flags = GG_ROUTE_CANCELLABLE, .doc = "preview of a link"},         \
    WRITE("POST", V1 "/purge_media_cache", H(mx_admin_api_purge_media_cache), "delete other servers' files"),              \
    READ(V1 "/room/{room_id}/media", H(mx_admin_api_room_media), "files of a room"),                                       \
    WRITE("POST", V1 "/room/{room_id}/media/quarantine", H(mx_admin_api_quarantine_room), "hide the files of a room"),     \
    WRITE("POST", V1 "/quarantine_media/{room_id}", H(mx_admin_api_quarantine_room), "the same, of old"),                  \
    WRITE("POST", V1 "/user/{user_id}/media/quarantine", H(mx_admin_api_quarantine_user), "hide the files of a user"),     \
    WRITE("POST", V1 "/media/quarantine/{server_name}/{media_id}", H(mx_admin_api_quarantine), "hide a file"),             \
    WRITE("POST", V1 "/media/unquarantine/{server_name}/{media_id}", H(mx_admin_api_unquarantine), "show a file again"),   \
    READ(V1 "/media/quarantine_changes", H(mx_admin_api_quarantine_changes), "what was hidden and shown again"),           \
    WRITE("POST", V1 "/media/protect/{media_id}", H(mx_admin_api_media_protect), "no quarantine for a file"),              \
    WRITE("POST", V1 "/media/unprotect/{media_id}", H(mx_admin_api_media_unprotect), "quarantine for a file, too"),        \
    WRITE("POST", V1 "/media/delete", H(mx_admin_api_media_delete_old), "delete old or large files"),                      \
    WRITE("POST", V1 "/media/{server_name}/delete", H(mx_admin_api_media_delete_old), "the same, of old"),                 \
    READ(V1 "/media/{server_name}/{media_id}", H(mx_admin_api_media_info), "facts about a file"),                          \
    WRITE("DELETE", V1 "/media/{server_name}/{media_id}", H(mx_admin_api_media_delete), "delete a file"),                  \
    READ(V1 "/users/{user_id}/media", H(mx_admin_api_user_media), "files of a user"),                                      \
    WRITE("DELETE", V1 "/users/{user_id}/media", H(mx_admin_api_user_media_delete), "delete files of a user"),

#define SERVED(handler_) handler_
#define KNOWN(handler_) NULL

const struct gg_route mx_routes_media_upkeep[] = {ROUTES(SERVED){0}};
const struct gg_route mx_routes_media_upkeep_elsewhere[] = {ROUTES(KNOWN){0}};
