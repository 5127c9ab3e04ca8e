/* --check-config: every process of a deployment is read as it would be at start, and
 * then what they say is held against each other. */
#include "config/files.h"
#include "config/modes.h"
#include "config/survey.h"

#include <sys/stat.h>

/* ---- reporting ---- */

void gg_survey_say(struct gg_survey *survey, int level, const char *fmt, ...)
{
    static const char *const names[] = {"?", "note", "warning", "error"};
    const char *text;
    va_list ap;

    va_start(ap, fmt);
    text = gg_arena_vprintf(survey->arena, fmt, ap);
    va_end(ap);
    if (gg_map_has(survey->said, gg_str(text)))
        return; /* what stands in a shared file is found once for each process */
    gg_map_put(survey->said, gg_str(text), NULL);
    survey->errors += level == GG_FINDING_ERROR ? 1 : 0;
    survey->warnings += level == GG_FINDING_WARNING ? 1 : 0;
    gg_buf_printf(survey->report, "%s: %s\n", names[level], text);
}

static void report_findings(struct gg_survey *survey, const struct gg_surveyed *process)
{
    size_t n;
    const struct gg_finding *findings = gg_config_findings(process->config, &n);

    for (size_t i = 0; i < n; i++)
        gg_survey_say(survey, findings[i].level, "%s", findings[i].text);
}

const struct gg_surveyed *gg_survey_find(const struct gg_survey *survey, const char *name)
{
    for (size_t i = 0; i < survey->n; i++)
        if (strcmp(survey->processes[i].name, name) == 0)
            return &survey->processes[i];
    return NULL;
}

/* ---- reading each process ---- */

/* Problems become findings of the process; it stays in the list, to be compared. */
static void read_process(struct gg_survey *survey, const struct gg_check_options *options,
                         const struct gg_config_files *files, const char *own)
{
    struct gg_surveyed *process = &survey->processes[survey->n++];
    struct gg_config_source source = *options->source;
    const char **paths = GG_NEW_ARRAY(survey->arena, const char *, files->n_shared + 2);
    struct gg_error err = GG_ERROR_INIT;
    int status;

    memcpy(paths, files->shared, files->n_shared * sizeof(*paths));
    paths[files->n_shared] = own;
    source.paths = paths;
    source.n_paths = files->n_shared + (own ? 1 : 0);
    source.generate = false;
    source.checking = true;
    status = gg_config_read(&source, &process->config, &err);
    if (process->config->topo.instance && options->declare &&
        (options->declare(options->arg, process->config, &err) != 0))
        gg_config_find(process->config, GG_FINDING_ERROR, "%s", err.message);
    else if (process->config->topo.instance)
        status = gg_config_finish(process->config, &err);
    (void)status; /* every error is among the findings */
    process->file = own;
    process->name = process->config->topo.instance ? process->config->topo.instance : "?";
    report_findings(survey, process);
}

static bool any_folder(const struct gg_config_source *source)
{
    struct stat st;

    for (size_t i = 0; i < source->n_paths; i++)
        if (stat(source->paths[i], &st) == 0 && S_ISDIR(st.st_mode))
            return true;
    return false;
}

static void read_all(struct gg_survey *survey, const struct gg_check_options *options,
                     const struct gg_config_files *files)
{
    survey->processes = GG_NEW_ARRAY(survey->arena, struct gg_surveyed, files->n_workers + 1);
    survey->whole = files->n_workers > 1 || any_folder(options->source);
    read_process(survey, options, files, NULL);
    for (size_t i = 0; i < files->n_workers; i++)
        read_process(survey, options, files, files->workers[i]);
}

static bool all_readable(const struct gg_survey *survey)
{
    for (size_t i = 0; i < survey->n; i++)
        if (!survey->processes[i].config->topo.writers)
            return false;
    return true;
}

static void compare(struct gg_survey *survey, bool offline)
{
    gg_survey_check_names(survey);
    gg_survey_check_listeners(survey);
    gg_survey_check_duties(survey);
    gg_survey_check_connections(survey, offline);
}

static void sum_up(struct gg_survey *survey)
{
    gg_buf_printf(survey->report, "%zu process%s checked: %zu error%s, %zu warning%s\n", survey->n,
                  survey->n == 1 ? "" : "es", survey->errors, survey->errors == 1 ? "" : "s", survey->warnings,
                  survey->warnings == 1 ? "" : "s");
}

int gg_mode_check_config(const struct gg_check_options *options, struct gg_buf *report, struct gg_error *err)
{
    struct gg_survey survey = {.arena = gg_arena_new(), .said = gg_map_new(NULL), .report = report};
    struct gg_config_files files;
    int status = gg_config_files_find(survey.arena, options->source->paths, options->source->n_paths, &files, err);

    if (!status) {
        read_all(&survey, options, &files);
        if (all_readable(&survey))
            compare(&survey, options->offline);
        sum_up(&survey);
        if (survey.errors > 0)
            status = gg_fail(err, GG_E_INVALID, "the configuration has %zu error%s", survey.errors,
                             survey.errors == 1 ? "" : "s");
    }
    for (size_t i = 0; i < survey.n; i++)
        gg_config_free(survey.processes[i].config);
    gg_map_free(survey.said);
    gg_arena_free(survey.arena);
    return status;
}
