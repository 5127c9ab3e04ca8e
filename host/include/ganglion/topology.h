/* ganglion/topology.h: which process of the deployment does what.
 *
 * Derived from the files once, when they are loaded: instance names, the writers
 * of each stream group, and the duties that one or several processes share
 * ("is this mine?" of one function). All that is returned is borrowed and lives
 * as long as the config. */
#ifndef GANGLION_TOPOLOGY_H
#define GANGLION_TOPOLOGY_H

#include <ganglion/config.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GG_MASTER "master" /* the main process on the wire; "main" only in instance_map */

GG_API const char *gg_topology_instance(const struct gg_config *config);   /* worker_name; "master" */
GG_API const char *gg_topology_worker_app(const struct gg_config *config); /* "synapse.app.homeserver" for main */
GG_API bool gg_topology_is_main(const struct gg_config *config);

/* Names in stream_writers.<group>, in the order of the file; {"master"} when the
 * files name none. NULL-ended; *n_out may be NULL. */
GG_API const char *const *gg_topology_writers(const struct gg_config *config, const char *group, size_t *n_out);
GG_API bool gg_topology_is_writer(const struct gg_config *config, const char *group); /* this process */

/* Duties: "federation_sender", "pusher" (sharded lists), "appservice", "user_dir",
 * "background", "media_repository" (who may serve media), "media_background" (its
 * clean-up). Another name is a bug (panic). The truth tables are Synapse's: the
 * modern key names the processes; without it the legacy switch
 * (start_pushers, ...) and the legacy worker_app decide. */

/* Does this process perform it? explicit_out (may be NULL): it was asked for by
 * name in the files (own name listed, own worker_app, a switch written true). */
GG_API bool gg_topology_has_duty(const struct gg_config *config, const char *duty, bool *explicit_out);
/* Who does, as far as this process's files tell: an empty list means "another
 * process, whose name is not known here" (legacy switch false). */
GG_API const char *const *gg_topology_duty(const struct gg_config *config, const char *duty, size_t *n_out);
/* Of a sharded duty or a stream group: is key (destination, user id, ...) of this
 * process? list[SHA-256(key) as little-endian number mod n]; false for a duty
 * that this process does not have. */
GG_API bool gg_topology_is_mine(const struct gg_config *config, const char *duty, struct gg_str key);

#ifdef __cplusplus
}
#endif
#endif
