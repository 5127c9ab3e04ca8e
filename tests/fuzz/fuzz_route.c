/* Path routing: any method and path against a table with every kind of pattern. */
#include "http/router.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int handler(void *self, struct gg_request *rq, struct gg_error *err)
{
    return 0;
}

static const struct gg_route routes[] = {
    {"GET", "/_matrix/client/(r0|v3|unstable|api/v1)/rooms/{room}/state/{type}/{key}", handler, "client"},
    {"PUT", "/_matrix/client/(r0|v3|unstable|api/v1)/rooms/{room}/state(/{type}|)", handler, "client"},
    {"GET", "/a/{x}/b", handler, "client"},
    {"PUT", "/a/b/{y}", handler, "client"},
    {"GET", "/a/{x}/{y}/{z}", handler, "media|client"},
    {"GET", "/a/b/c/d/", handler, "media"},
    {"GET", "/a/", handler, "client", .flags = GG_ROUTE_PREFIX},
    {"GET", "/a/{x}/p", handler, "client", .flags = GG_ROUTE_PREFIX},
    {NULL},
};

static struct gg_router *router_of(void)
{
    static struct gg_router *router;
    struct gg_error err = GG_ERROR_INIT;
    if (router != NULL)
        return router;
    router = gg_router_new();
    for (const struct gg_route *route = routes; route->method != NULL; route++)
        if (gg_router_add(router, route, NULL, "fuzz", &err) < 0)
            abort();
    return router;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"GET", "PUT", "HEAD", "DELETE"};
    if (size < 2)
        return 0;
    const char *method = methods[data[0] % 4];
    uint32_t resources = data[1];
    struct gg_str path = {(const char *)data + 2, size - 2};
    struct gg_router_match match;
    char allowed[32];
    int rc = gg_router_find(router_of(), method, path, resources, &match);
    gg_router_allowed(router_of(), path, resources, allowed, sizeof(allowed));
    if (rc == 0) {
        if ((match.entry->resources & resources) == 0 || match.n_values != match.entry->n_names || allowed[0] == '\0')
            abort();
        for (size_t i = 0; i < match.n_values; i++)
            if (match.values[i].s < path.s || match.values[i].s + match.values[i].n > path.s + path.n ||
                memchr(match.values[i].s, '/', match.values[i].n) != NULL)
                abort();
    } else if ((rc == GG_E_INVALID) != (allowed[0] != '\0')) {
        abort();
    }
    char *pattern = strndup(path.s, path.n);
    struct gg_error err = GG_ERROR_INIT;
    gg_spellings_free(gg_spellings(pattern, &err));
    free(pattern);
    return 0;
}
