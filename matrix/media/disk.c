/* matrix/media/disk.c: files get their folders when those turn out to lack: most are there, and each one that is asked for
 * before costs as much as the write itself. */
#include "media/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void mx_disk_run(void (*fn)(void *arg), void *arg)
{
    gg_shield_begin(); /* a cancelled fiber is given no thread: the loop would have to do what nobody waits for */
    if (gg_offload(fn, arg) < 0)
        fn(arg);
    gg_shield_end();
}

/* Another process may take an empty folder away before the file is in it. */
enum { TRIES = 3, COPY = 1 << 20, BLOCK = 65536 };

/* A name is on the disk when its folder is. */
static int sync_folder_of(const char *path)
{
    char folder[MX_DISK_PATH];
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (n >= sizeof(folder))
        return ENAMETOOLONG;
    memcpy(folder, n > 0 ? path : ".", n > 0 ? n : 1);
    folder[n > 0 ? n : 1] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = fsync(fd) < 0 ? errno : 0;
    close(fd);
    return error;
}

int mx_disk_make_folders(const char *path)
{
    char folder[MX_DISK_PATH];
    int lacking = 0, error;
    if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder))
        return ENAMETOOLONG;
    char *slash = strrchr(folder, '/');
    while (slash != NULL && slash > folder) { /* upwards to one that is there, or could be made */
        *slash = '\0';
        if (mkdir(folder, 0755) == 0) {
            if ((error = sync_folder_of(folder)) != 0)
                return error;
            break;
        }
        if (errno == EEXIST)
            break;
        if (errno != ENOENT)
            return errno;
        lacking++;
        slash = strrchr(folder, '/');
    }
    for (; lacking > 0; lacking--) { /* and down again */
        folder[strlen(folder)] = '/';
        if (mkdir(folder, 0755) < 0 && errno != EEXIST)
            return errno;
        if ((error = sync_folder_of(folder)) != 0)
            return error;
    }
    return 0;
}

int mx_disk_create(const char *path, int *fd_out)
{
    int error = ENOENT;
    *fd_out = -1;
    for (int i = 0; i < TRIES && error == ENOENT; i++) {
        *fd_out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (*fd_out >= 0 || errno != ENOENT)
            return *fd_out >= 0 ? 0 : errno;
        if ((error = mx_disk_make_folders(path)) == 0)
            error = ENOENT;
    }
    return error;
}

int mx_disk_write(int fd, const void *data, size_t n)
{
    for (const char *at = data; n > 0;) {
        ssize_t wrote = write(fd, at, n);
        if (wrote < 0 && errno != EINTR)
            return errno;
        at += wrote > 0 ? wrote : 0;
        n -= wrote > 0 ? (size_t)wrote : 0;
    }
    return 0;
}

int mx_disk_move(const char *from, const char *path)
{
    int error = ENOENT;
    for (int i = 0; i < TRIES && error == ENOENT; i++) {
        if (rename(from, path) == 0)
            return sync_folder_of(path);
        if (errno != ENOENT)
            return errno;
        if ((error = mx_disk_make_folders(path)) == 0)
            error = ENOENT;
    }
    return error;
}

/* ---- copies ---- */

static int copy_through_memory(int from, int to)
{
    char *block = malloc(BLOCK);
    int error = block != NULL ? 0 : ENOMEM;
    for (ssize_t n = 1; error == 0 && n != 0;) {
        n = read(from, block, BLOCK);
        if (n < 0 && errno != EINTR)
            error = errno;
        else if (n > 0)
            error = mx_disk_write(to, block, (size_t)n);
    }
    free(block);
    return error;
}

/* By the kernel, which may let both files share their blocks; not every pair of file systems can. */
static int copy_bytes(int from, int to)
{
    for (;;) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, COPY, 0);
        if (n < 0 && errno != EINTR)
            return copy_through_memory(from, to); /* goes on where both stand */
        if (n == 0) /* the end; or a file system that knows no copies and says so in this way */
            return copy_through_memory(from, to);
    }
}

int mx_disk_copy(const char *from, const char *unfinished, const char *path)
{
    int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), out = -1;
    if (in < 0)
        return errno;
    int error = mx_disk_create(unfinished, &out);
    if (error == 0)
        error = copy_bytes(in, out);
    if (error == 0 && fdatasync(out) < 0)
        error = errno;
    if (out >= 0 && close(out) < 0 && error == 0)
        error = errno;
    if (error == 0)
        error = mx_disk_move(unfinished, path);
    if (error != 0 && out >= 0)
        unlink(unfinished);
    close(in);
    return error;
}
