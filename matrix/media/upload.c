/* matrix/media/upload.c: limits of users, and from a written file to its row. */
#include "media/upload.h"

#include "media/paths.h"
#include "media/stores.h"
#include "media/thumbnails.h"

#include <ganglion/config.h>
#include <ganglion/log.h>
#include <unistd.h>

static struct gg_logger logger = {"ganglion.media"};

/* ---- limits ---- */

static int over_limit(const struct mx_media *media, const struct mx_media_limit *limit, struct gg_error *err)
{
    struct gg_buf uri = GG_BUF_INIT, text = GG_BUF_INIT;
    const char *base = gg_config_text(media->server->config, "public_baseurl");
    gg_refuse(err, 403, "M_USER_LIMIT_EXCEEDED", "Media upload limit exceeded");
    if (limit->info_uri != NULL)
        gg_buf_text(&uri, limit->info_uri);
    else
        gg_buf_printf(&uri, "%s_synapse/client/media_upload_limit_exceeded", base != NULL ? base : "/");
    gg_buf_json_string(&text, gg_buf_view(&uri));
    gg_error_extra(err, "info_uri", text.data);
    if (limit->can_upgrade)
        gg_error_extra(err, "can_upgrade", "true");
    gg_buf_done(&uri);
    gg_buf_done(&text);
    return err->code;
}

int mx_upload_allowed(struct mx_media *media, struct gg_str user_id, int64_t bytes, struct gg_error *err)
{
    int64_t had = -1, now = gg_wall_ms();
    for (size_t i = 0; i < media->n_limits; i++) {
        const struct mx_media_limit *limit = &media->limits[i];
        if (had >= 0 && had + bytes <= limit->max_bytes)
            continue; /* what a longer time allows for is less in a shorter one */
        int rc = mx_media_local_uploaded(media->server, user_id, now - limit->period_ms, &had, err);
        if (rc != 0)
            return rc;
        if (had + bytes > limit->max_bytes)
            return over_limit(media, limit, err);
    }
    return 0;
}

/* ---- storing ---- */

static int add_row(struct mx_media *media, const struct mx_upload *upload, struct mx_media_row *row, struct gg_arena *arena,
                   struct gg_error *err)
{
    bool filled = true;
    int rc = upload->announced.s == NULL ? mx_media_local_add(media->server, row, arena, err)
                                         : mx_media_local_fill(media->server, row, arena, &filled, err);
    if (rc == 0 && !filled)
        rc = gg_refuse(err, 409, "M_CANNOT_OVERWRITE_MEDIA", "Media ID already has content");
    if (rc == 0 && row->quarantined_by.s != NULL)
        gg_warn(&logger, "an upload of %.*s equals media in quarantine: %.*s goes there too", GG_FMT(row->user_id),
                GG_FMT(row->id));
    return rc;
}

static void fill_row(const struct mx_media *media, const struct mx_upload *upload, struct gg_arena *arena, int64_t length,
                     struct mx_media_row *row)
{
    char id[MX_MEDIA_ID_SIZE];
    mx_media_new_id(id);
    struct gg_str chosen = upload->announced.s != NULL ? upload->announced : upload->id.s != NULL ? upload->id : gg_str(id);
    *row = (struct mx_media_row){.type = upload->type, .name = upload->name, .user_id = upload->user_id,
                                 .url_cache = upload->url_cache, .length = length, .created_ts = gg_wall_ms(),
                                 .authenticated = media->authenticated};
    row->id = row->file_id = gg_arena_str(arena, chosen);
}

int mx_upload_store(struct mx_media *media, const struct mx_upload *upload, struct mx_media_file *file,
                    struct gg_arena *arena, struct mx_media_row *row, struct gg_error *err)
{
    struct gg_buf path = GG_BUF_INIT;
    char *sha256 = gg_arena_alloc(arena, 65);
    fill_row(media, upload, arena, mx_media_file_length(file), row);
    int rc = 0;
    if (!mx_media_path(media->root, row, NULL, &path)) {
        mx_media_file_drop(file);
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Unknown media ID");
        goto out;
    }
    if ((rc = mx_media_file_keep(file, path.data, sha256, err)) != 0)
        goto out;
    row->sha256 = gg_str(sha256);
    if ((rc = mx_media_stores_add(media, row, NULL, err)) != 0)
        unlink(path.data);
    if (rc != 0)
        goto out;
    if ((rc = add_row(media, upload, row, arena, err)) != 0) {
        if (!gg_maybe_committed(rc) && upload->announced.s == NULL) /* one that was announced has a row, and perhaps a file by now */
            unlink(path.data);
        goto out;
    }
    gg_info(&logger, "stored %.*s of %.*s: %lld bytes", GG_FMT(row->id), GG_FMT(row->user_id), (long long)row->length);
    mx_thumbnails_make(media, row, NULL, NULL);
out:
    gg_buf_done(&path);
    return rc;
}

/* ---- announced first ---- */

int mx_upload_announce(struct mx_media *media, struct gg_str user_id, bool unlimited, char id_out[MX_MEDIA_ID_SIZE],
                       int64_t *expires_out, struct gg_error *err)
{
    int64_t now = gg_wall_ms(), pending = 0, first = 0;
    char wait[32];
    int rc = unlimited ? 0 : mx_media_local_pending(media->server, user_id, now - media->unused_ms, &pending, &first, err);
    if (rc != 0)
        return rc;
    if (!unlimited && pending >= media->max_pending) {
        gg_refuse(err, 429, "M_LIMIT_EXCEEDED", "Too Many Requests");
        snprintf(wait, sizeof(wait), "%lld", (long long)(first > 0 ? first + media->unused_ms - now : media->unused_ms));
        gg_error_extra(err, "retry_after_ms", wait);
        return err->code;
    }
    mx_media_new_id(id_out);
    *expires_out = now + media->unused_ms;
    struct gg_arena *arena = gg_arena_new();
    struct mx_media_row row = {.id = gg_str(id_out), .user_id = user_id, .length = MX_MEDIA_EMPTY, .created_ts = now,
                               .authenticated = media->authenticated};
    rc = mx_media_local_add(media->server, &row, arena, err);
    gg_arena_free(arena);
    return rc;
}

int mx_upload_may_fill(struct mx_media *media, struct gg_str user_id, struct gg_str id, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_media_row row;
    bool found;
    int rc = mx_media_row_get(media->server, (struct gg_str){0}, id, arena, &row, &found, err);
    if (rc != 0)
        goto out;
    if (!found)
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Unknown media ID");
    else if (!gg_str_eq(row.user_id, user_id))
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "Only the creator of the media ID can upload to it");
    else if (row.length != MX_MEDIA_EMPTY)
        rc = gg_refuse(err, 409, "M_CANNOT_OVERWRITE_MEDIA", "Media ID already has content");
    else if (row.created_ts < gg_wall_ms() - media->unused_ms)
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Media ID has expired");
out:
    gg_arena_free(arena);
    return rc;
}
