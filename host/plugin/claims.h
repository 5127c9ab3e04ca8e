/* plugin/claims.h: nobody claims what belongs to somebody else. */
#ifndef GG_PLUGIN_CLAIMS_H
#define GG_PLUGIN_CLAIMS_H

#include "plugin/plugins.h"

/* Among the opened plugins: one worker_app provided by two, or one method and path
 * with two different handlers where neither plugin includes the other. Roles of one
 * table (matrix/api) share its handlers and so never collide. GG_E_CONFLICT. */
GG_CHECKED int gg_claims_check(const struct gg_plugins *plugins, struct gg_error *err);

/* Each route that this process serves, once, with the role whose handler counts:
 * where an including and an included role list one route, the includer's. */
GG_CHECKED int gg_claims_each(const struct gg_plugins *plugins,
                              int (*fn)(void *arg, const struct gg_role *role, const struct gg_route *route,
                                        struct gg_error *err),
                              void *arg, struct gg_error *err);

/* The same as gg_claims_check for two of the opened ones; routes false: only their worker apps. */
GG_CHECKED int gg_claims_check_pair(const struct gg_plugins *plugins, struct gg_role *a, struct gg_role *b, bool routes,
                                    struct gg_error *err);

/* The same between the opened roles and everything that is installed, without opening it in this process:
 * a child opens the files, compares, and reports. Started early, so that it runs
 * beside the start of the process; a plugin that cannot be opened there is not
 * this process's business. */
struct gg_claims_child;
struct gg_claims_child *gg_claims_start(const char *const *folder_options, const struct gg_plugins *opened);
/* Waits for its verdict; frees child (NULL is fine). Blocks for as long as opening
 * the installed plugins takes. */
GG_CHECKED int gg_claims_finish(struct gg_claims_child *child, struct gg_error *err);

#endif
