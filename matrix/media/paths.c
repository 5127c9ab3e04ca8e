/* matrix/media/paths.c: the path of a file and of its thumbnails. Pure. */
#include "media/paths.h"

enum { LEAST_ID = 5, MOST_PART = 255, DATE = 10 };

/* Can that be the name of one file or folder, and no way elsewhere? */
static bool is_name(struct gg_str s)
{
    if (s.n == 0 || s.n > MOST_PART || s.s[0] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.s[i] <= ' ' || s.s[i] == '/' || s.s[i] == '\\' || s.s[i] == 0x7f)
            return false;
    return true;
}

/* "ab/cd/efgh" of "abcdefgh". */
static bool add_split(struct gg_buf *out, struct gg_str id)
{
    struct gg_str rest = gg_strn(id.s + 4, id.n >= LEAST_ID ? id.n - 4 : 0);
    if (id.n < LEAST_ID || !is_name(gg_strn(id.s, 2)) || !is_name(gg_strn(id.s + 2, 2)) || !is_name(rest))
        return false;
    gg_buf_printf(out, "/%.2s/%.2s/%.*s", id.s, id.s + 2, GG_FMT(rest));
    return true;
}

static bool is_date(struct gg_str id)
{
    for (size_t i = 0; i < DATE; i++) {
        bool dash = i == 4 || i == 7;
        if (id.n <= DATE + 1 || (dash ? id.s[i] != '-' : id.s[i] < '0' || id.s[i] > '9'))
            return false;
    }
    return true;
}

/* Of what was fetched for a preview: "2026-01-31/rest"; older ones are named as uploads are. */
static bool add_preview(struct gg_buf *out, struct gg_str id)
{
    if (!is_date(id))
        return add_split(out, id);
    struct gg_str rest = gg_strn(id.s + DATE + 1, id.n - DATE - 1);
    if (!is_name(rest))
        return false;
    gg_buf_printf(out, "/%.*s/%.*s", DATE, id.s, GG_FMT(rest));
    return true;
}

static bool add_place(const char *root, const struct mx_media_row *media, bool thumbnails, struct gg_buf *out)
{
    gg_buf_clear(out);
    if (media->origin.s != NULL) {
        if (!is_name(media->origin))
            return false;
        gg_buf_printf(out, "%s/%s/%.*s", root, thumbnails ? "remote_thumbnail" : "remote_content", GG_FMT(media->origin));
        return add_split(out, media->file_id);
    }
    if (media->url_cache.s != NULL) {
        gg_buf_printf(out, "%s/%s", root, thumbnails ? "url_cache_thumbnails" : "url_cache");
        return add_preview(out, media->file_id);
    }
    gg_buf_printf(out, "%s/%s", root, thumbnails ? "local_thumbnails" : "local_content");
    return add_split(out, media->file_id);
}

/* "320-240-image-png" */
static bool add_size(struct gg_buf *out, const struct mx_thumbnail_row *t)
{
    const char *slash = t->type.n > 0 ? memchr(t->type.s, '/', t->type.n) : NULL;
    if (slash == NULL)
        return false;
    struct gg_str top = gg_strn(t->type.s, (size_t)(slash - t->type.s)), sub = gg_strn(slash + 1, t->type.n - top.n - 1);
    if (!is_name(top) || !is_name(sub))
        return false;
    gg_buf_printf(out, "/%d-%d-%.*s-%.*s", t->width, t->height, GG_FMT(top), GG_FMT(sub));
    return true;
}

bool mx_media_thumbnail_folder(const char *root, const struct mx_media_row *media, struct gg_buf *out)
{
    return add_place(root, media, true, out);
}

bool mx_media_old_thumbnail_path(const char *root, const struct mx_media_row *media,
                                 const struct mx_thumbnail_row *thumbnail, struct gg_buf *out)
{
    return media->origin.s != NULL && add_place(root, media, true, out) && add_size(out, thumbnail);
}

bool mx_media_path(const char *root, const struct mx_media_row *media, const struct mx_thumbnail_row *thumbnail,
                   struct gg_buf *out)
{
    if (!add_place(root, media, thumbnail != NULL, out))
        return false;
    if (thumbnail == NULL)
        return true;
    if (!add_size(out, thumbnail) || !is_name(thumbnail->method))
        return false;
    gg_buf_printf(out, "-%.*s", GG_FMT(thumbnail->method));
    return true;
}
