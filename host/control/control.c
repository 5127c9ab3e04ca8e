/* ganglionctl: from the command line to what is done with each process. */
#include "control/control.h"

#include <jansson.h>
#include <stdio.h>

typedef void act_fn(const struct gg_control_args *args, const struct gg_managed *process, struct gg_outcome *out);

struct acting {
    const struct gg_control_args *args;
    json_t *list;
    bool failed;
};

/* ---- one act ---- */

static void report(struct acting *acting, const struct gg_outcome *outcome)
{
    const char *name = outcome->process->name;
    if (acting->args->json)
        json_array_append_new(acting->list,
                              json_pack("{s:s, s:s, s:b, s:I, s:f, s:s?}", "name", name, "outcome",
                                        outcome->rc == 0 ? outcome->what : "failed", "ok", outcome->rc == 0, "pid",
                                        (json_int_t)outcome->pid, "seconds", (double)outcome->ms / 1000, "error",
                                        outcome->rc == 0 ? NULL : outcome->err.message));
    else if (outcome->rc < 0)
        fprintf(stderr, "%s: failed: %s\n", name, outcome->err.message);
    else
        printf("%s: %s (pid %ld, %.1f s)\n", name, outcome->what, (long)outcome->pid, (double)outcome->ms / 1000);
    fflush(stdout);
}

static bool act(struct acting *acting, act_fn *fn, const char *doing, const struct gg_managed *process)
{
    struct gg_outcome outcome;
    if (!acting->args->json) {
        printf("%s: %s\n", process->name, doing);
        fflush(stdout);
    }
    fn(acting->args, process, &outcome);
    report(acting, &outcome);
    acting->failed = acting->failed || outcome.rc < 0;
    return outcome.rc == 0;
}

/* ---- all of them ---- */

/* The main process first: it makes the schema, and workers call it. */
static void start_all(struct acting *acting, const struct gg_deployment_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        if (!act(acting, gg_control_start, "starting", &files->all[i]) && files->all[i].main)
            return;
}

static void stop_all(struct acting *acting, const struct gg_deployment_files *files)
{
    for (size_t i = files->n; i > 0; i--)
        (void)act(acting, gg_control_stop, "stopping", &files->all[i - 1]);
}

/* One after the other, so that a bad release stops at the first. */
static void replace_all(struct acting *acting, const struct gg_deployment_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        if (!act(acting, gg_control_replace, "replacing", &files->all[i]))
            return;
}

static int run(const struct gg_control_args *args, const struct gg_deployment_files *files)
{
    struct acting acting = {.args = args, .list = json_array()};
    bool named = args->command == GG_CONTROL_RESTART && args->n_names > 0;
    if (args->command == GG_CONTROL_STOP || (args->command == GG_CONTROL_RESTART && !named))
        stop_all(&acting, files);
    if (named)
        replace_all(&acting, files);
    else if (args->command != GG_CONTROL_STOP && !acting.failed)
        start_all(&acting, files);
    if (args->json) {
        json_dumpf(acting.list, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(acting.list);
    return acting.failed;
}

static int print_usage(void)
{
    struct gg_buf text = GG_BUF_INIT;
    gg_control_usage(&text);
    fputs(text.data, stdout);
    gg_buf_done(&text);
    return 0;
}

int gg_control_main(int argc, char **argv)
{
    struct gg_control_args args;
    struct gg_deployment_files files;
    struct gg_error err = GG_ERROR_INIT;
    if (gg_control_args_parse(argc, argv, &args, &err) < 0) {
        fprintf(stderr, "ganglionctl: %s\ntry 'ganglionctl --help'\n", err.message);
        return 2;
    }
    if (args.command == GG_CONTROL_HELP)
        return print_usage();
    int code = 1, rc = gg_control_open(&args, &files, &err);
    if (rc < 0 && args.command != GG_CONTROL_CHECK)
        fprintf(stderr, "ganglionctl: %s\n", err.message);
    else if (args.command == GG_CONTROL_CHECK)
        code = gg_control_check(&args, &files); /* what cannot be read is among its findings */
    else if (args.command == GG_CONTROL_STATUS)
        code = gg_control_status(&args, &files);
    else
        code = run(&args, &files);
    gg_control_close(&files);
    return code;
}
