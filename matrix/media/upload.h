/* matrix/media/upload.h: what users upload: at once, or announced first and filled later (client-server API, "Content
 * repository", POST /upload, POST /create, PUT /upload/{serverName}/{mediaId}). */
#ifndef MX_MEDIA_UPLOAD_H
#define MX_MEDIA_UPLOAD_H

#include "media/file.h"

struct mx_upload {
    struct gg_str user_id;
    struct gg_str type, name;  /* content type; name.s NULL: none */
    struct gg_str announced;   /* media id that the user was given before; s NULL: a new one is made */
    struct gg_str url_cache;   /* the address, for what was fetched for a preview; s NULL: an upload */
    struct gg_str id;          /* to be taken for a new one; s NULL: any */
};

/* May the user upload that many bytes now? 403 M_USER_LIMIT_EXCEEDED (media_upload_limits). */
GG_YIELDS GG_CHECKED int mx_upload_allowed(struct mx_media *media, struct gg_str user_id, int64_t bytes,
                                           struct gg_error *err);
/* Takes the file over, also when it fails. *row_out, in the arena: as it is stored. Its thumbnails are made before this
 * returns, as clients ask for them at once. */
GG_YIELDS GG_CHECKED int mx_upload_store(struct mx_media *media, const struct mx_upload *upload,
                                         struct mx_media_file *file, struct gg_arena *arena, struct mx_media_row *row_out,
                                         struct gg_error *err);

/* A new id for the user, and until when (ms) it may be filled. 429 M_LIMIT_EXCEEDED: too many are not filled yet;
 * unlimited: of an application service that no limit holds for. */
GG_YIELDS GG_CHECKED int mx_upload_announce(struct mx_media *media, struct gg_str user_id, bool unlimited,
                                            char id_out[MX_MEDIA_ID_SIZE], int64_t *expires_out, struct gg_error *err);
/* May the user fill it? 404 M_NOT_FOUND, 403 M_FORBIDDEN, 409 M_CANNOT_OVERWRITE_MEDIA. */
GG_YIELDS GG_CHECKED int mx_upload_may_fill(struct mx_media *media, struct gg_str user_id, struct gg_str id,
                                            struct gg_error *err);

#endif
