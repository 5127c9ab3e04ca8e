/* rotate.c: when a log file is full or old, and what its predecessors are called: as Python's handlers name them. */
#include "log/setup.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DAY 86400

static void split_time(const struct log_file *file, time_t at, struct tm *out)
{
    if (file->utc)
        gmtime_r(&at, out);
    else
        localtime_r(&at, out);
}

static time_t join_time(const struct log_file *file, struct tm *tm)
{
    tm->tm_isdst = -1;
    return file->utc ? timegm(tm) : mktime(tm);
}

static int64_t seconds_of(char unit)
{
    return unit == 'S' ? 1 : unit == 'M' ? 60 : unit == 'H' ? 3600 : DAY;
}

/* Days are counted by the calendar, since some have 23 or 25 hours. */
static time_t midnight(const struct log_file *file, time_t from, int64_t days)
{
    struct tm tm;
    split_time(file, from, &tm);
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_mday += (int)days;
    return join_time(file, &tm);
}

static int64_t days_to_weekday(const struct log_file *file, time_t from)
{
    struct tm tm;
    split_time(file, from, &tm);
    int today = (tm.tm_wday + 6) % 7; /* Monday is 0 */
    return (file->weekday - today + 7) % 7 + 1; /* at the end of that day */
}

time_t log_next_rollover(const struct log_file *file, time_t from)
{
    if (file->unit == 'W')
        return midnight(file, from, days_to_weekday(file, from));
    if (file->unit == 'N')
        return midnight(file, from, file->interval);
    return from + (time_t)(file->interval * seconds_of(file->unit));
}

bool log_must_rotate(const struct log_file *file, size_t n, time_t now)
{
    if (file->rotation == LOG_ROTATE_TIME)
        return now >= file->rollover_at;
    return file->rotation == LOG_ROTATE_SIZE && file->max_bytes > 0 && file->backups > 0 && file->size > 0 &&
           file->size + (int64_t)n > file->max_bytes;
}

static void rename_by_number(const struct log_file *file)
{
    struct gg_buf from = GG_BUF_INIT, to = GG_BUF_INIT;
    for (int64_t i = file->backups - 1; i >= 0; i--) {
        gg_buf_clear(&from);
        gg_buf_clear(&to);
        gg_buf_text(&from, file->path);
        if (i > 0)
            gg_buf_printf(&from, ".%lld", (long long)i);
        gg_buf_printf(&to, "%s.%lld", file->path, (long long)i + 1);
        (void)rename(from.data, to.data); /* one that does not exist is skipped */
    }
    gg_buf_done(&from);
    gg_buf_done(&to);
}

/* The name of the time in which the file was begun. */
static size_t suffix_of(const struct log_file *file, char *out, size_t size)
{
    struct tm tm;
    time_t began = file->unit == 'N' || file->unit == 'W'
                       ? midnight(file, file->rollover_at, file->unit == 'W' ? -7 : -file->interval)
                       : file->rollover_at - (time_t)(file->interval * seconds_of(file->unit));
    split_time(file, began, &tm);
    switch (file->unit) {
    case 'S':
        return strftime(out, size, "%Y-%m-%d_%H-%M-%S", &tm);
    case 'M':
        return strftime(out, size, "%Y-%m-%d_%H-%M", &tm);
    case 'H':
        return strftime(out, size, "%Y-%m-%d_%H", &tm);
    default:
        return strftime(out, size, "%Y-%m-%d", &tm);
    }
}

/* Digits where the example has digits, else the same characters. */
static bool same_shape(const char *text, const char *example)
{
    for (; *text && *example; text++, example++) {
        bool digit = *text >= '0' && *text <= '9', wanted = *example >= '0' && *example <= '9';
        if (digit != wanted || (!digit && *text != *example))
            return false;
    }
    return *text == *example;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct name_list {
    struct gg_arena *arena;
    char **names;
    size_t n, cap;
};

static void add_name(struct name_list *list, const char *name)
{
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        char **names = GG_NEW_ARRAY(list->arena, char *, cap);
        if (list->n)
            memcpy(names, list->names, list->n * sizeof(*names));
        list->names = names;
        list->cap = cap;
    }
    list->names[list->n++] = gg_arena_strdup(list->arena, name);
}

static void drop_oldest(const struct log_file *file, const char *suffix)
{
    struct name_list list = {.arena = gg_arena_new()};
    const char *slash = strrchr(file->path, '/'), *base = slash ? slash + 1 : file->path;
    size_t base_n = strlen(base);
    const char *folder = !slash ? "." : gg_arena_strndup(list.arena, file->path, (size_t)(slash - file->path) + 1);
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;)
        if (strncmp(e->d_name, base, base_n) == 0 && e->d_name[base_n] == '.' &&
            same_shape(e->d_name + base_n + 1, suffix))
            add_name(&list, e->d_name);
    if (list.n)
        qsort(list.names, list.n, sizeof(*list.names), compare_names);
    for (size_t i = 0; i + (size_t)file->backups < list.n; i++)
        (void)unlinkat(dirfd(dir), list.names[i], 0);
    if (dir)
        closedir(dir);
    gg_arena_free(list.arena);
}

static void rename_by_time(const struct log_file *file)
{
    char suffix[40];
    struct gg_buf to = GG_BUF_INIT;
    suffix[suffix_of(file, suffix, sizeof(suffix))] = '\0';
    gg_buf_printf(&to, "%s.%s", file->path, suffix);
    (void)rename(file->path, to.data);
    if (file->backups > 0)
        drop_oldest(file, suffix);
    gg_buf_done(&to);
}

void log_rename_for_rotation(const struct log_file *file)
{
    if (file->rotation == LOG_ROTATE_SIZE)
        rename_by_number(file);
    else
        rename_by_time(file);
}
