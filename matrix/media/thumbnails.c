/* matrix/media/thumbnails.c: thumbnails are made on the thread pool, of few pictures at a time: a decoded picture is many
 * times as large as its file, and the sum is what must stay bounded. */
#include "media/thumbnails.h"

#include "media/file.h"
#include "media/paths.h"
#include "media/stores.h"

#include <ganglion/log.h>
#include <stdlib.h>
#include <unistd.h>

static struct gg_logger logger = {"ganglion.media"};

enum { MOST_ASKED = 4096, WHY = 200, AT_ONCE = 2 };

/* What thumbnails of a content type are made of (facts: Synapse makes no others). */
static const struct {
    const char *type, *thumbnail;
} kinds[] = {
    {"image/jpeg", "image/jpeg"}, {"image/jpg", "image/jpeg"}, {"image/webp", "image/jpeg"},
    {"image/gif", "image/png"},   {"image/png", "image/png"},
};
#define ANIMATED "image/webp"

static const char *thumbnail_type(struct gg_str type)
{
    const char *end = type.n > 0 ? memchr(type.s, ';', type.n) : NULL;
    size_t n = end != NULL ? (size_t)(end - type.s) : type.n;
    for (size_t i = 0; i < GG_COUNT(kinds); i++)
        if (n == strlen(kinds[i].type) && memcmp(type.s, kinds[i].type, n) == 0)
            return kinds[i].thumbnail;
    return NULL;
}

/* ---- on threads ---- */

struct look {
    const struct mx_images *images;
    const char *path;
    int64_t max_pixels;
    struct mx_image_info info;
    int rc;
    char why[WHY];
};

static void inspect(void *arg)
{
    struct look *look = arg;
    look->rc = look->images->inspect(look->path, look->max_pixels, &look->info, look->why, sizeof(look->why));
}

struct making {
    const struct mx_images *images;
    const char *source;
    int64_t max_pixels;
    struct mx_image_task *tasks;
    size_t n;
    int rc;
    char why[WHY];
};

static void make_pictures(void *arg)
{
    struct making *making = arg;
    making->rc = making->images->make(making->source, making->max_pixels, making->tasks, making->n, making->why,
                                      sizeof(making->why));
}

/* ---- making ---- */

int mx_picture_run(struct mx_media *media, void (*fn)(void *arg), void *arg, struct gg_error *err)
{
    int rc = 0;
    while (rc == 0 && media->scaling >= AT_ONCE)
        rc = gg_cond_wait(&media->scaled, GG_FOREVER);
    if (rc < 0)
        return gg_fail(err, rc, "the thumbnail was called off");
    media->scaling++;
    rc = gg_offload(fn, arg);
    media->scaling--;
    gg_cond_signal(&media->scaled);
    return rc == 0 ? 0 : gg_refuse(err, 503, "M_UNKNOWN", "The server is too busy to make thumbnails now");
}

struct placing {
    const struct mx_image_task *tasks;
    const char **paths;
    bool *placed;
    size_t n;
};

/* On a thread, in one visit. What was not made leaves nothing. */
static void place(void *arg)
{
    const struct placing *p = arg;
    for (size_t i = 0; i < p->n; i++) {
        p->placed[i] = p->tasks[i].length > 0 && p->paths[i] != NULL && mx_disk_move(p->tasks[i].out, p->paths[i]) == 0;
        if (!p->placed[i])
            unlink(p->tasks[i].out);
    }
}

