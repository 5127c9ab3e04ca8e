/* `ganglion --explain`: what this process would load, serve and run, and why. */
#include "config/topology.h"
#include "main/commands.h"
#include "main/setup.h"

#include <stdio.h>

static void print_roles(const struct gg_plugins *plugins)
{
    printf("roles\n");
    for (size_t i = 0; i < plugins->n; i++) {
        const struct gg_role *role = plugins->roles[i];
        printf("  %-20s %s\n  %-20s %s\n", role->desc.name, role->why, "", role->file);
    }
    for (size_t i = 0; i < plugins->n_missing; i++)
        printf("  %-20s MISSING (install %s): %s\n", plugins->missing[i].role, plugins->missing[i].package,
               plugins->missing[i].why);
}

static void print_listener(const struct gg_listener *listener)
{
    printf("  %s", listener->type == GG_LISTENER_METRICS ? "metrics" : "http");
    if (listener->path != NULL)
        printf(" unix:%s", listener->path);
    for (size_t i = 0; i < listener->n_addresses; i++)
        printf(" %s:%u", listener->addresses[i], listener->port);
    printf("%s ->", listener->tls ? " (tls)" : "");
    for (size_t i = 0; i < listener->n_resources; i++)
        printf(" %s", listener->resources[i]);
    printf("\n");
}

static void print_listeners(const struct gg_config *config)
{
    size_t n;
    const struct gg_listener *listeners = gg_topology_listeners(config, &n);
    printf("listeners\n");
    for (size_t i = 0; i < n; i++)
        if (listeners[i].type != GG_LISTENER_MANHOLE)
            print_listener(&listeners[i]);
    if (n == 0)
        printf("  none: nothing is served\n");
}

static void print_duty(const struct gg_config *config, const char *duty)
{
    bool asked;
    size_t n;
    const char *const *names = gg_topology_duty(config, duty, &n);
    if (gg_topology_has_duty(config, duty, &asked)) {
        printf("  %-20s this process, %s\n", duty, asked ? "named by the config" : "by default");
        return;
    }
    printf("  %-20s not this process%s", duty, n > 0 ? " but" : ": the files that it reads do not say which");
    for (size_t k = 0; k < n; k++)
        printf(" %s", names[k]);
    printf("\n");
}

static void print_duties(const struct gg_config *config)
{
    static const char *const duties[] = {"background",       "pusher",           "appservice", "federation_sender",
                                         "media_repository", "media_background", "user_dir"};
    printf("duties\n");
    for (size_t i = 0; i < GG_COUNT(duties); i++)
        print_duty(config, duties[i]);
}

static int count_route(void *arg, const struct gg_role *role, const struct gg_route *route, struct gg_error *err)
{
    size_t *counts = arg; /* served, only forwarded */
    counts[route->handler == NULL]++;
    return 0;
}

static void print_routes(const struct gg_plugins *plugins)
{
    struct gg_error err = GG_ERROR_INIT;
    size_t counts[2] = {0, 0};
    if (gg_claims_each(plugins, count_route, counts, &err) == 0)
        printf("routes\n  %zu served here, %zu known and forwarded (ganglion routes lists them)\n", counts[0],
               counts[1]);
}

static void print_process(const struct gg_host *host)
{
    const struct gg_redis_options *redis = gg_topology_redis(host->config);
    const struct gg_peer *main_process = gg_topology_peer(host->config, GG_MASTER);
    printf("process\n  %s, worker_app %s\n", host->instance, host->worker_app);
    if (!redis->enabled)
        printf("  no Redis: this process is alone\n");
    else if (redis->path != NULL)
        printf("  Redis at unix:%s\n", redis->path);
    else
        printf("  Redis at %s:%u\n", redis->host, redis->port);
    if (!host->main && main_process != NULL && main_process->path == NULL)
        printf("  main process at %s:%u\n", main_process->host, main_process->port);
    else if (!host->main && main_process != NULL)
        printf("  main process at unix:%s\n", main_process->path);
}

int gg_command_explain(const struct gg_args *args)
{
    struct gg_setup setup;
    struct gg_error err = GG_ERROR_INIT;
    int rc = gg_setup(args, GG_SETUP_EXPLAIN, &setup, &err);
    if (rc == 0) {
        print_process(setup.host);
        print_roles(setup.plugins);
        print_duties(setup.config);
        print_listeners(setup.config);
        print_routes(setup.plugins);
    }
    gg_setup_done(&setup);
    return rc < 0 ? gg_command_failed(&err) : 0;
}
