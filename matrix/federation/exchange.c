/* exchange.c: one request to another server, sent once. */
#include "federation/client_part.h"
#include "federation/resolve.h"
#include "ids/glob.h"

#include <ganglion/log.h>


static struct gg_logger logger = {"ganglion.federation.client"};

enum { MAX_HEADERS = 24 };
#define MAX_ANSWER ((size_t)100 << 20)

bool mx_fed_verifies(const struct mx_fed_client *client, struct gg_str host)
{
    for (size_t i = 0; client->verify && i < client->n_unverified; i++)
        if (mx_glob(gg_str(client->unverified[i]), host, MX_GLOB_ONE | MX_GLOB_FOLD))
            return false;
    return client->verify;
}

static void with_host(const char *const *headers, const char *authority, struct gg_arena *arena, const char **out)
{
    size_t n = 0;
    out[n++] = gg_arena_printf(arena, "Host: %s", authority);
    for (; *headers && n < MAX_HEADERS - 1; headers++)
        out[n++] = *headers;
    out[n] = NULL;
}

/* One of those that may connect; the next time perhaps another. */
static int exchange_through(struct mx_fed_client *client, const struct mx_fed_exchange *exchange, struct gg_arena *arena,
                            struct gg_client_answer *out, struct gg_error *err)
{
    uint32_t draw;
    gg_random_bytes(&draw, sizeof(draw));
    struct gg_client_request request = {
        .method = exchange->method, .headers = exchange->headers, .body = exchange->body,
        .url = gg_arena_printf(arena, "matrix-federation://%s%s", exchange->destination, exchange->path),
        .max_answer = exchange->max_answer ? exchange->max_answer : MAX_ANSWER,
        .sink = exchange->sink,
        .through = client->through[draw % client->n_through]};
    return gg_client_fetch(client->server->host, &request, arena, out, err);
}

int mx_fed_exchange(struct mx_fed_client *client, const struct mx_fed_exchange *exchange, struct gg_arena *arena,
                    struct gg_client_answer *out, struct gg_error *err)
{
    const char *headers[MAX_HEADERS];
    struct mx_fed_target target;
    if (client->n_through)
        return exchange_through(client, exchange, arena, out, err);
    int status = mx_fed_resolve(client, exchange->destination, arena, &target, err);
    if (status)
        return status;
    with_host(exchange->headers, target.authority, arena, headers);
    struct gg_client_request request = {
        .method = exchange->method, .url = gg_arena_printf(arena, "https://%s%s", target.authority, exchange->path),
        .headers = headers, .body = exchange->body, .public_only = true, .proxied = true, .pool = client->pool,
        .max_answer = exchange->max_answer ? exchange->max_answer : MAX_ANSWER,
        .sink = exchange->sink,
        .insecure = !mx_fed_verifies(client, gg_str(target.host))};
    for (size_t i = 0; i < target.n_places; i++) {
        request.connect_host = target.places[i].host;
        request.connect_port = target.places[i].port;
        *err = (struct gg_error)GG_ERROR_INIT;
        status = gg_client_fetch(client->server->host, &request, arena, out, err);
        if (!status || out->connected || status == GG_E_CANCELLED)
            break;
        gg_debug(&logger, "%s at %s port %u: %s", exchange->destination, request.connect_host, request.connect_port,
                 err->message);
    }
    return status;
}
