/* matrix/push/rules.c: a user's rules in the order in which they are asked, and asking them. */
#include "push/rules.h"

#include "push/text.h"

enum { MAX_BASE = 64, MAX_BASE_CONDITIONS = 160 };

struct base_rule {
    const struct mx_push_condition *conditions;
    size_t n;
    struct mx_push_actions actions;
};
struct mx_push_base {
    struct base_rule rules[MAX_BASE];
    struct mx_push_condition conditions[MAX_BASE_CONDITIONS]; /* of all rules, one after the other */
    size_t n_conditions;
};

/* ---- actions ---- */

static const char default_notify[] = "[\"notify\",{\"set_tweak\":\"highlight\",\"value\":false}]";
static const char default_highlight[] =
    "[\"notify\",{\"set_tweak\":\"sound\",\"value\":\"default\"},{\"set_tweak\":\"highlight\"}]";

/* Of no effect since the second version of the rules; still accepted. */
static bool is_idle(struct gg_str action)
{
    return gg_str_is(action, "\"dont_notify\"") || gg_str_is(action, "\"coalesce\"");
}

/* Is the value one that Python holds for true? Without one a highlight is meant. */
static bool is_true(struct gg_str value)
{
    static const char *const untrue[] = {"false", "0", "\"\"", "[]", "{}", "0.0", "-0"};
    for (size_t i = 0; i < GG_COUNT(untrue); i++)
        if (gg_str_is(value, untrue[i]))
            return false;
    return true;
}

static bool is_tweak(struct gg_str action, const char *name, struct gg_arena *arena)
{
    struct gg_str tweak = mx_json_is_object(action) ? mx_json_get(action, "set_tweak") : gg_strn(NULL, 0);
    return mx_json_is_string(tweak) && gg_str_is(mx_json_string(tweak, arena), name);
}

static void add(struct gg_buf *list, struct gg_str action)
{
    gg_buf_char(list, list->n ? ',' : '[');
    gg_buf_str(list, action);
}

static struct gg_str close_list(struct gg_buf *list, struct gg_arena *arena)
{
    gg_buf_text(list, list->n ? "]" : "[]");
    struct gg_str text = gg_arena_str(arena, gg_buf_view(list));
    gg_buf_done(list);
    return text;
}

struct mx_push_actions mx_push_actions_read(struct gg_str json, struct gg_arena *arena)
{
    struct mx_push_actions out = {.notify = false};
    struct gg_buf all = GG_BUF_INIT, stored = GG_BUF_INIT, one = GG_BUF_INIT;
    bool tweaked = false;
    struct mx_json_iter it = mx_json_iter(json);
    while (mx_json_is_array(json) && mx_json_next(&it)) {
        gg_buf_clear(&one);
        mx_push_write_action(&one, it.value, arena);
        add(&all, gg_buf_view(&one));
        if (!is_idle(it.value))
            add(&stored, gg_buf_view(&one));
        out.notify |= gg_str_is(it.value, "\"notify\"");
        if (!tweaked && is_tweak(it.value, "highlight", arena)) {
            tweaked = true;
            out.highlight = is_true(mx_json_get(it.value, "value"));
        }
    }
    gg_buf_done(&one);
    out.json = close_list(&all, arena);
    out.run = close_list(&stored, arena);
    out.stored = gg_str_is(out.run, out.highlight ? default_highlight : default_notify) ? gg_strn("", 0) : out.run;
    return out;
}

struct gg_str mx_push_stored_actions(struct gg_str stored, bool highlight)
{
    return stored.n ? stored : gg_str(highlight ? default_highlight : default_notify);
}

/* ---- conditions ---- */

static size_t read_conditions(struct gg_str json, bool own, struct gg_arena *arena, struct mx_push_condition *out)
{
    size_t n = 0;
    struct mx_json_iter it = mx_json_iter(json);
    while (mx_json_is_array(json) && mx_json_next(&it))
        mx_push_condition_read(it.value, own, arena, &out[n++]);
    return n;
}

struct mx_push_base *mx_push_base_new(struct gg_arena *arena)
{
    struct mx_push_base *base = GG_NEW(arena, struct mx_push_base);
    for (size_t i = 0; i < mx_push_n_base_rules; i++) {
        const struct mx_push_base_rule *rule = &mx_push_base_rules[i];
        struct base_rule *to = &base->rules[i];
        to->conditions = &base->conditions[base->n_conditions];
        to->n = read_conditions(gg_str(rule->conditions), true, arena, &base->conditions[base->n_conditions]);
        to->actions = mx_push_actions_read(gg_str(rule->actions), arena);
        base->n_conditions += to->n;
    }
    return base;
}

int mx_push_base_find(struct gg_str id)
{
    for (size_t i = 0; i < mx_push_n_base_rules; i++)
        if (gg_str_is(id, mx_push_base_rules[i].id))
            return (int)i;
    return -1;
}

/* ---- a user's rules ---- */

/* The order in which classes are asked. */
static const int8_t classes[] = {MX_PUSH_OVERRIDE, MX_PUSH_CONTENT,  MX_PUSH_POSTCONTENT,
                                 MX_PUSH_ROOM,     MX_PUSH_SENDER, MX_PUSH_UNDERRIDE};

