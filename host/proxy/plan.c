/* From routes and processes to the rules of a proxy. */
#include "proxy/plan.h"

#include "plugin/spelling.h"
#include "proxy/pools.h"

#include <stdlib.h>
#include <string.h>

/* ---- patterns ---- */

void gg_pattern_regex(struct gg_buf *out, const char *pattern)
{
    for (const char *c = pattern; *c != '\0'; c++) {
        if (*c == '{') {
            gg_buf_lit(out, "[^/]+");
            c += strcspn(c, "}");
        } else if (*c == '(') {
            gg_buf_lit(out, "(?:");
        } else if (strchr("|)", *c) != NULL) {
            gg_buf_char(out, *c);
        } else if (strchr(".+*?$", *c) !=
                   NULL) { /* a class needs no backslash, which every file format reads its own way */
            gg_buf_printf(out, "[%c]", *c);
        } else {
            gg_buf_char(out, *c);
        }
        if (*c == '\0')
            break;
    }
}

static size_t count_params(const char *pattern)
{
    size_t n = 0;
    for (; *pattern != '\0'; pattern++)
        n += *pattern == '{';
    return n;
}

/* ---- captures ---- */

static bool is_parameter(const char *balance)
{
    return balance != NULL && strcmp(balance, "user") != 0 && strcmp(balance, "source") != 0;
}

static void add_capture(struct gg_planner *planner, const char *balance, const char *prefix, size_t segment)
{
    struct gg_plan *plan = planner->plan;
    for (size_t i = 0; i < plan->n_captures; i++)
        if (strcmp(plan->captures[i].prefix, prefix) == 0 && strcmp(plan->captures[i].balance, balance) == 0)
            return;
    plan->captures[plan->n_captures++] = (struct gg_capture){balance, prefix, segment};
}

/* The first parameter whose name begins with the balance: {room_id} for "room". */
static void find_capture(struct gg_planner *planner, const char *balance, const char *path)
{
    size_t n = strlen(balance), segment = 0;
    for (const char *c = path; *c != '\0'; c++) {
        segment += *c == '/';
        if (*c == '{' && strncmp(c + 1, balance, n) == 0) {
            add_capture(planner, balance, gg_arena_strndup(planner->arena, path, (size_t)(c - path)), segment);
            return;
        }
    }
}

/* ---- rules ---- */

static bool for_proxies(const struct gg_route *route)
{
    static const char *const inner[] = {"replication", "metrics", "health"};
    for (size_t i = 0; i < GG_COUNT(inner); i++)
        if (route->resource != NULL && strcmp(route->resource, inner[i]) == 0)
            return false;
    return true;
}

static bool has_method(const struct gg_rule *rule, const char *method)
{
    for (size_t i = 0; i < rule->n_methods; i++)
        if (strcmp(rule->methods[i], method) == 0)
            return true;
    return false;
}

static void add_rule(struct gg_planner *planner, const struct gg_route *route, struct gg_pool *pool)
{
    struct gg_plan *plan = planner->plan;
    bool prefix = (route->flags & GG_ROUTE_PREFIX) != 0;
    for (size_t i = 0; i < plan->n_rules; i++) {
        struct gg_rule *rule = &plan->rules[i];
        if (strcmp(rule->pattern, route->path) != 0 || rule->pool != pool || rule->prefix != prefix)
            continue;
        if (!has_method(rule, route->method) && rule->n_methods < GG_RULE_METHODS)
            rule->methods[rule->n_methods++] = route->method;
        return;
    }
    struct gg_rule *rule = &plan->rules[plan->n_rules++];
    *rule =
        (struct gg_rule){.pattern = route->path, .prefix = prefix, .pool = pool, .n_params = count_params(route->path)};
    rule->methods[rule->n_methods++] = route->method;
}

static void add_variant(struct gg_planner *planner, int kind, const struct gg_pool *from, struct gg_pool *to)
{
    struct gg_plan *plan = planner->plan;
    for (size_t i = 0; i < plan->n_variants; i++)
        if (plan->variants[i].kind == kind && plan->variants[i].from == from)
            return;
    if (to != NULL && to != from)
        plan->variants[plan->n_variants++] = (struct gg_variant){kind, from, to};
}

/* The seed's advice: a first sync must not hold up the others, a bridge's burst must not hold up people. */
static void add_variants(struct gg_planner *planner, const struct gg_catalog_entry *entry, const struct gg_pool *pool)
{
    if (strcmp(pool->label, "sync") == 0)
        add_variant(planner, GG_VARIANT_INITIAL, pool, gg_pools_named(planner, entry, "initial_sync", false));
    if (strcmp(pool->label, "events") == 0)
        add_variant(planner, GG_VARIANT_BRIDGE, pool, gg_pools_named(planner, entry, "bridge", true));
}

