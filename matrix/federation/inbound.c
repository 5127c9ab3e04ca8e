/* matrix/federation/inbound.c: the part of a process that takes in what other servers send. */
#include "federation/inbound.h"

#include "parts.h"

#include <ganglion/memory.h>
#include <stdlib.h>

#define SWEEP_MS INT64_C(60000)

static void sweep(void *arg)
{
    struct mx_fed_inbound *inbound = arg;
    if (inbound->scope && inbound->sweeps)
        mx_fed_drain_left(inbound);
}

static int make(struct mx_server *server, struct gg_error *err)
{
    (void)err;
    struct mx_fed_inbound *inbound = server->fed_inbound = gg_xcalloc(1, sizeof(*inbound));
    inbound->server = server;
    inbound->flights = gg_map_new(NULL);
    inbound->lines = gg_map_new(NULL);
    inbound->rooms = gg_map_new(mx_fed_draining_free);
    inbound->busy = gg_map_new(free);
    inbound->filling = gg_map_new(NULL);
    gg_list_init(&inbound->waiting);
    gg_mutex_init(&inbound->big_answers);
    gg_host_every(server->host, "federation_inbound_staged", SWEEP_MS, false, sweep, inbound);
    return 0;
}

static int start(struct mx_server *server, struct gg_error *err)
{
    (void)err;
    server->fed_inbound->scope = gg_scope_new(gg_host_scope(server->host), "federation inbound");
    return 0;
}

static void take_up(void *arg)
{
    mx_fed_drain_left(arg);
}

/* The main process takes up what is left; others do once they have been sent something themselves, or when they died at it. */
static int replicated(struct mx_server *server, struct gg_error *err)
{
    struct mx_fed_inbound *inbound = server->fed_inbound;
    inbound->sweeps |= gg_host_is_main(server->host) || gg_lock_inherited(server->host, MX_FED_ROOM_LOCK);
    if (inbound->sweeps && !gg_spawn(inbound->scope, "federation staged", take_up, inbound))
        return gg_fail(err, GG_E_UNAVAILABLE, "no fiber for staged events");
    return 0;
}

static void stop(struct mx_server *server)
{
    struct gg_scope *scope = server->fed_inbound->scope;
    server->fed_inbound->scope = NULL;
    if (scope)
        gg_scope_end(scope);
}

static void free_part(struct mx_server *server)
{
    struct mx_fed_inbound *inbound = server->fed_inbound;
    gg_map_free(inbound->flights);
    gg_map_free(inbound->lines);
    gg_map_free(inbound->rooms);
    gg_map_free(inbound->busy);
    gg_map_free(inbound->filling);
    free(inbound);
    server->fed_inbound = NULL;
}

const struct mx_part mx_part_fed_inbound = {"federation inbound", make, start, stop, free_part, replicated};
