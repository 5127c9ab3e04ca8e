/* The keys that the host itself reads: who a process is, where the others are, and
 * the services that it is given. What Matrix means by its keys is in matrix/config. */
#include "config/internal.h"

#define PYTHON "it tunes Python's runtime"
#define PRIVATE_RANGES                                                                                                 \
    "['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', "                               \
    "'192.0.0.0/24', '169.254.0.0/16', '192.88.99.0/24', '198.18.0.0/15', '192.0.2.0/24', "                            \
    "'198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '::1/128', 'fe80::/10', 'fc00::/7', "                         \
    "'2001:db8::/32', 'ff00::/8', 'fec0::/10']"
#define NOT_BUILT(what_) GG_NOT_BUILT what_

const struct gg_config_key gg_host_keys[] = {
    /* identity */
    {"server_name", GG_C_TEXT, .doc = "Domain of users and rooms, as host or host:port; mandatory."},
    {"report_stats", GG_C_BOOL, GG_HONOURED, "false", "Mandatory, as in Synapse; nothing is ever reported.",
     .flags = GG_KEY_TEXT_BOOL},
    {"report_stats_endpoint", GG_C_TEXT, GG_IGNORED, .doc = "Where usage would be reported.",
     .why = "nothing is ever reported"},

    /* the process */
    {"worker_app", GG_C_TEXT, .doc = "Which role to run; none or synapse.app.homeserver: the main process."},
    {"worker_name", GG_C_TEXT, .doc = "Unique name of the instance; the worker_app when it is missing."},
    {"worker_listeners", GG_C_LIST, .doc = "Listeners of a worker, in the form of `listeners`."},
    {"worker_daemonize", GG_C_BOOL, GG_HONOURED, "false", "Run a worker in the background."},
    {"worker_pid_file", GG_C_TEXT, .doc = "Where a worker writes its process id."},
    {"worker_log_config", GG_C_TEXT, .doc = "Logging file of a worker; `log_config` is not inherited."},
    {"worker_manhole", GG_C_INT, GG_IGNORED, .doc = "Port of the debug shell of a worker.",
     .why = "the shell speaks Python"},
    {"worker_replication_secret", GG_C_SECRET, .doc = "Bearer secret of the calls between processes."},
    {"worker_replication_host", GG_C_TEXT,
     .doc = "The main process, as workers of old named it; now `instance_map.main`."},
    {"worker_replication_http_port", GG_C_INT, .doc = "Port that belongs to `worker_replication_host`."},
    {"worker_replication_http_tls", GG_C_BOOL, GG_HONOURED, "false", "TLS for `worker_replication_host`."},
    {"worker_replication_port", GG_C_INT, GG_REFUSED, .doc = "TCP replication of old.",
     .why = "TCP replication is gone: use Redis, and `worker_replication_http_port` or `instance_map.main`"},
    {"worker_main_http_uri", GG_C_TEXT, .doc = "Client address of the main process, for requests that it must serve."},
    {"daemonize", GG_C_BOOL, GG_HONOURED, "false", "Run the main process in the background."},
    {"pid_file", GG_C_TEXT, .doc = "Where the main process writes its process id."},
    {"print_pidfile", GG_C_BOOL, GG_HONOURED, "false", "Print that path before going to the background."},
    {"soft_file_limit", GG_C_INT, GG_HONOURED, "0", "Limit of open files; 0 raises it to the hard limit."},
    {"gc_thresholds", GG_C_LIST, GG_IGNORED, .doc = "Garbage collector.", .why = PYTHON},
    {"gc_min_interval", GG_C_LIST, GG_IGNORED, .doc = "Garbage collector.", .why = PYTHON},
    {"use_frozen_dicts", GG_C_BOOL, GG_IGNORED, "false", "Immutable dictionaries.", PYTHON},

    /* listeners */
    {"listeners", GG_C_LIST, .doc = "Listeners of the main process: type, port or path, addresses, resources."},
    {"bind_port", GG_C_INT, .doc = "TLS port of old; replaces `listeners`."},
    {"bind_host", GG_C_TEXT, .doc = "Address that belongs to `bind_port`."},
    {"unsecure_port", GG_C_INT, .doc = "Plain port beside `bind_port`; 400 below it unless given, 0: none."},
    {"gzip_responses", GG_C_BOOL, GG_HONOURED, "true", "Compression of `bind_port`."},
    {"no_tls", GG_C_BOOL, GG_HONOURED, "false", "Leaves out the listeners with TLS."},
    {"metrics_port", GG_C_INT, .doc = "Metrics listener of old."},
    {"metrics_bind_host", GG_C_TEXT, GG_HONOURED, "127.0.0.1", "Address that belongs to `metrics_port`."},
    {"manhole", GG_C_INT, GG_IGNORED, .doc = "Port of the debug shell.", .why = "the shell speaks Python"},
    {"manhole_settings", GG_C_MAP, GG_IGNORED, .doc = "Keys and password of the debug shell.",
     .why = "the shell speaks Python"},
    {"tls_certificate_path", GG_C_TEXT, .doc = "Certificate of the listeners with TLS; read again on SIGHUP."},
    {"tls_private_key_path", GG_C_TEXT, .doc = "Its private key."},

    /* the deployment */
    {"instance_map", GG_C_MAP,
     .doc = "Replication listener of each instance, {host, port, tls} or {path}; `main` is the main process."},
    {"federation_sender_instances", GG_C_TEXTS, .doc = "Instances that send to other servers, sharded by destination."},
    {"send_federation", GG_C_BOOL, GG_HONOURED, "true", "Whether the main process sends to other servers."},
    {"pusher_instances", GG_C_TEXTS, .doc = "Instances that send push notifications, sharded by user."},
    {"start_pushers", GG_C_BOOL, GG_HONOURED, "true", "Whether the main process sends push notifications."},
    {"notify_appservices_from_worker", GG_C_TEXT, .doc = "The instance that talks to application services."},
    {"notify_appservices", GG_C_BOOL, GG_HONOURED, "true", "Whether the main process talks to application services."},
    {"update_user_directory_from_worker", GG_C_TEXT, .doc = "The instance that maintains the user directory."},
    {"update_user_directory", GG_C_BOOL, GG_HONOURED, "true", "Whether the main process maintains the user directory."},
    {"enable_media_repo", GG_C_BOOL, GG_HONOURED, "true", "Whether this process may serve media."},
    {"media_instance_running_background_jobs", GG_C_TEXT, .doc = "The instance that cleans the media store up."},
    {"run_background_tasks_on", GG_C_TEXT, .doc = "The instance that runs periodic jobs."},
    {"outbound_federation_restricted_to", GG_C_TEXTS,
     .doc = "The only instances that may open connections to other servers; others ask them.", .flags = GG_KEY_INSTANCES},
    {"auto_accept_invites.worker_to_run_on", GG_C_TEXT, .doc = "The instance that accepts invites (auto_accept_invites)."},
    {"replication_torture_level", GG_C_INT, GG_IGNORED, .doc = "Test aid: delays replication lines.",
     .why = "faults are tested in other ways"},
    {"ganglion.insecure_replication_listener", GG_C_BOOL, GG_HONOURED, "false",
     "Ours: lets a replication listener without a secret listen on public addresses. Do not."},
    {"ganglion.plugin_path", GG_C_TEXTS, .doc = "Ours: folders with further plugins, searched first."},
    {"ganglion.dns_servers", GG_C_TEXTS,
     .doc = "Ours: name servers as `address` or `address:port`, in place of those of /etc/resolv.conf."},
    {"ganglion.database_lanes", GG_C_INT, GG_HONOURED, "2",
     "Ours: read-only connections that the reads of many requests share."},

    /* redis */
    {"redis.enabled", GG_C_BOOL, GG_HONOURED, "false", "Redis carries replication; workers need it."},
    {"redis.host", GG_C_TEXT, GG_HONOURED, "localhost", "Host."},
    {"redis.port", GG_C_INT, GG_HONOURED, "6379", "Port."},
    {"redis.path", GG_C_TEXT, .doc = "Unix socket, in place of host and port."},
    {"redis.username", GG_C_TEXT, .doc = "ACL user; needs a password."},
    {"redis.password", GG_C_SECRET, .doc = "Password."},
    {"redis.dbid", GG_C_INT, .doc = "Database number; channel names do not depend on it."},
    {"redis.use_tls", GG_C_BOOL, GG_HONOURED, "false", "TLS."},
    {"redis.certificate_file", GG_C_TEXT, .doc = "Client certificate."},
    {"redis.private_key_file", GG_C_TEXT, .doc = "Its private key."},
    {"redis.ca_file", GG_C_TEXT, .doc = "Certificate authorities, a file; wins over ca_path."},
    {"redis.ca_path", GG_C_TEXT, .doc = "Certificate authorities, a folder."},

    /* database */
    {"database", GG_C_MAP,
     .doc = "name: psycopg2; args: libpq's key words and cp_max (connections of each process); "
            "allow_unsafe_locale; statement_timeout (ms, null: none). txn_limit and other cp_ keys have no effect."},
    {"database.allow_unsafe_locale", GG_C_BOOL, GG_HONOURED, "false", "Use a database whose collation is not C."},
    {"databases", GG_C_MAP, .doc = "The same under names; only one entry can be used."},
    {"database_path", GG_C_TEXT, GG_IGNORED, .doc = "SQLite file.", .why = "only PostgreSQL is used"},

    /* caches */
    {"caches.global_factor", GG_C_NUMBER, GG_HONOURED, "0.5", "Multiplies the size of every cache.",
     .env = "SYNAPSE_CACHE_FACTOR"},
    {"caches.per_cache_factors", GG_C_MAP, .doc = "Factor of single caches; SYNAPSE_CACHE_FACTOR_<NAME> wins."},
    {"caches.expire_caches", GG_C_BOOL, GG_IGNORED, "true", "Drop idle entries.", "caches have a bound in bytes"},
    {"caches.cache_entry_ttl", GG_C_DURATION, GG_IGNORED, "30m", "Age of an idle entry.",
     "caches have a bound in bytes"},
    {"caches.expiry_time", GG_C_DURATION, GG_IGNORED, .doc = "Former spelling of cache_entry_ttl.",
     .why = "caches have a bound in bytes"},
    {"caches.cache_autotuning", GG_C_MAP, GG_IGNORED, .doc = "Shrinks caches under memory pressure.",
     .why = "caches have a bound in bytes"},
    {"caches.sync_response_cache_duration", GG_C_DURATION, GG_IGNORED, "2m",
     "How long a sync answer is kept for a retry.", "an answer is worked out anew: that costs less than keeping it"},
    {"caches.track_memory_usage", GG_C_BOOL, GG_IGNORED, "false", "Account sizes.", "sizes are always accounted"},
    {"synctl_cache_factor", GG_C_NUMBER, GG_IGNORED, .doc = "Factor that synctl set.",
     .why = "use caches.global_factor"},
    {"synctl_cache_factors", GG_C_MAP, GG_IGNORED, .doc = "Factors that synctl set.",
     .why = "use caches.per_cache_factors"},
    {"event_cache_size", GG_C_SIZE, GG_HONOURED, "10K", "Entries of the event cache."},

    /* going out */
    {"http_proxy", GG_C_TEXT, .doc = "Forward proxy for http; unless set, as the environment variable of that name says.",
     .flags = GG_KEY_PRIVATE},
    {"https_proxy", GG_C_TEXT,
     .doc = "The same for https. It is for federation, previews, remote media and push gateways, and not for application "
            "services and identity servers.",
     .flags = GG_KEY_PRIVATE},
    {"no_proxy_hosts", GG_C_TEXTS, .doc = "Hosts, and domains, that need no proxy; unless set, as no_proxy in the environment says."},
    {"user_agent_suffix", GG_C_TEXT, .doc = "Appended to the User-Agent of requests to other servers."},

    {"ip_range_blacklist", GG_C_TEXTS, GG_HONOURED, PRIVATE_RANGES,
     "Addresses that requests to hosts named by users must not reach."},
    {"ip_range_whitelist", GG_C_TEXTS, .doc = "Exceptions to ip_range_blacklist."},

    /* log, metrics, tracing */
    {"log_config", GG_C_TEXT,
     .doc = "Logging file of the main process, in the form of Python's dictConfig; main makes a missing one.",
     .make = gg_make_log_config},
    {"log_file", GG_C_TEXT, GG_REFUSED, .doc = "Log file of old.", .why = "name the file in `log_config`"},
    {"verbose", GG_C_INT, GG_IGNORED, .doc = "Verbosity of old.", .why = "levels are set in `log_config`"},
    {"no_redirect_stdio", GG_C_BOOL, GG_IGNORED, "false", "Keep standard output.",
     "standard output is never redirected"},
    {"enable_metrics", GG_C_BOOL, GG_HONOURED, "false", "Collect and serve metrics."},
    {"metrics_flags.known_servers", GG_C_BOOL, GG_HONOURED, "false", "Count the servers with users in our rooms."},
    {"sentry", GG_C_MAP, GG_IGNORED, .doc = "Error reports to Sentry.", .why = "errors go to the log only",
     .flags = GG_KEY_PRIVATE},
    {"opentracing", GG_C_MAP, GG_IGNORED, .doc = "Traces to Jaeger.", .why = NOT_BUILT("tracing")},
    {0},
};
