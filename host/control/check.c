/* `ganglionctl check`: what is wrong with the files of a deployment, and with what runs of it. */
#include "control/control.h"

#include "config/modes.h"
#include "main/commands.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct findings {
    json_t *list;
    size_t errors;
};

static void find(struct findings *findings, const char *level, struct gg_str text)
{
    findings->errors += strcmp(level, "error") == 0;
    json_array_append_new(findings->list, json_pack("{s:s, s:s%}", "level", level, "text", text.s, text.n));
}

static void GG_PRINTF(3, 4) find_printf(struct findings *findings, const char *level, const char *fmt, ...)
{
    struct gg_buf text = GG_BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    char *made = NULL;
    if (vasprintf(&made, fmt, ap) > 0)
        gg_buf_text(&text, made);
    va_end(ap);
    free(made);
    find(findings, level, gg_buf_view(&text));
    gg_buf_done(&text);
}

/* ---- the files ---- */

/* "error: text" */
static void take_line(struct findings *findings, struct gg_str line)
{
    static const char *const levels[] = {"error", "warning", "note"};
    for (size_t i = 0; i < GG_COUNT(levels); i++) {
        size_t n = strlen(levels[i]);
        if (line.n > n + 2 && memcmp(line.s, levels[i], n) == 0 && line.s[n] == ':') {
            find(findings, levels[i], gg_strn(line.s + n + 2, line.n - n - 2));
            return;
        }
    }
}

static void check_files(const struct gg_control_args *args, struct findings *findings)
{
    const char *paths[GG_CONTROL_WORDS + 2];
    size_t n = args->n_configs;
    memcpy(paths, args->configs, n * sizeof(*paths));
    if (args->folder != NULL || args->worker != NULL)
        paths[n++] = args->folder != NULL ? args->folder : args->worker;
    struct gg_args as_server = {0};
    memcpy(as_server.plugin_dirs.values, args->plugin_dirs, sizeof(args->plugin_dirs));
    as_server.plugin_dirs.n = args->n_plugin_dirs;
    struct gg_config_source source = {.paths = paths, .n_paths = n, .checking = true};
    struct gg_check_options options = {.source = &source, .declare = gg_declare_process, .arg = &as_server};
    struct gg_buf report = GG_BUF_INIT;
    struct gg_error err = GG_ERROR_INIT;
    if (gg_mode_check_config(&options, &report, &err) < 0 && report.n == 0)
        find(findings, "error", gg_str(err.message));
    for (const char *at = report.data; *at != '\0';) {
        size_t length = strcspn(at, "\n");
        take_line(findings, gg_strn(at, length));
        at += length + (at[length] == '\n');
    }
    gg_buf_done(&report);
}

/* ---- what runs ---- */

static void join(const json_t *names, struct gg_buf *out)
{
    size_t i;
    const json_t *name;
    json_array_foreach(names, i, name)
        gg_buf_printf(out, "%s%s", i > 0 ? ", " : "", json_string_value(name));
}

static void take_duty(struct findings *findings, const json_t *missing)
{
    struct gg_buf names = GG_BUF_INIT;
    join(json_object_get(missing, "processes"), &names);
    find_printf(findings, "error", "the duty `%s` was given away, and %s", json_string_value(json_object_get(missing, "duty")),
                names.n == 0 ? "no process does it" : "these processes are not there:");
    if (names.n > 0) {
        json_t *last = json_array_get(findings->list, json_array_size(findings->list) - 1);
        json_t *text = json_sprintf("%s %s", json_string_value(json_object_get(last, "text")), names.data);
        json_object_set_new(last, "text", text);
    }
    gg_buf_done(&names);
}

static void take_ready(struct findings *findings, const char *name, const json_t *document, bool ready)
{
    static const char *const needs[] = {"database", "redis"};
    size_t i;
    const json_t *each;
    json_array_foreach(json_object_get(document, "missing_roles"), i, each)
        find_printf(findings, "warning", "%s lacks the role %s: install %s", name,
                    json_string_value(json_object_get(each, "role")), json_string_value(json_object_get(each, "package")));
    json_array_foreach(json_object_get(document, "missing_duties"), i, each)
        take_duty(findings, each);
    for (i = 0; i < GG_COUNT(needs); i++)
        if (json_is_false(json_object_get(document, needs[i])))
            find_printf(findings, "error", "%s does not reach %s", name, needs[i]);
    if (!ready)
        find_printf(findings, "warning", "%s is not ready", name);
}

static bool check_process(const struct gg_managed *process, struct gg_arena *arena, struct findings *findings)
{
    bool ready;
    const char *text = gg_control_ready(process, arena, &ready);
    json_t *document = text != NULL ? json_loads(text, 0, NULL) : NULL;
    if (document != NULL)
        take_ready(findings, process->name, document, ready);
    json_decref(document);
    return document != NULL || gg_managed_pid(process) != 0;
}

static void check_running(const struct gg_deployment_files *files, struct findings *findings)
{
    bool *runs = gg_arena_alloc(files->arena, files->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < files->n; i++)
        n += runs[i] = check_process(&files->all[i], files->arena, findings);
    if (n == 0)
        find_printf(findings, "note", "nothing of this deployment runs here, so only its files were looked at");
    for (size_t i = 0; n > 0 && i < files->n; i++)
        if (!runs[i])
            find_printf(findings, "warning", "%s is not running", files->all[i].name);
}

/* ---- the report ---- */

static void print_lines(const struct findings *findings)
{
    size_t i;
    const json_t *each;
    json_array_foreach(findings->list, i, each)
        printf("%s: %s\n", json_string_value(json_object_get(each, "level")), json_string_value(json_object_get(each, "text")));
    printf("%zu error%s\n", findings->errors, findings->errors == 1 ? "" : "s");
}

int gg_control_check(const struct gg_control_args *args, const struct gg_deployment_files *files)
{
    struct findings findings = {.list = json_array()};
    check_files(args, &findings);
    check_running(files, &findings);
    if (args->json) {
        json_t *all = json_pack("{s:b, s:O}", "ok", findings.errors == 0, "findings", findings.list);
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(all);
    } else {
        print_lines(&findings);
    }
    json_decref(findings.list);
    return findings.errors > 0;
}
