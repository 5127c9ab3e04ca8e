/* matrix/storage/media/rows.c: what is known of one file, ours or another server's; copies of others'; when looked at. */
#include "storage/media/media.h"

static const struct gg_stmt select_local = {
    "SELECT media_id, media_type, upload_name, user_id, quarantined_by, url_cache, sha256, COALESCE(media_length, -1),"
    " created_ts, last_access_ts, authenticated, safe_from_quarantine FROM local_media_repository WHERE media_id = $1",
    GG_LANE_POINT};
static const struct gg_stmt select_remote = {
    "SELECT filesystem_id, media_type, upload_name, NULL::text, quarantined_by, NULL::text, sha256, media_length,"
    " created_ts, last_access_ts, authenticated, false FROM remote_media_cache WHERE media_origin = $1 AND media_id = $2",
    GG_LANE_POINT};

int mx_media_row_get(struct mx_server *server, struct gg_str origin, struct gg_str id, struct gg_arena *arena,
                     struct mx_media_row *out, bool *found_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = origin.s == NULL
                 ? gg_db_read(server->db, &select_local, GG_PARAMS(gg_p_str(id)), arena, &rows, err)
                 : gg_db_read(server->db, &select_remote, GG_PARAMS(gg_p_str(origin), gg_p_str(id)), arena, &rows, err);
    *found_out = rc == 0 && gg_rows_count(rows) > 0;
    if (!*found_out)
        return rc;
    *out = (struct mx_media_row){.origin = origin,
                                 .id = id,
                                 .file_id = gg_rows_str(rows, 0, 0),
                                 .type = gg_rows_str(rows, 0, 1),
                                 .name = gg_rows_str(rows, 0, 2),
                                 .user_id = gg_rows_str(rows, 0, 3),
                                 .quarantined_by = gg_rows_str(rows, 0, 4),
                                 .url_cache = gg_rows_str(rows, 0, 5),
                                 .sha256 = gg_rows_str(rows, 0, 6),
                                 .length = gg_rows_i64(rows, 0, 7),
                                 .created_ts = gg_rows_i64(rows, 0, 8),
                                 .last_access_ts = gg_rows_i64(rows, 0, 9),
                                 .authenticated = gg_rows_bool(rows, 0, 10),
                                 .safe_from_quarantine = gg_rows_bool(rows, 0, 11)};
    return 0;
}

static const struct gg_stmt insert_remote = {
    "INSERT INTO remote_media_cache (media_origin, media_id, media_type, created_ts, upload_name, media_length,"
    " filesystem_id, last_access_ts, quarantined_by, authenticated, sha256)"
    " VALUES ($1, $2, $3, $4, $5, $6::integer, $7, $4, $8, $9, $10) ON CONFLICT DO NOTHING RETURNING 1"};

int mx_media_remote_add(struct mx_server *server, const struct mx_media_row *row, bool *added_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_write(server->db, &insert_remote,
                         GG_PARAMS(gg_p_str(row->origin), gg_p_str(row->id), gg_p_str(row->type), gg_p_i64(row->created_ts),
                                   gg_p_str(row->name), gg_p_i32((int32_t)row->length), gg_p_str(row->file_id),
                                   gg_p_str(row->quarantined_by), gg_p_bool(row->authenticated), gg_p_str(row->sha256)),
                         arena, &rows, err);
    *added_out = rc == 0 && gg_rows_count(rows) > 0;
    gg_arena_free(arena);
    return rc;
}

/* Rows are locked in order of their keys, as others may write the same ones; and only those that are older change. */
static const struct gg_stmt touch_rows = {
    "WITH seen AS (SELECT * FROM unnest($1::text[], $2::text[]) AS s (origin, id)),"
    " l AS (SELECT media_id FROM local_media_repository WHERE media_id IN (SELECT id FROM seen WHERE origin IS NULL)"
    "  ORDER BY media_id FOR UPDATE),"
    " r AS (SELECT c.media_origin, c.media_id FROM remote_media_cache c JOIN seen s ON s.origin = c.media_origin AND"
    "  s.id = c.media_id ORDER BY c.media_origin, c.media_id FOR UPDATE OF c),"
    " ours AS (UPDATE local_media_repository m SET last_access_ts = $3 FROM l WHERE m.media_id = l.media_id)"
    " UPDATE remote_media_cache m SET last_access_ts = $3 FROM r WHERE m.media_origin = r.media_origin AND"
    " m.media_id = r.media_id"};

int mx_media_touch(struct mx_server *server, const struct gg_str *origins, const struct gg_str *ids, size_t n,
                   int64_t now_ms, struct gg_error *err)
{
    return gg_db_write(server->db, &touch_rows, GG_PARAMS(gg_p_texts(origins, n), gg_p_texts(ids, n), gg_p_i64(now_ms)),
                       NULL, NULL, err);
}
