/* matrix/storage/media/thumbnails.c: rows of the thumbnails that lie on disk. */
#include "storage/media/media.h"

static const struct gg_stmt select_local = {
    "SELECT thumbnail_width, thumbnail_height, thumbnail_type, thumbnail_method, COALESCE(thumbnail_length, 0)"
    " FROM local_media_repository_thumbnails WHERE media_id = $1", GG_LANE_POINT};
static const struct gg_stmt select_remote = {
    "SELECT thumbnail_width, thumbnail_height, thumbnail_type, thumbnail_method, COALESCE(thumbnail_length, 0)"
    " FROM remote_media_cache_thumbnails WHERE media_origin = $1 AND media_id = $2", GG_LANE_POINT};

int mx_thumbnail_rows(struct mx_server *server, const struct mx_media_row *media, struct gg_arena *arena,
                      struct mx_thumbnail_row **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = media->origin.s == NULL
                 ? gg_db_read(server->db, &select_local, GG_PARAMS(gg_p_str(media->id)), arena, &rows, err)
                 : gg_db_read(server->db, &select_remote, GG_PARAMS(gg_p_str(media->origin), gg_p_str(media->id)), arena,
                              &rows, err);
    *n_out = rc == 0 ? gg_rows_count(rows) : 0;
    *out = GG_NEW_ARRAY(arena, struct mx_thumbnail_row, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_thumbnail_row){.width = (int32_t)gg_rows_i64(rows, i, 0),
                                              .height = (int32_t)gg_rows_i64(rows, i, 1),
                                              .type = gg_rows_str(rows, i, 2),
                                              .method = gg_rows_str(rows, i, 3),
                                              .length = gg_rows_i64(rows, i, 4)};
    return rc;
}

#define LISTED(arrays_) " FROM unnest(" arrays_ ") AS t (width, height, type, method, length)"
static const struct gg_stmt put_local = {
    "INSERT INTO local_media_repository_thumbnails (media_id, thumbnail_width, thumbnail_height, thumbnail_type,"
    " thumbnail_method, thumbnail_length) SELECT $1, width, height, type, method, length"
    LISTED("$2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::bigint[]")
    " ON CONFLICT (media_id, thumbnail_width, thumbnail_height, thumbnail_type, thumbnail_method)"
    " DO UPDATE SET thumbnail_length = excluded.thumbnail_length"};
static const struct gg_stmt put_remote = {
    "INSERT INTO remote_media_cache_thumbnails (media_origin, media_id, thumbnail_width, thumbnail_height, thumbnail_type,"
    " thumbnail_method, thumbnail_length, filesystem_id) SELECT $1, $2, width, height, type, method, length, $8"
    LISTED("$3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[]")
    " ON CONFLICT (media_origin, media_id, thumbnail_width, thumbnail_height, thumbnail_type, thumbnail_method)"
    " DO UPDATE SET thumbnail_length = excluded.thumbnail_length, filesystem_id = excluded.filesystem_id"};

int mx_thumbnail_rows_put(struct mx_server *server, const struct mx_media_row *media, const struct mx_thumbnail_row *rows,
                          size_t n, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    int64_t *numbers = GG_NEW_ARRAY(arena, int64_t, 3 * n + 1), *widths = numbers, *heights = numbers + n, *lengths = heights + n;
    struct gg_str *texts = GG_NEW_ARRAY(arena, struct gg_str, 2 * n + 1), *types = texts, *methods = texts + n;
    for (size_t i = 0; i < n; i++) {
        widths[i] = rows[i].width;
        heights[i] = rows[i].height;
        lengths[i] = rows[i].length;
        types[i] = rows[i].type;
        methods[i] = rows[i].method;
    }
    const struct gg_param w = gg_p_i64s(widths, n), h = gg_p_i64s(heights, n), l = gg_p_i64s(lengths, n);
    const struct gg_param t = gg_p_texts(types, n), m = gg_p_texts(methods, n);
    int rc = media->origin.s == NULL
                 ? gg_db_write(server->db, &put_local, GG_PARAMS(gg_p_str(media->id), w, h, t, m, l), NULL, NULL, err)
                 : gg_db_write(server->db, &put_remote,
                               GG_PARAMS(gg_p_str(media->origin), gg_p_str(media->id), w, h, t, m, l, gg_p_str(media->file_id)),
                               NULL, NULL, err);
    gg_arena_free(arena);
    return rc;
}
