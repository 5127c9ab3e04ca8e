/* matrix/media/stores.h: where files are found, and the further folders that copies of them go to
 * (media_storage_providers). */
#ifndef MX_MEDIA_STORES_H
#define MX_MEDIA_STORES_H

#include "media/media.h"

struct mx_media_store { /* one of them; laid out as media_store_path is */
    const char *root;
    bool local, remote;  /* takes what was uploaded here; what was fetched from other servers */
    bool wait;           /* a file counts as stored only when the copy is there */
};

/* Reads the configuration; a module that is not ours is refused by its name. */
GG_CHECKED int mx_media_stores_read(struct mx_media *media, struct gg_error *err);
/* Makes their folders. */
GG_CHECKED int mx_media_stores_make(struct mx_media *media, struct gg_error *err);

/* Copies a file that was just stored, or one of its thumbnails (NULL: the file itself), to those that take it. What was
 * fetched for a preview is short-lived and goes nowhere. */
GG_YIELDS GG_CHECKED int mx_media_stores_add(struct mx_media *media, const struct mx_media_row *row,
                                             const struct mx_thumbnail_row *thumbnail, struct gg_error *err);
/* Opens a file, or one of its thumbnails, from wherever it is. The descriptor, which is the caller's; -1: it is nowhere. */
GG_YIELDS int mx_media_open(struct mx_media *media, const struct mx_media_row *row, const struct mx_thumbnail_row *thumbnail,
                            int64_t *length_out);
/* Is the file anywhere? */
GG_YIELDS bool mx_media_there(struct mx_media *media, const struct mx_media_row *row);
/* Copies a file that only a further folder has back to media_store_path, where pictures are read. */
GG_YIELDS void mx_media_bring(struct mx_media *media, const struct mx_media_row *row);

#endif
