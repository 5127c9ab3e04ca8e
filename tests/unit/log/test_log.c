/* The log: dictConfig files, formats, levels, buffering, rotation and reopening. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ganglion/arena.h>
#include <ganglion/fiber.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/log.h"
#include "log/setup.h"

static struct gg_logger room_logger = {"synapse.storage.rooms"};
static struct gg_logger sql_logger = {"synapse.storage.SQL"};
static struct gg_logger other_logger = {"synapse.storages"};

static struct gg_arena *arena;
static char folder[64];

static int make_folder(void **state)
{
    arena = gg_arena_new();
    snprintf(folder, sizeof(folder), "/tmp/ganglion-test-log-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    gg_log_close();
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    gg_arena_free(arena);
    return system(command);
}

static const char *in_folder(const char *name)
{
    return gg_arena_printf(arena, "%s/%s", folder, name);
}

static const char *content(const char *name)
{
    static char text[65536];
    FILE *f = fopen(in_folder(name), "r");
    if (!f)
        return NULL;
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

/* Every $D of the text becomes the folder. */
static int configure(const char *yaml, struct gg_error *err)
{
    const char *path = in_folder("log.yaml");
    FILE *f = fopen(path, "w");
    for (const char *p = yaml; *p; p++) {
        if (p[0] == '$' && p[1] == 'D') {
            fputs(folder, f);
            p++;
        } else {
            fputc(*p, f);
        }
    }
    fclose(f);
    *err = (struct gg_error)GG_ERROR_INIT;
    return gg_log_configure(path, err);
}

static void configure_well(const char *yaml)
{
    struct gg_error err;
    if (configure(yaml, &err) != GG_OK)
        fail_msg("%s", err.message);
}

#define PLAIN "version: 1\nformatters: {f: {format: '%(levelname)s %(name)s %(message)s'}}\n"
#define TO_FILE PLAIN "handlers: {h: {class: logging.FileHandler, formatter: f, filename: $D/out.log}}\n"

static void levels_follow_the_nearest_name(void **state)
{
    configure_well(TO_FILE "loggers: {synapse.storage: {level: DEBUG}, synapse.storage.SQL: {level: ERROR}}\n"
                           "root: {level: WARNING, handlers: [h]}\n");
    errno = EBADMSG;
    gg_debug(&room_logger, "room %d", 1);
    gg_warn(&sql_logger, "too low");
    gg_err(&sql_logger, "sql");
    gg_info(&other_logger, "another name, not a child");
    gg_warn(&other_logger, "other");
    assert_int_equal(errno, EBADMSG);
    assert_string_equal(content("out.log"), "DEBUG synapse.storage.rooms room 1\nERROR synapse.storage.SQL sql\n"
                                            "WARNING synapse.storages other\n");
    configure_well(TO_FILE "root: {level: 50, handlers: [h]}\n");
    assert_false(gg_log_enabled(&room_logger, GG_ERROR)); /* the cached threshold is renewed */
    assert_true(gg_log_enabled(&room_logger, GG_CRITICAL));
}

static void loggers_propagate_unless_told_not_to(void **state)
{
    configure_well(PLAIN "handlers:\n"
                         "  h: {class: logging.FileHandler, formatter: f, filename: $D/out.log}\n"
                         "  w: {class: logging.FileHandler, formatter: f, level: WARNING, filename: $D/own.log}\n"
                         "loggers:\n"
                         "  synapse.storage: {handlers: [w]}\n"
                         "  synapse.storage.SQL: {handlers: [w], propagate: false}\n"
                         "root: {level: INFO, handlers: [h]}\n");
    gg_info(&room_logger, "a");
    gg_warn(&room_logger, "b");
    gg_warn(&sql_logger, "c");
    assert_string_equal(content("out.log"), "INFO synapse.storage.rooms a\nWARNING synapse.storage.rooms b\n");
    assert_string_equal(content("own.log"), "WARNING synapse.storage.rooms b\nWARNING synapse.storage.SQL c\n");
}

static struct log_record sample(const char *message)
{
    return (struct log_record){.logger = "synapse.a", .level = GG_INFO, .file = "host/x/file.c", .line = 7,
                               .request = "GET-5", .message = gg_str(message),
                               .at = {.tv_sec = 1795407451, .tv_nsec = 435000000}};
}

static void on_unknown(void *arg, const char *field)
{
    *(const char **)arg = field;
}

