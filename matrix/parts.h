/* matrix/parts.h: the parts of the Matrix library that a process is made of, in the order in which they are made.
 *
 * Each part's file defines its two functions; matrix/server.c lists them in one table. Private to the library. */
#ifndef MATRIX_PARTS_H
#define MATRIX_PARTS_H

#include <ganglion/matrix/server.h>

struct mx_part {
    const char *name;
    /* Makes the part inside load(): registers followers, methods, jobs; does no I/O. */
    int (*make)(struct mx_server *server, struct gg_error *err);
    /* The database is up and the schema checked (in a fiber); NULL: nothing to do. */
    int (*start)(struct mx_server *server, struct gg_error *err);
    void (*stop)(struct mx_server *server); /* in a fiber; NULL: nothing to do */
    void (*free)(struct mx_server *server);
    /* Stream positions are known (in a fiber); NULL: nothing to do. */
    int (*replicated)(struct mx_server *server, struct gg_error *err);
    /* Can what the configuration names for this part be used: lists, files? Asked before anything starts, also by
     * --check-config for every process: only the name and the configuration of server are there, and nothing is kept. NULL:
     * nothing to ask. */
    int (*check)(const struct mx_server *server, struct gg_error *err);
};

extern const struct mx_part mx_part_push;
extern const struct mx_part mx_part_caches, mx_part_store, mx_part_heads, mx_part_persister, mx_part_sync,
    mx_part_tasks, mx_part_accounts;
extern const struct mx_part mx_part_presence;
extern const struct mx_part mx_part_purge, mx_part_jobs;
extern const struct mx_part mx_part_stats;
extern const struct mx_part mx_part_e2ee;
extern const struct mx_part mx_part_sliding;
extern const struct mx_part mx_part_fed_serving;

extern const struct mx_part mx_part_directory;
extern const struct mx_part mx_part_groups;
extern const struct mx_part mx_part_fed_hosts;
extern const struct mx_part mx_part_fed_client;
extern const struct mx_part mx_part_keyring, mx_part_origins;
extern const struct mx_part mx_part_fed_inbound, mx_part_fed_hints;
extern const struct mx_part mx_part_media;
extern const struct mx_part mx_part_previews, mx_part_upkeep;

/* Registers every stream of the deployment and fills the members of server (matrix/streams/streams.c). */
void mx_streams_register(struct mx_server *server);

extern const struct mx_part mx_part_appservices;

extern const struct mx_part mx_part_accepting;
extern const struct mx_part mx_part_usage;
extern const struct mx_part mx_part_delayed;

#endif