struct making {
    const struct mx_push_base *base;
    uint32_t features;
    const struct mx_push_rows *rows;
    bool with_json;
    struct gg_arena *arena;
    struct gg_str changed[MAX_BASE]; /* other actions for rules of the server's; s NULL: its own */
    struct mx_push_rules *out;
};

static bool is_enabled(const struct making *m, struct gg_str id, bool otherwise)
{
    for (size_t i = m->rows->n_enables; i-- > 0;)
        if (gg_str_eq(m->rows->enables[i].id, id))
            return m->rows->enables[i].enabled;
    return otherwise;
}

static void add_base(struct making *m, size_t i)
{
    const struct mx_push_base_rule *rule = &mx_push_base_rules[i];
    if ((rule->needs & m->features) != rule->needs || (rule->unless & m->features))
        return;
    const struct base_rule *own = &m->base->rules[i];
    struct mx_push_rule *to = &m->out->rules[m->out->n++];
    *to = (struct mx_push_rule){.id = gg_str(rule->id), .class = rule->class, .base = (int8_t)i,
                                .looks_for_names = rule->looks_for_names, .conditions = own->conditions, .n = own->n,
                                .actions = own->actions, .conditions_json = gg_str(rule->conditions)};
    to->enabled = is_enabled(m, to->id, !rule->off);
    if (m->changed[i].s)
        to->actions = mx_push_actions_read(m->changed[i], m->arena);
}

static void add_own(struct making *m, const struct mx_push_rule_row *row)
{
    struct mx_push_rule *to = &m->out->rules[m->out->n++];
    struct mx_push_condition *conditions =
        GG_NEW_ARRAY(m->arena, struct mx_push_condition, mx_json_length(row->conditions) + 1);
    *to = (struct mx_push_rule){.id = gg_arena_str(m->arena, row->id), .class = (int8_t)row->class, .base = -1,
                                .conditions = conditions, .actions = mx_push_actions_read(row->actions, m->arena)};
    to->n = read_conditions(row->conditions, false, m->arena, conditions);
    to->enabled = is_enabled(m, row->id, true);
    if (m->with_json)
        to->conditions_json = gg_arena_str(m->arena, row->conditions);
}

static void add_class(struct making *m, int8_t class)
{
    for (size_t i = 0; i < mx_push_n_base_rules; i++)
        if (mx_push_base_rules[i].class == class && mx_push_base_rules[i].first)
            add_base(m, i);
    for (size_t i = 0; i < m->rows->n_rules; i++)
        if (m->rows->rules[i].class == class && class != MX_PUSH_POSTCONTENT && mx_push_base_find(m->rows->rules[i].id) < 0)
            add_own(m, &m->rows->rules[i]);
    for (size_t i = 0; i < mx_push_n_base_rules; i++)
        if (mx_push_base_rules[i].class == class && !mx_push_base_rules[i].first)
            add_base(m, i);
}

struct mx_push_rules *mx_push_rules_make(const struct mx_push_base *base, uint32_t features,
                                         const struct mx_push_rows *rows, bool with_json, struct gg_arena *arena)
{
    struct making m = {.base = base, .features = features, .rows = rows, .with_json = with_json, .arena = arena};
    size_t most = mx_push_n_base_rules + rows->n_rules;
    m.out = gg_arena_zero(arena, sizeof(*m.out) + most * sizeof(m.out->rules[0]));
    m.out->features = features;
    for (size_t i = 0; i < rows->n_rules; i++) {
        int base_rule = mx_push_base_find(rows->rules[i].id);
        if (base_rule >= 0)
            m.changed[base_rule] = rows->rules[i].actions;
    }
    for (size_t i = 0; i < GG_COUNT(classes); i++)
        add_class(&m, classes[i]);
    return m.out;
}

/* ---- asking ---- */

struct mx_push_memo mx_push_memo_new(const struct mx_push_base *base, struct gg_arena *arena)
{
    return (struct mx_push_memo){gg_arena_zero(arena, base->n_conditions + 1)};
}

static bool is_met(const struct mx_push_rule *rule, size_t i, const struct mx_push_base *base,
                   struct mx_push_event *event, const struct mx_push_user *user, struct mx_push_memo *memo)
{
    const struct mx_push_condition *c = &rule->conditions[i];
    if (rule->base < 0 || mx_push_condition_is_personal(c))
        return mx_push_condition_met(c, event, user);
    uint8_t *answer = &memo->answers[c - base->conditions];
    if (!*answer)
        *answer = mx_push_condition_met(c, event, user) ? 2 : 1;
    return *answer == 2;
}

const struct mx_push_actions *mx_push_rules_run(const struct mx_push_rules *rules, const struct mx_push_base *base,
                                                struct mx_push_event *event, const struct mx_push_user *user,
                                                struct mx_push_memo *memo)
{
    for (size_t r = 0; r < rules->n; r++) {
        const struct mx_push_rule *rule = &rules->rules[r];
        size_t i = 0;
        if (!rule->enabled || (event->has_mentions && rule->looks_for_names))
            continue;
        while (i < rule->n && is_met(rule, i, base, event, user, memo))
            i++;
        if (i == rule->n)
            return &rule->actions;
    }
    return NULL;
}
