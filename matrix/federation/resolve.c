/* resolve.c: from a server name to the places that are tried. */
#include "federation/resolve.h"

#include "federation/server_name.h"
#include "federation/well_known.h"

#include <ganglion/log.h>
#include <ganglion/names.h>

static struct gg_logger logger = {"ganglion.federation.client"};

static void add_place(struct mx_fed_target *target, const char *host, uint16_t port)
{
    if (target->n_places < MX_FED_PLACES) {
        target->places[target->n_places].host = host;
        target->places[target->n_places++].port = port;
    }
}

/* The services of today's name, else of the one of old. A name server that fails says nothing: then the host itself is
 * tried, which some that answer no such questions make necessary. */
static int add_services(struct mx_fed_client *client, struct gg_arena *arena, struct mx_fed_target *target,
                        struct gg_error *err)
{
    static const char *const names[] = {"_matrix-fed._tcp", "_matrix._tcp"};
    for (size_t i = 0; i < GG_COUNT(names) && !target->n_places; i++) {
        struct gg_name_service *services;
        struct gg_error bad = GG_ERROR_INIT;
        size_t n = 0;
        int status = gg_names_services(client->server->host, gg_arena_printf(arena, "%s.%s", names[i], target->host), arena,
                                       &services, &n, &bad);
        if (status == GG_E_CANCELLED || status == GG_E_TIMEOUT)
            return gg_fail(err, status, "%s", bad.message);
        if (status)
            gg_info(&logger, "%s", bad.message);
        if (n == 1 && !services[0].host[0])
            return gg_fail(err, GG_E_UNAVAILABLE, "%s says that it is not there", target->host);
        for (size_t k = 0; k < n; k++)
            if (services[k].host[0])
                add_place(target, services[k].host, services[k].port);
    }
    return 0;
}

int mx_fed_resolve(struct mx_fed_client *client, const char *name, struct gg_arena *arena, struct mx_fed_target *out,
                   struct gg_error *err)
{
    struct mx_server_name parts;
    *out = (struct mx_fed_target){.authority = name};
    if (!mx_server_name_split(gg_str(name), &parts))
        return gg_fail(err, GG_E_UNAVAILABLE, "%s is no server name", name);
    if (!parts.literal && !parts.port) {
        const char *delegated = NULL;
        int status = mx_fed_well_known(client, name, arena, &delegated, err);
        if (status)
            return status;
        if (delegated && mx_server_name_split(gg_str(delegated), &parts))
            out->authority = delegated;
    }
    out->host = gg_arena_strndup(arena, parts.host.s, parts.host.n);
    if (!parts.literal && !parts.port) {
        int status = add_services(client, arena, out, err);
        if (status)
            return status;
    }
    if (!out->n_places)
        add_place(out, out->host, parts.port ? parts.port : MX_FED_PORT);
    return 0;
}