static void plan_entry(struct gg_planner *planner, const struct gg_catalog_entry *entry,
                       const struct gg_pool *main_pool)
{
    struct gg_pool *pool = for_proxies(entry->route) ? gg_pools_for(planner, entry) : NULL;
    if (pool == NULL)
        return;
    add_rule(planner, entry->route, pool);
    if (pool == main_pool)
        return;
    if (is_parameter(pool->balance))
        find_capture(planner, pool->balance, entry->path);
    add_variants(planner, entry, pool);
}

/* A rule for the main process says what is so anyway, unless a prefix that belongs to others covers it. */
static bool is_needed(const struct gg_plan *plan, const struct gg_rule *rule, const struct gg_pool *main_pool)
{
    if (rule->pool != main_pool)
        return true;
    for (size_t i = 0; i < plan->n_rules; i++) {
        const struct gg_rule *other = &plan->rules[i];
        if (other->prefix && other->pool != main_pool &&
            strncmp(rule->pattern, other->pattern, strlen(other->pattern)) == 0)
            return true;
    }
    return false;
}

static void drop_needless(struct gg_plan *plan, const struct gg_pool *main_pool)
{
    bool *needed = calloc(plan->n_rules + 1, sizeof(*needed));
    size_t kept = 0;
    for (size_t i = 0; needed != NULL && i < plan->n_rules; i++)
        needed[i] = is_needed(plan, &plan->rules[i], main_pool);
    for (size_t i = 0; needed != NULL && i < plan->n_rules; i++)
        if (needed[i])
            plan->rules[kept++] = plan->rules[i];
    plan->n_rules = needed != NULL ? kept : plan->n_rules;
    free(needed);
}

/* Literal patterns first, then those with fewer parameters, prefixes last and the longest of them first. */
static int by_precision(const void *a, const void *b)
{
    const struct gg_rule *x = a, *y = b;
    if (x->prefix != y->prefix)
        return x->prefix ? 1 : -1;
    if (x->prefix && strlen(x->pattern) != strlen(y->pattern))
        return strlen(x->pattern) > strlen(y->pattern) ? -1 : 1;
    if (x->n_params != y->n_params)
        return x->n_params < y->n_params ? -1 : 1;
    return strcmp(x->pattern, y->pattern);
}

static void note(struct gg_planner *planner, const char *text)
{
    planner->plan->notes[planner->plan->n_notes++] = text;
}

static void add_notes(struct gg_planner *planner)
{
    for (size_t i = 0; i < planner->deployment->n; i++) {
        const struct gg_process *process = &planner->deployment->processes[i];
        if (process->root == NULL)
            note(planner,
                 gg_arena_printf(planner->arena, "%s: the plugin of %s is not installed here, so nothing is sent to it",
                                 process->name, gg_host_worker_app(process->host)));
        else if (gg_process_address(planner->arena, planner->deployment, process, "client|federation|media") == NULL)
            note(planner, gg_arena_printf(planner->arena, "%s (%s): no listener for clients or servers", process->name,
                                          gg_host_worker_app(process->host)));
    }
}

static void reserve(struct gg_planner *planner)
{
    struct gg_plan *plan = planner->plan;
    size_t n = planner->catalog->n;
    planner->max_pools = 2 * n + 8; /* each entry adds at most its own and one variant's */
    plan->pools = GG_NEW_ARRAY(planner->arena, struct gg_pool *, planner->max_pools);
    plan->rules = GG_NEW_ARRAY(planner->arena, struct gg_rule, n + 1);
    plan->captures = GG_NEW_ARRAY(planner->arena, struct gg_capture, n + 1);
    plan->variants = GG_NEW_ARRAY(planner->arena, struct gg_variant, 2 * n + 1);
    plan->notes = GG_NEW_ARRAY(planner->arena, const char *, planner->deployment->n + 1);
}

int gg_plan_make(struct gg_arena *arena, const struct gg_catalog *catalog, const struct gg_deployment *deployment,
                 struct gg_plan *out, struct gg_error *err)
{
    static const struct gg_route anything = {.method = "GET", .path = "/", .resource = "client|federation"};
    const struct gg_catalog_entry main_entry = {.method = "GET", .path = "/", .route = &anything};
    struct gg_planner planner = {.arena = arena,
                                 .catalog = catalog,
                                 .deployment = deployment,
                                 .plan = out,
                                 .configured = gg_config_node(deployment->processes[0].config, "ganglion.pools")};
    memset(out, 0, sizeof(*out));
    reserve(&planner);
    int rc = gg_pools_check(&planner, err);
    if (rc < 0)
        return rc;
    const struct gg_pool *main_pool = gg_pools_for(&planner, &main_entry); /* the first: index 0 */
    if (main_pool == NULL)
        return gg_fail(err, GG_E_INVALID, "the main process has no plain listener for clients or servers");
    for (size_t i = 0; i < catalog->n; i++)
        plan_entry(&planner, &catalog->entries[i], main_pool);
    drop_needless(out, main_pool);
    qsort(out->rules, out->n_rules, sizeof(*out->rules), by_precision);
    add_notes(&planner);
    return 0;
}
