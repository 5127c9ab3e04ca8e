/* Reads a plan into what is searched for each request. */
#include "balance/table.h"

#include "base/hash.h"

#include <jansson.h>
#include <stdlib.h>

enum { MAX_GROUPS = 4096, MAX_MEMBERS = 4096 };

struct reader {
    struct gg_table *table;
    struct gg_error *err;
    size_t max_backends;
};

/* ---- members ---- */

static const char *text_of(struct reader *r, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? gg_arena_strdup(r->table->arena, text) : NULL;
}

struct gg_backend *gg_table_backend(const struct gg_table *table, const char *address)
{
    for (size_t i = 0; i < table->n_backends; i++)
        if (strcmp(table->backends[i].address, address) == 0)
            return &table->backends[i];
    return NULL;
}

/* "127.0.0.1:8083", "[::1]:8083" or "unix:/run/x". */
static int read_address(struct gg_arena *arena, const char *address, struct gg_peer *out)
{
    const char *colon = strrchr(address, ':');
    if (strncmp(address, "unix:", 5) == 0) {
        out->path = address + 5;
        return address[5] == '/' ? 0 : GG_E_INVALID;
    }
    if (colon == NULL || colon == address)
        return GG_E_INVALID;
    bool v6 = address[0] == '[' && colon[-1] == ']';
    long port = strtol(colon + 1, NULL, 10);
    out->host = gg_arena_strndup(arena, address + v6, (size_t)(colon - address) - 2 * (size_t)v6);
    out->port = (uint16_t)port;
    return port > 0 && port <= UINT16_MAX && out->host[0] != '\0' ? 0 : GG_E_INVALID;
}

/* One process may be in many pools: it is the same backend in all, and one hash seed for its name in all routers. */
static struct gg_backend *intern(struct reader *r, const char *name, const char *address)
{
    static const uint64_t drum[2] = {0x67616e676c696f6e, 0x726f75746572};
    struct gg_backend *backend = gg_table_backend(r->table, address);
    if (backend != NULL || r->table->n_backends == r->max_backends)
        return backend;
    backend = &r->table->backends[r->table->n_backends];
    *backend = (struct gg_backend){
        .name = name, .address = address, .seed = gg_siphash13(drum, name, strlen(name)), .up = true};
    if (read_address(r->table->arena, address, &backend->peer) < 0)
        return NULL;
    backend->peer.name = name;
    r->table->n_backends++;
    return backend;
}

static int bad(struct reader *r, const char *what)
{
    return gg_fail(r->err, GG_E_INVALID, "the plan of the deployment has no proper %s", what);
}

static int read_members(struct reader *r, const json_t *list, struct gg_group *group)
{
    size_t n = json_array_size(list);
    if (n == 0 || n > MAX_MEMBERS)
        return bad(r, "members");
    group->members = GG_NEW_ARRAY(r->table->arena, struct gg_backend *, n);
    for (; group->n < n; group->n++) {
        const json_t *item = json_array_get(list, group->n);
        const char *name = text_of(r, item, "name"), *address = text_of(r, item, "address");
        struct gg_backend *backend = name != NULL && address != NULL ? intern(r, name, address) : NULL;
        if (backend == NULL)
            return bad(r, "member");
        group->members[group->n] = backend;
    }
    return 0;
}

static size_t count_members(const json_t *pools)
{
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(pools); i++)
        n += json_array_size(json_object_get(json_array_get(pools, i), "members"));
    return n;
}

