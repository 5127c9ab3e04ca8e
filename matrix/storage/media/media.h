/* matrix/storage/media/media.h: rows of local_media_repository, remote_media_cache and of their thumbnails.
 *
 * One struct for both kinds: a local file has no origin, and its file id is its media id. Every text lies in the arena
 * that was given; s NULL: SQL NULL. */
#ifndef MX_STORAGE_MEDIA_H
#define MX_STORAGE_MEDIA_H

#include <ganglion/matrix/server.h>

enum { MX_MEDIA_EMPTY = -1 }; /* length of what was announced and not uploaded yet */

struct mx_media_row {
    struct gg_str origin;           /* server name; s NULL: ours */
    struct gg_str id;               /* media id, as its origin made it */
    struct gg_str file_id;          /* what its file is called */
    struct gg_str type, name;       /* content type, name of the uploader's file */
    struct gg_str user_id;          /* ours: who uploaded it */
    struct gg_str quarantined_by;   /* s NULL: nobody may not see it */
    struct gg_str url_cache;        /* ours: the address, for what was fetched for a preview */
    struct gg_str sha256;           /* hex */
    int64_t length, created_ts, last_access_ts; /* bytes or MX_MEDIA_EMPTY; ms */
    bool authenticated;             /* only for whoever is logged in */
    bool safe_from_quarantine;
};

/* *found_out false: there is no such row. origin.s NULL: ours. */
GG_YIELDS GG_CHECKED int mx_media_row_get(struct mx_server *server, struct gg_str origin, struct gg_str id,
                                          struct gg_arena *arena, struct mx_media_row *out, bool *found_out,
                                          struct gg_error *err);

/* ---- ours ---- */

/* row->quarantined_by is set when content with that hash is in quarantine: then this is, too. */
GG_YIELDS GG_CHECKED int mx_media_local_add(struct mx_server *server, struct mx_media_row *row, struct gg_arena *arena,
                                            struct gg_error *err);
/* What was announced gets its content, and is judged likewise. *filled_out false: somebody else was faster, or it is gone. */
GG_YIELDS GG_CHECKED int mx_media_local_fill(struct mx_server *server, struct mx_media_row *row, struct gg_arena *arena,
                                             bool *filled_out, struct gg_error *err);
/* Announced and not uploaded, by that user since that time; the first of them, 0: none. */
GG_YIELDS GG_CHECKED int mx_media_local_pending(struct mx_server *server, struct gg_str user_id, int64_t since_ms,
                                                int64_t *n_out, int64_t *first_ts_out, struct gg_error *err);
/* Bytes that the user uploaded since that time. */
GG_YIELDS GG_CHECKED int mx_media_local_uploaded(struct mx_server *server, struct gg_str user_id, int64_t since_ms,
                                                 int64_t *bytes_out, struct gg_error *err);

/* ---- others' ---- */

/* *added_out false: another process has fetched it meanwhile. */
GG_YIELDS GG_CHECKED int mx_media_remote_add(struct mx_server *server, const struct mx_media_row *row, bool *added_out,
                                             struct gg_error *err);

/* ---- both ---- */

/* Looked at: origins[i].s NULL for ours. */
GG_YIELDS GG_CHECKED int mx_media_touch(struct mx_server *server, const struct gg_str *origins, const struct gg_str *ids,
                                        size_t n, int64_t now_ms, struct gg_error *err);

/* ---- thumbnails ---- */

struct mx_thumbnail_row {
    int32_t width, height;
    struct gg_str type, method; /* content type; "crop" or "scale" */
    int64_t length;
};
GG_YIELDS GG_CHECKED int mx_thumbnail_rows(struct mx_server *server, const struct mx_media_row *media,
                                           struct gg_arena *arena, struct mx_thumbnail_row **out, size_t *n_out,
                                           struct gg_error *err);
/* Adds all, or puts right what is there of a size, type and method, of which no two are alike. */
GG_YIELDS GG_CHECKED int mx_thumbnail_rows_put(struct mx_server *server, const struct mx_media_row *media,
                                               const struct mx_thumbnail_row *rows, size_t n, struct gg_error *err);

#endif
