/* url_cache.c: the table local_media_repository_url_cache, and the media that were fetched for it. */
#include "storage/media/url_cache.h"

/* The newest of those before, else the oldest of those after. */
static const struct gg_stmt get = {
    "SELECT og, expires_ts, response_code FROM ((SELECT og, expires_ts, response_code, 0 AS later FROM"
    " local_media_repository_url_cache WHERE url = $1 AND download_ts <= $2 ORDER BY download_ts DESC LIMIT 1) UNION ALL"
    " (SELECT og, expires_ts, response_code, 1 FROM local_media_repository_url_cache WHERE url = $1 AND download_ts > $2"
    " ORDER BY download_ts LIMIT 1)) c ORDER BY later LIMIT 1", GG_LANE_POINT};

int mx_url_cache_get(struct mx_server *server, struct gg_str url, int64_t ts, struct gg_arena *arena, struct gg_str *og_out,
                     struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &get, GG_PARAMS(gg_p_str(url), gg_p_i64(ts)), arena, &rows, err);
    bool holds = rc == 0 && gg_rows_count(rows) > 0 && gg_rows_i64(rows, 0, 1) > ts && gg_rows_i64(rows, 0, 2) / 100 == 2;
    *og_out = holds ? gg_rows_str(rows, 0, 0) : (struct gg_str){0};
    return rc;
}

static const struct gg_stmt add = {
    "INSERT INTO local_media_repository_url_cache (url, response_code, etag, expires_ts, og, media_id, download_ts) VALUES"
    " ($1, $2::integer, $3, $4, $5, $6, $7)"};

int mx_url_cache_add(struct mx_server *server, const struct mx_url_cache_row *row, struct gg_error *err)
{
    return gg_db_write(server->db, &add,
                       GG_PARAMS(gg_p_str(row->url), gg_p_i32(row->response_code), gg_p_str(row->etag), gg_p_i64(row->expires_ts),
                                 gg_p_str(row->og), gg_p_str(row->media_id), gg_p_i64(row->download_ts)),
                       NULL, NULL, err);
}

static void take_ids(const struct gg_rows *rows, struct gg_arena *arena, struct gg_str **ids_out, size_t *n_out)
{
    *n_out = rows != NULL ? gg_rows_count(rows) : 0;
    *ids_out = GG_NEW_ARRAY(arena, struct gg_str, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*ids_out)[i] = gg_rows_str(rows, i, 0);
}

static const struct gg_stmt expired = {
    "SELECT media_id FROM local_media_repository_url_cache WHERE expires_ts < $1 ORDER BY expires_ts LIMIT $2", GG_LANE_SCAN};

int mx_url_cache_expired(struct mx_server *server, int64_t before, size_t limit, struct gg_arena *arena, struct gg_str **ids_out,
                         size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &expired, GG_PARAMS(gg_p_i64(before), gg_p_i64((int64_t)limit)), arena, &rows, err);
    take_ids(rc == 0 ? rows : NULL, arena, ids_out, n_out);
    return rc;
}

static const struct gg_stmt forget = {"DELETE FROM local_media_repository_url_cache WHERE media_id = ANY($1::text[])"};

int mx_url_cache_forget(struct mx_server *server, const struct gg_str *media_ids, size_t n, struct gg_error *err)
{
    return gg_db_write(server->db, &forget, GG_PARAMS(gg_p_texts(media_ids, n)), NULL, NULL, err);
}

static const struct gg_stmt media_before = {
    "SELECT media_id FROM local_media_repository m WHERE url_cache IS NOT NULL AND created_ts < $2 AND (created_ts < $1 OR"
    " coalesce(media_type, '') NOT LIKE 'image/%') AND NOT EXISTS (SELECT 1 FROM local_media_repository_url_cache c WHERE"
    " c.media_id = m.media_id) ORDER BY created_ts LIMIT $3", GG_LANE_SCAN};

int mx_url_cache_media_before(struct mx_server *server, int64_t pictures_ts, int64_t pages_ts, size_t limit,
                              struct gg_arena *arena, struct gg_str **ids_out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &media_before,
                        GG_PARAMS(gg_p_i64(pictures_ts), gg_p_i64(pages_ts), gg_p_i64((int64_t)limit)), arena, &rows, err);
    take_ids(rc == 0 ? rows : NULL, arena, ids_out, n_out);
    return rc;
}
