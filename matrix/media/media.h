/* matrix/media/media.h: what a process keeps for media. Every process has it; the role media_repository makes it work. */
#ifndef MX_MEDIA_MEDIA_H
#define MX_MEDIA_MEDIA_H

#include "accounts/bucket.h"
#include "parts.h"
#include "storage/media/media.h"

#include <ganglion/fiber.h>
#include <ganglion/map.h>
#include <ganglion/matrix/media.h>

struct mx_media_size { /* one of thumbnail_sizes */
    int32_t width, height;
    bool crop;
};

struct mx_media_limit { /* one of media_upload_limits */
    int64_t period_ms, max_bytes;
    const char *info_uri; /* NULL: our own page */
    bool can_upgrade;
};

struct mx_media_store;

struct mx_media {
    struct mx_server *server;
    const struct mx_images *images;    /* NULL: this process does not serve media */
    const char *root;                  /* media_store_path */
    int64_t max_upload, max_pixels;    /* bytes; width times height */
    int64_t unused_ms, max_pending;
    bool authenticated, dynamic, sweeps; /* sweeps: the one process that looks after the folder of unfinished files */
    struct mx_media_size *sizes;
    size_t n_sizes;
    struct mx_media_limit *limits;     /* longest period first */
    size_t n_limits;
    struct mx_media_store *stores;     /* further folders (stores.h) */
    size_t n_stores, copies;           /* copies: on their way to them, that nobody waits for */
    struct mx_rate remote_rate;        /* bytes that one address may make us fetch */
    struct mx_buckets *addresses;
    struct gg_map *prevented;          /* server names whose media nobody gets */
    struct gg_map *fetches;            /* of other servers' files, that run now (fetch.c) */
    struct gg_map *seen;               /* looked at since they were last written down (seen.c) */
    struct gg_scope *scope;            /* fibers of this part */
    unsigned scaling;                  /* pictures that are decoded now: bounds what that takes (thumbnails.c) */
    struct gg_cond scaled;
    struct gg_arena *arena;
};

static inline struct mx_media *mx_media_of(const struct mx_server *server)
{
    return server->media;
}

/* Whoever is not logged in may not see it (enable_authenticated_media, the freeze). */
static inline bool mx_media_hidden(const struct mx_media *media, const struct mx_media_row *row, bool logged_in)
{
    return media->authenticated && row->authenticated && !logged_in;
}

enum { MX_MEDIA_ID_SIZE = 25 };
/* 24 letters, as Synapse names media and files. */
void mx_media_new_id(char out[MX_MEDIA_ID_SIZE]);

/* ---- seen.c: last_access_ts, written once a minute ---- */
void mx_media_seen(struct mx_media *media, struct gg_str origin, struct gg_str id);
void mx_media_write_seen(void *media); /* GG_YIELDS */

#endif
