/* setup.h: what a log configuration consists of; private to this folder. All of it lives in one arena and is used
 * under the one lock of log.c. */
#ifndef HOST_LOG_SETUP_H
#define HOST_LOG_SETUP_H

#include <ganglion/arena.h>
#include <ganglion/buf.h>
#include <ganglion/error.h>
#include <ganglion/list.h>
#include <ganglion/log.h>

#include <sys/types.h>
#include <time.h>

struct log_record {
    const char *logger;
    int level;
    const char *file;
    int line;
    const char *request; /* NULL: none */
    const char *fiber;   /* NULL: none */
    struct gg_str message;
    struct timespec at;
};

const char *log_level_name(int level);
int log_level_of(const char *name); /* -1: no such level; 0: NOTSET */

/* ---- formats ---- */

struct log_format;
/* A %-style template; each field that is not known calls unknown(arg, field) once and prints "-". datefmt may be NULL. */
struct log_format *log_format_text(struct gg_arena *arena, const char *fmt, const char *datefmt,
                                   void (*unknown)(void *arg, const char *field), void *arg);
struct log_format *log_format_json(struct gg_arena *arena, bool with_time);
void log_format_write(struct log_format *format, const struct log_record *record, struct gg_buf *out); /* with newline */

#define LOG_DEFAULT_FORMAT "%(asctime)s - %(name)s - %(lineno)d - %(levelname)s - %(request)s - %(message)s"

/* ---- files ---- */

enum log_rotation { LOG_ROTATE_NEVER, LOG_ROTATE_WATCHED, LOG_ROTATE_SIZE, LOG_ROTATE_TIME };

struct log_file {
    const char *path;
    int rotation;   /* enum log_rotation */
    bool truncate;  /* at the first open */
    int64_t max_bytes, backups;
    char unit;      /* TIME: S M H D, N for midnight, W for a weekday */
    int weekday;    /* of W: 0 is Monday */
    int64_t interval;
    bool utc;
    /* below: its state */
    int fd;
    int64_t size;
    time_t rollover_at, checked_at;
    dev_t dev;
    ino_t ino;
    bool failing;
};
GG_CHECKED int log_file_open(struct log_file *file, struct gg_error *err);
GG_CHECKED int log_file_reopen(struct log_file *file, struct gg_error *err);
void log_file_write(struct log_file *file, const char *data, size_t n, time_t now);
void log_file_close(struct log_file *file);

/* rotate.c */
time_t log_next_rollover(const struct log_file *file, time_t from);
bool log_must_rotate(const struct log_file *file, size_t n, time_t now);
void log_rename_for_rotation(const struct log_file *file); /* moves what is there out of the way, drops the oldest */

/* ---- handlers ---- */

enum log_handler_kind { LOG_TO_NOTHING, LOG_TO_STREAM, LOG_TO_FILE, LOG_TO_MEMORY };

struct log_handler {
    struct gg_list link;
    const char *name;
    int kind, level;
    struct log_format *format;
    int stream;                 /* STREAM */
    struct log_file file;       /* FILE */
    struct log_handler *target; /* MEMORY */
    struct gg_buf buffered;
    int64_t capacity, count, period_ms;
    int flush_level;
};
/* True: it holds lines back that must be written within period_ms. */
bool log_handler_emit(struct log_handler *handler, const struct log_record *record, bool may_hold);
void log_handler_flush(struct log_handler *handler);

/* ---- the whole ---- */

struct log_logger {
    const char *name;
    int level; /* 0: that of its parent */
    bool propagate;
    struct log_handler **handlers; /* NULL-ended */
};

struct log_setup {
    struct gg_arena *arena;
    struct gg_list handlers;
    struct log_logger *loggers;
    size_t n_loggers;
    struct log_logger root;
    const char **warnings; /* to be logged once it is in force */
    size_t n_warnings, cap_warnings;
};
struct log_setup *log_setup_new(void);
struct log_setup *log_setup_default(void);
void log_setup_free(struct log_setup *setup); /* flushes and closes */
GG_PRINTF(2, 3) void log_setup_warn(struct log_setup *setup, const char *fmt, ...);
/* log_config.c */
GG_CHECKED int log_setup_read(const char *path, struct log_setup **out, struct gg_error *err);

/* log_config_handler.c */
struct gg_node;
GG_CHECKED int log_read_handler(struct log_setup *setup, const struct gg_node *formatters, const char *name,
                                const struct gg_node *node, struct gg_error *err);
GG_CHECKED int log_link_targets(struct log_setup *setup, const struct gg_node *handlers, struct gg_error *err);
struct log_handler *log_find_handler(const struct log_setup *setup, const char *name);
GG_CHECKED int log_read_level(const struct gg_node *node, int *level_out, struct gg_error *err);

#endif
