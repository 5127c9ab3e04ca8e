/* matrix/media/thumbnails.h: smaller pictures of pictures (client-server API, "Thumbnails"): made when a picture comes, in
 * the sizes of the configuration, or when somebody asks for one (dynamic_thumbnails). */
#ifndef MX_MEDIA_THUMBNAILS_H
#define MX_MEDIA_THUMBNAILS_H

#include "media/media.h"

/* fn(arg), which decodes a picture, on a thread, of few at a time: GG_E_CANCELLED, or 503. */
GG_YIELDS GG_CHECKED int mx_picture_run(struct mx_media *media, void (*fn)(void *arg), void *arg, struct gg_error *err);

/* What is asked for. */
struct mx_thumbnail_wish {
    int32_t width, height;
    bool crop, scale;   /* neither: a method that nobody knows */
    const char *type;   /* preferred content type */
    bool animated;
};

/* Makes all sizes of the configuration of a file that is stored. What cannot be decoded has none; that is no error of the
 * upload. *width_out, *height_out (may be NULL): the picture's own size, 0 when it is none. */
GG_YIELDS void mx_thumbnails_make(struct mx_media *media, const struct mx_media_row *row, int32_t *width_out,
                                  int32_t *height_out);
/* One of exactly that size and type, which is stored and its row written. row->type, method, width, height: what is wanted;
 * length is set. GG_E_INVALID: it cannot be made (400 M_UNKNOWN). */
GG_YIELDS GG_CHECKED int mx_thumbnail_make_one(struct mx_media *media, const struct mx_media_row *of,
                                               struct mx_thumbnail_row *row, bool animated, struct gg_error *err);
/* The best of those that are there; NULL: none. Pure. */
const struct mx_thumbnail_row *mx_thumbnail_choose(const struct mx_thumbnail_row *rows, size_t n,
                                                   const struct mx_thumbnail_wish *wish);
/* The largest size within width and height that keeps the picture's proportions, never larger than it. Pure. */
void mx_thumbnail_fit(int32_t picture_width, int32_t picture_height, int32_t *width, int32_t *height);

#endif
