/* From the parsed command line to the function that does it. */
#include "main/commands.h"

#include "main/main.h"
#include "main/run.h"

#include <stdio.h>

int gg_command_failed(const struct gg_error *err)
{
    fprintf(stderr, "ganglion: %s\n", err->message);
    return 1;
}

static int print_usage(const struct gg_args *args)
{
    struct gg_buf text = GG_BUF_INIT;
    gg_args_usage(&text);
    fputs(text.data, stdout);
    gg_buf_done(&text);
    return 0;
}

static int print_version(const struct gg_args *args)
{
    printf("ganglion %s (plugin ABI %u.%u)\n", GANGLION_VERSION, GG_ABI_MAJOR, GG_ABI_MINOR);
    return 0;
}

static void warn_unused(const struct gg_args *args)
{
    if (args->manhole != NULL)
        fprintf(stderr, "warning: --manhole is a Python shell, which this program does not have\n");
    if (args->database_path != NULL)
        fprintf(stderr, "warning: --database-path is not used: the database is PostgreSQL\n");
}

int gg_main(int argc, char **argv)
{
    static int (*const commands[])(const struct gg_args *args) = {
        [GG_CMD_RUN] = gg_run,
        [GG_CMD_EXPLAIN] = gg_command_explain,
        [GG_CMD_PLUGINS] = gg_command_plugins,
        [GG_CMD_ROUTES] = gg_command_routes,
        [GG_CMD_CHECK_CONFIG] = gg_command_check_config,
        [GG_CMD_PRINT_CONFIG] = gg_command_print_config,
        [GG_CMD_GENERATE_CONFIG] = gg_command_generate_config,
        [GG_CMD_GENERATE_KEYS] = gg_command_generate_keys,
        [GG_CMD_CONFIG_DOC] = gg_command_config_doc,
        [GG_CMD_HELP] = print_usage,
        [GG_CMD_VERSION] = print_version,
    };
    struct gg_args args;
    struct gg_error err = GG_ERROR_INIT;
    if (gg_args_parse(argc, argv, &args, &err) < 0) {
        fprintf(stderr, "ganglion: %s\ntry 'ganglion --help'\n", err.message);
        return 2;
    }
    warn_unused(&args);
    return commands[args.command](&args);
}
