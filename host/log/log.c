/* log.c: lines to standard error. */
#include <ganglion/buf.h>
#include <ganglion/fiber.h>
#include <ganglion/log.h>

#include <stdarg.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

bool gg_log_enabled(struct gg_logger *logger, int level)
{
    return level >= GG_INFO;
}

static const char *level_name(int level)
{
    return level >= GG_CRITICAL ? "CRITICAL" : level >= GG_ERROR ? "ERROR" : level >= GG_WARN ? "WARNING"
         : level >= GG_INFO ? "INFO" : "DEBUG";
}

void gg_log_write(struct gg_logger *logger, int level, const char *file, int line, const char *fmt, ...)
{
    char message[4096], stamp[32];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    struct timeval tv;
    struct tm tm;
    gettimeofday(&tv, NULL);
    localtime_r(&tv.tv_sec, &tm);
    strftime(stamp, sizeof(stamp), "%F %T", &tm);
    const char *tag = gg_get_tag();
    struct gg_buf b = GG_BUF_INIT;
    gg_buf_printf(&b, "%s,%03d - %s - %d - %s - %s - %s\n", stamp, (int)(tv.tv_usec / 1000), logger->name, line,
                  level_name(level), tag ? tag : "-", message);
    if (write(STDERR_FILENO, b.data, b.n) < 0)
        b.n = 0; /* nobody left to tell */
    gg_buf_done(&b);
}
