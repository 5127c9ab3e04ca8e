/* storage/media/url_cache.h: rows of local_media_repository_url_cache: previews that were made. */
#ifndef MX_STORAGE_URL_CACHE_H
#define MX_STORAGE_URL_CACHE_H

#include <ganglion/matrix/server.h>

/* The preview of an address as it was at that time (ms), or the one next to it, where it holds then; JSON text in the arena, s NULL: none. */
GG_YIELDS GG_CHECKED int mx_url_cache_get(struct mx_server *server, struct gg_str url, int64_t ts, struct gg_arena *arena,
                                          struct gg_str *og_out, struct gg_error *err);

struct mx_url_cache_row {
    struct gg_str url, etag, og, media_id; /* etag.s NULL: none; og: JSON text */
    int response_code;
    int64_t expires_ts, download_ts; /* ms */
};
GG_YIELDS GG_CHECKED int mx_url_cache_add(struct mx_server *server, const struct mx_url_cache_row *row, struct gg_error *err);

/* Media ids of at most limit previews that held until before. */
GG_YIELDS GG_CHECKED int mx_url_cache_expired(struct mx_server *server, int64_t before, size_t limit, struct gg_arena *arena,
                                              struct gg_str **ids_out, size_t *n_out, struct gg_error *err);
/* Forgets the previews of those media. */
GG_YIELDS GG_CHECKED int mx_url_cache_forget(struct mx_server *server, const struct gg_str *media_ids, size_t n,
                                             struct gg_error *err);
/* Ids of at most limit media of which no preview tells any more, and that were fetched before that time: pictures, and pages. */
GG_YIELDS GG_CHECKED int mx_url_cache_media_before(struct mx_server *server, int64_t pictures_ts, int64_t pages_ts, size_t limit,
                                                   struct gg_arena *arena, struct gg_str **ids_out, size_t *n_out,
                                                   struct gg_error *err);

#endif
