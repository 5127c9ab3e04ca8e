/* The plan as a whole haproxy.cfg. */
#include "proxy/plan.h"

#include <string.h>

static void head(const struct gg_plan *plan, struct gg_buf *out)
{
    gg_buf_lit(out, "# Made by `ganglion routes --format haproxy`; make it again when a process comes or goes.\n"
                    "# Pools are chosen by `ganglion.pools` in the shared configuration.\n");
    for (size_t i = 0; i < plan->n_notes; i++)
        gg_buf_printf(out, "# %s\n", plan->notes[i]);
    gg_buf_lit(
        out, "\ndefaults\n    mode http\n    option http-keep-alive\n    timeout connect 5s\n    timeout client 200s\n"
             "    timeout server 200s\n    timeout http-request 30s\n    timeout http-keep-alive 75s\n");
}

static void frontend(const char *listen, struct gg_buf *out)
{
    gg_buf_printf(out, "\nfrontend ganglion\n    bind %s\n", listen);
    gg_buf_lit(
        out,
        "    # Calls between processes: never from outside.\n"
        "    http-request deny deny_status 404 if { path,url_dec -m beg /_synapse/replication /_ganglion/forward "
        "/_synapse/metrics }\n"
        "    http-request deny deny_status 404 if { path,url_dec -m str /metrics }\n"
        "    http-request set-header X-Forwarded-For %[src]\n"
        "    http-request set-header X-Forwarded-Proto http unless { ssl_fc }\n"
        "    http-request set-header X-Forwarded-Proto https if { ssl_fc }\n"
        "    http-request set-var(txn.method) method\n"
        "    http-request set-var(txn.method) str(GET) if { method HEAD }\n"
        "    http-request set-var(txn.method) req.hdr(access-control-request-method) if { method OPTIONS }\n"
        "    # A user's requests go to one process: Synapse's tokens carry the user, others stand for themselves.\n"
        "    http-request set-var(txn.token) src\n"
        "    http-request set-var(txn.token) urlp(access_token) if { urlp(access_token) -m found }\n"
        "    http-request set-var(txn.token) req.hdr(authorization),word(2,' ') if { req.hdr(authorization) -m found "
        "}\n"
        "    http-request set-var(txn.user) var(txn.token)\n"
        "    http-request set-var(txn.user) var(txn.token),field(2,_) if { var(txn.token) -m beg syt_ }\n");
}

/* Clients differ in what they encode (%21, %3A): the decoded segment names a room in one way. */
static void captures(const struct gg_plan *plan, struct gg_buf *out)
{
    for (size_t i = 0; i < plan->n_captures; i++) {
        const struct gg_capture *c = &plan->captures[i];
        gg_buf_printf(out, "    http-request set-var(txn.key_%s) path,field(%zu,/),url_dec if { path -m reg ^", c->balance,
                      c->segment + 1); /* the text before the first '/' is field 1 */
        gg_pattern_regex(out, c->prefix);
        gg_buf_lit(out, " }\n");
    }
}

static void condition(const struct gg_rule *r, struct gg_buf *out)
{
    gg_buf_lit(out, " if { var(txn.method) -m str");
    for (size_t i = 0; i < r->n_methods; i++)
        gg_buf_printf(out, " %s", r->methods[i]);
    gg_buf_lit(out, " } { path -m reg ^");
    gg_pattern_regex(out, r->pattern);
    gg_buf_printf(out, "%s }", r->prefix ? "" : "$");
}

static void rule(const struct gg_plan *plan, const struct gg_rule *r, struct gg_buf *out)
{
    for (size_t i = 0; i < plan->n_variants; i++) {
        const struct gg_variant *v = &plan->variants[i];
        if (v->from != r->pool)
            continue;
        gg_buf_printf(out, "    use_backend %s", v->to->name);
        condition(r, out);
        gg_buf_text(out, v->kind == GG_VARIANT_INITIAL ? " !{ urlp(since) -m len gt 0 } !{ urlp(pos) -m len gt 0 }\n"
                                                       : " { urlp(user_id) -m len gt 0 }\n");
    }
    gg_buf_printf(out, "    use_backend %s", r->pool->name);
    condition(r, out);
    gg_buf_char(out, '\n');
}

static void backend(const struct gg_pool *pool, struct gg_buf *out)
{
    gg_buf_printf(out, "\nbackend %s\n", pool->name);
    if (pool->balance == NULL)
        gg_buf_lit(out, "    balance roundrobin\n");
    else if (strcmp(pool->balance, "source") == 0)
        gg_buf_lit(out, "    balance source\n    hash-type consistent\n");
    else if (strcmp(pool->balance, "user") == 0)
        gg_buf_lit(out, "    balance hash var(txn.user)\n    hash-type consistent\n");
    else
        gg_buf_printf(out, "    balance hash var(txn.key_%s)\n    hash-type consistent\n", pool->balance);
    gg_buf_lit(out, "    option httpchk GET /health\n");
    for (size_t i = 0; i < pool->n; i++) {
        bool is_socket = strncmp(pool->addresses[i], "unix:", 5) == 0;
        gg_buf_printf(out, "    server s%zu %s%s check # %s\n", i, is_socket ? "unix@" : "",
                      pool->addresses[i] + (is_socket ? 5 : 0), pool->members[i]);
    }
}

void gg_plan_haproxy(const struct gg_plan *plan, struct gg_arena *arena, const char *listen, struct gg_buf *out)
{
    head(plan, out);
    frontend(listen, out);
    captures(plan, out);
    for (size_t i = 0; i < plan->n_rules; i++)
        rule(plan, &plan->rules[i], out);
    gg_buf_printf(out, "    default_backend %s\n", plan->pools[0]->name);
    for (size_t i = 0; i < plan->n_pools; i++)
        backend(plan->pools[i], out);
}
