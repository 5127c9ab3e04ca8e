/* plugin/migrate.h: tables of plugins' own. */
#ifndef GG_PLUGIN_MIGRATE_H
#define GG_PLUGIN_MIGRATE_H

#include "plugin/plugins.h"

/* Runs what is missing of every opened plugin's migrations, each in a transaction
 * of its own, once for all processes of the deployment. What ran is recorded in
 * host_ganglion.plugin_migrations. */
GG_YIELDS GG_CHECKED int gg_plugins_migrate(struct gg_plugins *plugins, struct gg_host *host, struct gg_error *err);
/* The script of one migration: does nothing if it has run already, also when
 * several processes run it at once. GG_E_INVALID for a text that cannot be quoted. */
GG_CHECKED int gg_migration_script(const char *plugin, const struct gg_migration *migration, struct gg_buf *out,
                                   struct gg_error *err);

#endif
