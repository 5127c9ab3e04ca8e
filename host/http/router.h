/* http/router.h: from method and path to a route.
 *
 * Patterns are written out (alternations) into a trie of path segments. Literal
 * segments are compared as sent; values of {name} segments are handed out still
 * percent-encoded, so an encoded slash never moves a boundary. */
#ifndef GG_HTTP_ROUTER_H
#define GG_HTTP_ROUTER_H

#include <ganglion/error.h>
#include <ganglion/http.h>

enum { GG_ROUTER_MAX_PARAMS = 8, GG_ROUTER_MAX_SEGMENTS = 32, GG_ROUTER_MAX_SPELLINGS = 256 };

/* Listener resources as bits: see gg_resource_bits(). */
enum gg_resource {
    GG_RES_CLIENT = 1,
    GG_RES_CONSENT = 2,
    GG_RES_FEDERATION = 4,
    GG_RES_HEALTH = 8,
    GG_RES_KEYS = 16,
    GG_RES_MEDIA = 32,
    GG_RES_METRICS = 64,
    GG_RES_OPENID = 128,
    GG_RES_REPLICATION = 256,
    GG_RES_STATIC = 512,
};

/* Bits of a name, or of several with '|' between ("client|media"); 0: unknown. */
uint32_t gg_resource_bits(const char *names);

/* One spelling of one route. */
struct gg_router_entry {
    const struct gg_route *route;
    void *self;        /* for the handler */
    const char *owner; /* who claims it: a plugin's name; borrowed */
    char *spelling;    /* "/_matrix/client/v3/rooms/{room_id}/state" */
    char *names[GG_ROUTER_MAX_PARAMS];
    size_t n_names;
    uint32_t resources;
    struct gg_router_entry *next; /* of the same path, another method */
};

struct gg_router_match {
    const struct gg_router_entry *entry;
    struct gg_str values[GG_ROUTER_MAX_PARAMS]; /* as sent; point into the path */
    size_t n_values;
};

struct gg_router;

struct gg_router *gg_router_new(void);
void gg_router_free(struct gg_router *router);

/* Adds every spelling of route. The same route object twice is fine (a table that
 * two roles list), and a route with a handler takes the place of one without.
 * GG_E_CONFLICT: another owner has that method and path (both are named);
 * GG_E_INVALID: a bad pattern or an unknown resource. route and owner are borrowed. */
GG_CHECKED int gg_router_add(struct gg_router *router, const struct gg_route *route, void *self, const char *owner,
                             struct gg_error *err);

/* path: without query, begins with '/'. resources: only entries with one of these
 * bits are seen. 0, GG_E_NOT_FOUND (no such path) or GG_E_INVALID (the path is
 * known under other methods). HEAD finds GET. */
int gg_router_find(const struct gg_router *router, const char *method, struct gg_str path, uint32_t resources,
                   struct gg_router_match *out);

/* All entries in the order of adding: for (i = 0; (e = gg_router_at(r, i)); i++). */
const struct gg_router_entry *gg_router_at(const struct gg_router *router, size_t i);

/* The methods known for a path, as "GET, PUT", for an Allow header; "" if none. */
void gg_router_allowed(const struct gg_router *router, struct gg_str path, uint32_t resources, char *out, size_t size);

/* Writes (a|b) out: NULL-ended array of texts, all to be freed with
 * gg_spellings_free; NULL and err for a bad pattern. */
char **gg_spellings(const char *pattern, struct gg_error *err);
void gg_spellings_free(char **list);

#endif
