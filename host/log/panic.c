/* panic.c: the last words of a process that found a bug in itself. */
#include "log/log.h"

#include <execinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* To the log if that is possible, and straight to standard error: the log may be what is broken. */
void gg_panic(const char *file, int line, const char *fmt, ...)
{
    char text[1024];
    int n = snprintf(text, sizeof(text), "ganglion: PANIC at %s:%d: ", file, line);
    va_list ap;
    va_start(ap, fmt);
    n += vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
    va_end(ap);
    if (n > (int)sizeof(text) - 2)
        n = (int)sizeof(text) - 2;
    text[n] = '\0';
    gg_log_last_words(file, line, strchr(text, 'P'));
    text[n++] = '\n';
    if (write(STDERR_FILENO, text, (size_t)n) < 0)
        abort();
    void *frames[64];
    backtrace_symbols_fd(frames, backtrace(frames, GG_COUNT(frames)), STDERR_FILENO);
    abort();
}
