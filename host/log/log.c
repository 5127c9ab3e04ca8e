/* log.c: the way of one line, and the setup in force.
 *
 * A lock guards the setup, since offloaded work logs too. A logger caches its threshold until the setup changes. */
#include "log/log.h"

#include "fiber/loop.h"
#include "log/setup.h"

#include <ganglion/fiber.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct gg_logger logger = {"ganglion.log"};

/* The log of the process: one, as standard error is one. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_setup *in_force;
static unsigned generation = 1;
static uint64_t flush_timer_loop; /* the loop on which a flush is due; 0: none */

/* ---- setups ---- */

struct log_setup *log_setup_new(void)
{
    struct gg_arena *arena = gg_arena_new();
    struct log_setup *setup = GG_NEW(arena, struct log_setup);
    setup->arena = arena;
    gg_list_init(&setup->handlers);
    setup->root = (struct log_logger){.name = "", .level = GG_WARN};
    setup->root.handlers = GG_NEW_ARRAY(arena, struct log_handler *, 1);
    return setup;
}

struct log_setup *log_setup_default(void)
{
    struct log_setup *setup = log_setup_new();
    struct log_handler *handler = GG_NEW(setup->arena, struct log_handler);
    handler->kind = LOG_TO_STREAM;
    handler->stream = STDERR_FILENO;
    handler->format = log_format_text(setup->arena, LOG_DEFAULT_FORMAT, NULL, NULL, NULL);
    gg_list_push(&setup->handlers, &handler->link);
    setup->root.level = GG_INFO;
    setup->root.handlers = GG_NEW_ARRAY(setup->arena, struct log_handler *, 2);
    setup->root.handlers[0] = handler;
    return setup;
}

void log_setup_free(struct log_setup *setup)
{
    if (!setup)
        return;
    GG_LIST_EACH (it, &setup->handlers) {
        struct log_handler *handler = GG_CONTAINER(it, struct log_handler, link);
        log_handler_flush(handler);
        gg_buf_done(&handler->buffered);
    }
    GG_LIST_EACH (it, &setup->handlers) {
        struct log_handler *handler = GG_CONTAINER(it, struct log_handler, link);
        if (handler->kind == LOG_TO_FILE)
            log_file_close(&handler->file);
    }
    gg_arena_free(setup->arena);
}

void log_setup_warn(struct log_setup *setup, const char *fmt, ...)
{
    if (setup->n_warnings == setup->cap_warnings) {
        size_t cap = setup->cap_warnings ? setup->cap_warnings * 2 : 8;
        const char **warnings = GG_NEW_ARRAY(setup->arena, const char *, cap);
        if (setup->n_warnings)
            memcpy(warnings, setup->warnings, setup->n_warnings * sizeof(*warnings));
        setup->warnings = warnings;
        setup->cap_warnings = cap;
    }
    va_list ap;
    va_start(ap, fmt);
    setup->warnings[setup->n_warnings++] = gg_arena_vprintf(setup->arena, fmt, ap);
    va_end(ap);
}

/* Under the lock. At exit everything is written and freed; who logs after that is back here. */
static struct log_setup *current_setup(void)
{
    static bool at_exit;
    if (!at_exit)
        at_exit = atexit(gg_log_close) == 0;
    if (!in_force)
        in_force = log_setup_default();
    return in_force;
}

static void put_in_force(struct log_setup *setup)
{
    pthread_mutex_lock(&lock);
    struct log_setup *old = in_force;
    in_force = setup;
    __atomic_add_fetch(&generation, 1, __ATOMIC_RELAXED);
    log_setup_free(old);
    pthread_mutex_unlock(&lock);
}

int gg_log_configure(const char *path, struct gg_error *err)
{
    struct log_setup *setup = NULL;
    if (path) {
        int r = log_setup_read(path, &setup, err);
        if (r != GG_OK)
            return r;
    } else {
        setup = log_setup_default();
    }
    put_in_force(setup);
    for (size_t i = 0; i < setup->n_warnings; i++)
        gg_warn(&logger, "%s", setup->warnings[i]);
    return GG_OK;
}

void gg_log_close(void)
{
    put_in_force(NULL);
}

/* ---- levels ---- */

static const struct {
    int level;
    const char *name;
} levels[] = {{GG_DEBUG, "DEBUG"}, {GG_INFO, "INFO"}, {GG_WARN, "WARNING"}, {GG_ERROR, "ERROR"},
              {GG_CRITICAL, "CRITICAL"}, {GG_WARN, "WARN"}, {GG_CRITICAL, "FATAL"}, {0, "NOTSET"}};

const char *log_level_name(int level)
{
    return levels[level >= GG_CRITICAL ? 4 : level >= GG_ERROR ? 3 : level >= GG_WARN ? 2 : level >= GG_INFO ? 1 : 0].name;
}

int log_level_of(const char *name)
{
    for (size_t i = 0; i < GG_COUNT(levels); i++)
        if (strcmp(levels[i].name, name) == 0)
            return levels[i].level;
    return -1;
}

/* Is it the logger itself or one of its ancestors? */
static bool is_above(const char *above, const char *name)
{
    size_t n = strlen(above);
    return strncmp(above, name, n) == 0 && (name[n] == '\0' || name[n] == '.');
}