static void formats_print_like_python(void **state)
{
    static const struct {
        const char *fmt, *datefmt, *want;
    } rows[] = {
        {LOG_DEFAULT_FORMAT, NULL, "2026-11-23 04:17:31,435 - synapse.a - 7 - INFO - GET-5 - he said\\n\\x1b[1m\n"},
        {"%(levelname)-8s|%(lineno)5d|%(msecs)03d%%", NULL, "INFO    |    7|435%\n"},
        {"%(name).3s %(module)s %(filename)s %(nosuch)s", NULL, "syn file file.c -\n"},
        {"%(asctime)s %(message", "%H:%M", "04:17 %(message\n"},
        {"100% %s", NULL, "100% %s\n"},
        {"%(created)f", NULL, "1795407451.435000\n"},
    };
    struct log_record record = sample("he said\n\x1b[1m");
    for (size_t i = 0; i < GG_COUNT(rows); i++) {
        const char *unknown = NULL;
        struct gg_buf out = GG_BUF_INIT;
        struct log_format *f = log_format_text(arena, rows[i].fmt, rows[i].datefmt, on_unknown, &unknown);
        log_format_write(f, &record, &out);
        assert_string_equal(out.data, rows[i].want);
        assert_int_equal(unknown != NULL, strstr(rows[i].fmt, "nosuch") != NULL);
        gg_buf_done(&out);
    }
}

static void json_forms_are_those_of_synapse(void **state)
{
    struct gg_buf out = GG_BUF_INIT;
    struct log_record record = sample("h\xc3\xa9\"llo\nx");
    log_format_write(log_format_json(arena, true), &record, &out);
    record.request = NULL;
    log_format_write(log_format_json(arena, false), &record, &out);
    assert_string_equal(out.data, "{\"log\":\"h\xc3\xa9\\\"llo\\nx\",\"namespace\":\"synapse.a\",\"level\":\"INFO\","
                                  "\"time\":1795407451.43,\"request\":\"GET-5\"}\n"
                                  "{\"log\":\"h\xc3\xa9\\\"llo\\nx\",\"namespace\":\"synapse.a\",\"level\":\"INFO\"}\n");
    gg_buf_done(&out);
}

static void tagged_line(void *arg)
{
    gg_set_tag("PUT-9");
    gg_info(&room_logger, "tagged");
}

static void lines_carry_the_request(void **state)
{
    configure_well("version: 1\nformatters: {f: {format: '%(request)s %(message)s'}, j: {(): "
                   "synapse.logging.TerseJsonFormatter}}\n"
                   "handlers:\n  h: {class: logging.FileHandler, formatter: f, filename: $D/out.log}\n"
                   "  j: {class: logging.FileHandler, formatter: j, filename: $D/json.log}\n"
                   "root: {level: INFO, handlers: [h, j]}\n");
    assert_int_equal(gg_loop_run(NULL, tagged_line, NULL), GG_OK);
    gg_info(&room_logger, "plain");
    assert_string_equal(content("out.log"), "PUT-9 tagged\n- plain\n");
    assert_non_null(strstr(content("json.log"), "\"request\":\"PUT-9\"}\n"));
}

static void long_messages_are_whole(void **state)
{
    configure_well(TO_FILE "root: {level: INFO, handlers: [h]}\n");
    char text[5001];
    memset(text, 'x', 5000);
    text[5000] = '\0';
    gg_info(&room_logger, "%s.", text);
    const char *got = content("out.log");
    assert_int_equal(strlen(got), strlen("INFO synapse.storage.rooms ") + 5002);
    assert_string_equal(got + strlen(got) - 3, "x.\n");
}

/* ---- buffering: the file that Synapse generates ---- */

#define BUFFERED                                                                                          \
    PLAIN "handlers:\n"                                                                                   \
          "  file: {class: logging.handlers.TimedRotatingFileHandler, formatter: f, filename: $D/out.log," \
          " when: midnight, backupCount: 3, encoding: utf8}\n"                                            \
          "  buffer: {class: synapse.logging.handlers.PeriodicallyFlushingMemoryHandler, target: file,"   \
          " capacity: 3, flushLevel: 30, period: 0.03}\n"                                                 \
          "root: {level: INFO, handlers: [buffer]}\ndisable_existing_loggers: false\n"

static void log_in_loop(void *arg)
{
    gg_info(&room_logger, "1");
    assert_string_equal(content("out.log"), "");
    gg_sleep(80); /* the period brings it out */
    assert_string_equal(content("out.log"), "INFO synapse.storage.rooms 1\n");
    gg_info(&room_logger, "2");
    gg_warn(&room_logger, "3");
    assert_non_null(strstr(content("out.log"), "rooms 3\n")); /* its level does */
    gg_info(&room_logger, "4");
    gg_info(&room_logger, "5");
    assert_null(strstr(content("out.log"), "rooms 5\n"));
    gg_info(&room_logger, "6");
    assert_non_null(strstr(content("out.log"), "rooms 6\n")); /* capacity does */
    gg_info(&room_logger, "7");
    gg_log_flush();
    assert_non_null(strstr(content("out.log"), "rooms 7\n"));
    gg_info(&room_logger, "8");
}