/* Those that were made get their places and their rows. */
static int settle(struct mx_media *media, const struct mx_media_row *of, const struct mx_image_task *tasks,
                  struct mx_thumbnail_row *rows, size_t n, struct gg_arena *arena, struct gg_error *err)
{
    struct placing placing = {.tasks = tasks, .paths = GG_NEW_ARRAY(arena, const char *, n), .placed = GG_NEW_ARRAY(arena, bool, n), .n = n};
    struct mx_thumbnail_row *good = GG_NEW_ARRAY(arena, struct mx_thumbnail_row, n);
    struct gg_buf path = GG_BUF_INIT;
    size_t n_good = 0;
    int rc = 0;
    for (size_t i = 0; i < n; i++) {
        rows[i].length = tasks[i].length;
        placing.paths[i] = mx_media_path(media->root, of, &rows[i], &path) ? gg_arena_strdup(arena, path.data) : NULL;
    }
    gg_buf_done(&path);
    mx_disk_run(place, &placing);
    for (size_t i = 0; i < n; i++)
        if (placing.placed[i])
            good[n_good++] = rows[i];
    for (size_t i = 0; rc == 0 && i < n_good; i++)
        rc = mx_media_stores_add(media, of, &good[i], err);
    if (rc == 0 && n_good > 0)
        rc = mx_thumbnail_rows_put(media->server, of, good, n_good, err);
    return rc != 0 || n_good == n ? rc : gg_refuse(err, 400, "M_UNKNOWN", "Failed to generate thumbnail.");
}

/* Where they are made, before they get their places. */
static int name_files(struct mx_media *media, struct mx_image_task *tasks, size_t n, struct gg_arena *arena, struct gg_error *err)
{
    char path[MX_DISK_PATH];
    int rc = n > 0 ? mx_media_scratch_path(media, arena, &tasks[0].out, err) : 0; /* and their folder */
    for (size_t i = 1; rc == 0 && i < n; i++) {
        mx_media_scratch_name(media->root, path);
        tasks[i].out = gg_arena_strdup(arena, path);
    }
    return rc;
}

/* tasks: sizes that come out and whether they move; rows: what they are called. An error: not all of them are there. */
static int make_files(struct mx_media *media, const struct mx_media_row *of, const char *source, struct mx_image_task *tasks,
                      struct mx_thumbnail_row *rows, size_t n, struct gg_arena *arena, struct gg_error *err)
{
    struct making making = {.images = media->images, .source = source, .max_pixels = media->max_pixels, .tasks = tasks, .n = n};
    for (size_t i = 0; i < n; i++) {
        tasks[i].type = rows[i].type.s;
        tasks[i].crop = gg_str_is(rows[i].method, "crop");
    }
    int rc = name_files(media, tasks, n, arena, err);
    if (rc == 0)
        rc = mx_picture_run(media, make_pictures, &making, err);
    if (rc != 0)
        return rc;
    if (making.rc != 0)
        gg_info(&logger, "not all thumbnails of %.*s: %s", GG_FMT(of->id), making.why);
    return settle(media, of, tasks, rows, n, arena, err);
}

int mx_thumbnail_make_one(struct mx_media *media, const struct mx_media_row *of, struct mx_thumbnail_row *row, bool animated,
                          struct gg_error *err)
{
    bool size_ok = row->width >= 1 && row->height >= 1 && row->width <= MOST_ASKED && row->height <= MOST_ASKED;
    if (media->images == NULL || !size_ok)
        return gg_refuse(err, 400, "M_UNKNOWN", "Failed to generate thumbnail.");
    struct gg_buf path = GG_BUF_INIT;
    struct gg_arena *arena = gg_arena_new();
    int rc = mx_media_path(media->root, of, NULL, &path) ? 0 : gg_refuse(err, 404, "M_NOT_FOUND", "Not found");
    struct look look = {.images = media->images, .path = path.data, .max_pixels = media->max_pixels};
    if (rc == 0)
        mx_media_bring(media, of);
    if (rc == 0)
        rc = mx_picture_run(media, inspect, &look, err);
    if (rc == 0 && look.rc != 0)
        rc = gg_refuse(err, 400, "M_UNKNOWN", "Failed to generate thumbnail.");
    struct mx_image_task task = {.width = row->width, .height = row->height, .animated = animated && look.info.frames > 1};
    if (gg_str_is(row->method, "scale")) /* called what was asked for; what comes out keeps its proportions */
        mx_thumbnail_fit(look.info.width, look.info.height, &task.width, &task.height);
    if (rc == 0)
        rc = make_files(media, of, path.data, &task, row, 1, arena, err);
    gg_arena_free(arena);
    gg_buf_done(&path);
    return rc;
}

