/* remove.c: files go from the disk and from the database. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ganglion/log.h>
#include <sys/stat.h>
#include <unistd.h>

#include "media/paths.h"
#include "media/upkeep/upkeep.h"

static struct gg_logger logger = {"ganglion.media.upkeep"};

enum { BATCH = 200, PAUSE_MS = 10 };

struct task { /* on a thread */
    const char *root;
    const struct mx_media_row *rows;
    size_t n;
    bool *removed;
};

/* Folders that are empty now, up to the store's own. */
static void remove_folders(char *path, size_t root)
{
    for (int up = 0; up < 3; up++) {
        char *slash = strrchr(path, '/');
        if (slash == NULL || (size_t)(slash - path) <= root)
            return;
        *slash = '\0';
        if (rmdir(path) != 0)
            return;
    }
}

static bool remove_one(const char *path)
{
    return unlink(path) == 0 || errno == ENOENT;
}

static bool remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    bool good = folder != NULL || errno == ENOENT || errno == ENOTDIR;
    if (folder == NULL)
        return good;
    for (const struct dirent *each; (each = readdir(folder)) != NULL;)
        if (strcmp(each->d_name, ".") != 0 && strcmp(each->d_name, "..") != 0)
            good = (unlinkat(dirfd(folder), each->d_name, 0) == 0 || errno == ENOENT) && good;
    closedir(folder);
    return rmdir(path) == 0 || !good ? good : errno == ENOENT || errno == ENOTEMPTY;
}

/* A row whose ids lead to no path of ours has no file. */
static bool remove_row(const char *root, const struct mx_media_row *row)
{
    struct gg_buf path = GG_BUF_INIT;
    bool good = true;
    if (mx_media_thumbnail_folder(root, row, &path)) {
        good = remove_folder(path.data);
        remove_folders(path.data, strlen(root) + 1);
    }
    gg_buf_clear(&path);
    if (mx_media_path(root, row, NULL, &path)) {
        good = remove_one(path.data) && good;
        remove_folders(path.data, strlen(root) + 1);
    }
    gg_buf_done(&path);
    return good;
}

static void remove_rows(void *arg)
{
    struct task *task = arg;
    for (size_t i = 0; i < task->n; i++)
        task->removed[i] = remove_row(task->root, &task->rows[i]);
}

int mx_media_remove_files(struct mx_media *media, const struct mx_media_row *rows, size_t n, bool *removed, struct gg_error *err)
{
    struct task task = {.root = media->root, .rows = rows, .n = n, .removed = removed};
    int rc = gg_offload(remove_rows, &task);
    if (rc != 0)
        return gg_fail(err, rc, "no thread to remove files");
    for (size_t i = 0; i < n; i++)
        if (!removed[i])
            gg_warn(&logger, "the file of %.*s could not be removed", GG_FMT(rows[i].id));
    return 0;
}

static int remove_batch(struct mx_media *media, const struct mx_media_row *rows, size_t n, json_t *gone, int64_t *n_out,
                        struct gg_error *err)
{
    struct mx_media_row there[BATCH];
    bool removed[BATCH] = {false};
    size_t n_gone = 0;
    int rc = mx_media_remove_files(media, rows, n, removed, err);
    for (size_t i = 0; i < n && rc == 0; i++)
        if (removed[i])
            there[n_gone++] = rows[i];
    if (rc == 0 && n_gone > 0)
        rc = mx_media_rows_remove(media->server, there, n_gone, err);
    for (size_t i = 0; i < n_gone && rc == 0 && gone != NULL; i++)
        json_array_append_new(gone, json_stringn(there[i].id.s, there[i].id.n));
    if (rc == 0 && n_out != NULL)
        *n_out += (int64_t)n_gone;
    return rc;
}

int mx_media_remove(struct mx_media *media, const struct mx_media_row *rows, size_t n, json_t *gone, int64_t *n_out,
                    struct gg_error *err)
{
    int rc = 0;
    if (n_out != NULL)
        *n_out = 0;
    for (size_t at = 0; at < n && rc == 0; at += BATCH)
        rc = remove_batch(media, rows + at, n - at < BATCH ? n - at : BATCH, gone, n_out, err);
    return rc;
}

/* ---- what is old ---- */

int mx_media_remove_old_local(struct mx_media *media, const struct mx_media_old *old, json_t *gone, int64_t *n_out,
                              struct gg_error *err)
{
    struct gg_buf after = GG_BUF_INIT;
    size_t n = BATCH;
    int rc = 0;
    *n_out = 0;
    while (rc == 0 && n == BATCH) {
        struct gg_arena *arena = gg_arena_new();
        struct mx_media_row *rows;
        rc = mx_media_old_local(media->server, old, gg_buf_view(&after), BATCH, arena, &rows, &n, err);
        if (rc == 0 && n > 0) {
            gg_buf_clear(&after);
            gg_buf_str(&after, rows[n - 1].id);
            rc = remove_batch(media, rows, n, gone, n_out, err);
        }
        gg_arena_free(arena);
        if (rc == 0 && n == BATCH && gg_sleep(PAUSE_MS) != 0)
            rc = gg_fail(err, GG_E_CANCELLED, "stopped");
    }
    gg_buf_done(&after);
    return rc;
}

int mx_media_remove_old_remote(struct mx_media *media, int64_t before_ts, int64_t *n_out, struct gg_error *err)
{
    struct gg_buf origin = GG_BUF_INIT, id = GG_BUF_INIT;
    size_t n = BATCH;
    int rc = 0;
    *n_out = 0;
    while (rc == 0 && n == BATCH) {
        struct gg_arena *arena = gg_arena_new();
        struct mx_media_row *rows, after = {.origin = gg_buf_view(&origin), .id = gg_buf_view(&id)};
        rc = mx_media_old_remote(media->server, before_ts, &after, BATCH, arena, &rows, &n, err);
        if (rc == 0 && n > 0) {
            gg_buf_clear(&origin);
            gg_buf_clear(&id);
            gg_buf_str(&origin, rows[n - 1].origin);
            gg_buf_str(&id, rows[n - 1].id);
            rc = remove_batch(media, rows, n, NULL, n_out, err);
        }
        gg_arena_free(arena);
        if (rc == 0 && n == BATCH && gg_sleep(PAUSE_MS) != 0)
            rc = gg_fail(err, GG_E_CANCELLED, "stopped");
    }
    gg_buf_done(&origin);
    gg_buf_done(&id);
    return rc;
}
