/* file.c: log files. */
#include "log/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define WATCH_SECONDS 1

/* Another file of the same path takes the place of the old one only once it is open. */
static int open_path(struct log_file *file, int flags, struct gg_error *err)
{
    struct stat st;
    int fd = open(file->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | flags, 0666);
    if (fd < 0 || fstat(fd, &st) != 0) {
        int why = errno;
        if (fd >= 0)
            close(fd);
        return gg_fail(err, GG_E_IO, "log file %s: %s", file->path, strerror(why));
    }
    log_file_close(file);
    file->fd = fd;
    file->size = st.st_size;
    file->dev = st.st_dev;
    file->ino = st.st_ino;
    /* A file that a former process left counts from its last line, so that restarts do not put off a rotation. */
    time_t now = time(NULL);
    if (file->rotation == LOG_ROTATE_TIME)
        file->rollover_at = log_next_rollover(file, st.st_size > 0 && st.st_mtime < now ? st.st_mtime : now);
    return GG_OK;
}

int log_file_open(struct log_file *file, struct gg_error *err)
{
    file->fd = -1;
    return open_path(file, file->truncate ? O_TRUNC : 0, err);
}

int log_file_reopen(struct log_file *file, struct gg_error *err)
{
    return open_path(file, 0, err);
}

void log_file_close(struct log_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

/* The log itself is what fails here, so standard error hears of it: once, until it works again. */
static void complain(struct log_file *file, const char *why)
{
    if (!file->failing) {
        struct gg_buf b = GG_BUF_INIT;
        gg_buf_printf(&b, "ganglion: lines are lost: log file %s: %s\n", file->path, why);
        if (write(STDERR_FILENO, b.data, b.n) < 0)
            gg_buf_clear(&b);
        gg_buf_done(&b);
    }
    file->failing = true;
}

static void write_all(struct log_file *file, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t put = write(file->fd, data, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            complain(file, strerror(errno));
            return;
        }
        file->size += put;
        data += put;
        n -= (size_t)put;
    }
    file->failing = false;
}

static bool was_moved(struct log_file *file, time_t now)
{
    struct stat st;
    if (now - file->checked_at < WATCH_SECONDS)
        return false;
    file->checked_at = now;
    return stat(file->path, &st) != 0 || st.st_dev != file->dev || st.st_ino != file->ino;
}

static void follow(struct log_file *file, size_t n, time_t now)
{
    struct gg_error err = GG_ERROR_INIT;
    if (file->rotation == LOG_ROTATE_WATCHED) {
        if (!was_moved(file, now))
            return;
    } else {
        if (!log_must_rotate(file, n, now))
            return;
        log_rename_for_rotation(file);
    }
    if (open_path(file, 0, &err) != GG_OK)
        complain(file, err.message); /* and goes on with the old one */
    if (file->rotation == LOG_ROTATE_TIME)
        file->rollover_at = log_next_rollover(file, now);
}

void log_file_write(struct log_file *file, const char *data, size_t n, time_t now)
{
    follow(file, n, now);
    if (file->fd >= 0)
        write_all(file, data, n);
}
