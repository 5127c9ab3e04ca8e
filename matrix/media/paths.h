/* matrix/media/paths.h: where files lie below media_store_path: Synapse's folders, so that either finds the other's. */
#ifndef MX_MEDIA_PATHS_H
#define MX_MEDIA_PATHS_H

#include "storage/media/media.h"

#include <ganglion/buf.h>

/* The path of a file, or of one of its thumbnails (thumbnail NULL: of the file itself), into out. False: a part of it
 * could lead out of the folder, or is too short to be an id of ours; out is then not to be used. */
bool mx_media_path(const char *root, const struct mx_media_row *media, const struct mx_thumbnail_row *thumbnail,
                   struct gg_buf *out);
/* The folder that holds all thumbnails of a file. */
bool mx_media_thumbnail_folder(const char *root, const struct mx_media_row *media, struct gg_buf *out);
/* How old Synapses called a thumbnail of another server's file: without the method. */
bool mx_media_old_thumbnail_path(const char *root, const struct mx_media_row *media,
                                 const struct mx_thumbnail_row *thumbnail, struct gg_buf *out);

#endif
