/* ganglion/plugin.h: everything that a plugin promises to the host.
 *
 * A plugin is one shared object that exports one function, made by GG_PLUGIN().
 * The host judges the members down to `name` before it reads any other, so they
 * never move. Members are only ever added at the end of a struct, absent ones
 * read as zero: a plugin built against an older minor keeps loading.
 *
 * ABI log (newest first):
 *   1.3  gg_request_query_count, gg_client_has_proxy, `proxied` of gg_client_request; matrix/work_off.h, mx_persist_takes_drafts,
 *        mx_store_take_groups, mx_store_draft_groups_elsewhere, `drafted` of mx_persist_item, `delayed` of mx_new_event,
 *        mx_routes_delayed; plugins in C++
 *   1.2  gather.h, gg_request_take, gg_reply_begin_file, GG_ROUTE_OVERLAP, tls_name of gg_mail; matrix/role.h, mx_account_expired,
 *        mx_state_after, mx_routes_welcome; mx_as_sending_* as the life of a role wants them
 *   1.1  gg_duty_begin and its kin, gg_host_on_drain, gg_request_next_header, gg_request_pass_on, gg_reply_file, gg_client_mail,
 *        pools of clients, names.h, gg_ip_range_parse, gg_node_read; stream definitions with `quiet`
 *   1.0  first version */
#ifndef GANGLION_PLUGIN_H
#define GANGLION_PLUGIN_H

#include <ganglion/config.h>
#include <ganglion/host.h>
#include <ganglion/http.h>
#include <ganglion/repl.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GG_MAGIC 0x47474c31u /* "GGL1": tells "not a plugin" from "wrong version" */
#define GG_ABI_MAJOR 1u      /* a layout or a meaning changed: older plugins are refused */
#define GG_ABI_MINOR 3u      /* something was added: plugins built for newer are refused */

/* A script of a plugin's own PostgreSQL schema: "ganglion_" and what follows the
 * last dot of the plugin's name. Run once, in ascending order, by the first process
 * that starts with it, under a lock and each in a transaction with the schema first
 * in search_path. */
struct gg_migration {
    uint32_t version;  /* 1, 2, ...; the table ends with 0 */
    const char *sql;
};

/* What this process would do with a role that the plugin can include. */
struct gg_include {
    const char *role;        /* "pusher": the file's base name; NULL ends the table */
    /* true: this process has that duty by its config; *explicit_out: it was asked
     * for by name, so a missing file must stop the start; why_out: one line for
     * --explain. NULL: the two members below decide; always, when they say nothing. */
    bool (*wanted)(const struct gg_host *host, bool *explicit_out, const char **why_out);
    const char *duty;        /* a duty of topology.h that this process must have, or NULL */
    const char *resource;    /* a listener of this process must name it, or NULL */
};

struct gg_plugin {
    uint32_t magic;          /* GG_PLUGIN() sets everything down to name */
    uint16_t abi_major, abi_minor;
    uint16_t size, route_size, key_size, method_size, migration_size, include_size; /* as compiled */
    const char *name;        /* must equal the file's base name */

    const char *version, *summary, *license;
    const char *const *worker_apps;          /* "synapse.app.pusher", ...; NULL-ended */
    const struct gg_include *includes;       /* roles loaded into the same process */
    const struct gg_config_key *keys;        /* its own keys */
    /* Groups are tables of libraries that are installed with the host (libganglion-matrix):
     * their entries have the host's size, whatever the sizes above say. NULL-ended. */
    const struct gg_config_key *const *key_groups;
    const struct gg_route *routes;           /* its own */
    const struct gg_route *const *route_groups;
    const struct gg_method *methods;         /* replication methods that it serves */
    const struct gg_method *const *method_groups;
    const struct gg_migration *migrations;
    /* Refuses a configuration that this role cannot run with, before anything starts. */
    int (*check)(const struct gg_host *host, struct gg_error *err);

    /* Called in this order, each at most once but reload; every one may be NULL.
     * load makes *self_out, registers streams and services, and may not wait;
     * start, reload, drain and stop run in a fiber and may. A failure undoes only
     * what came before it. What has not drained by the deadline is cancelled;
     * after stop no fiber, timer or connection of the plugin is left. */
    int (*load)(struct gg_host *host, void **self_out, struct gg_error *err);
    int (*start)(void *self, struct gg_error *err);
    int (*reload)(void *self, struct gg_error *err);
    void (*drain)(void *self, int64_t deadline);
    void (*stop)(void *self);
    void (*unload)(void *self);
};

typedef const struct gg_plugin *gg_plugin_entry_fn(void);

#ifdef __cplusplus
#define GG_EXTERN_C extern "C"
#define GG_STATIC_ASSERT static_assert
#else
#define GG_EXTERN_C
#define GG_STATIC_ASSERT _Static_assert
#endif

#define GG_PLUGIN(name_, ...)                                                             \
    GG_EXTERN_C GG_API const struct gg_plugin *gg_plugin_entry(void);                     \
    const struct gg_plugin *gg_plugin_entry(void)                                         \
    {                                                                                     \
        static const struct gg_plugin plugin = {.magic = GG_MAGIC,                        \
                                                .abi_major = GG_ABI_MAJOR,                \
                                                .abi_minor = GG_ABI_MINOR,                \
                                                .size = sizeof(struct gg_plugin),         \
                                                .route_size = sizeof(struct gg_route),    \
                                                .key_size = sizeof(struct gg_config_key), \
                                                .method_size = sizeof(struct gg_method),  \
                                                .migration_size = sizeof(struct gg_migration), \
                                                .include_size = sizeof(struct gg_include), \
                                                .name = name_,                            \
                                                __VA_ARGS__};                             \
        return &plugin;                                                                   \
    }                                                                                     \
    GG_STATIC_ASSERT(sizeof(name_) > 1, "a plugin has a name")

#ifdef __cplusplus
}
#endif
#endif
