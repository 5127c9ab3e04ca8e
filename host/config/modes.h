/* What the executable does instead of running: check, print and make configurations.
 *
 * --generate-keys and --generate-missing-configs need no function of their own: read
 * the files with source.generate set, declare every table, finish. Keys with `make`
 * (log_config, signing_key_path) and GG_KEY_GENERATED get their files then. */
#ifndef GG_CONFIG_MODES_H
#define GG_CONFIG_MODES_H

#include "config/config.h"

#include <ganglion/buf.h>

/* ---- --check-config ---- */

struct gg_check_options {
    /* All files and folders of the deployment: a file with `worker_app` is one worker's
     * own, every other one is shared by all. */
    const struct gg_config_source *source;
    /* Declares the tables of the roles that a process of this configuration would load
     * (0), and runs their own checks; problems become findings of config, or err. */
    int (*declare)(void *arg, struct gg_config *config, struct gg_error *err);
    void *arg;
    bool offline; /* do not ask the database for max_connections */
};
/* Writes one line for each problem ("error: ...", "warning: ...", "note: ...") and a
 * last line that sums up. 0: a deployment that may start; GG_E_INVALID: it has errors. */
GG_CHECKED int gg_mode_check_config(const struct gg_check_options *options, struct gg_buf *report,
                                    struct gg_error *err);

/* ---- --print-config ---- */

/* What this process has read, merged, as YAML with secrets masked. */
void gg_mode_print_config(const struct gg_config *config, struct gg_buf *out);

/* ---- --generate-config ---- */

struct gg_generate_options {
    const char *path;             /* the one -c */
    const char *server_name;      /* -H */
    const char *report_stats;     /* "yes" or "no" */
    const char *config_directory; /* NULL: the folder of path */
    const char *data_directory;   /* NULL: the working directory */
    bool open_private_ports, enable_metrics, no_secrets;
};
/* Writes path unless it exists (*made_out says which), for PostgreSQL, readable by its
 * owner only. Side files come with the reading that follows (see above). */
GG_CHECKED int gg_mode_generate_config(const struct gg_generate_options *options, bool *made_out, struct gg_error *err);

/* ---- --config-doc: docs/config.md, which tests/unit/config/test_config_doc.c holds to the tables ---- */

struct gg_doc_section {
    const char *title;
    const struct gg_config_key *keys;
};
/* sections ends with an entry without a title. */
void gg_mode_config_doc(const struct gg_doc_section *sections, struct gg_buf *out);

#endif
