/* handler.c: where lines go, at once or buffered. */
#include "log/setup.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* However large the capacity, so many bytes are never held back. */
#define MAX_HELD_BYTES ((size_t)256 * 1024)
/* A reader of standard error that does not read holds us up for no longer than this for each line. */
#define STREAM_PATIENCE_MS 20

static void write_stream(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t put = write(fd, data, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            if (poll(&p, 1, STREAM_PATIENCE_MS) > 0)
                continue;
        }
        if (put < 0)
            return; /* nobody listens; the line is lost */
        data += put;
        n -= (size_t)put;
    }
}

static void put(struct log_handler *handler, const char *data, size_t n)
{
    if (handler->kind == LOG_TO_STREAM)
        write_stream(handler->stream, data, n);
    else if (handler->kind == LOG_TO_FILE)
        log_file_write(&handler->file, data, n, time(NULL));
}

void log_handler_flush(struct log_handler *handler)
{
    if (handler->kind != LOG_TO_MEMORY || handler->buffered.n == 0)
        return;
    put(handler->target, handler->buffered.data, handler->buffered.n);
    gg_buf_clear(&handler->buffered);
    handler->count = 0;
}

static bool hold(struct log_handler *handler, const struct log_record *record, bool may_hold)
{
    log_format_write(handler->target->format, record, &handler->buffered);
    handler->count++;
    if (may_hold && handler->count < handler->capacity && record->level < handler->flush_level &&
        handler->buffered.n < MAX_HELD_BYTES)
        return true;
    log_handler_flush(handler);
    return false;
}

bool log_handler_emit(struct log_handler *handler, const struct log_record *record, bool may_hold)
{
    if (record->level < handler->level || handler->kind == LOG_TO_NOTHING)
        return false;
    if (handler->kind == LOG_TO_MEMORY)
        return handler->target->kind != LOG_TO_NOTHING && hold(handler, record, may_hold);
    struct gg_buf line = GG_BUF_INIT;
    log_format_write(handler->format, record, &line);
    put(handler, line.data, line.n);
    gg_buf_done(&line);
    return false;
}
