/* Keys that the life cycle and the generated proxy files read. */
#include "main/keys.h"

const struct gg_config_key gg_main_keys[] = {
    {.path = "ganglion.drain_timeout",
     .type = GG_C_DURATION,
     .fallback = "10s",
     .doc = "how long requests in flight may take after SIGTERM before they are cancelled; when a process is replaced: how "
            "long its successor waits for them"},
    {.path = "ganglion.overlap_timeout",
     .type = GG_C_DURATION,
     .fallback = "10m",
     .doc = "when a process is replaced: how long the old one goes on beside its successor with what slow clients still send and "
            "read (downloads, uploads, what another process answers) before it is cut"},
    {.path = "ganglion.connections",
     .type = GG_C_INT,
     .fallback = "16384",
     .doc = "how many connections to its listeners a process holds (also bounded by the limit of open files); those idle for "
            "longest make room for further ones"},
    {.path = "ganglion.connections_per_address",
     .type = GG_C_INT,
     .fallback = "1024",
     .doc = "how many of them one address may have (of IPv6: 64 bits of it); 0: no bound. Not counted on listeners with "
            "x_forwarded, with a path or for replication, nor from this machine"},
    {.path = "ganglion.duty_patience",
     .type = GG_C_DURATION,
     .fallback = "40s",
     .doc = "how long nothing may be heard of a process with a duty (pusher, user_dir, ...) before the main process says that "
            "nobody does it"},
    {.path = "ganglion.pools",
     .type = GG_C_MAP,
     .doc = "which processes serve what behind a generated proxy: names of processes for sync, initial_sync, events, "
            "federation_in, login and bridge; what is not named goes to all generic workers"},
    {.path = "frontend_proxy.route",
     .type = GG_C_BOOL,
     .fallback = "false",
     .doc = "synapse.app.frontend_proxy is the reverse proxy of the whole deployment, in place of nginx"},
    {.path = "frontend_proxy.deployment",
     .type = GG_C_TEXTS,
     .doc = "with frontend_proxy.route: configuration files and folders of all processes; those beside its own files unless "
            "written"},
    {.path = "frontend_proxy.check_interval",
     .type = GG_C_DURATION,
     .fallback = "2s",
     .doc = "with frontend_proxy.route: how often each process is asked whether it is there (/health)"},
    {.path = "frontend_proxy.timeout",
     .type = GG_C_DURATION,
     .fallback = "200s",
     .doc = "how long a server behind synapse.app.frontend_proxy may be silent, before its answer and within it; longer than "
            "clients poll"},
    {0},
};
