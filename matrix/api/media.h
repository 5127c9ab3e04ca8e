/* matrix/api/media.h: handlers of media, for their table (media_routes.c). */
#ifndef MX_API_MEDIA_H
#define MX_API_MEDIA_H

#include "media/find.h"

#include <ganglion/http.h>

/* media_upload.c */
int mx_api_media_upload(void *self, struct gg_request *rq, struct gg_error *err);
int mx_api_media_create(void *self, struct gg_request *rq, struct gg_error *err);
int mx_api_media_fill(void *self, struct gg_request *rq, struct gg_error *err);
int mx_api_media_config(void *self, struct gg_request *rq, struct gg_error *err);
int mx_api_media_limit_page(void *self, struct gg_request *rq, struct gg_error *err);
/* media_download.c: of old on paths without a login, as clients do it now, and other servers */
int mx_api_media_download_old(void *self, struct gg_request *rq, struct gg_error *err);
int mx_api_media_download(void *self, struct gg_request *rq, struct gg_error *err);
int mx_api_media_download_server(void *self, struct gg_request *rq, struct gg_error *err);
/* media_thumbnail.c: likewise */
int mx_api_media_thumbnail_old(void *self, struct gg_request *rq, struct gg_error *err);
int mx_api_media_thumbnail(void *self, struct gg_request *rq, struct gg_error *err);
int mx_api_media_thumbnail_server(void *self, struct gg_request *rq, struct gg_error *err);

/* media_preview.c */
int mx_api_preview_url(void *self, struct gg_request *rq, struct gg_error *err);

enum mx_media_path { MX_MEDIA_OLD, MX_MEDIA_CLIENT, MX_MEDIA_SERVER };
/* What the request asks for, by its path and its query; also says in the answer who may embed it (Cross-Origin-Resource-
 * Policy). 400 M_INVALID_PARAM: no server name, or a timeout that is no number. */
GG_CHECKED int mx_api_media_ask(struct gg_request *rq, enum mx_media_path kind, struct mx_media_ask *out, struct gg_error *err);

#endif
