/* Loading a configuration: for the host's own folders and for tests.
 *
 * In order: gg_config_read (files, overrides, the host's own keys, topology,
 * listeners), gg_config_declare for each plugin's tables, gg_config_finish
 * (unknown keys, refusals, checks across keys). Every problem that is found is
 * kept as a finding; the first error also travels in err. */
#ifndef GG_CONFIG_CONFIG_H
#define GG_CONFIG_CONFIG_H

#include <ganglion/config.h>

enum gg_finding_level {
    GG_FINDING_NOTE = 1, /* worth a line at start */
    GG_FINDING_WARNING = 2,
    GG_FINDING_ERROR = 3, /* start fails */
};
struct gg_finding {
    int level;
    const char *text; /* one line; begins with file:line:column where there is one */
};

struct gg_config_override {
    const char *path; /* top-level key, or "a.b" */
    const char *yaml; /* value as written in YAML */
    const char *flag; /* what messages call it: "--enable-registration" */
};

struct gg_config_source {
    const char *const *paths; /* -c, in order: files and folders */
    size_t n_paths;
    const char *text; /* in place of paths: one document (tests) */
    const struct gg_config_override *overrides;
    size_t n_overrides;
    const char *config_directory; /* NULL: the folder of the last path */
    bool no_secrets;              /* --no-secrets-in-config */
    bool generate;                /* may make missing side files (the main process's default mode) */
    bool checking;                /* only looks: a side file that main will make may be missing */
};

extern const struct gg_config_key gg_host_keys[]; /* keys.c: what the host itself reads */

/* *out is set also when it fails, so that its findings can be printed. */
GG_CHECKED int gg_config_read(const struct gg_config_source *source, struct gg_config **out, struct gg_error *err);
/* Adds a table and checks the values that it declares; what is wrong with them becomes
 * findings, which gg_config_finish reports, so that one run names every problem.
 * entry_size: sizeof the entry as the table's owner was compiled. A path that another
 * table declared with the same type is fine, with another type GG_E_CONFLICT. */
GG_CHECKED int gg_config_declare(struct gg_config *config, const struct gg_config_key *table, size_t entry_size,
                                 struct gg_error *err);
GG_CHECKED int gg_config_finish(struct gg_config *config, struct gg_error *err);
void gg_config_free(struct gg_config *config); /* NULL is fine */

/* All three steps on one text; tables: NULL-ended list of further ones, or NULL.
 * *out is NULL when it fails. */
GG_CHECKED int gg_config_load_text(const char *text, const struct gg_config_key *const *tables, struct gg_config **out,
                                   struct gg_error *err);

/* The folders of its files, NULL-ended, in its arena: where the files of the other processes are to be expected. The folder
 * "workers" of one that is listed is not listed itself. */
const char *const *gg_config_folders(const struct gg_config *config);

const struct gg_finding *gg_config_findings(const struct gg_config *config, size_t *n_out);
/* Writes them to the log (logger ganglion.config), once the log is set up. */
void gg_config_log_findings(const struct gg_config *config);
/* The merged tree as the files have it. */
const struct gg_node *gg_config_root(const struct gg_config *config);
/* Where side files go: the last -c file's folder unless it was given. */
const char *gg_config_directory(const struct gg_config *config);

#endif