static int read_groups(struct reader *r, const json_t *pools)
{
    struct gg_table *t = r->table;
    size_t n = json_array_size(pools);
    if (n == 0 || n > MAX_GROUPS)
        return bad(r, "pools");
    r->max_backends = count_members(pools);
    t->groups = GG_NEW_ARRAY(t->arena, struct gg_group, n);
    t->backends = GG_NEW_ARRAY(t->arena, struct gg_backend, r->max_backends);
    for (int rc = 0; t->n_groups < n; t->n_groups++) {
        const json_t *pool = json_array_get(pools, t->n_groups);
        struct gg_group *group = &t->groups[t->n_groups];
        *group = (struct gg_group){.name = text_of(r, pool, "name"), .balance = text_of(r, pool, "balance")};
        rc = group->name != NULL ? read_members(r, json_object_get(pool, "members"), group) : bad(r, "pool");
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- rules ---- */

static struct gg_group *group_named(struct reader *r, const json_t *object, const char *key)
{
    const char *name = json_string_value(json_object_get(object, key));
    for (size_t i = 0; name != NULL && i < r->table->n_groups; i++)
        if (strcmp(r->table->groups[i].name, name) == 0)
            return &r->table->groups[i];
    return NULL;
}

static int never_called(void *self, struct gg_request *rq, struct gg_error *err)
{
    return gg_fail(err, GG_E_INTERNAL, "a rule is no route");
}

/* Where two rules name one spelling the first counts, as in the other proxies. */
static int add_rule(struct reader *r, const char *method, const char *path, bool prefix, struct gg_group *group)
{
    struct gg_route *route = GG_NEW(r->table->arena, struct gg_route);
    *route = (struct gg_route){.method = method,
                               .path = path,
                               .handler = never_called,
                               .resource = "client",
                               .flags = prefix ? GG_ROUTE_PREFIX : 0};
    struct gg_error taken = GG_ERROR_INIT;
    int rc = gg_router_add(r->table->router, route, group, "plan", &taken);
    if (rc < 0 && rc != GG_E_CONFLICT)
        *r->err = taken;
    return rc == GG_E_CONFLICT ? 0 : rc;
}

static int add_spellings(struct reader *r, const json_t *rule, const char *pattern, struct gg_group *group)
{
    bool prefix = json_is_true(json_object_get(rule, "prefix"));
    const json_t *methods = json_object_get(rule, "methods");
    char **spellings = gg_spellings(pattern, r->err);
    int rc = spellings == NULL ? r->err->code : 0;
    for (size_t i = 0; rc == 0 && spellings[i] != NULL; i++) {
        const char *path = gg_arena_strdup(r->table->arena, spellings[i]);
        for (size_t m = 0; rc == 0 && m < json_array_size(methods); m++) {
            const char *method = json_string_value(json_array_get(methods, m));
            rc = method != NULL ? add_rule(r, gg_arena_strdup(r->table->arena, method), path, prefix, group)
                                : bad(r, "method");
        }
    }
    gg_spellings_free(spellings);
    return rc;
}

static int read_rules(struct reader *r, const json_t *rules)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        const char *pattern = json_string_value(json_object_get(rule, "pattern"));
        struct gg_group *group = group_named(r, rule, "pool");
        rc = pattern != NULL && group != NULL ? add_spellings(r, rule, pattern, group) : bad(r, "rule");
    }
    return rc;
}

static int read_variants(struct reader *r, const json_t *variants)
{
    for (size_t i = 0; i < json_array_size(variants); i++) {
        const json_t *variant = json_array_get(variants, i);
        struct gg_group *from = group_named(r, variant, "from"), *to = group_named(r, variant, "to");
        const char *kind = json_string_value(json_object_get(variant, "kind"));
        if (from == NULL || to == NULL || kind == NULL)
            return bad(r, "variant");
        *(strcmp(kind, "initial") == 0 ? &from->initial : &from->bridge) = to;
    }
    return 0;
}

/* ---- the whole ---- */

int gg_table_read(struct gg_str json, struct gg_table **out, struct gg_error *err)
{
    json_error_t why;
    json_t *plan = json_loadb(json.s, json.n, 0, &why);
    struct gg_arena *arena = gg_arena_new();
    struct gg_table *table = GG_NEW(arena, struct gg_table);
    struct reader r = {.table = table, .err = err};
    *table = (struct gg_table){.arena = arena, .router = gg_router_new(), .users = 1};
    int rc = plan != NULL ? read_groups(&r, json_object_get(plan, "pools")) : bad(&r, "form");
    if (rc == 0)
        rc = read_rules(&r, json_object_get(plan, "rules"));
    if (rc == 0)
        rc = read_variants(&r, json_object_get(plan, "variants"));
    json_decref(plan);
    if (rc < 0)
        gg_table_free(table);
    *out = rc == 0 ? table : NULL;
    return rc;
}

void gg_table_free(struct gg_table *table)
{
    if (table == NULL)
        return;
    gg_router_free(table->router);
    gg_arena_free(table->arena);
}

/* ---- searching ---- */

/* The first parameter whose name begins with the balance: {room_id} for "room". */
static struct gg_str parameter(const struct gg_router_match *match, const char *balance)
{
    size_t n = strlen(balance);
    for (size_t i = 0; i < match->n_values && i < match->entry->n_names; i++)
        if (strncmp(match->entry->names[i], balance, n) == 0)
            return match->values[i];
    return GG_STR("");
}

struct gg_group *gg_table_find(const struct gg_table *table, const char *method, struct gg_str path,
                               struct gg_query_marks marks, struct gg_str *key_out)
{
    struct gg_router_match match;
    *key_out = GG_STR("");
    if (gg_router_find(table->router, method, path, GG_RES_CLIENT, &match) < 0)
        return &table->groups[0];
    struct gg_group *group = match.entry->self;
    if (group->initial != NULL && !marks.since)
        group = group->initial;
    else if (group->bridge != NULL && marks.bridged)
        group = group->bridge;
    if (group->balance != NULL)
        *key_out = parameter(&match, group->balance);
    return group;
}
