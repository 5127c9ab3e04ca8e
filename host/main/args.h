/* main/args.h: the command line. */
#ifndef GG_MAIN_ARGS_H
#define GG_MAIN_ARGS_H

#include "config/config.h"

#include <ganglion/buf.h>

enum gg_command {
    GG_CMD_RUN,
    GG_CMD_EXPLAIN,
    GG_CMD_PLUGINS,
    GG_CMD_ROUTES,
    GG_CMD_CHECK_CONFIG,
    GG_CMD_PRINT_CONFIG,
    GG_CMD_GENERATE_CONFIG,
    GG_CMD_GENERATE_KEYS,
    GG_CMD_CONFIG_DOC,
    GG_CMD_HELP,
    GG_CMD_VERSION,
};

#define GG_MAX_OPTION_VALUES 64

struct gg_option_list {
    const char *values[GG_MAX_OPTION_VALUES + 1]; /* NULL-ended */
    size_t n;
};

struct gg_args {
    int command; /* enum gg_command */
    struct gg_option_list configs, plugin_dirs;
    const char *format, *listen, *server_name, *report_stats, *config_directory, *data_directory, *manhole,
        *database_path;
    bool json, daemonize, print_pidfile, keep_stdio, enable_registration, no_secrets, open_private_ports,
        enable_metrics, generate_config, generate_keys, generate_and_run, explain, check_config, print_config,
        config_doc, help, version;
    struct gg_config_override overrides[4];
    size_t n_overrides;
};

/* GG_E_INVALID with the reason: usage error, exit code 2. */
GG_CHECKED int gg_args_parse(int argc, char *const *argv, struct gg_args *out, struct gg_error *err);
/* What --help prints, made from the same table that parses. */
void gg_args_usage(struct gg_buf *out);
/* What the arguments say about where the configuration is. Borrows from args. */
struct gg_config_source gg_args_source(const struct gg_args *args);

#endif
