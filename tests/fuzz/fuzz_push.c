/* Push rules from any bytes: a ruleset, an event and a user in one JSON object; read, asked and shown. Patterns against
 * a plain matcher that tries everything. */
#include "push/format.h"
#include "push/glob.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* What a pattern means, one byte after the other; for short ASCII texts. */
static bool plain(const char *p, const char *p_end, const char *t, const char *t_end)
{
    if (p == p_end)
        return t == t_end;
    if (*p == '*')
        return plain(p + 1, p_end, t, t_end) || (t < t_end && *t != '\n' && plain(p, p_end, t + 1, t_end));
    return t < t_end && (*p == '?' ? *t != '\n' : *p == *t) && plain(p + 1, p_end, t + 1, t_end);
}

static void compare(struct gg_str text)
{
    const char *bar = text.n ? memchr(text.s, '|', text.n) : NULL;
    if (!bar || text.n > 24)
        return;
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.s[i] >= 0x80)
            return;
    struct gg_str pattern = gg_strn(text.s, (size_t)(bar - text.s));
    struct gg_str rest = gg_strn(bar + 1, text.n - pattern.n - 1);
    uint64_t budget = MX_PUSH_BUDGET;
    must(mx_push_glob(pattern, rest, &budget) == plain(pattern.s, bar, rest.s, rest.s + rest.n));
    (void)mx_push_glob_word(pattern, rest, &budget);
}

static void judge(struct gg_str json, struct gg_arena *arena)
{
    struct mx_push_base *base = mx_push_base_new(arena);
    struct mx_push_rule_row rows[6];
    for (int i = 0; i < 6; i++)
        rows[i] = (struct mx_push_rule_row){gg_str(gg_arena_printf(arena, "global/x/%d", i)), mx_json_get(json, "conditions"),
                                            mx_json_get(json, "actions"), 6 - i};
    struct mx_push_rows all = {rows, NULL, 6, 0};
    struct mx_push_rules *rules = mx_push_rules_make(base, 127, &all, true, arena);
    struct mx_push_event event = {.features = 127, .n_members = 2};
    struct mx_push_memo memo = mx_push_memo_new(base, arena);
    struct gg_str name = mx_json_string(mx_json_get(json, "name"), arena), e = mx_json_get(json, "event");
    struct mx_push_user user = mx_push_user_of(GG_STR("@u:h"), name, arena);
    mx_push_view_begin(&event.view, e.s ? e : GG_STR("{}"), arena);
    (void)mx_push_rules_run(rules, base, &event, &user, &memo);
    struct gg_buf out = GG_BUF_INIT;
    struct gg_error err = GG_ERROR_INIT;
    mx_push_write_rules(&out, rules, user.user_id, arena);
    must(mx_json_check(gg_buf_view(&out), 2000, &err) == 0);
    gg_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_str text = gg_strn((const char *)data, size);
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    compare(text);
    if (mx_json_check(text, 100, &err) == 0 && mx_json_is_object(text))
        judge(text, arena);
    gg_arena_free(arena);
    return 0;
}
