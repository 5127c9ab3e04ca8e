/* ganglion/log.h: lines for operators.
 *
 * Loggers are dotted names as in Python's logging ("synapse.storage.SQL" style
 * names are kept where operators already filter by them); the level of a name is
 * that of its longest configured prefix. A line carries the request id of the
 * running fiber. Writing never blocks the loop for long: one write(2) a line to
 * a file or standard error. Before the log is configured lines go to stderr. */
#ifndef GANGLION_LOG_H
#define GANGLION_LOG_H

#include <ganglion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum gg_level { GG_DEBUG = 10, GG_INFO = 20, GG_WARN = 30, GG_ERROR = 40, GG_CRITICAL = 50 };

/* One static per file: `static struct gg_logger logger = {"ganglion.http"};` */
struct gg_logger {
    const char *name;
    int level;           /* private: threshold as of `generation` */
    unsigned generation; /* private */
};

GG_API bool gg_log_enabled(struct gg_logger *logger, int level);
GG_API void gg_log_write(struct gg_logger *logger, int level, const char *file, int line, const char *fmt, ...)
    GG_PRINTF(5, 6);

#define gg_log(logger_, level_, ...)                                                 \
    do {                                                                             \
        if (gg_log_enabled((logger_), (level_)))                                     \
            gg_log_write((logger_), (level_), __FILE__, __LINE__, __VA_ARGS__);      \
    } while (0)
#define gg_debug(logger_, ...) gg_log((logger_), GG_DEBUG, __VA_ARGS__)
#define gg_info(logger_, ...) gg_log((logger_), GG_INFO, __VA_ARGS__)
#define gg_warn(logger_, ...) gg_log((logger_), GG_WARN, __VA_ARGS__)
#define gg_err(logger_, ...) gg_log((logger_), GG_ERROR, __VA_ARGS__)

/* A bug: says where, writes a backtrace, aborts. Also in release builds. */
GG_API GG_NORETURN void gg_panic(const char *file, int line, const char *fmt, ...) GG_PRINTF(3, 4);
#define GG_ASSERT(cond_) ((cond_) ? (void)0 : gg_panic(__FILE__, __LINE__, "assertion failed: %s", #cond_))

#ifdef __cplusplus
}
#endif
#endif
