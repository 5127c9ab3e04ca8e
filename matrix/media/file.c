/* matrix/media/file.c: files are written on the thread pool, under a name of their own, and moved when they are whole. */
#include "media/file.h"

#include "media/stores.h"

#include <dirent.h>
#include <errno.h>
#include <ganglion/buf.h>
#include <ganglion/memory.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRATCH "ganglion_unfinished"
enum { SCRATCH_KEEP_S = 86400 };

struct mx_media_file {
    struct mx_media *media;
    EVP_MD_CTX *hash;
    struct gg_buf held; /* the last piece: it is written with the next one, or with all that ends the file */
    int64_t length;
    int fd;             /* -1: not begun */
    char path[MX_DISK_PATH]; /* while it is unfinished */
};

/* One piece of work on a thread. */
struct work {
    struct mx_media_file *file;
    const char *from, *path;
    int error; /* errno */
    unsigned char digest[EVP_MAX_MD_SIZE];
};

static int run(void (*fn)(void *), struct work *work, const char *what, struct gg_error *err)
{
    mx_disk_run(fn, work);
    return work->error == 0 ? 0 : gg_fail(err, GG_E_IO, "%s: %s", what, strerror(work->error));
}

/* ---- on a thread ---- */

static int begin(struct mx_media_file *file)
{
    return file->fd >= 0 ? 0 : mx_disk_create(file->path, &file->fd);
}

static int write_piece(struct mx_media_file *file, const void *data, size_t n)
{
    int error = begin(file);
    if (error == 0)
        error = mx_disk_write(file->fd, data, n);
    return error == 0 && EVP_DigestUpdate(file->hash, data, n) != 1 ? ENOMEM : error;
}

static void open_file(void *arg)
{
    struct work *work = arg;
    work->error = begin(work->file);
}

static void write_held(void *arg)
{
    struct work *work = arg;
    work->error = write_piece(work->file, work->file->held.data, work->file->held.n);
}

static void move(void *arg)
{
    struct work *work = arg;
    work->error = mx_disk_move(work->from, work->path);
}

/* What was acknowledged must outlive a loss of power: so its bytes are on the disk before its name is. */
static void keep(void *arg)
{
    struct work *work = arg;
    struct mx_media_file *file = work->file;
    write_held(work);
    if (work->error == 0 && EVP_DigestFinal_ex(file->hash, work->digest, NULL) != 1)
        work->error = ENOMEM;
    if (work->error == 0 && fdatasync(file->fd) < 0)
        work->error = errno;
    if (work->error == 0)
        move(work);
}

/* ---- in a fiber ---- */

void mx_media_scratch_name(const char *root, char out[MX_DISK_PATH])
{
    char name[MX_MEDIA_ID_SIZE];
    mx_media_new_id(name);
    snprintf(out, MX_DISK_PATH, "%s/" SCRATCH "/%s", root, name);
}

struct mx_media_file *mx_media_file_new(struct mx_media *media)
{
    struct mx_media_file *file = gg_xcalloc(1, sizeof(*file));
    file->media = media;
    file->held = (struct gg_buf)GG_BUF_INIT;
    file->fd = -1;
    mx_media_scratch_name(media->root, file->path);
    file->hash = EVP_MD_CTX_new();
    if (file->hash == NULL || EVP_DigestInit_ex(file->hash, EVP_sha256(), NULL) != 1)
        gg_panic(__FILE__, __LINE__, "no SHA-256");
    return file;
}

int mx_media_file_begin(struct mx_media_file *file, struct gg_error *err)
{
    return run(open_file, &(struct work){.file = file}, "a file of media could not be made", err);
}

int mx_media_file_add(struct mx_media_file *file, struct gg_buf *piece, struct gg_error *err)
{
    int rc = file->held.n > 0 ? run(write_held, &(struct work){.file = file}, "media could not be written", err) : 0;
    struct gg_buf written = file->held;
    file->length += rc == 0 ? (int64_t)piece->n : 0;
    file->held = *piece;
    *piece = written;
    gg_buf_clear(piece);
    return rc;
}

bool mx_media_file_add_now(struct mx_media_file *file, const void *data, size_t n)
{
    GG_ASSERT(file->held.n == 0);
    bool written = write_piece(file, data, n) == 0;
    file->length += written ? (int64_t)n : 0;
    return written;
}

bool mx_media_file_restart(struct mx_media_file *file)
{
    file->length = 0;
    gg_buf_clear(&file->held);
    return (file->fd < 0 || (lseek(file->fd, 0, SEEK_SET) == 0 && ftruncate(file->fd, 0) == 0)) &&
           EVP_DigestInit_ex(file->hash, EVP_sha256(), NULL) == 1;
}

static void done(struct mx_media_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    gg_buf_done(&file->held);
    EVP_MD_CTX_free(file->hash);
    free(file);
}

void mx_media_file_drop(struct mx_media_file *file)
{
    if (file == NULL)
        return;
    if (file->fd >= 0)
        unlink(file->path);
    done(file);
}

int mx_media_file_keep(struct mx_media_file *file, const char *path, char sha256_out[65], struct gg_error *err)
{
    struct work work = {.file = file, .from = file->path, .path = path};
    int rc = run(keep, &work, "media could not be stored", err);
    if (rc < 0) {
        mx_media_file_drop(file);
        return rc;
    }
    for (size_t i = 0; i < 32; i++)
        snprintf(sha256_out + 2 * i, 3, "%02x", work.digest[i]);
    done(file);
    return 0;
}

int64_t mx_media_file_length(const struct mx_media_file *file)
{
    return file->length;
}

/* ---- files that others write ---- */

static void make_scratch(void *arg)
{
    struct work *work = arg;
    work->error = mx_disk_make_folders(work->path);
}

int mx_media_scratch_path(struct mx_media *media, struct gg_arena *arena, const char **out, struct gg_error *err)
{
    char path[MX_DISK_PATH];
    mx_media_scratch_name(media->root, path);
    *out = gg_arena_strdup(arena, path);
    return run(make_scratch, &(struct work){.path = *out}, "the folder of media could not be made", err);
}

int mx_media_move(const char *from, const char *path, struct gg_error *err)
{
    return run(move, &(struct work){.from = from, .path = path}, "media could not be stored", err);
}

static void sweep_root(const char *root)
{
    char folder[MX_DISK_PATH], path[MX_DISK_PATH + 256];
    struct timespec now;
    struct stat st;
    snprintf(folder, sizeof(folder), "%s/" SCRATCH, root);
    clock_gettime(CLOCK_REALTIME, &now);
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.' && stat(path, &st) == 0 && st.st_mtime + SCRATCH_KEEP_S < now.tv_sec)
            unlink(path);
    }
    if (dir != NULL)
        closedir(dir);
}

static void sweep(void *arg)
{
    const struct mx_media *media = arg;
    sweep_root(media->root);
    for (size_t i = 0; i < media->n_stores; i++)
        sweep_root(media->stores[i].root);
}

void mx_media_sweep_scratch(struct mx_media *media)
{
    (void)gg_offload(sweep, media); /* another time, if all threads are busy */
}
