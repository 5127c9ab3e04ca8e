/* Push rules against what Synapse's own evaluator says (tests/data/push_cases.json, or the file that MX_PUSH_CASES names,
 * made by tests/differential/oracle_push.py), and where patterns could be slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../cases.h"
#include "push/glob.h"
#include "push/rules.h"

#include <time.h>

static const struct {
    const char *name;
    uint32_t feature;
} flags[] = {{"msc1767", MX_PUSH_F_EXTENSIBLE}, {"msc3381", MX_PUSH_F_POLLS},           {"msc3664", MX_PUSH_F_RELATED},
             {"msc4028", MX_PUSH_F_ENCRYPTED},  {"msc4075", MX_PUSH_F_CALLS},           {"msc4210", MX_PUSH_F_MODERN_MENTIONS},
             {"msc4306", MX_PUSH_F_SUBSCRIPTIONS}};

static struct gg_str as_text(const struct mx_json *v, struct gg_arena *arena)
{
    struct gg_buf out = GG_BUF_INIT;
    mx_json_write(&out, v);
    struct gg_str text = gg_arena_str(arena, gg_buf_view(&out));
    gg_buf_done(&out);
    return text;
}

static uint32_t features_of(const struct mx_json *c)
{
    const struct mx_json *list = mx_json_member(c, "flags");
    uint32_t out = 0;
    for (uint32_t i = 0; i < list->n; i++)
        for (size_t k = 0; k < GG_COUNT(flags); k++)
            if (gg_str_is(list->items[i]->text, flags[k].name))
                out |= flags[k].feature;
    return out;
}

static struct mx_push_rows rows_of(const struct mx_json *c, struct gg_arena *arena)
{
    const struct mx_json *rules = mx_json_member(c, "rules"), *enabled = mx_json_member(c, "enabled");
    struct mx_push_rule_row *r = GG_NEW_ARRAY(arena, struct mx_push_rule_row, rules->n + 1);
    struct mx_push_enable_row *e = GG_NEW_ARRAY(arena, struct mx_push_enable_row, enabled->n + 1);
    for (uint32_t i = 0; i < rules->n; i++) {
        struct mx_json **v = rules->items[i]->items;
        r[i] = (struct mx_push_rule_row){v[0]->text, v[2]->text, v[3]->text, case_number(v[1])};
    }
    for (uint32_t i = 0; i < enabled->n; i++)
        e[i] = (struct mx_push_enable_row){enabled->members[i].key, enabled->members[i].value->kind == MX_JSON_TRUE};
    return (struct mx_push_rows){r, e, rules->n, enabled->n};
}

static void read_related(const struct mx_json *c, struct mx_push_event *event, struct gg_arena *arena)
{
    const struct mx_json *related = mx_json_member(c, "related"), *fallback = mx_json_member(c, "fallback");
    struct mx_push_related *list = GG_NEW_ARRAY(arena, struct mx_push_related, 2);
    event->related = list;
    for (uint32_t i = 0; related && i < related->n; i++) {
        struct mx_push_related *r = &list[event->n_related++];
        r->rel_type = related->members[i].key;
        r->view = GG_NEW(arena, struct mx_push_view);
        r->fallback = gg_str_is(r->rel_type, "m.in_reply_to") && fallback->kind == MX_JSON_TRUE;
        mx_push_view_begin(r->view, as_text(related->members[i].value, arena), arena);
    }
}

static void read_event(const struct mx_json *c, struct mx_push_event *event, struct gg_arena *arena)
{
    const struct mx_json *e = mx_json_member(c, "event"), *level = mx_json_member(c, "level");
    *event = (struct mx_push_event){.features = features_of(c)};
    mx_push_view_begin(&event->view, as_text(e, arena), arena);
    event->has_mentions = mx_json_member(mx_json_member(e, "content"), "m.mentions") != NULL;
    event->n_members = (uint64_t)case_number(mx_json_member(c, "members"));
    event->has_sender_level = level->kind == MX_JSON_NUMBER;
    event->sender_level = case_number(level);
    struct mx_power *power = GG_NEW(arena, struct mx_power);
    struct gg_str levels = as_text(mx_json_member(c, "levels"), arena);
    power->version = mx_room_version_find(GG_STR("11"));
    power->content = gg_str(gg_arena_printf(arena, "{\"notifications\":%.*s}", GG_FMT(levels)));
    power->have_event = true;
    event->power = power;
    read_related(c, event, arena);
}

static struct mx_push_user user_of(const struct mx_json *c, struct gg_arena *arena)
{
    const struct mx_json *name = mx_json_member(c, "name"), *subscribed = mx_json_member(c, "subscribed");
    struct mx_push_user user = mx_push_user_of(mx_json_member(c, "user")->text, mx_json_text(name), arena);
    user.subscribed = subscribed->kind == MX_JSON_NULL ? -1 : subscribed->kind == MX_JSON_TRUE;
    return user;
}

static void check_order(const struct mx_json *c, const struct mx_push_rules *rules)
{
    const struct mx_json *order = mx_json_member(c, "order");
    uint32_t at = 0;
    for (size_t i = 0; order && i < rules->n; i++) {
        if (!rules->rules[i].enabled)
            continue;
        assert_true(at < order->n);
        assert_true(gg_str_eq(rules->rules[i].id, order->items[at++]->text));
    }
    assert_true(!order || at == order->n);
}

static bool check_case(const struct mx_json *c, const struct mx_push_base *base)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_push_event event;
    struct mx_push_rows rows = rows_of(c, arena);
    read_event(c, &event, arena);
    struct mx_push_rules *rules = mx_push_rules_make(base, event.features, &rows, false, arena);
    struct mx_push_user user = user_of(c, arena);
    struct mx_push_memo memo = mx_push_memo_new(base, arena);
    check_order(c, rules);
    const struct mx_push_actions *actions = mx_push_rules_run(rules, base, &event, &user, &memo);
    struct gg_str said = actions ? actions->run : GG_STR("[]"), expected = mx_json_member(c, "actions")->text;
    bool same = gg_str_eq(said, expected);
    if (!same)
        fprintf(stderr, "%.*s instead of %.*s: %.*s\n", GG_FMT(said), GG_FMT(expected), GG_FMT(as_text(c, arena)));
    gg_arena_free(arena);
    return same;
}

static void test_as_synapse(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_json *cases = read_cases(arena, "MX_PUSH_CASES", "push_cases.json");
    struct mx_push_base *base = mx_push_base_new(arena);
    size_t wrong = 0;
    assert_true(cases->n > 500);
    for (uint32_t i = 0; i < cases->n && wrong < 5; i++)
        wrong += !check_case(cases->items[i], base);
    assert_int_equal(wrong, 0);
    gg_arena_free(arena);
}

/* ---- patterns ---- */