/* ---- all ---- */

/* Adds a size unless it is there: a crop that comes out as a scaled one does not count twice, the scaled one stays. */
static size_t add_size(struct mx_thumbnail_row *rows, size_t n, int32_t width, int32_t height, const char *type, bool crop)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].width == width && rows[i].height == height && gg_str_is(rows[i].type, type)) {
            if (!crop)
                rows[i].method = GG_STR("scale");
            return n;
        }
    rows[n] = (struct mx_thumbnail_row){.width = width, .height = height, .type = gg_str(type),
                                        .method = crop ? GG_STR("crop") : GG_STR("scale")};
    return n + 1;
}

static size_t plan(const struct mx_media *media, const struct mx_image_info *info, const char *type,
                   struct mx_thumbnail_row *rows)
{
    size_t n = 0;
    if (info->alpha && strcmp(type, "image/jpeg") == 0)
        type = "image/png"; /* JPEG would paint what is to be seen through */
    for (size_t i = 0; i < media->n_sizes; i++) {
        int32_t width = media->sizes[i].width, height = media->sizes[i].height;
        if (!media->sizes[i].crop)
            mx_thumbnail_fit(info->width, info->height, &width, &height);
        n = add_size(rows, n, width, height, type, media->sizes[i].crop);
    }
    for (size_t i = 0, still = n; info->frames > 1 && i < still; i++) { /* and each of them moving, for who asks for that */
        rows[n] = rows[i];
        rows[n++].type = GG_STR(ANIMATED);
    }
    return n;
}

static int larger_first(const void *a, const void *b)
{
    const struct mx_thumbnail_row *x = a, *y = b;
    int64_t p = (int64_t)x->width * x->height, q = (int64_t)y->width * y->height;
    return p < q ? 1 : p > q ? -1 : 0;
}

static void make_all(struct mx_media *media, const struct mx_media_row *row, const struct look *look, const char *type,
                     struct gg_arena *arena)
{
    struct mx_thumbnail_row *rows = GG_NEW_ARRAY(arena, struct mx_thumbnail_row, 2 * media->n_sizes + 1);
    struct mx_image_task *tasks = GG_NEW_ARRAY(arena, struct mx_image_task, 2 * media->n_sizes + 1);
    size_t n = plan(media, &look->info, type, rows);
    struct gg_error err = GG_ERROR_INIT;
    qsort(rows, n, sizeof(*rows), larger_first);
    for (size_t i = 0; i < n; i++)
        tasks[i] = (struct mx_image_task){.width = rows[i].width, .height = rows[i].height,
                                          .animated = look->info.frames > 1 && gg_str_is(rows[i].type, ANIMATED)};
    if (n > 0 && make_files(media, row, look->path, tasks, rows, n, arena, &err) != 0)
        gg_info(&logger, "thumbnails of %.*s: %s", GG_FMT(row->id), err.message);
}

void mx_thumbnails_make(struct mx_media *media, const struct mx_media_row *row, int32_t *width_out, int32_t *height_out)
{
    const char *type = thumbnail_type(row->type);
    struct gg_buf path = GG_BUF_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct look look = {.images = media->images, .max_pixels = media->max_pixels};
    if (type == NULL || media->images == NULL || row->length == 0 || !mx_media_path(media->root, row, NULL, &path))
        goto out;
    look.path = path.data;
    if (mx_picture_run(media, inspect, &look, &err) != 0)
        goto out;
    if (look.rc != 0) {
        gg_info(&logger, "no thumbnails of %.*s: %s", GG_FMT(row->id), look.why);
        goto out;
    }
    make_all(media, row, &look, type, arena);
out:
    if (width_out != NULL)
        *width_out = look.info.width;
    if (height_out != NULL)
        *height_out = look.info.height;
    gg_arena_free(arena);
    gg_buf_done(&path);
}
