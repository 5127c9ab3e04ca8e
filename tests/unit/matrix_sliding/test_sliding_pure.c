/* Sliding sync's pure parts: what is asked for, what changes when it is asked for otherwise, bodies and positions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "sliding/request.h"

/* "type key, type key" */
static struct mx_required pairs_of(const char *text, struct gg_arena *arena)
{
    struct mx_pair pairs[64];
    size_t n = 0;
    char *save, *copy = gg_arena_strdup(arena, text);
    for (char *word = strtok_r(copy, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save)) {
        word += strspn(word, " ");
        char *space = strchr(word, ' ');
        assert_non_null(space);
        pairs[n++] = (struct mx_pair){gg_strn(word, (size_t)(space - word)), gg_str(space + 1)};
    }
    return mx_required_of(pairs, n, arena);
}

static const char *text_of(const struct mx_required *r, struct gg_arena *arena)
{
    const char *out = "";
    for (size_t i = 0; i < r->n; i++)
        out = gg_arena_printf(arena, "%s%s%.*s %.*s", out, i > 0 ? "," : "", GG_FMT(r->v[i].type), GG_FMT(r->v[i].key));
    return out;
}

static void test_wildcards_cover(void **state)
{
    static const struct {
        const char *asked, *kept;
    } cases[] = {
        {"", ""},
        {"b x,a y,b x", "a y,b x"},
        {"a x,a *,b x", "a *,b x"},
        {"a x,b x,* x,b y", "* x,b y"},
        {"a x,* *,b *", "* *"},
        {"a *,* x", "* x,a *"},
        {"a $LAZY,a $ME,a *", "a *"},
    };
    struct gg_arena *arena = gg_arena_new();
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        struct mx_required r = pairs_of(cases[i].asked, arena);
        assert_string_equal(text_of(&r, arena), cases[i].kept);
    }
    gg_arena_free(arena);
}

static void test_union_and_covers(void **state)
{
    static const struct {
        const char *a, *b, *both;
        bool covers;
    } cases[] = {
        {"a x", "a x", "a x", true},      {"a *", "a x,a y", "a *", true},  {"a x", "a *", "a *", false},
        {"* *", "q z", "* *", true},      {"a x", "b y", "a x,b y", false}, {"* x", "a x,b x", "* x", true},
        {"* x", "a y", "* x,a y", false}, {"a x,b y", "* *", "* *", false}, {"", "a x", "a x", false},
    };
    struct gg_arena *arena = gg_arena_new();
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        struct mx_required a = pairs_of(cases[i].a, arena), b = pairs_of(cases[i].b, arena);
        struct mx_required both = mx_required_union(&a, &b, arena), other = mx_required_union(&b, &a, arena);
        assert_string_equal(text_of(&both, arena), cases[i].both);
        assert_true(mx_required_equal(&both, &other));
        assert_int_equal(mx_required_covers(&a, &b), cases[i].covers);
        assert_true(mx_required_covers(&both, &a) && mx_required_covers(&both, &b));
    }
    gg_arena_free(arena);
}

static void test_rows(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_buf out = GG_BUF_INIT;
    struct mx_required r = pairs_of("m.room.name ,m.room.member $LAZY,a \"q\"", arena);
    mx_required_write(&r, &out);
    assert_string_equal(out.data, "[[\"a\",\"\\\"q\\\"\"],[\"m.room.member\",\"$LAZY\"],[\"m.room.name\",\"\"]]");
    struct mx_required again = mx_required_read(gg_buf_view(&out), arena);
    assert_true(mx_required_equal(&r, &again));
    struct mx_required odd = mx_required_read(GG_STR("[[1,2],[\"a\"],[\"b\",\"c\",3],null]"), arena);
    assert_string_equal(text_of(&odd, arena), "b c");
    assert_int_equal(mx_required_read(GG_STR("{}"), arena).n, 0);
    gg_buf_done(&out);
    gg_arena_free(arena);
}

/* ---- turns ---- */