static bool glob(const char *pattern, const char *text, bool word)
{
    uint64_t budget = MX_PUSH_BUDGET;
    return word ? mx_push_glob_word(gg_str(pattern), gg_str(text), &budget) : mx_push_glob(gg_str(pattern), gg_str(text), &budget);
}

static void test_patterns(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool whole, word;
    } cases[] = {
        {"", "", true, true},
        {"", "a", false, true},
        {"*", "", true, true},
        {"a", "a", true, true},
        {"a", "ab", false, false},
        {"a*", "ab", true, true},
        {"a?c", "abc", true, true},
        {"a?c", "a\nc", false, false},
        {"a*c", "a\nc", false, false},
        {"a\n*c", "a\nbc", true, true},
        {"?", "\xc3\xa9", true, true},
        {"??", "\xc3\xa9", false, false},
        {"world", "hello, world!", false, true},
        {"world", "\xc3\xa9world", false, false},
        {"@room", "hey@room!", false, true},
        {"@room", "@roomy", false, false},
        {"foo*bar", "foo\nfoo bar", false, true},
        {"foo", "foobar foo", false, true},
        {"*b*b", "ab b", true, true},
        {"a*b?c*d", "a-b-c-b.c.d", true, true},
        {"*?", "", false, false},
        {"a*a", "a", false, false},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        if (glob(cases[i].pattern, cases[i].text, false) != cases[i].whole)
            fail_msg("\"%s\" as the whole of \"%s\"", cases[i].pattern, cases[i].text);
        if (glob(cases[i].pattern, cases[i].text, true) != cases[i].word)
            fail_msg("\"%s\" in \"%s\"", cases[i].pattern, cases[i].text);
    }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Texts and patterns that make simple matchers take quadratic time and more. */
static void test_patterns_are_fast(void **state)
{
    static char text[65001], pattern[1025];
    static const char *const units[] = {"a", "a*", "a?", "*", "?", "a*?", "aa*b"};
    memset(text, 'a', sizeof(text) - 1);
    double begin = seconds();
    for (size_t u = 0; u < GG_COUNT(units); u++) {
        size_t unit = strlen(units[u]), n = 0;
        for (; n + unit < sizeof(pattern) - 1; n += unit)
            memcpy(pattern + n, units[u], unit);
        memcpy(pattern + n, "b", 2);
        assert_false(glob(pattern, text, false));
        assert_false(glob(pattern, text, true));
    }
    for (size_t i = 1; i < sizeof(text) - 1; i += 2)
        text[i] = ' '; /* a word every two bytes */
    assert_false(glob("a*b", text, true));
    assert_false(glob("a ?*b", text, true));
    for (size_t i = 1; i < sizeof(text) - 1; i += 2)
        text[i] = '\n'; /* a line every two bytes */
    assert_false(glob("a*b", text, true));
    assert_true(seconds() - begin < 5.0);
}

