/* matrix/push/format.c: push rules as clients see them. */
#include "push/format.h"

const struct mx_push_kind_name mx_push_kinds[] = {
    {"underride", MX_PUSH_UNDERRIDE}, {"sender", MX_PUSH_SENDER},   {"room", MX_PUSH_ROOM},
    {"postcontent", MX_PUSH_POSTCONTENT}, {"content", MX_PUSH_CONTENT}, {"override", MX_PUSH_OVERRIDE}};
const size_t mx_push_n_kinds = GG_COUNT(mx_push_kinds);

int8_t mx_push_class_of(struct gg_str kind)
{
    for (size_t i = 0; i < GG_COUNT(mx_push_kinds); i++)
        if (gg_str_is(kind, mx_push_kinds[i].name))
            return mx_push_kinds[i].class;
    return 0;
}

/* ---- one rule ---- */

struct showing {
    struct gg_buf *out;
    struct gg_arena *arena;
    struct mx_push_user user;
};

static struct gg_str first_condition(const struct mx_push_rule *rule)
{
    struct mx_json_iter it = mx_json_iter(rule->conditions_json);
    return mx_json_is_array(rule->conditions_json) && mx_json_next(&it) ? it.value : gg_strn(NULL, 0);
}

/* Whom the server's rules name by pattern_type or value_type; s NULL: it is no such member. */
static struct gg_str named(const struct showing *s, struct gg_str key, struct gg_str value)
{
    if (!gg_str_is(key, "pattern_type") && !gg_str_is(key, "value_type"))
        return gg_strn(NULL, 0);
    if (gg_str_is(value, "\"user_id\""))
        return s->user.user_id;
    return gg_str_is(value, "\"user_localpart\"") ? s->user.localpart : gg_strn(NULL, 0);
}

/* A condition with the user's name in place of its stand-in; only the server's rules have those. */
static void write_condition(const struct showing *s, const struct mx_push_rule *rule, struct gg_str json)
{
    if (rule->base < 0 || !mx_json_is_object(json)) {
        gg_buf_str(s->out, json);
        return;
    }
    bool first = true;
    struct mx_json_iter it = mx_json_iter(json);
    gg_buf_char(s->out, '{');
    while (mx_json_next(&it)) {
        struct gg_str name = named(s, it.key, it.value);
        gg_buf_printf(s->out, "%s\"%.*s\":", first ? "" : ",",
                      (int)(it.key.n - (name.s ? sizeof("_type") - 1 : 0)), it.key.s);
        if (name.s)
            gg_buf_json_string(s->out, name);
        else
            gg_buf_str(s->out, it.value);
        first = false;
    }
    gg_buf_char(s->out, '}');
}

static void write_conditions(const struct showing *s, const struct mx_push_rule *rule)
{
    bool first = true;
    struct mx_json_iter it = mx_json_iter(rule->conditions_json);
    gg_buf_lit(s->out, "\"conditions\":[");
    while (mx_json_is_array(rule->conditions_json) && mx_json_next(&it)) {
        gg_buf_text(s->out, first ? "" : ",");
        write_condition(s, rule, it.value);
        first = false;
    }
    gg_buf_lit(s->out, "],");
}

/* Rules of the kind "content" show their one pattern. */
static bool write_pattern(const struct showing *s, const struct mx_push_rule *rule)
{
    struct gg_str condition = first_condition(rule), pattern = mx_json_get(condition, "pattern");
    struct gg_str whose = mx_json_get(condition, "pattern_type"), name = named(s, GG_STR("pattern_type"), whose);
    if (rule->n != 1 || (!pattern.s && !name.s))
        return false;
    gg_buf_lit(s->out, "\"pattern\":");
    if (name.s)
        gg_buf_json_string(s->out, name);
    else
        gg_buf_str(s->out, pattern);
    gg_buf_char(s->out, ',');
    return true;
}

static struct gg_str own_id(const struct mx_push_rule *rule)
{
    size_t n = rule->id.n;
    while (n && rule->id.s[n - 1] != '/')
        n--;
    return gg_strn(rule->id.s + n, rule->id.n - n);
}

