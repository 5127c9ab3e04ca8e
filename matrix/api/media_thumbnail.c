/* matrix/api/media_thumbnail.c: smaller pictures: the best that was made, or one made for the asker. */
#include "api/media.h"
#include "api/params.h"

#include "media/serve.h"
#include "media/stores.h"
#include "media/thumbnails.h"

static int read_side(struct gg_request *rq, const char *key, int32_t *out, struct gg_error *err)
{
    int64_t value;
    if (gg_request_query(rq, key) == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing integer query parameter '%s'", key);
    int rc = gg_request_query_i64(rq, key, 0, &value, err);
    if (rc == 0 && (value < 1 || value > INT32_MAX))
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter '%s' must be positive", key);
    *out = rc == 0 ? (int32_t)value : 0;
    return rc;
}

static int read_wish(struct gg_request *rq, struct mx_thumbnail_wish *out, struct gg_error *err)
{
    const char *method = gg_request_query(rq, "method");
    bool animated = false;
    int rc = read_side(rq, "width", &out->width, err);
    if (rc == 0)
        rc = read_side(rq, "height", &out->height, err);
    if (rc == 0)
        rc = gg_request_query_bool(rq, "animated", false, &animated, err);
    out->scale = method == NULL || strcmp(method, "scale") == 0;
    out->crop = !out->scale && strcmp(method, "crop") == 0;
    out->animated = animated;
    out->type = animated ? "image/webp" : "image/png"; /* what the specification prefers for what moves */
    return rc;
}

/* What is wanted itself, if it was ever made. */
static const struct mx_thumbnail_row *exact(const struct mx_thumbnail_row *rows, size_t n, const struct mx_thumbnail_row *wanted)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].width == wanted->width && rows[i].height == wanted->height && gg_str_eq(rows[i].type, wanted->type) &&
            gg_str_eq(rows[i].method, wanted->method))
            return &rows[i];
    return NULL;
}

static int nothing_made(struct gg_request *rq, struct gg_error *err)
{
    return gg_refuse(err, 400, "M_UNKNOWN",
                     "Cannot find any thumbnails for the requested media ('%s'). This might mean the media is not a"
                     " supported_media_format=(image/jpeg, image/jpg, image/webp, image/gif, image/png) or that thumbnailing"
                     " failed for some other reason. (Dynamic thumbnails are disabled on this server.)",
                     gg_request_path(rq));
}

/* Which one: for a server that makes any size, exactly the one that is asked for. */
static int choose(struct gg_request *rq, const struct mx_media *media, const struct mx_media_row *row,
                  const struct mx_thumbnail_wish *wish, struct mx_thumbnail_row *out, bool *made_out, struct gg_error *err)
{
    struct mx_thumbnail_row *rows;
    size_t n;
    int rc = mx_thumbnail_rows(media->server, row, gg_request_arena(rq), &rows, &n, err);
    if (rc != 0)
        return rc;
    const struct mx_thumbnail_row wanted = {.width = wish->width, .height = wish->height, .type = gg_str(wish->type),
                                            .method = wish->crop ? GG_STR("crop") : GG_STR("scale")};
    const struct mx_thumbnail_row *found = media->dynamic ? exact(rows, n, &wanted) : mx_thumbnail_choose(rows, n, wish);
    *made_out = found != NULL;
    if (found != NULL || (media->dynamic && (wish->crop || wish->scale))) {
        *out = found != NULL ? *found : wanted;
        return 0;
    }
    return n == 0 && !media->dynamic ? nothing_made(rq, err) : mx_media_not_found(rq, err);
}

static int thumbnail(struct gg_request *rq, enum mx_media_path kind, struct gg_error *err)
{
    struct mx_media *media = mx_media_of(mx_server_of_request(rq));
    struct mx_media_ask ask;
    struct mx_media_row row;
    struct mx_thumbnail_wish wish = {0};
    struct mx_thumbnail_row chosen;
    bool made = false;
    int rc = mx_api_media_ask(rq, kind, &ask, err);
    if (rc == 0)
        rc = read_wish(rq, &wish, err);
    if (rc == 0 && (rc = mx_media_find(media, &ask, gg_request_arena(rq), &row, err)) < 0 && err->http_status == 404)
        return mx_media_not_found(rq, err);
    if (rc < 0 || mx_media_client_has_it(rq))
        return rc;
    if ((rc = choose(rq, media, &row, &wish, &chosen, &made, err)) < 0)
        return rc;
    struct mx_media_serving what = {.type = chosen.type, .multipart = kind == MX_MEDIA_SERVER, .fd = -1};
    if (made)
        what.fd = mx_media_open(media, &row, &chosen, &what.length);
    if (what.fd < 0) { /* deleted, or never made in that size */
        rc = mx_thumbnail_make_one(media, &row, &chosen, gg_str_is(chosen.type, "image/webp"), err);
        if (rc == 0)
            what.fd = mx_media_open(media, &row, &chosen, &what.length);
    }
    return rc == 0 ? mx_media_serve(rq, &what, err) : rc;
}

int mx_api_media_thumbnail_old(void *self, struct gg_request *rq, struct gg_error *err)
{
    return thumbnail(rq, MX_MEDIA_OLD, err);
}

int mx_api_media_thumbnail(void *self, struct gg_request *rq, struct gg_error *err)
{
    return thumbnail(rq, MX_MEDIA_CLIENT, err);
}

int mx_api_media_thumbnail_server(void *self, struct gg_request *rq, struct gg_error *err)
{
    return thumbnail(rq, MX_MEDIA_SERVER, err);
}
