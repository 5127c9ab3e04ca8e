/* matrix/api/media_routes.c: the routes of media: with their handlers for the role media_repository, and without for
 * processes that only know whom to ask. */
#include "api/media.h"

#include <ganglion/matrix/media.h>

#define OLD "/_matrix/media/(r0|v3|v1)"
#define FILES "{server_name}/{media_id}"
/* A slow client may take as long as bytes move: no deadline. */
#define READS (GG_ROUTE_CANCELLABLE | GG_ROUTE_LONG_POLL)

/* H(f): the handler f, or none. */
#define MEDIA_ROUTES(H)                                                                                                    \
    {.method = "POST", .path = OLD "/upload", .handler = H(mx_api_media_upload), .resource = "media",                      \
     .auth = GG_AUTH_USER, .flags = GG_ROUTE_STREAMED | GG_ROUTE_OVERLAP, .doc = "upload a file"},                         \
    {.method = "POST", .path = "/_matrix/media/v1/create", .handler = H(mx_api_media_create), .resource = "media",         \
     .auth = GG_AUTH_USER, .limiter = "rc_media_create", .doc = "announce a file that is uploaded later"},                 \
    {.method = "PUT", .path = "/_matrix/media/v3/upload/" FILES, .handler = H(mx_api_media_fill), .resource = "media",     \
     .auth = GG_AUTH_USER, .flags = GG_ROUTE_STREAMED, .doc = "upload what was announced"},                                \
    {.method = "GET", .path = OLD "/config", .handler = H(mx_api_media_config), .resource = "media",                       \
     .auth = GG_AUTH_USER, .doc = "how large uploads may be"},                                                             \
    {.method = "GET", .path = "/_matrix/client/v1/media/config", .handler = H(mx_api_media_config),                        \
     .resource = "client|media", .auth = GG_AUTH_USER, .doc = "how large uploads may be"},                                 \
    {.method = "GET", .path = OLD "/download/" FILES "(|/{file_name})", .handler = H(mx_api_media_download_old),           \
     .resource = "media", .auth = GG_AUTH_NONE, .flags = READS, .doc = "a file, without a login"},                         \
    {.method = "GET", .path = "/_matrix/client/v1/media/download/" FILES "(|/{file_name})",                                \
     .handler = H(mx_api_media_download), .resource = "client|media", .auth = GG_AUTH_GUEST, .flags = READS,               \
     .doc = "a file"},                                                                                                     \
    {.method = "GET", .path = "/_matrix/federation/v1/media/download/{media_id}",                                          \
     .handler = H(mx_api_media_download_server), .resource = "federation|media", .auth = GG_AUTH_SERVER, .flags = READS,   \
     .doc = "a file, for another server"},                                                                                 \
    {.method = "GET", .path = OLD "/thumbnail/" FILES, .handler = H(mx_api_media_thumbnail_old), .resource = "media",      \
     .auth = GG_AUTH_NONE, .flags = READS, .doc = "a smaller picture, without a login"},                                   \
    {.method = "GET", .path = "/_matrix/client/v1/media/thumbnail/" FILES, .handler = H(mx_api_media_thumbnail),           \
     .resource = "client|media", .auth = GG_AUTH_GUEST, .flags = READS, .doc = "a smaller picture"},                       \
    {.method = "GET", .path = "/_matrix/federation/v1/media/thumbnail/{media_id}",                                         \
     .handler = H(mx_api_media_thumbnail_server), .resource = "federation|media", .auth = GG_AUTH_SERVER, .flags = READS,  \
     .doc = "a smaller picture, for another server"},

#define SERVED(handler_) handler_
#define KNOWN(handler_) NULL

const struct gg_route mx_routes_media[] = {MEDIA_ROUTES(SERVED){0}};
const struct gg_route mx_routes_media_elsewhere[] = {
    MEDIA_ROUTES(KNOWN)
    {.method = "GET", .path = "/_synapse/client/media_upload_limit_exceeded", .handler = mx_api_media_limit_page,
     .resource = "client", .auth = GG_AUTH_NONE, .doc = "a page for who has sent too much"},
    {0},
};
