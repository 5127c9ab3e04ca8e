/* main/commands.h: what the executable does besides running a process. */
#ifndef GG_MAIN_COMMANDS_H
#define GG_MAIN_COMMANDS_H

#include "main/args.h"

/* Each writes its answer to standard output and returns the exit code. */
int gg_command_plugins(const struct gg_args *args);
int gg_command_explain(const struct gg_args *args);
int gg_command_routes(const struct gg_args *args);
int gg_command_check_config(const struct gg_args *args);
int gg_command_print_config(const struct gg_args *args);
int gg_command_generate_config(const struct gg_args *args);
int gg_command_generate_keys(const struct gg_args *args);
int gg_command_config_doc(const struct gg_args *args);

/* For struct gg_check_options: the keys of the roles that a process of this configuration would load, and what those check;
 * arg: a struct gg_args. */
GG_CHECKED int gg_declare_process(void *arg, struct gg_config *config, struct gg_error *err);

/* One line on standard error: "ganglion: <message>"; returns 1. */
int gg_command_failed(const struct gg_error *err);

#endif
