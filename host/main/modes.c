/* --check-config, --print-config, --generate-config, --generate-keys, --config-doc. */
#include "config/modes.h"

#include "config/topology.h"
#include "main/commands.h"
#include "main/keys.h"
#include "main/setup.h"

#include <stdio.h>

/* ---- --check-config ---- */

/* One process of the deployment: the keys of its roles, and what those check. */
int gg_declare_process(void *arg, struct gg_config *config, struct gg_error *err)
{
    const struct gg_args *args = arg;
    struct gg_setup setup = {.config = config};
    int rc = gg_setup_open(args, &setup, err);
    if (rc == 0)
        rc = gg_plugins_check(setup.plugins, setup.host, err);
    setup.config = NULL; /* the caller's */
    gg_setup_done(&setup);
    return rc;
}

int gg_command_check_config(const struct gg_args *args)
{
    struct gg_config_source source = gg_args_source(args);
    struct gg_check_options options = {.source = &source, .declare = gg_declare_process, .arg = (void *)args};
    struct gg_buf report = GG_BUF_INIT;
    struct gg_error err = GG_ERROR_INIT;
    int rc = gg_mode_check_config(&options, &report, &err);
    fputs(report.data, stdout);
    if (rc < 0 && report.n == 0)
        gg_command_failed(&err);
    gg_buf_done(&report);
    return rc < 0 ? 1 : 0;
}

/* ---- --print-config ---- */

int gg_command_print_config(const struct gg_args *args)
{
    struct gg_setup setup;
    struct gg_buf text = GG_BUF_INIT;
    struct gg_error err = GG_ERROR_INIT;
    int rc = gg_setup(args, GG_SETUP_EXPLAIN, &setup, &err);
    if (rc == 0)
        gg_mode_print_config(setup.config, &text);
    fputs(text.data, stdout);
    gg_buf_done(&text);
    gg_setup_done(&setup);
    return rc < 0 ? gg_command_failed(&err) : 0;
}

/* ---- --generate-keys, --generate-config ---- */

/* Reading with `generate` makes the side files that the configuration names. */
int gg_command_generate_keys(const struct gg_args *args)
{
    struct gg_setup setup;
    struct gg_error err = GG_ERROR_INIT;
    int rc = gg_setup(args, GG_SETUP_GENERATE, &setup, &err);
    gg_setup_done(&setup);
    return rc < 0 ? gg_command_failed(&err) : 0;
}

static int usage_error(const char *what)
{
    fprintf(stderr, "ganglion: %s\ntry 'ganglion --help'\n", what);
    return 2;
}

int gg_command_generate_config(const struct gg_args *args)
{
    struct gg_error err = GG_ERROR_INIT;
    bool made;
    if (args->configs.n != 1)
        return usage_error("--generate-config needs exactly one -c");
    if (args->server_name == NULL)
        return usage_error("--generate-config needs the name of the server: -H NAME");
    if (args->report_stats == NULL || (strcmp(args->report_stats, "yes") != 0 && strcmp(args->report_stats, "no") != 0))
        return usage_error("--generate-config needs --report-stats yes or --report-stats no");
    struct gg_generate_options options = {.path = args->configs.values[0],
                                          .server_name = args->server_name,
                                          .report_stats = args->report_stats,
                                          .config_directory = args->config_directory,
                                          .data_directory = args->data_directory,
                                          .open_private_ports = args->open_private_ports,
                                          .enable_metrics = args->enable_metrics,
                                          .no_secrets = args->no_secrets};
    if (gg_mode_generate_config(&options, &made, &err) < 0)
        return gg_command_failed(&err);
    printf("%s %s\n", args->configs.values[0], made ? "is written" : "exists and is left as it is");
    return gg_command_generate_keys(args);
}

/* ---- --config-doc ---- */

int gg_command_config_doc(const struct gg_args *args)
{
    struct gg_doc_section sections[GG_MAX_ROLES * 4] = {{"The host", gg_host_keys}, {"The process", gg_main_keys}};
    struct gg_plugins *plugins = gg_plugins_new(args->plugin_dirs.values);
    struct gg_buf text = GG_BUF_INIT;
    size_t n = 2;
    gg_plugins_open_installed(plugins, NULL, NULL);
    for (size_t i = 0; i < plugins->n; i++)
        for (const struct gg_config_key *const *table = plugins->roles[i]->keys; *table != NULL; table++) {
            bool known = (*table)->path == NULL;
            for (size_t k = 0; k < n; k++)
                known = known || sections[k].keys == *table;
            if (!known && n + 1 < GG_COUNT(sections))
                sections[n++] = (struct gg_doc_section){
                    table == plugins->roles[i]->keys ? plugins->roles[i]->desc.name : "Matrix", *table};
        }
    gg_mode_config_doc(sections, &text);
    fputs(text.data, stdout);
    gg_buf_done(&text);
    gg_plugins_free(plugins);
    return 0;
}
