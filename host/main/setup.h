/* main/setup.h: from the command line to opened plugins, before anything runs. */
#ifndef GG_MAIN_SETUP_H
#define GG_MAIN_SETUP_H

#include "main/args.h"
#include "main/host.h"
#include "plugin/claims.h"
#include "plugin/plugins.h"

struct gg_setup {
    struct gg_config *config;
    struct gg_plugins *plugins;
    struct gg_host *host;
};

enum gg_setup_mode {
    GG_SETUP_RUN,      /* may write missing side files, as Synapse's main process does */
    GG_SETUP_GENERATE, /* the same, and says what is doubtful */
    GG_SETUP_EXPLAIN,  /* touches nothing; warnings of the configuration are printed too */
};

/* Reads the files, opens the role of worker_app and what it includes, declares
 * their keys, checks everything that can be checked without the network. Problems
 * found in the files are printed to standard error. out is to be freed by
 * gg_setup_done also when it fails. */
GG_CHECKED int gg_setup(const struct gg_args *args, int mode, struct gg_setup *out, struct gg_error *err);
/* For a configuration that is read already (setup->config): opens its roles and
 * declares their keys, without finishing it. */
GG_CHECKED int gg_setup_open(const struct gg_args *args, struct gg_setup *setup, struct gg_error *err);
void gg_setup_done(struct gg_setup *setup);

#endif
