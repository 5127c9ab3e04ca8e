/* matrix/storage/media/local.c: rows of what was uploaded here, or fetched for a preview. */
#include "storage/media/media.h"

/* Content that a moderator has put away comes back under another name: it is put away too, in the statement that writes it. */
#define JUDGED(by_, hash_)                                                                                              \
    "CASE WHEN " by_ "::text IS NULL AND (EXISTS (SELECT 1 FROM local_media_repository WHERE sha256 = " hash_           \
    " AND quarantined_by IS NOT NULL) OR EXISTS (SELECT 1 FROM remote_media_cache WHERE sha256 = " hash_                \
    " AND quarantined_by IS NOT NULL)) THEN 'system' ELSE " by_ "::text END"

static const struct gg_stmt insert_local = {
    "INSERT INTO local_media_repository (media_id, media_type, media_length, created_ts, upload_name, user_id,"
    " quarantined_by, url_cache, authenticated, sha256) VALUES ($1, $2, $3::integer, $4, $5, $6, " JUDGED("$7", "$10")
    ", $8, $9, $10) RETURNING quarantined_by"};

static struct gg_param length_of(const struct mx_media_row *row)
{
    return row->length == MX_MEDIA_EMPTY ? gg_p_null() : gg_p_i32((int32_t)row->length);
}

int mx_media_local_add(struct mx_server *server, struct mx_media_row *row, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_write(server->db, &insert_local,
                         GG_PARAMS(gg_p_str(row->id), gg_p_str(row->type), length_of(row), gg_p_i64(row->created_ts),
                                   gg_p_str(row->name), gg_p_str(row->user_id), gg_p_str(row->quarantined_by),
                                   gg_p_str(row->url_cache), gg_p_bool(row->authenticated), gg_p_str(row->sha256)),
                         arena, &rows, err);
    if (rc == 0 && gg_rows_count(rows) > 0)
        row->quarantined_by = gg_rows_str(rows, 0, 0);
    return rc;
}

static const struct gg_stmt fill_local = {
    "UPDATE local_media_repository SET media_type = $2, media_length = $3::integer, upload_name = $4, sha256 = $5,"
    " quarantined_by = " JUDGED("$6", "$5") ", authenticated = $8 WHERE media_id = $1 AND user_id = $7 AND media_length IS NULL"
    " RETURNING quarantined_by"};

int mx_media_local_fill(struct mx_server *server, struct mx_media_row *row, struct gg_arena *arena, bool *filled_out,
                        struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_write(server->db, &fill_local,
                         GG_PARAMS(gg_p_str(row->id), gg_p_str(row->type), length_of(row), gg_p_str(row->name),
                                   gg_p_str(row->sha256), gg_p_str(row->quarantined_by), gg_p_str(row->user_id),
                                   gg_p_bool(row->authenticated)),
                         arena, &rows, err);
    *filled_out = rc == 0 && gg_rows_count(rows) > 0;
    if (*filled_out)
        row->quarantined_by = gg_rows_str(rows, 0, 0);
    return rc;
}

static const struct gg_stmt count_pending = {
    "SELECT count(*), COALESCE(min(created_ts), 0) FROM local_media_repository WHERE user_id = $1 AND created_ts > $2"
    " AND media_length IS NULL", GG_LANE_POINT};

int mx_media_local_pending(struct mx_server *server, struct gg_str user_id, int64_t since_ms, int64_t *n_out,
                           int64_t *first_ts_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &count_pending, GG_PARAMS(gg_p_str(user_id), gg_p_i64(since_ms)), arena, &rows, err);
    *n_out = rc == 0 ? gg_rows_i64(rows, 0, 0) : 0;
    *first_ts_out = rc == 0 ? gg_rows_i64(rows, 0, 1) : 0;
    gg_arena_free(arena);
    return rc;
}

static const struct gg_stmt sum_uploaded = {
    "SELECT COALESCE(sum(media_length), 0)::bigint FROM local_media_repository WHERE user_id = $1 AND created_ts > $2"
    " AND url_cache IS NULL", GG_LANE_SCAN};

int mx_media_local_uploaded(struct mx_server *server, struct gg_str user_id, int64_t since_ms, int64_t *bytes_out,
                            struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &sum_uploaded, GG_PARAMS(gg_p_str(user_id), gg_p_i64(since_ms)), arena, &rows, err);
    *bytes_out = rc == 0 ? gg_rows_i64(rows, 0, 0) : 0;
    gg_arena_free(arena);
    return rc;
}