static void buffered_lines_come_out(void **state)
{
    configure_well(BUFFERED);
    gg_info(&room_logger, "0"); /* no loop, no timer: not held */
    assert_string_equal(content("out.log"), "INFO synapse.storage.rooms 0\n");
    assert_int_equal(truncate(in_folder("out.log"), 0), 0);
    assert_int_equal(gg_loop_run(NULL, log_in_loop, NULL), GG_OK);
    gg_log_close();
    assert_non_null(strstr(content("out.log"), "rooms 8\n"));
}

/* ---- files ---- */

static void write_line(struct log_file *file, const char *line, time_t now)
{
    log_file_write(file, line, strlen(line), now);
}

static void full_files_rotate(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    struct log_file file = {.path = in_folder("r.log"), .rotation = LOG_ROTATE_SIZE, .max_bytes = 10, .backups = 2};
    assert_int_equal(log_file_open(&file, &err), GG_OK);
    for (int i = 0; i < 9; i++)
        write_line(&file, (char[]){(char)('a' + i), 'x', 'x', '\n', '\0'}, 1);
    assert_string_equal(content("r.log"), "ixx\n");
    assert_string_equal(content("r.log.1"), "gxx\nhxx\n");
    assert_string_equal(content("r.log.2"), "exx\nfxx\n");
    assert_null(content("r.log.3"));
    log_file_close(&file);
}

static void old_files_rotate(void **state)
{
    setenv("TZ", "UTC", 1);
    tzset();
    struct gg_error err = GG_ERROR_INIT;
    struct log_file file = {.path = in_folder("t.log"), .rotation = LOG_ROTATE_TIME, .unit = 'N', .interval = 1, .backups = 2};
    assert_int_equal(log_file_open(&file, &err), GG_OK);
    file.rollover_at = log_next_rollover(&file, 1795407451); /* 2026-11-23 */
    assert_int_equal(file.rollover_at, 1795478400);
    for (int day = 0; day < 5; day++)
        write_line(&file, (char[]){(char)('0' + day), '\n', '\0'}, 1795407451 + day * 86400);
    assert_string_equal(content("t.log"), "4\n");
    assert_string_equal(content("t.log.2026-11-26"), "3\n");
    assert_string_equal(content("t.log.2026-11-25"), "2\n");
    assert_null(content("t.log.2026-11-24"));
    log_file_close(&file);
    struct timespec times[2] = {{1795407451 - 4 * 86400, 0}, {1795407451 - 4 * 86400, 0}};
    assert_int_equal(utimensat(AT_FDCWD, in_folder("t.log"), times, 0), 0);
    assert_int_equal(log_file_open(&file, &err), GG_OK);
    assert_int_equal(file.rollover_at, 1795478400 - 4 * 86400); /* a restart does not put it off */
    log_file_close(&file);
}

static void rollovers_follow_the_calendar(void **state)
{
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    struct log_file file = {.unit = 'N', .interval = 1};
    /* Saturday 2026-10-24 12:00 CEST; the night after has 25 hours. */
    time_t next = log_next_rollover(&file, 1792836000);
    assert_int_equal(next, 1792879200);
    assert_int_equal(log_next_rollover(&file, next), 1792879200 + 25 * 3600);
    file.unit = 'W';
    file.weekday = 5; /* after Saturday */
    assert_int_equal(log_next_rollover(&file, 1792836000), 1792879200);
    file.weekday = 4;
    assert_int_equal(log_next_rollover(&file, 1792836000), 1792879200 + 6 * 86400 + 3600);
    file.unit = 'H';
    file.interval = 2;
    assert_int_equal(log_next_rollover(&file, 1000), 8200);
    setenv("TZ", "UTC", 1);
    tzset();
}

static void moved_files_are_followed(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    struct log_file file = {.path = in_folder("w.log"), .rotation = LOG_ROTATE_WATCHED};
    assert_int_equal(log_file_open(&file, &err), GG_OK);
    write_line(&file, "1\n", 100);
    assert_int_equal(rename(in_folder("w.log"), in_folder("moved.log")), 0);
    write_line(&file, "2\n", 102);
    assert_string_equal(content("moved.log"), "1\n");
    assert_string_equal(content("w.log"), "2\n");
    log_file_close(&file);
}