static struct gg_map *set_of(const char *words, struct gg_arena *arena)
{
    struct gg_map *set = mx_text_set(arena);
    char *save, *copy = gg_arena_strdup(arena, words);
    for (char *word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
        mx_text_add(set, gg_str(word));
    return set;
}

static bool same_set(const struct gg_map *set, const char *words, struct gg_arena *arena)
{
    const struct gg_map *expected = set_of(words, arena);
    struct gg_str key;
    void *value;
    for (size_t i = 0; gg_map_next(expected, &i, &key, &value);)
        if (!gg_map_has(set, key))
            return false;
    return gg_map_count(set) == gg_map_count(expected);
}

static const char *wish_text(const struct mx_wish *wish, struct gg_arena *arena)
{
    struct mx_pair pairs[32];
    if (wish->all)
        return "all";
    for (size_t i = 0; i < wish->n; i++)
        pairs[i] = (struct mx_pair){wish->v[i].type, wish->v[i].key.s != NULL ? wish->v[i].key : GG_STR("(any)")};
    struct mx_required r = mx_required_of(pairs, wish->n, arena);
    return text_of(&r, arena);
}

#define M "m.room.member"
static const struct turn_case {
    const char *before, *asked, *changed, *lazy_sent, *lazy_wanted;
    const char *now, *more, *stale, *had; /* now "": nothing to remember */
} turn_cases[] = {
    /* the same as before */
    {"a x", "a x", "a x", "", "", "", "", "", ""},
    /* one pair more, and less of it again */
    {"a x", "a x,b y", "", "", "", "a x,b y", "b y", "", ""},
    {"a x,b y", "a x", "", "", "", "", "", "", ""},
    {"a x,b y", "a x", "b y", "", "", "a x", "", "", ""},
    {"a x,a y", "a x", "a y", "", "", "a x", "", "", ""},
    {"a x,a y", "a x,a z", "a y", "", "", "a x,a z", "a z", "", ""},
    {"a x,a y", "a x,a z", "", "", "", "a x,a y,a z", "a z", "", ""},
    /* wildcards */
    {"a x", "a *", "", "", "", "a *,a x", "a (any)", "", ""},
    {"a *", "a x", "", "", "", "a x", "", "", ""},
    {"a *", "a x", "a y", "", "", "a x", "", "", ""},
    {"a x", "* x", "", "", "", "* x", "all", "", ""},
    {"* *", "a x", "", "", "", "a x", "", "", ""},
    {"* x", "a x", "", "", "", "a x", "", "", ""},
    {"a x", "* *", "", "", "", "* *", "all", "", ""},
    /* oneself */
    {"a x", M " $ME", "", "", "", "a x," M " $ME", M " @me", "", ""},
    {"a x," M " $ME", "a x", M " @me", "", "", "a x", "", "", ""},
    /* lazy members */
    {M " $LAZY", M " $LAZY", "", "", "@a @b", "", M " @a," M " @b", "", ""},
    {M " $LAZY", M " $LAZY", "", "@a", "@a @b", "", M " @b", "", ""},
    {M " $LAZY", M " $LAZY", M " @a," M " @c", "@a @c", "@c", "", "", "@a", ""},
    {M " $LAZY," M " $ME", M " $LAZY," M " $ME", "", "", "@me", "", "", "", ""},
    {"a x", "a x," M " $LAZY", "", "", "@a", "a x," M " $LAZY", M " @a", "", ""},
    {M " @a", M " $LAZY", "", "", "@b", M " $LAZY", M " @b", "", "@a"},
    {M " @a," M " $ME", M " $LAZY", M " @a", "", "@a", M " $LAZY", "", "", "@me"},
    {M " $LAZY", "a x", M " @a", "@a", "", "a x", "a x", "@a", ""},
    {M " $LAZY", M " $LAZY," M " @a", "", "@a", "", M " $LAZY," M " @a", "", "", ""},
};

static void check_turn(const struct turn_case *c, struct gg_arena *arena)
{
    struct mx_required before = pairs_of(c->before, arena), asked = pairs_of(c->asked, arena),
                       changed = pairs_of(c->changed, arena);
    struct mx_required_news news;
    const struct mx_required_turn turn = {.me = GG_STR("@me"),
                                          .before = &before,
                                          .asked = &asked,
                                          .lazy_sent = set_of(c->lazy_sent, arena),
                                          .lazy_wanted = set_of(c->lazy_wanted, arena),
                                          .changed = changed.v,
                                          .n_changed = changed.n};
    mx_required_turn(&turn, arena, &news);
    if (c->now[0] == '\0')
        assert_false(news.remember);
    else
        assert_string_equal(text_of(&news.now, arena), c->now);
    assert_string_equal(wish_text(&news.more, arena), c->more);
    assert_true(same_set(news.stale, c->stale, arena));
    assert_true(same_set(news.had, c->had, arena));
}

static void test_turns(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    for (size_t i = 0; i < GG_COUNT(turn_cases); i++) {
        print_message("turn %zu: %s -> %s\n", i, turn_cases[i].before, turn_cases[i].asked);
        check_turn(&turn_cases[i], arena);
    }
    gg_arena_free(arena);
}

/* What was asked for once is not remembered without end. */
static void test_memory_of_keys_is_bounded(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_pair pairs[300];
    for (size_t i = 0; i < GG_COUNT(pairs); i++)
        pairs[i] = (struct mx_pair){GG_STR("a"), gg_str(gg_arena_printf(arena, "k%03zu", i))};
    struct mx_required before = mx_required_of(pairs, 299, arena), asked = mx_required_of(pairs + 299, 1, arena);
    const struct mx_required_turn turn = {.me = GG_STR("@me"),
                                          .before = &before,
                                          .asked = &asked,
                                          .lazy_sent = mx_text_set(arena),
                                          .lazy_wanted = mx_text_set(arena)};
    struct mx_required_news news;
    mx_required_turn(&turn, arena, &news);
    assert_true(news.remember);
    assert_int_equal(news.now.n, 100);
    assert_true(mx_required_has(&news.now, GG_STR("a"), GG_STR("k299")));
    gg_arena_free(arena);
}

/* ---- requests ---- */

static int read_body(const char *body, struct gg_arena *arena, struct mx_sliding_request *out)
{
    struct gg_error err = GG_ERROR_INIT;
    return mx_sliding_request_read(gg_str(body), arena, out, &err) == 0 ? 0 : err.http_status;
}

static void test_request(void **state)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_sliding_request q;
    assert_int_equal(read_body("", arena, &q), 0);
    assert_int_equal(read_body(" {} ", arena, &q), 0);
    assert_true(q.n_lists == 0 && q.conn_id.n == 0 && !q.account_data.enabled && q.to_device_limit == 100);
    assert_int_equal(
        read_body("{\"conn_id\":\"c\",\"lists\":{\"a\":{\"ranges\":[[0,1],[5,9]],\"timeline_limit\":3,\"required_"
                  "state\":[[\"a\",\"b\"]],"
                  "\"filters\":{\"is_dm\":false,\"room_types\":[null,\"t\"]}},\"b\":{\"timeline_limit\":3,\"required_"
                  "state\":[[\"a\",\"b\"]]}},"
                  "\"room_subscriptions\":{\"!r\":{\"timeline_limit\":3,\"required_state\":[[\"a\",\"b\"]]}},"
                  "\"extensions\":{\"to_device\":{\"enabled\":true,\"since\":\"7\"},\"typing\":{\"enabled\":true,"
                  "\"lists\":[\"a\"]},"
                  "\"receipts\":{\"rooms\":null}}}",
                  arena, &q),
        0);
    assert_true(gg_str_is(q.conn_id, "c") && q.n_lists == 2 && q.n_subscriptions == 1);
    assert_true(q.lists[0].n_ranges == 2 && q.lists[0].ranges[1].first == 5 && q.lists[0].ranges[1].last == 9);
    assert_true(q.lists[0].filters.is_dm == 0 && q.lists[0].filters.is_encrypted == -1 &&
                q.lists[1].filters.is_dm == -1);
    assert_true(mx_texts_have(&q.lists[0].filters.room_types, (struct gg_str){0}) &&
                mx_texts_have(&q.lists[0].filters.room_types, GG_STR("t")));
    assert_false(mx_texts_have(&q.lists[0].filters.room_types, GG_STR("")));
    assert_ptr_equal(q.lists[0].config, q.lists[1].config); /* equal ones are one */
    assert_ptr_equal(q.lists[0].config, q.subscriptions[0].config);
    assert_true(q.to_device && q.to_device_since == 7 && q.typing.enabled && mx_texts_have(&q.typing.rooms, MX_ANY));
    assert_true(q.typing.lists.n == 1 && !q.receipts.enabled && q.receipts.rooms.v == NULL &&
                mx_texts_have(&q.receipts.lists, MX_ANY));
    gg_arena_free(arena);
}

static void test_positions(void **state)
{
    static const char *const bad[] = {"", "1", "/s1", "-1/s1", "x/s1", "1.0/s1", "99999999999999999999/s1"};
    struct gg_error err = GG_ERROR_INIT;
    const char *token;
    int64_t position;
    assert_int_equal(mx_sliding_pos_read("12/s5_1", &position, &token, &err), 0);
    assert_true(position == 12 && strcmp(token, "s5_1") == 0);
    for (size_t i = 0; i < GG_COUNT(bad); i++) {
        assert_true(mx_sliding_pos_read(bad[i], &position, &token, &err) != 0);
        assert_int_equal(err.http_status, 400);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_wildcards_cover),
                                       cmocka_unit_test(test_union_and_covers),
                                       cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_turns),
                                       cmocka_unit_test(test_memory_of_keys_is_bounded),
                                       cmocka_unit_test(test_request),
                                       cmocka_unit_test(test_positions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
