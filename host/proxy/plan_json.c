/* The plan as JSON: for proxies that are not written here, and for our own (host/balance). */
#include "proxy/plan.h"

static void member(struct gg_buf *out, const char *key, const char *value)
{
    gg_buf_printf(out, "\"%s\":", key);
    if (value != NULL)
        gg_buf_json_string(out, gg_str(value));
    else
        gg_buf_lit(out, "null");
}

static void pool(const struct gg_pool *pool, struct gg_buf *out)
{
    gg_buf_char(out, '{');
    member(out, "name", pool->name);
    gg_buf_char(out, ',');
    member(out, "balance", pool->balance);
    gg_buf_lit(out, ",\"members\":[");
    for (size_t i = 0; i < pool->n; i++) {
        gg_buf_text(out, i > 0 ? ",{" : "{");
        member(out, "name", pool->members[i]);
        gg_buf_char(out, ',');
        member(out, "address", pool->addresses[i]);
        gg_buf_char(out, '}');
    }
    gg_buf_lit(out, "]}");
}

static void rule(const struct gg_rule *rule, struct gg_buf *out)
{
    gg_buf_char(out, '{');
    member(out, "pattern", rule->pattern);
    gg_buf_lit(out, ",\"methods\":[");
    for (size_t i = 0; i < rule->n_methods; i++) {
        gg_buf_text(out, i > 0 ? "," : "");
        gg_buf_json_string(out, gg_str(rule->methods[i]));
    }
    gg_buf_text(out, rule->prefix ? "],\"prefix\":true," : "],\"prefix\":false,");
    member(out, "pool", rule->pool->name);
    gg_buf_char(out, '}');
}

static void variant(const struct gg_variant *variant, struct gg_buf *out)
{
    gg_buf_char(out, '{');
    member(out, "kind", variant->kind == GG_VARIANT_INITIAL ? "initial" : "bridge");
    gg_buf_char(out, ',');
    member(out, "from", variant->from->name);
    gg_buf_char(out, ',');
    member(out, "to", variant->to->name);
    gg_buf_char(out, '}');
}

void gg_plan_json(const struct gg_plan *plan, struct gg_arena *arena, const char *listen, struct gg_buf *out)
{
    gg_buf_lit(out, "{\"pools\":[");
    for (size_t i = 0; i < plan->n_pools; i++) {
        gg_buf_text(out, i > 0 ? ",\n" : "\n");
        pool(plan->pools[i], out);
    }
    gg_buf_lit(out, "\n],\"rules\":[");
    for (size_t i = 0; i < plan->n_rules; i++) {
        gg_buf_text(out, i > 0 ? ",\n" : "\n");
        rule(&plan->rules[i], out);
    }
    gg_buf_lit(out, "\n],\"variants\":[");
    for (size_t i = 0; i < plan->n_variants; i++) {
        gg_buf_text(out, i > 0 ? ",\n" : "\n");
        variant(&plan->variants[i], out);
    }
    gg_buf_lit(out, "\n],\"notes\":[");
    for (size_t i = 0; i < plan->n_notes; i++) {
        gg_buf_text(out, i > 0 ? "," : "");
        gg_buf_json_string(out, gg_str(plan->notes[i]));
    }
    gg_buf_lit(out, "]}\n");
}
