/* plugin/role.h: one opened plugin, as the host sees it.
 *
 * The descriptor and its tables are copied into structs of the host's own size,
 * so a plugin that was built against an older minor of the ABI reads as if it had
 * been built with zeroes at the end. */
#ifndef GG_PLUGIN_ROLE_H
#define GG_PLUGIN_ROLE_H

#include <ganglion/arena.h>
#include <ganglion/plugin.h>

enum gg_role_state { GG_ROLE_OPENED, GG_ROLE_LOADED, GG_ROLE_STARTED, GG_ROLE_STOPPED };

struct gg_role {
    struct gg_plugin desc;         /* tables below are the ones to use */
    const char *file;              /* full path */
    const struct gg_route *routes; /* own and groups, ended by method NULL; patterns as written */
    size_t n_routes;
    const struct gg_method *methods;         /* own and groups, ended by name NULL */
    const struct gg_config_key *const *keys; /* own and groups, NULL-ended */
    const struct gg_include *includes;       /* ended by role NULL */
    const struct gg_migration *migrations;
    const char *why;         /* one line for --explain: what made us load it */
    const char *included_by; /* NULL: the process's own role */
    int state;               /* enum gg_role_state */
    void *self;              /* what load() made */
    void *handle;            /* libltdl's; kept for ever: a plugin is never unloaded */
};

/* Opens path and judges what is in it: GG_E_INVALID with the reason (no plugin,
 * another ABI, another name than base, an undefined symbol, ...). Runs none of
 * its functions but gg_plugin_entry. The role lives in the arena. */
GG_CHECKED int gg_role_open(struct gg_arena *arena, const char *path, const char *base, struct gg_role **out,
                            struct gg_error *err);
/* Judges a descriptor and copies it; for gg_role_open and for tests. */
GG_CHECKED int gg_role_adopt(struct gg_arena *arena, const struct gg_plugin *desc, const char *path, const char *base,
                             struct gg_role **out, struct gg_error *err);

#endif
