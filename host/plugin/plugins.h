/* plugin/plugins.h: what this process has loaded, and what it lacks. */
#ifndef GG_PLUGIN_PLUGINS_H
#define GG_PLUGIN_PLUGINS_H

#include "plugin/role.h"

#include <ganglion/buf.h>

#define GG_MAX_ROLES 32

struct gg_missing { /* a role that the config gives to this process, and whose file is not there */
    const char *role, *package, *why;
};

struct gg_plugins {
    struct gg_arena *arena;
    const char *const *folders;          /* searched in this order; NULL-ended */
    struct gg_role *roles[GG_MAX_ROLES]; /* the process's own role first, then what it includes */
    size_t n;
    struct gg_missing missing[GG_MAX_ROLES];
    size_t n_missing;
    const char *past_name; /* the worker_app, when it is a historical name of generic_worker; or NULL */
};

struct gg_plugins *gg_plugins_new(const char *const *folder_options);
void gg_plugins_free(struct gg_plugins *plugins);

/* Opens the role of worker_app (NULL: main). GG_E_NOT_FOUND: no file; the message
 * says what was sought where, what is installed and which package has it. */
GG_CHECKED int gg_plugins_open_root(struct gg_plugins *plugins, const char *worker_app, struct gg_error *err);
/* Does the config give a role that `by` can include to the process of host? The
 * outputs are those of gg_include.wanted. */
bool gg_role_wants(struct gg_arena *arena, const struct gg_role *by, const struct gg_include *include,
                   const struct gg_host *host, bool *explicitly, const char **why);
/* Opens the roles that the opened ones include and the config wants, transitively. */
GG_CHECKED int gg_plugins_open_includes(struct gg_plugins *plugins, struct gg_host *host, struct gg_error *err);
/* Logs what an operator should know of a process that starts: one warning that names the absent roles and their
 * packages, and a worker_app of the past. What only reads the files of other processes does not call it. */
void gg_plugins_log_notes(const struct gg_plugins *plugins);
/* Opens every installed plugin, for `ganglion plugins` and for generated proxy
 * files; those that cannot be opened are reported through broken (may be NULL). */
void gg_plugins_open_installed(struct gg_plugins *plugins,
                               void (*broken)(void *arg, const char *base, const struct gg_error *err), void *arg);
struct gg_role *gg_plugins_find(const struct gg_plugins *plugins, const char *base);
/* Does a include b, directly or through others that are opened? */
bool gg_role_includes(const struct gg_plugins *plugins, const struct gg_role *a, const struct gg_role *b);

/* ---- life ---- */

/* Each undoes what it began when it fails. */
GG_CHECKED int gg_plugins_check(struct gg_plugins *plugins, const struct gg_host *host, struct gg_error *err);
GG_CHECKED int gg_plugins_load(struct gg_plugins *plugins, struct gg_host *host, struct gg_error *err);
GG_YIELDS GG_CHECKED int gg_plugins_start(struct gg_plugins *plugins, struct gg_error *err);
/* A plugin that refuses is logged and keeps what it had. */
GG_YIELDS void gg_plugins_reload(struct gg_plugins *plugins);
GG_YIELDS void gg_plugins_drain(struct gg_plugins *plugins, int64_t deadline);
GG_YIELDS void gg_plugins_stop(struct gg_plugins *plugins); /* those that started, newest first */
void gg_plugins_unload(struct gg_plugins *plugins);         /* those that loaded, newest first */

#endif
