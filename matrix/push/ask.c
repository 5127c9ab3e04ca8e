/* matrix/push/ask.c: one event held against the rules of many users. */
#include "push/ask.h"

#include <ganglion/map.h>

/* Before others run: so many users, or so many bytes that patterns were held against. */
enum { USERS_AT_ONCE = 128, WORK_AT_ONCE = 2 << 20 };

void mx_push_ask(struct mx_push_question *q, const struct mx_push_member *member, struct gg_arena *arena)
{
    if (!member->held || gg_str_eq(member->user.user_id, q->sender))
        return; /* without rules: has just joined, after the head that we look at */
    struct mx_push_user user = member->user;
    if (q->subscribers)
        user.subscribed = gg_map_has(q->subscribers, user.user_id);
    q->facts.view.budget = MX_PUSH_BUDGET;
    const struct mx_push_actions *actions = mx_push_rules_run(member->held->rules, q->base, &q->facts, &user, &q->memo);
    bool notify = actions && actions->notify;
    if (!notify && !q->unread)
        return;
    struct mx_push_action *to = &q->actions[q->n++];
    *to = (struct mx_push_action){.user_id = gg_arena_str(arena, member->user.user_id), .actions = GG_STR("[]"),
                                  .unread = q->unread, .thread_id = q->thread_id};
    if (!notify)
        return;
    to->actions = actions->stored.n ? gg_arena_str(arena, actions->stored) : gg_strn("", 0);
    to->notify = true;
    to->highlight = actions->highlight;
}

int mx_push_ask_all(struct mx_push_question *q, const struct mx_push_members *members, const struct gg_map *ignorers,
                    struct gg_arena *arena, struct gg_error *err)
{
    size_t n, asked = 0;
    uint64_t work = 0;
    struct mx_push_member **list = mx_push_members_list(members, ignorers, arena, &n);
    q->actions = GG_NEW_ARRAY(arena, struct mx_push_action, n + 1);
    for (size_t i = 0; i < n; i++) {
        mx_push_ask(q, list[i], arena);
        work += MX_PUSH_BUDGET - q->facts.view.budget;
        if (++asked < USERS_AT_ONCE && work < WORK_AT_ONCE)
            continue;
        asked = work = 0;
        int rc = gg_yield();
        if (rc)
            return gg_fail(err, rc, "whom an event notifies");
    }
    return 0;
}