/* Rules about rooms and senders are called by what they are about. */
static struct gg_str shown_id(const struct showing *s, const struct mx_push_rule *rule)
{
    bool about = rule->class == MX_PUSH_ROOM || rule->class == MX_PUSH_SENDER;
    struct gg_str pattern = about ? mx_json_get(first_condition(rule), "pattern") : gg_strn(NULL, 0);
    return mx_json_is_string(pattern) ? mx_json_string(pattern, s->arena) : own_id(rule);
}

static bool write_rule(const struct showing *s, const struct mx_push_rule *rule)
{
    size_t before = s->out->n;
    gg_buf_char(s->out, '{');
    if (rule->class == MX_PUSH_CONTENT && !write_pattern(s, rule)) {
        s->out->n = before; /* in a form that the API cannot show */
        s->out->data[before] = '\0';
        return false;
    }
    if (rule->class != MX_PUSH_CONTENT && rule->class != MX_PUSH_ROOM && rule->class != MX_PUSH_SENDER)
        write_conditions(s, rule);
    gg_buf_lit(s->out, "\"actions\":");
    gg_buf_str(s->out, rule->actions.json);
    gg_buf_lit(s->out, ",\"rule_id\":");
    gg_buf_json_string(s->out, shown_id(s, rule));
    gg_buf_printf(s->out, ",\"default\":%s,\"enabled\":%s}", rule->base >= 0 ? "true" : "false",
                  rule->enabled ? "true" : "false");
    return true;
}

/* ---- many ---- */

static void write_kind(const struct showing *s, const struct mx_push_rules *rules, int8_t class)
{
    bool first = true;
    gg_buf_char(s->out, '[');
    for (size_t i = 0; i < rules->n; i++) {
        if (rules->rules[i].class != class)
            continue;
        size_t before = s->out->n;
        gg_buf_text(s->out, first ? "" : ",");
        if (write_rule(s, &rules->rules[i])) {
            first = false;
        } else {
            s->out->n = before;
            s->out->data[before] = '\0';
        }
    }
    gg_buf_char(s->out, ']');
}

static struct showing begin(struct gg_buf *out, struct gg_str user_id, struct gg_arena *arena)
{
    gg_buf_reserve(out, 1); /* what is taken back later must not be the empty string that all buffers share */
    return (struct showing){out, arena, mx_push_user_of(user_id, gg_strn(NULL, 0), arena)};
}

void mx_push_write_kind(struct gg_buf *out, const struct mx_push_rules *rules, int8_t class, struct gg_str user_id,
                        struct gg_arena *arena)
{
    struct showing s = begin(out, user_id, arena);
    write_kind(&s, rules, class);
}

void mx_push_write_global(struct gg_buf *out, const struct mx_push_rules *rules, struct gg_str user_id,
                          struct gg_arena *arena)
{
    struct showing s = begin(out, user_id, arena);
    for (size_t i = 0; i < mx_push_n_kinds; i++) {
        gg_buf_printf(out, "%s\"%s\":", i ? "," : "{", mx_push_kinds[i].name);
        write_kind(&s, rules, mx_push_kinds[i].class);
    }
    gg_buf_char(out, '}');
}

void mx_push_write_rules(struct gg_buf *out, const struct mx_push_rules *rules, struct gg_str user_id,
                         struct gg_arena *arena)
{
    gg_buf_lit(out, "{\"global\":");
    mx_push_write_global(out, rules, user_id, arena);
    gg_buf_char(out, '}');
}

bool mx_push_write_rule(struct gg_buf *out, const struct mx_push_rules *rules, int8_t class, struct gg_str id,
                        struct gg_str user_id, struct gg_arena *arena)
{
    struct showing s = begin(out, user_id, arena);
    for (size_t i = rules->n; i-- > 0;) /* of two that show the same id the last one */
        if (rules->rules[i].class == class && gg_str_eq(shown_id(&s, &rules->rules[i]), id))
            return write_rule(&s, &rules->rules[i]);
    return false;
}
