/* One event and thousands of users: others run meanwhile, and members may leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../in_fiber.h"
#include "push/ask.h"

#include <ganglion/map.h>
#include <ganglion/memory.h>
#include <stdio.h>
#include <stdlib.h>

enum { MEMBERS = 5000, AT_MOST_AT_ONCE = 128, RULES = 20 };

struct world {
    struct gg_arena *arena;
    struct mx_push_base *base;
    struct mx_push_held held;
    struct mx_push_members members;
    struct mx_push_question q;
    size_t most, turns, seen; /* actions that came in one slice; slices that others had; actions at the last of them */
    bool over, empty_it;
};

static void free_member(void *member)
{
    struct mx_push_member *m = member;
    if (--m->refs == 0)
        free(m);
}

static struct gg_str user(struct gg_arena *arena, size_t i)
{
    return gg_str(gg_arena_printf(arena, "@u%zu:h", i));
}

/* Keywords that nobody writes, before the rules of everybody. */
static const struct mx_push_rules *own_rules(struct world *w)
{
    struct mx_push_rule_row *rows = GG_NEW_ARRAY(w->arena, struct mx_push_rule_row, RULES);
    for (size_t i = 0; i < RULES; i++)
        rows[i] = (struct mx_push_rule_row){
            gg_str(gg_arena_printf(w->arena, "global/content/w%zu", i)),
            gg_str(gg_arena_printf(w->arena, "[{\"kind\":\"event_match\",\"key\":\"content.body\",\"pattern\":\"w*%zu\"}]", i)),
            GG_STR("[\"notify\"]"), 4};
    return mx_push_rules_make(w->base, 0, &(struct mx_push_rows){.rules = rows, .n_rules = RULES}, false, w->arena);
}

static void set_up(struct world *w)
{
    *w = (struct world){.arena = gg_arena_new()};
    w->base = mx_push_base_new(w->arena);
    w->held = (struct mx_push_held){.refs = MEMBERS + 1, .rules = own_rules(w)};
    w->members.map = gg_map_new(free_member);
    for (size_t i = 0; i < MEMBERS; i++) {
        struct mx_push_member *m = gg_xcalloc(1, sizeof(*m));
        *m = (struct mx_push_member){.refs = 1, .user = mx_push_user_of(user(w->arena, i), gg_strn(NULL, 0), w->arena), .held = &w->held};
        gg_map_put(w->members.map, m->user.user_id, m);
    }
    w->q = (struct mx_push_question){.base = w->base, .sender = GG_STR("@u0:h"), .thread_id = GG_STR("main"),
                                     .memo = mx_push_memo_new(w->base, w->arena)};
    mx_push_view_begin(&w->q.facts.view, GG_STR("{\"type\":\"m.room.message\",\"content\":{\"body\":\"what we wrote\"}}"), w->arena);
    w->q.facts.n_members = MEMBERS;
}

static void done(struct world *w)
{
    gg_map_free(w->members.map);
    gg_arena_free(w->arena); /* gives the list's members back */
}

static void look_on(void *arg)
{
    struct world *w = arg;
    for (; !w->over; w->turns++) {
        if (w->q.n - w->seen > w->most)
            w->most = w->q.n - w->seen;
        w->seen = w->q.n;
        if (w->empty_it && w->turns == 3)
            gg_map_clear(w->members.map);
        if (gg_yield())
            return;
    }
}

static void ask(struct world *w, const struct gg_map *ignorers)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_fiber *other = gg_spawn_joinable(NULL, "another", look_on, w);
    assert_non_null(other);
    assert_int_equal(mx_push_ask_all(&w->q, &w->members, ignorers, w->arena, &err), 0);
    w->over = true;
    assert_int_equal(gg_join(other, GG_FOREVER), 0);
}

FIBER_TEST(others_run_meanwhile)
{
    struct world w;
    set_up(&w);
    ask(&w, NULL);
    assert_int_equal(w.q.n, MEMBERS - 1); /* all but the sender */
    assert_true(w.turns >= MEMBERS / AT_MOST_AT_ONCE);
    assert_in_range(w.most, 1, AT_MOST_AT_ONCE);
    done(&w);
}

FIBER_TEST(members_leave_meanwhile)
{
    struct world w;
    set_up(&w);
    w.empty_it = true;
    ask(&w, NULL);
    assert_int_equal(gg_map_count(w.members.map), 0);
    assert_int_equal(w.q.n, MEMBERS - 1);
    done(&w);
}

FIBER_TEST(who_ignores_the_sender_is_not_asked)
{
    struct world w;
    set_up(&w);
    struct gg_map *ignorers = gg_map_new(NULL);
    for (size_t i = 0; i < MEMBERS; i += 2)
        gg_map_put(ignorers, user(w.arena, i), NULL);
    ask(&w, ignorers);
    assert_int_equal(w.q.n, MEMBERS / 2);
    for (size_t i = 0; i < w.q.n; i++)
        assert_false(gg_map_has(ignorers, w.q.actions[i].user_id));
    gg_map_free(ignorers);
    done(&w);
}

/* Few users can be as slow as many: what their patterns look at counts, too. */
FIBER_TEST(slow_patterns_count)
{
    struct world w;
    set_up(&w);
    struct gg_buf event = GG_BUF_INIT;
    gg_buf_lit(&event, "{\"type\":\"m.room.message\",\"content\":{\"body\":\"");
    for (size_t i = 0; i < 60000; i++)
        gg_buf_lit(&event, "w");
    gg_buf_lit(&event, "\"}}");
    mx_push_view_begin(&w.q.facts.view, gg_buf_view(&event), w.arena);
    for (size_t i = 200; i < MEMBERS; i++)
        gg_map_delete(w.members.map, user(w.arena, i));
    ask(&w, NULL);
    assert_int_equal(w.q.n, 199);
    assert_in_range(w.most, 1, 16);
    done(&w);
    gg_buf_done(&event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_run_meanwhile),
        cmocka_unit_test(members_leave_meanwhile),
        cmocka_unit_test(who_ignores_the_sender_is_not_asked),
        cmocka_unit_test(slow_patterns_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
