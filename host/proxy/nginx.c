/* The plan as an include for nginx's http context: maps, upstreams and one server. */
#include "plugin/spelling.h"
#include "proxy/plan.h"

#include <string.h>

static void head(const struct gg_plan *plan, struct gg_buf *out)
{
    gg_buf_lit(out,
               "# Made by `ganglion routes --format nginx`; make it again when a process comes or goes.\n"
               "# Include it in the http context. Pools are chosen by `ganglion.pools` in the shared configuration.\n");
    for (size_t i = 0; i < plan->n_notes; i++)
        gg_buf_printf(out, "# %s\n", plan->notes[i]);
}

/* ---- what requests are told apart by ---- */

static void variables(struct gg_buf *out)
{
    gg_buf_lit(
        out,
        "\nmap_hash_bucket_size 256;\nmap_hash_max_size 8192;\n\n"
        "# The path as the client sent it: an encoded slash stays inside its segment.\n"
        "map $request_uri $ganglion_path {\n    default $request_uri;\n    \"~^(?<ganglion_p>[^?]*)\" $ganglion_p;\n}\n"
        "map $request_method $ganglion_method {\n    default $request_method;\n    HEAD GET;\n"
        "    OPTIONS $http_access_control_request_method;\n}\n"
        "# A user's requests go to one process: Synapse's tokens carry the user, others stand for themselves.\n"
        "map $http_authorization $ganglion_token {\n    default $arg_access_token;\n"
        "    \"~*^bearer +(?<ganglion_t>[^ ]+)\" $ganglion_t;\n}\n"
        "map $ganglion_token $ganglion_user {\n    default $ganglion_token;\n    \"\" $remote_addr;\n"
        "    \"~^syt_(?<ganglion_u>[^_]+)_\" $ganglion_u;\n}\n"
        "map $arg_since$arg_pos $ganglion_initial {\n    default \"\";\n    \"\" initial;\n}\n"
        "map $arg_user_id $ganglion_bridged {\n    default bridged;\n    \"\" \"\";\n}\n");
}

static bool seen_before(const struct gg_plan *plan, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(plan->captures[i].balance, plan->captures[at].balance) == 0)
            return true;
    return false;
}

/* Clients differ in what they encode (%21, %3A): the decoded path names a room in one way. */
static void captures(const struct gg_plan *plan, struct gg_buf *out)
{
    for (size_t i = 0; i < plan->n_captures; i++) {
        const char *balance = plan->captures[i].balance;
        if (seen_before(plan, i))
            continue;
        gg_buf_printf(out, "map $uri $ganglion_key_%s {\n    default $request_id;\n", balance);
        for (size_t k = i; k < plan->n_captures; k++) {
            if (strcmp(plan->captures[k].balance, balance) != 0)
                continue;
            gg_buf_lit(out, "    \"~^");
            gg_pattern_regex(out, plan->captures[k].prefix);
            gg_buf_printf(out, "(?<ganglion_k_%s>[^/]+)\" $ganglion_k_%s;\n", balance, balance);
        }
        gg_buf_lit(out, "}\n");
    }
}

/* ---- rules ---- */

static void rule(const struct gg_rule *r, struct gg_buf *out)
{
    gg_buf_lit(out, "    \"~^");
    gg_buf_text(out, r->n_methods > 1 ? "(?:" : "");
    for (size_t i = 0; i < r->n_methods; i++)
        gg_buf_printf(out, "%s%s", i > 0 ? "|" : "", r->methods[i]);
    gg_buf_text(out, r->n_methods > 1 ? "):" : ":");
    gg_pattern_regex(out, r->pattern);
    gg_buf_printf(out, "%s\" %s;\n", r->prefix ? "" : "$", r->pool->name);
}

/* Patterns without variable parts are found by hash, without trying expressions one after the other. */
static void exact_rule(const struct gg_rule *r, struct gg_arena *arena, struct gg_buf *out)
{
    struct gg_error err = GG_ERROR_INIT;
    const char **spellings;
    size_t n;
    if (gg_path_spellings(arena, r->pattern, &spellings, &n, &err) < 0)
        return; /* the catalogue has refused such a pattern before */
    for (size_t i = 0; i < n; i++)
        for (size_t m = 0; m < r->n_methods; m++)
            gg_buf_printf(out, "    \"%s:%s\" %s;\n", r->methods[m], spellings[i], r->pool->name);
}

