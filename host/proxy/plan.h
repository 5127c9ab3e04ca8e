/* proxy/plan.h: which requests a proxy in front of a deployment sends where.
 *
 * A pool is a group of processes that serve the same requests, with a way to
 * choose among them; a rule sends a pattern to a pool. What no rule names goes to
 * the main process, which serves or forwards everything. */
#ifndef GG_PROXY_PLAN_H
#define GG_PROXY_PLAN_H

#include "proxy/catalog.h"
#include "proxy/deployment.h"

#define GG_RULE_METHODS 8

struct gg_pool {
    const char *name;       /* "ganglion_sync_by_user": names an upstream, a backend */
    const char *label;      /* "sync": the pool of the routes; the role, for dedicated processes; "main" */
    const char *balance;    /* "user", "source", a word that begins a path parameter's name; NULL: any process */
    const char **members;   /* names of processes */
    const char **addresses; /* in the same order */
    size_t n;
};

struct gg_rule {
    const char *pattern; /* as routes write it, with (a|b) and {name} */
    const char *methods[GG_RULE_METHODS];
    size_t n_methods, n_params;
    bool prefix; /* matches everything that begins so */
    struct gg_pool *pool;
};

/* Where the value stands that a pool is balanced by: the segment after prefix. */
struct gg_capture {
    const char *balance, *prefix; /* one spelling, up to and with the '/' before the parameter; may have {name} */
    size_t segment;               /* its number, 1 for the first */
};

/* Requests of a pool that go to another one. */
enum gg_variant_kind {
    GG_VARIANT_INITIAL, /* without `since` (sliding: `pos`): a first sync, expensive */
    GG_VARIANT_BRIDGE,  /* with `user_id`: an application service acts for one of its users */
};
struct gg_variant {
    int kind;
    const struct gg_pool *from;
    struct gg_pool *to;
};

struct gg_plan {
    struct gg_pool **pools; /* the main process first */
    struct gg_rule *rules;  /* in the order in which they must be tried */
    struct gg_capture *captures;
    struct gg_variant *variants;
    const char **notes; /* what the reader of the file should know */
    size_t n_pools, n_rules, n_captures, n_variants, n_notes;
};

/* Lives in the arena. GG_E_INVALID when ganglion.pools names no such pool or process. */
GG_CHECKED int gg_plan_make(struct gg_arena *arena, const struct gg_catalog *catalog,
                            const struct gg_deployment *deployment, struct gg_plan *out, struct gg_error *err);

/* The pattern as a PCRE without anchors; groups do not capture. */
void gg_pattern_regex(struct gg_buf *out, const char *pattern);

/* Complete files: an include for nginx's http context, a whole haproxy.cfg, the plan as it is. */
void gg_plan_nginx(const struct gg_plan *plan, struct gg_arena *arena, const char *listen, struct gg_buf *out);
void gg_plan_json(const struct gg_plan *plan, struct gg_arena *arena, const char *listen, struct gg_buf *out);
void gg_plan_haproxy(const struct gg_plan *plan, struct gg_arena *arena, const char *listen, struct gg_buf *out);

#endif
