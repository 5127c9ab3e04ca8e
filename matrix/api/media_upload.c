/* matrix/api/media_upload.c: uploads: their bodies go to disk as they come. */
#include "api/media.h"
#include "api/params.h"

#include "accounts/accounts.h"
#include "media/upload.h"
#include "pages/pages.h"

#include <errno.h>
#include <ganglion/buf.h>
#include <stdlib.h>

/* ---- what is announced ---- */

static int read_length(const struct gg_request *rq, int64_t *out, struct gg_error *err)
{
    const char *text = gg_request_header(rq, "Content-Length");
    char *end;
    if (text == NULL)
        return gg_refuse(err, 400, "M_UNKNOWN", "Request must specify a Content-Length");
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *out < 0)
        return gg_refuse(err, 400, "M_UNKNOWN", "Content-Length value is invalid");
    return 0;
}

static int read_head(struct gg_request *rq, struct mx_media *media, struct mx_upload *out, int64_t *length,
                     struct gg_error *err)
{
    const char *name = gg_request_query(rq, "filename"), *type = gg_request_header(rq, "Content-Type");
    int rc = read_length(rq, length, err);
    if (rc == 0 && *length > media->max_upload)
        rc = gg_refuse(err, 413, "M_TOO_LARGE", "Upload request body is too large");
    for (const char *at = type; rc == 0 && at != NULL && *at != '\0'; at++)
        if ((unsigned char)*at >= 0x7f || (unsigned char)*at < ' ')
            rc = gg_refuse(err, 400, "M_INVALID_PARAM", "The Content-Type must be ASCII");
    out->user_id = gg_str(mx_requester_of(rq)->user_id);
    out->type = gg_str(type != NULL && *type != '\0' ? type : "application/octet-stream");
    out->name = name != NULL && *name != '\0' ? gg_str(name) : (struct gg_str){0};
    return rc != 0 ? rc : mx_upload_allowed(media, out->user_id, *length, err);
}

/* ---- the body ---- */

static int read_body(struct gg_request *rq, struct mx_media *media, struct mx_media_file **out, struct gg_error *err)
{
    struct gg_buf piece = GG_BUF_INIT;
    struct mx_media_file *file = mx_media_file_new(media);
    int rc = gg_request_take(rq, &piece, err);
    while (rc == 0 && piece.n > 0 && (rc = mx_media_file_add(file, &piece, err)) == 0)
        rc = gg_request_take(rq, &piece, err);
    gg_buf_done(&piece);
    if (rc < 0)
        mx_media_file_drop(file);
    *out = rc == 0 ? file : NULL;
    return rc;
}

static int store(struct gg_request *rq, struct mx_media *media, struct mx_upload *upload, struct mx_media_row *row,
                 struct gg_error *err)
{
    struct mx_media_file *file;
    int64_t length;
    int rc = read_head(rq, media, upload, &length, err);
    if (rc == 0)
        rc = read_body(rq, media, &file, err);
    return rc == 0 ? mx_upload_store(media, upload, file, gg_request_arena(rq), row, err) : rc;
}

/* ---- handlers ---- */

static const char *uri_of(struct gg_request *rq, struct gg_str id)
{
    return gg_arena_printf(gg_request_arena(rq), "mxc://%s/%.*s", mx_server_of_request(rq)->name, GG_FMT(id));
}

int mx_api_media_upload(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_upload upload = {0};
    struct mx_media_row row;
    int rc = store(rq, mx_media_of(mx_server_of_request(rq)), &upload, &row, err);
    return rc == 0 ? gg_reply_json(rq, 200, json_pack("{s:s}", "content_uri", uri_of(rq, row.id))) : rc;
}

int mx_api_media_create(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct mx_principal *principal = gg_request_principal(rq);
    char id[MX_MEDIA_ID_SIZE];
    int64_t expires;
    int rc = mx_upload_announce(mx_media_of(mx_server_of_request(rq)), gg_str(principal->requester.user_id),
                                principal->requester.app_service != NULL && principal->unlimited, id, &expires, err);
    if (rc < 0)
        return rc;
    return gg_reply_json(rq, 200, json_pack("{s:s, s:I}", "content_uri", uri_of(rq, gg_str(id)), "unused_expires_at",
                                            (json_int_t)expires));
}

static int fill_locked(struct gg_request *rq, struct mx_media *media, struct gg_str id, struct gg_error *err)
{
    struct mx_upload upload = {.announced = id};
    struct mx_media_row row;
    int rc = mx_upload_may_fill(media, gg_str(mx_requester_of(rq)->user_id), id, err);
    if (rc == 0)
        rc = store(rq, media, &upload, &row, err);
    return rc == 0 ? gg_reply_empty_object(rq) : rc;
}

/* Two uploads to one id: the second is refused at once, and does not wait until the first has failed or not. */
int mx_api_media_fill(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str id = mx_api_param(rq, "media_id");
    struct gg_lock *lock;
    if (!gg_str_is(mx_api_param(rq, "server_name"), server->name))
        return gg_refuse(err, 404, "M_NOT_FOUND", "Non-local server name specified");
    int rc = gg_lock_try(server->host, "upload_media", id.s, &lock, err);
    if (rc < 0)
        return rc;
    if (lock == NULL)
        return gg_refuse(err, 409, "M_CANNOT_OVERWRITE_MEDIA", "Media ID cannot be overwritten");
    rc = fill_locked(rq, mx_media_of(server), id, err);
    gg_lock_release(lock);
    return rc;
}

int mx_api_media_config(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct mx_media *media = mx_media_of(mx_server_of_request(rq));
    return gg_reply_json(rq, 200, json_pack("{s:I}", "m.upload.size", (json_int_t)media->max_upload));
}

/* Where the refusal of an upload sends its reader, unless the configuration knows a better place. */
int mx_api_media_limit_page(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct mx_page_value title[] = {{"title", GG_STR("Upload limit")}};
    return mx_page_reply(rq, mx_server_of_request(rq)->accounts->pages, 200, "media_upload_limit_exceeded.html", title, 1);
}