static void test_budget(void **state)
{
    uint64_t budget = 9; /* one look at a text of three, and one try of a run of three */
    assert_true(mx_push_glob(GG_STR("a?c"), GG_STR("abc"), &budget));
    assert_int_equal(budget, 3);
    assert_true(mx_push_glob(GG_STR("a*c"), GG_STR("abc"), &budget));
    assert_false(mx_push_glob(GG_STR("a*c"), GG_STR("abc"), &budget));
    assert_false(mx_push_glob_word(GG_STR("abc"), GG_STR("abc"), &budget));
}

/* Whoever has ten thousand rules over the largest event is heard for a while, and holds nobody up. */
static void test_many_rules(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_push_base *base = mx_push_base_new(arena);
    enum { N = 10000 };
    struct mx_push_rule_row *rows = GG_NEW_ARRAY(arena, struct mx_push_rule_row, N);
    static char body[60001];
    memset(body, 'a', sizeof(body) - 1);
    for (int i = 0; i < N; i++)
        rows[i] = (struct mx_push_rule_row){
            gg_str(gg_arena_printf(arena, "global/override/%d", i)),
            gg_str(gg_arena_printf(arena, "[{\"kind\":\"event_match\",\"key\":\"content.%s%d\",\"pattern\":\"%s%d*\"}]",
                                   i % 2 ? "body" : "", i % 2 ? 0 : i, i % 4 == 1 ? "a?" : "b", i)),
            GG_STR("[\"notify\"]"), MX_PUSH_OVERRIDE};
    struct mx_push_rows all = {rows, NULL, N, 0};
    struct mx_push_rules *rules = mx_push_rules_make(base, 0, &all, false, arena);
    struct mx_push_event event = {.n_members = 3};
    struct mx_push_memo memo = mx_push_memo_new(base, arena);
    struct mx_push_user user = mx_push_user_of(GG_STR("@u:h"), gg_strn(NULL, 0), arena);
    mx_push_view_begin(&event.view, gg_str(gg_arena_printf(arena, "{\"content\":{\"body0\":\"%s\"}}", body)), arena);
    size_t before = gg_arena_used(arena);
    double begin = seconds();
    assert_null(mx_push_rules_run(rules, base, &event, &user, &memo));
    assert_true(seconds() - begin < 1.0);
    assert_true(gg_arena_used(arena) - before < (4 << 20));
    gg_arena_free(arena);
}

/* ---- what 5,000 members cost ---- */

static void test_many_members(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_push_base *base = mx_push_base_new(arena);
    struct mx_push_rules *rules = mx_push_rules_make(base, 0, &(struct mx_push_rows){.n_rules = 0}, false, arena);
    struct mx_push_event event = {.n_members = 5000};
    struct mx_push_memo memo = mx_push_memo_new(base, arena);
    mx_push_view_begin(&event.view, GG_STR("{\"type\":\"m.room.message\",\"sender\":\"@s:h\",\"content\":{\"msgtype\":\"m.text\","
                                           "\"body\":\"What about member4711, and member 12 of display 77?\"}}"), arena);
    enum { N = 5000 };
    struct mx_push_user *users = GG_NEW_ARRAY(arena, struct mx_push_user, N);
    for (int i = 0; i < N; i++) {
        users[i] = mx_push_user_of(gg_str(gg_arena_printf(arena, "@member%d:h", i)),
                                   gg_str(gg_arena_printf(arena, "display %d", i)), arena);
    }
    size_t highlights = 0, notified = 0;
    double begin = seconds();
    for (int i = 0; i < N; i++) {
        const struct mx_push_actions *actions = mx_push_rules_run(rules, base, &event, &users[i], &memo);
        notified += actions && actions->notify;
        highlights += actions && actions->highlight;
    }
    print_message("%d members: %.2f ms\n", N, (seconds() - begin) * 1000);
    assert_int_equal(notified, N);
    assert_int_equal(highlights, 2);
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_synapse), cmocka_unit_test(test_patterns),
                                       cmocka_unit_test(test_patterns_are_fast), cmocka_unit_test(test_budget), cmocka_unit_test(test_many_rules),
                                       cmocka_unit_test(test_many_members)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
