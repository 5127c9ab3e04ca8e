/* matrix/media/file.h: a file that is being written, piece by piece, and its hash. It gets its name when it is whole:
 * what dies with the process leaves nothing but a file in the folder of unfinished ones. */
#ifndef MX_MEDIA_FILE_H
#define MX_MEDIA_FILE_H

#include "media/disk.h"
#include "media/media.h"

#include <ganglion/buf.h>

struct mx_media_file;

/* Nothing is on the disk yet. */
struct mx_media_file *mx_media_file_new(struct mx_media *media);
/* Makes it there, so that mx_media_file_add_now need not. On the thread pool, as all that waits for the disk. */
GG_YIELDS GG_CHECKED int mx_media_file_begin(struct mx_media_file *file, struct gg_error *err);
/* Takes the piece over; what it has afterwards is empty, and memory for the next. What does not fit into one piece of an
 * upload goes to the disk while the next comes; what does costs one visit to a thread, in mx_media_file_keep. */
GG_YIELDS GG_CHECKED int mx_media_file_add(struct mx_media_file *file, struct gg_buf *piece, struct gg_error *err);
/* Without a wait, for callbacks of the loop: small pieces only. Not after mx_media_file_add. False: the disk refused. */
bool mx_media_file_add_now(struct mx_media_file *file, const void *data, size_t n);
/* Whole: it is on disk under that path, whose folders are made, when this returns. sha256_out: hex. The file is no
 * longer the caller's, also when it fails. */
GG_YIELDS GG_CHECKED int mx_media_file_keep(struct mx_media_file *file, const char *path, char sha256_out[65],
                                            struct gg_error *err);
/* Given up. NULL is fine. */
void mx_media_file_drop(struct mx_media_file *file);
int64_t mx_media_file_length(const struct mx_media_file *file);
/* Begins anew, with nothing in it: another try of a transfer. False: the disk refused. */
bool mx_media_file_restart(struct mx_media_file *file);

/* A name that nobody has in the folder of unfinished files below root. */
void mx_media_scratch_name(const char *root, char out[MX_DISK_PATH]);
/* The name of a file below the folder of unfinished ones, in the arena; the folder is there. */
GG_YIELDS GG_CHECKED int mx_media_scratch_path(struct mx_media *media, struct gg_arena *arena, const char **out,
                                               struct gg_error *err);
/* Moves what lies at from to path, whose folders are made. */
GG_YIELDS GG_CHECKED int mx_media_move(const char *from, const char *path, struct gg_error *err);
/* Removes files of the folder of unfinished ones that nobody has touched for a day. */
GG_YIELDS void mx_media_sweep_scratch(struct mx_media *media);

#endif