/* The nearest configured ancestor of name whose own name is shorter than `below`. */
static const struct log_logger *nearest(const struct log_setup *setup, const char *name, size_t below)
{
    const struct log_logger *best = &setup->root;
    size_t best_n = 0;
    for (size_t i = 0; i < setup->n_loggers; i++) {
        const struct log_logger *l = &setup->loggers[i];
        size_t n = strlen(l->name);
        if (n > best_n && n < below && is_above(l->name, name)) {
            best = l;
            best_n = n;
        }
    }
    return best;
}

static int threshold(const struct log_setup *setup, const char *name)
{
    const struct log_logger *l = nearest(setup, name, SIZE_MAX);
    while (l->level == 0 && l != &setup->root)
        l = nearest(setup, name, strlen(l->name));
    return l->level;
}

bool gg_log_enabled(struct gg_logger *l, int level)
{
    unsigned now = __atomic_load_n(&generation, __ATOMIC_RELAXED);
    if (__atomic_load_n(&l->generation, __ATOMIC_ACQUIRE) != now) {
        pthread_mutex_lock(&lock);
        __atomic_store_n(&l->level, threshold(current_setup(), l->name), __ATOMIC_RELAXED);
        __atomic_store_n(&l->generation, now, __ATOMIC_RELEASE);
        pthread_mutex_unlock(&lock);
    }
    return level >= __atomic_load_n(&l->level, __ATOMIC_RELAXED);
}

/* ---- writing ---- */

static void flush_all(void)
{
    if (!in_force)
        return;
    GG_LIST_EACH (it, &in_force->handlers)
        log_handler_flush(GG_CONTAINER(it, struct log_handler, link));
}

void gg_log_flush(void)
{
    pthread_mutex_lock(&lock);
    flush_all();
    pthread_mutex_unlock(&lock);
}

static void on_flush_timer(void *arg)
{
    flush_timer_loop = 0;
    gg_log_flush();
}

/* Lines are held back only on the loop's thread, where a timer can bring them out. */
static void emit_to(const struct log_logger *l, const struct log_record *record, uint64_t loop_number)
{
    for (struct log_handler **h = l->handlers; *h; h++) {
        bool may_hold = loop_number != 0 || (*h)->period_ms == 0;
        if (log_handler_emit(*h, record, may_hold) && (*h)->period_ms > 0 && flush_timer_loop != loop_number) {
            flush_timer_loop = loop_number;
            gg_timer_start((*h)->period_ms, on_flush_timer, NULL);
        }
    }
}

static void emit(const struct log_record *record)
{
    uint64_t loop_number = gg_loop_number();
    const struct log_setup *setup = current_setup();
    const struct log_logger *l = nearest(setup, record->logger, SIZE_MAX);
    for (;;) {
        emit_to(l, record, loop_number);
        if (l == &setup->root || !l->propagate)
            return;
        l = nearest(setup, record->logger, strlen(l->name));
    }
}

static struct log_record make_record(const char *name, int level, const char *file, int line, struct gg_str message)
{
    const struct gg_fiber *self = gg_self();
    struct log_record record = {.logger = name, .level = level, .file = file, .line = line, .message = message,
                                .request = gg_get_tag(), .fiber = self ? gg_fiber_name(self) : NULL};
    clock_gettime(CLOCK_REALTIME, &record.at);
    return record;
}

void gg_log_write(struct gg_logger *l, int level, const char *file, int line, const char *fmt, ...)
{
    int saved = errno;
    char small[1024];
    struct gg_buf large = GG_BUF_INIT;
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof(small), fmt, ap);
    struct gg_str message = gg_strn(small, n < 0 ? 0 : (size_t)n);
    if (message.n >= sizeof(small)) {
        gg_buf_reserve(&large, message.n);
        vsnprintf(large.data, message.n + 1, fmt, again);
        message.s = large.data;
    }
    va_end(again);
    va_end(ap);
    struct log_record record = make_record(l->name, level, file, line, message);
    pthread_mutex_lock(&lock);
    emit(&record);
    pthread_mutex_unlock(&lock);
    gg_buf_done(&large);
    errno = saved;
}

void gg_log_last_words(const char *file, int line, const char *text)
{
    if (pthread_mutex_trylock(&lock) != 0)
        return;
    struct log_record record = make_record("ganglion", GG_CRITICAL, file, line, gg_str(text));
    if (in_force)
        emit(&record);
    flush_all();
    pthread_mutex_unlock(&lock);
}

/* ---- SIGHUP ---- */

void gg_log_reopen(void)
{
    struct gg_error err = GG_ERROR_INIT;
    pthread_mutex_lock(&lock);
    flush_all();
    if (in_force)
        GG_LIST_EACH (it, &in_force->handlers) {
            struct log_handler *handler = GG_CONTAINER(it, struct log_handler, link);
            if (handler->kind == LOG_TO_FILE && log_file_reopen(&handler->file, &err) != GG_OK)
                continue; /* the last such error is said below, when lines can be written again */
        }
    pthread_mutex_unlock(&lock);
    if (err.code)
        gg_err(&logger, "not reopened: %s", err.message);
}
