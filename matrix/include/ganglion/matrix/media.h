/* ganglion/matrix/media.h: media, as the role media_repository serves them, and what it lends for that: a decoder of
 * pictures. */
#ifndef GANGLION_MATRIX_MEDIA_H
#define GANGLION_MATRIX_MEDIA_H

#include <ganglion/matrix/server.h>
#include <ganglion/plugin.h>

/* What a picture is, by its header. */
struct mx_image_info {
    int32_t width, height;  /* upright, as its orientation says */
    int32_t frames;         /* 1: it does not move */
    bool alpha;             /* it has a plane of transparency that is used */
};

/* One picture made of another. */
struct mx_image_task {
    const char *out;        /* path; a file that is there is replaced */
    const char *type;       /* "image/jpeg", "image/png" or "image/webp" */
    int32_t width, height;  /* of what comes out, exactly */
    bool crop;              /* what juts out is cut off, the middle is kept; else the picture is stretched to the size */
    bool animated;          /* all frames (image/webp only); else the first */
    int64_t length;         /* set: bytes that were written, 0: it could not be made */
};

/* They run on a thread of the pool, several at once: no fiber, no arena. 0, or a negative status and why (a line).
 * Only JPEG, PNG, GIF and WebP are looked at, by their first bytes, whatever anybody calls them; none with max_pixels or
 * more. */
struct mx_images {
    int (*inspect)(const char *path, int64_t max_pixels, struct mx_image_info *out, char *why, size_t size);
    /* Larger ones stand before smaller ones: these may be made of those. The status is that of the first that failed;
     * others may be there all the same. */
    int (*make)(const char *source, int64_t max_pixels, struct mx_image_task *tasks, size_t n, char *why, size_t size);
};

/* load() of the role: this process serves media, with those functions (borrowed). *self_out is the server. */
GG_API GG_CHECKED int mx_media_load(struct gg_host *host, const struct mx_images *images, void **self_out,
                                    struct gg_error *err);

GG_API extern const struct gg_route mx_routes_media[];
/* The same, for processes that only know them: they are forwarded. And a page that every process for clients shows. */
GG_API extern const struct gg_route mx_routes_media_elsewhere[];

#endif