static void files_are_reopened(void **state)
{
    configure_well(TO_FILE "root: {level: INFO, handlers: [h]}\n");
    gg_info(&room_logger, "1");
    assert_int_equal(rename(in_folder("out.log"), in_folder("out.log.old")), 0);
    gg_info(&room_logger, "2");
    assert_null(content("out.log"));
    gg_log_reopen();
    gg_info(&room_logger, "3");
    assert_string_equal(content("out.log"), "INFO synapse.storage.rooms 3\n");
    assert_non_null(strstr(content("out.log.old"), "rooms 2\n"));
    assert_int_equal(unlink(in_folder("out.log")), 0);
    assert_int_equal(mkdir(in_folder("out.log"), 0700), 0);
    gg_log_reopen(); /* cannot: the old descriptor stays in use */
    gg_info(&room_logger, "4");
}

/* ---- what is wrong with a file ---- */

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *yaml, *say;
    } rows[] = {
        {"a: [", "log.yaml"},
        {"[]", "must be a map"},
        {"root: {}\n", "version: 1"},
        {"version: 1\nstructured: true\n", "TerseJsonFormatter"},
        {PLAIN "root: {level: LOUD}\n", "\"LOUD\" is no log level"},
        {PLAIN "root: {handlers: [nope]}\n", "no handler is called \"nope\""},
        {PLAIN "handlers: {h: {class: logging.FileHandler}}\n", "needs a \"filename\""},
        {PLAIN "handlers: {h: {class: logging.FileHandler, filename: $D}}\n", "Is a directory"},
        {PLAIN "handlers: {h: {class: logging.FileHandler, filename: $D/no/out.log}}\n", "No such file"},
        {PLAIN "handlers: {h: {class: logging.StreamHandler, formatter: g}}\n", "no formatter is called \"g\""},
        {PLAIN "handlers: {h: {class: logging.handlers.TimedRotatingFileHandler, filename: $D/o, when: Y}}\n", "when: Y"},
        {PLAIN "handlers: {h: {class: logging.handlers.MemoryHandler, target: g}}\n", "target of handler \"h\""},
        {PLAIN "handlers: {h: {class: logging.handlers.MemoryHandler, target: h}}\n", "buffers itself"},
        {PLAIN "handlers: {h: 1}\n", "a handler must be a map"},
    };
    for (size_t i = 0; i < GG_COUNT(rows); i++) {
        struct gg_error err;
        assert_true(configure(rows[i].yaml, &err) < 0);
        if (!strstr(err.message, rows[i].say))
            fail_msg("%s", err.message);
    }
    struct gg_error err = GG_ERROR_INIT;
    assert_int_equal(gg_log_configure(in_folder("absent.yaml"), &err), GG_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "absent.yaml"));
}

static void a_bad_file_leaves_the_old_setup(void **state)
{
    struct gg_error err;
    configure_well(TO_FILE "root: {level: INFO, handlers: [h]}\n");
    assert_true(configure("version: 2\n", &err) < 0);
    gg_info(&room_logger, "still here");
    assert_non_null(strstr(content("out.log"), "still here"));
}

static void unknown_things_are_warned_of(void **state)
{
    configure_well(PLAIN "filters: {x: {(): my.Filter}, c: {(): synapse.logging.context.LoggingContextFilter}}\n"
                         "handlers:\n  h: {class: logging.FileHandler, formatter: f, filename: $D/out.log, colour: red}\n"
                         "  s: {class: sentry.Handler}\n"
                         "  b: {class: logging.handlers.MemoryHandler, target: s}\n"
                         "root: {level: INFO, handlers: [h, s, b]}\nextra: 1\n");
    const char *text = content("out.log");
    assert_non_null(strstr(text, "WARNING ganglion.log "));
    assert_non_null(strstr(text, "handler \"s\" has the class sentry.Handler"));
    assert_non_null(strstr(text, "\"colour\" of handler \"h\""));
    assert_non_null(strstr(text, "filter \"x\" (my.Filter)"));
    assert_non_null(strstr(text, "\"extra\" is not known"));
    assert_null(strstr(text, "LoggingContextFilter"));
    gg_info(&room_logger, "goes on");
    assert_non_null(strstr(content("out.log"), "goes on"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(levels_follow_the_nearest_name, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(loggers_propagate_unless_told_not_to, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(formats_print_like_python, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(json_forms_are_those_of_synapse, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(lines_carry_the_request, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(long_messages_are_whole, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(buffered_lines_come_out, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(full_files_rotate, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(old_files_rotate, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(rollovers_follow_the_calendar, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(moved_files_are_followed, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(files_are_reopened, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(mistakes_are_named, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(a_bad_file_leaves_the_old_setup, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(unknown_things_are_warned_of, make_folder, drop_folder),
    };
    setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
