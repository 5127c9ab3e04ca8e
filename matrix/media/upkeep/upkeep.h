/* media/upkeep/upkeep.h: files that go: what administrators delete or hide, and what is kept long enough. */
#ifndef MX_MEDIA_UPKEEP_H
#define MX_MEDIA_UPKEEP_H

#include "media/media.h"
#include "storage/media/keep.h"

/* ---- the end of files (remove.c) ---- */

/* The files, with their thumbnails, and then their rows, so that what is interrupted is found again. All are ours, or none. A file that
 * cannot be removed is told to the log and keeps its row. *n_out (may be NULL): how many went; gone (may be NULL): appends their ids to
 * a JSON array. */
GG_YIELDS GG_CHECKED int mx_media_remove(struct mx_media *media, const struct mx_media_row *rows, size_t n, json_t *gone,
                                         int64_t *n_out, struct gg_error *err);
/* All of ours, or of others', that is so old. */
GG_YIELDS GG_CHECKED int mx_media_remove_old_local(struct mx_media *media, const struct mx_media_old *old, json_t *gone,
                                                   int64_t *n_out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_media_remove_old_remote(struct mx_media *media, int64_t before_ts, int64_t *n_out,
                                                    struct gg_error *err);
/* The files of rows alone, on the thread pool; removed[i]: nothing of it is left on disk. */
GG_YIELDS GG_CHECKED int mx_media_remove_files(struct mx_media *media, const struct mx_media_row *rows, size_t n, bool *removed,
                                               struct gg_error *err);

/* ---- quarantine (quarantine.c): nobody may see it, whoever uploads or sends the same content ---- */

/* by: the administrator who puts it there; s NULL: it leaves. *n_out: files that were changed. Asks the writer of the stream. */
GG_YIELDS GG_CHECKED int mx_quarantine_one(struct mx_server *server, struct gg_str origin, struct gg_str id, struct gg_str by,
                                           int64_t *n_out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_quarantine_user(struct mx_server *server, struct gg_str user_id, struct gg_str by, int64_t *n_out,
                                            struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_quarantine_room(struct mx_server *server, struct gg_str room_id, struct gg_str by, int64_t *n_out,
                                            struct gg_error *err);

/* ---- of a room (of_room.c) ---- */

struct mx_mxc { /* views into the text of an event */
    struct gg_str origin, id;
};
/* Calls fn for what the room's events name as their file or its thumbnail, a batch of events at a time; another status than 0 ends the
 * walk and is returned. */
typedef GG_YIELDS int mx_media_of_room_fn(void *arg, const struct mx_mxc *files, size_t n, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_media_of_room(struct mx_server *server, struct gg_str room_id, mx_media_of_room_fn *fn, void *arg,
                                          struct gg_error *err);
/* "mxc://origin/id", as an event holds it. */
bool mx_mxc_split(struct gg_str text, struct mx_mxc *out);

#endif
