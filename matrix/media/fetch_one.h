/* matrix/media/fetch_one.h: one transfer of one file of another server. For fetch.c. */
#ifndef MX_MEDIA_FETCH_ONE_H
#define MX_MEDIA_FETCH_ONE_H

#include "media/media.h"

struct mx_fetch_one {
    struct mx_media *media;
    struct gg_arena *arena;       /* lives as long as this */
    struct gg_str origin, id;     /* NUL-terminated */
    int64_t timeout_ms;           /* how long the origin may wait for an upload */
    const char *address;          /* on whose account; NULL: nobody's */
};

/* Fetches, stores, and makes the thumbnails. 404 as the origin told it; 502; 429: the address has had enough. */
GG_YIELDS GG_CHECKED int mx_fetch_one(const struct mx_fetch_one *one, struct gg_error *err);

#endif
