/* keep.c: which files are too old, and their rows' end. */
#include "storage/media/keep.h"

/* ---- too old ---- */

/* An avatar may stand in a profile, in a membership, in the directory or over a room. */
#define IN(table_, column_) " AND NOT EXISTS (SELECT 1 FROM " table_ " WHERE " column_ " = $5::text || m.media_id)"
#define OLD_LOCAL                                                                                                        \
    "SELECT media_id, url_cache FROM local_media_repository m WHERE media_id > $1 AND COALESCE(last_access_ts, created_ts) <" \
    " $2 AND media_length > $3 AND quarantined_by IS NULL AND NOT safe_from_quarantine"
#define LIMITED " ORDER BY media_id LIMIT $4"
static const struct gg_stmt old_local = {OLD_LOCAL LIMITED, GG_LANE_SCAN};
static const struct gg_stmt old_local_but_avatars = {
    OLD_LOCAL IN("profiles", "avatar_url") IN("room_memberships", "avatar_url") IN("user_directory", "avatar_url")
        IN("room_stats_state", "avatar") LIMITED, GG_LANE_SCAN};

int mx_media_old_local(struct mx_server *server, const struct mx_media_old *old, struct gg_str after, size_t limit,
                       struct gg_arena *arena, struct mx_media_row **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    const char *prefix = gg_arena_printf(arena, "mxc://%s/", server->name);
    const struct gg_param params[] = {gg_p_str(after), gg_p_i64(old->before_ts), gg_p_i64(old->larger_than),
                                      gg_p_i64((int64_t)limit), gg_p_text(prefix)};
    int rc = gg_db_read(server->db, old->keep_profiles ? &old_local_but_avatars : &old_local, params,
                        old->keep_profiles ? GG_COUNT(params) : GG_COUNT(params) - 1, arena, &rows, err);
    *n_out = rc == 0 ? gg_rows_count(rows) : 0;
    *out = GG_NEW_ARRAY(arena, struct mx_media_row, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_media_row){.id = gg_rows_str(rows, i, 0), .file_id = gg_rows_str(rows, i, 0),
                                          .url_cache = gg_rows_str(rows, i, 1)};
    return rc;
}

static const struct gg_stmt old_remote = {
    "SELECT media_origin, media_id, filesystem_id FROM remote_media_cache WHERE (media_origin, media_id) > ($1, $4) AND"
    " COALESCE(last_access_ts, created_ts) < $2 AND quarantined_by IS NULL ORDER BY media_origin, media_id LIMIT $3", GG_LANE_SCAN};

int mx_media_old_remote(struct mx_server *server, int64_t before_ts, const struct mx_media_row *after, size_t limit,
                        struct gg_arena *arena, struct mx_media_row **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &old_remote, GG_PARAMS(gg_p_str(after->origin), gg_p_i64(before_ts), gg_p_i64((int64_t)limit), gg_p_str(after->id)),
                        arena, &rows, err);
    *n_out = rc == 0 ? gg_rows_count(rows) : 0;
    *out = GG_NEW_ARRAY(arena, struct mx_media_row, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_media_row){.origin = gg_rows_str(rows, i, 0), .id = gg_rows_str(rows, i, 1),
                                          .file_id = gg_rows_str(rows, i, 2)};
    return rc;
}

/* ---- the end ---- */

static const struct gg_stmt remove_local = {
    "WITH thumbnails AS (DELETE FROM local_media_repository_thumbnails WHERE media_id = ANY($1::text[])), previews AS (DELETE FROM"
    " local_media_repository_url_cache WHERE media_id = ANY($1::text[])) DELETE FROM local_media_repository WHERE media_id ="
    " ANY($1::text[])"};
static const struct gg_stmt remove_remote = {
    "WITH gone AS (SELECT * FROM unnest($1::text[], $2::text[]) AS g (origin, id)), thumbnails AS (DELETE FROM"
    " remote_media_cache_thumbnails WHERE (media_origin, media_id) IN (SELECT origin, id FROM gone)) DELETE FROM"
    " remote_media_cache WHERE (media_origin, media_id) IN (SELECT origin, id FROM gone)"};

int mx_media_rows_remove(struct mx_server *server, const struct mx_media_row *rows, size_t n, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *origins = GG_NEW_ARRAY(arena, struct gg_str, n + 1), *ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    for (size_t i = 0; i < n; i++) {
        origins[i] = rows[i].origin;
        ids[i] = rows[i].id;
    }
    int rc = n == 0                    ? 0
             : rows[0].origin.s != NULL ? gg_db_write(server->db, &remove_remote,
                                                      GG_PARAMS(gg_p_texts(origins, n), gg_p_texts(ids, n)), NULL, NULL, err)
                                        : gg_db_write(server->db, &remove_local, GG_PARAMS(gg_p_texts(ids, n)), NULL, NULL, err);
    gg_arena_free(arena);
    return rc;
}