static void rules(const struct gg_plan *plan, struct gg_arena *arena, struct gg_buf *out)
{
    gg_buf_lit(out, "\nmap \"$ganglion_method:$ganglion_path\" $ganglion_rule {\n");
    gg_buf_printf(out, "    default %s;\n", plan->pools[0]->name);
    for (size_t i = 0; i < plan->n_rules; i++) {
        const struct gg_rule *r = &plan->rules[i];
        if (r->n_params == 0 && !r->prefix)
            exact_rule(r, arena, out);
        else
            rule(r, out);
    }
    gg_buf_lit(out, "}\n");
}

static void variants(const struct gg_plan *plan, struct gg_buf *out)
{
    gg_buf_lit(out, "map \"$ganglion_rule $ganglion_initial $ganglion_bridged\" $ganglion_pool {\n"
                    "    default $ganglion_rule;\n");
    for (size_t i = 0; i < plan->n_variants; i++) {
        const struct gg_variant *v = &plan->variants[i];
        gg_buf_printf(out, "    \"~^%s %s\" %s;\n", v->from->name,
                      v->kind == GG_VARIANT_INITIAL ? "initial" : "[a-z]* bridged$", v->to->name);
    }
    gg_buf_lit(out, "}\n");
}

/* ---- upstreams ---- */

/* A worker that ended is there again within a second; by nginx's own ten a pool of two has nobody when both were away. */
#define BACK_WITHIN "1s"

static void upstream(const struct gg_pool *pool, struct gg_buf *out)
{
    gg_buf_printf(out, "upstream %s {\n", pool->name);
    if (pool->balance != NULL && strcmp(pool->balance, "user") == 0)
        gg_buf_lit(out, "    hash $ganglion_user consistent;\n");
    else if (pool->balance != NULL && strcmp(pool->balance, "source") == 0)
        gg_buf_lit(out, "    hash $remote_addr consistent;\n");
    else if (pool->balance != NULL)
        gg_buf_printf(out, "    hash $ganglion_key_%s consistent;\n", pool->balance);
    for (size_t i = 0; i < pool->n; i++)
        gg_buf_printf(out, "    server %s fail_timeout=" BACK_WITHIN "; # %s\n", pool->addresses[i], pool->members[i]);
    gg_buf_lit(out, "    keepalive 64;\n}\n");
}

static void server(const char *listen, struct gg_buf *out)
{
    gg_buf_printf(out, "\nserver {\n    listen %s;\n", listen);
    gg_buf_lit(out, "    client_max_body_size 0; # each route has a bound of its own\n"
                    "    proxy_request_buffering off;\n"
                    "    proxy_http_version 1.1;\n"
                    "    proxy_set_header Connection \"\";\n"
                    "    proxy_set_header Host $http_host;\n"
                    "    proxy_set_header X-Forwarded-For $remote_addr;\n"
                    "    proxy_set_header X-Forwarded-Proto $scheme;\n"
                    "    proxy_read_timeout 200s; # longer than a long poll\n"
                    "    location / {\n        proxy_pass http://$ganglion_pool$request_uri;\n    }\n"
                    "    # Calls between processes: never from outside.\n"
                    "    location ^~ /_synapse/replication { return 404; }\n"
                    "    location ^~ /_ganglion/forward { return 404; }\n"
                    "    location ^~ /_synapse/metrics { return 404; }\n"
                    "    location = /metrics { return 404; }\n}\n");
}

void gg_plan_nginx(const struct gg_plan *plan, struct gg_arena *arena, const char *listen, struct gg_buf *out)
{
    head(plan, out);
    variables(out);
    captures(plan, out);
    rules(plan, arena, out);
    variants(plan, out);
    gg_buf_lit(out, "\n");
    for (size_t i = 0; i < plan->n_pools; i++)
        upstream(plan->pools[i], out);
    server(listen, out);
}
