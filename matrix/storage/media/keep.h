/* storage/media/keep.h: which files are kept and which go: what administrators list, protect and delete, and what is too old. */
#ifndef MX_STORAGE_MEDIA_KEEP_H
#define MX_STORAGE_MEDIA_KEEP_H

#include "storage/media/media.h"

/* ---- what goes ---- */

struct mx_media_old {
    int64_t before_ts;      /* not looked at since then (ms); what never was: not made since then */
    int64_t larger_than;    /* bytes; ours alone */
    bool keep_profiles;     /* not what is an avatar of a user or a room here; ours alone */
};
/* At most limit of ours that are neither protected nor in quarantine, in the order of their ids, after that id ("" at first). Rows
 * hold what paths need. */
GG_YIELDS GG_CHECKED int mx_media_old_local(struct mx_server *server, const struct mx_media_old *old, struct gg_str after,
                                            size_t limit, struct gg_arena *arena, struct mx_media_row **out, size_t *n_out,
                                            struct gg_error *err);
/* The same of others' files, after that one (origin and id; "" at first). */
GG_YIELDS GG_CHECKED int mx_media_old_remote(struct mx_server *server, int64_t before_ts, const struct mx_media_row *after,
                                             size_t limit, struct gg_arena *arena, struct mx_media_row **out, size_t *n_out,
                                             struct gg_error *err);
/* Their rows go, with those of their thumbnails and previews. All are ours, or none. */
GG_YIELDS GG_CHECKED int mx_media_rows_remove(struct mx_server *server, const struct mx_media_row *rows, size_t n,
                                              struct gg_error *err);

/* ---- what administrators ask ---- */

/* A page of a user's files, newest first or as order says (a column of the answer; NULL: the default): JSON, in the arena. 400
 * M_INVALID_PARAM: no such order. */
struct mx_media_page {
    const char *order;
    bool backwards;
    int64_t from, limit;
};
GG_YIELDS GG_CHECKED int mx_media_of_user(struct mx_server *server, struct gg_str user_id, const struct mx_media_page *page,
                                          struct gg_arena *arena, struct gg_str *json_out, struct gg_error *err);
/* The same files as rows. */
GG_YIELDS GG_CHECKED int mx_media_rows_of_user(struct mx_server *server, struct gg_str user_id, const struct mx_media_page *page,
                                               struct gg_arena *arena, struct mx_media_row **out, size_t *n_out,
                                               struct gg_error *err);
/* At most limit ids of the user's files after that one, without what is protected or in quarantine. */
GG_YIELDS GG_CHECKED int mx_media_ids_of_user(struct mx_server *server, struct gg_str user_id, struct gg_str after, size_t limit,
                                              struct gg_arena *arena, struct gg_str **ids_out, size_t *n_out,
                                              struct gg_error *err);
/* All that is known of a file, as JSON; s NULL: nothing. */
GG_YIELDS GG_CHECKED int mx_media_info(struct mx_server *server, struct gg_str origin, struct gg_str id, struct gg_arena *arena,
                                       struct gg_str *json_out, struct gg_error *err);
/* *found_out false: there is no such file. */
GG_YIELDS GG_CHECKED int mx_media_protect(struct mx_server *server, struct gg_str id, bool safe, bool *found_out,
                                          struct gg_error *err);

/* ---- of a room ---- */

/* Where a walk over the room's events stands: newest first. */
struct mx_media_walk {
    int64_t depth, place; /* of the last event that was looked at */
    bool done;
};
#define MX_MEDIA_WALK_INIT {INT64_MAX, INT64_MAX, false}
/* JSON of the next events (at most limit) that name an mxc address. */
GG_YIELDS GG_CHECKED int mx_media_events_of_room(struct mx_server *server, struct gg_str room_id, struct mx_media_walk *walk,
                                                 size_t limit, struct gg_arena *arena, struct gg_str **out, size_t *n_out,
                                                 struct gg_error *err);

#endif
