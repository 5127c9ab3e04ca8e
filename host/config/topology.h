/* What the topology knows beyond ganglion/topology.h: addresses of the other
 * processes, listeners, Redis and database options. For host/ only. Borrowed from
 * the config. */
#ifndef GG_CONFIG_TOPOLOGY_H
#define GG_CONFIG_TOPOLOGY_H

#include <ganglion/db.h>
#include <ganglion/topology.h>

/* ---- where the replication listener of an instance is ---- */

struct gg_peer {
    const char *name; /* "master" for the entry `main` */
    const char *host; /* NULL: path */
    const char *path; /* unix socket */
    uint16_t port;
    bool tls;
};
const struct gg_peer *gg_topology_peer(const struct gg_config *config,
                                       const char *name); /* NULL: not in instance_map */
const struct gg_peer *gg_topology_peers(const struct gg_config *config, size_t *n_out);
/* worker_replication_secret; NULL: none. */
const char *gg_topology_secret(const struct gg_config *config);

/* ---- listeners of this process ---- */

enum gg_listener_type { GG_LISTENER_HTTP = 1, GG_LISTENER_METRICS, GG_LISTENER_MANHOLE };
struct gg_listener {
    int type;
    uint16_t port;                /* 0: path */
    const char *path;             /* unix socket, or NULL */
    uint32_t mode;                /* of the socket, 0666 unless set */
    const char *const *addresses; /* to bind; NULL-ended; none for a path */
    size_t n_addresses;
    bool default_addresses; /* none was written: "::" then "0.0.0.0"; the second may fail when the first covers it */
    bool tls, x_forwarded, compress;
    const char *request_id_header; /* or NULL */
    const char *tag;               /* the port, "unix", or as written */
    const char *const *resources;  /* "client", "replication", ...; "metrics" for the type metrics; NULL-ended */
    size_t n_resources;
    const char *where; /* file:line:column */
};
const struct gg_listener *gg_topology_listeners(const struct gg_config *config, size_t *n_out);
bool gg_listener_has(const struct gg_listener *listener, const char *resource);

/* ---- Redis ---- */

struct gg_redis_options {
    bool enabled, tls;
    const char *host; /* NULL: path */
    const char *path;
    uint16_t port;
    const char *username, *password; /* NULL: none */
    int dbid;                        /* -1: none */
    const char *certificate_file, *private_key_file, *ca_file, *ca_path;
};
const struct gg_redis_options *gg_topology_redis(const struct gg_config *config);

/* ---- database ---- */

/* conninfo, connections, statement_timeout_ms and application_name as the files say. */
const struct gg_db_options *gg_topology_database(const struct gg_config *config);
bool gg_topology_unsafe_locale(const struct gg_config *config);

#endif
