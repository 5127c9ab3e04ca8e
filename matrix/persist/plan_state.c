/* matrix/persist/plan_state.c: how the current state of a room changes with a plan (facts database 5.2).
 *
 * The current state is the resolved state of all forward extremities. In order of cost: nothing changes; the new events
 * tell the difference; the state of one group; resolution of several. */
#include "storage/store.h"
#include "writer.h"

/* The different groups of the new extremities; groups that are not in memory are read. */
static int groups_of(struct mx_plan *plan, int64_t *groups, size_t *n_out, struct gg_error *err)
{
    *n_out = 0;
    for (size_t i = 0; i < plan->n_ends; i++) {
        int status = 0;
        if (!plan->ends[i].group)
            status =
                mx_store_state_group_of(plan->persister->server, plan->ends[i].event_id, &plan->ends[i].group, err);
        if (status)
            return status;
        if (!plan->ends[i].group)
            return gg_fail(err, GG_E_INVALID, "event %.*s has no state group", GG_FMT(plan->ends[i].event_id));
        bool known = false;
        for (size_t k = 0; k < *n_out && !known; k++)
            known = groups[k] == plan->ends[i].group;
        if (!known)
            groups[(*n_out)++] = plan->ends[i].group;
    }
    return 0;
}

/* Did the extremities stand on just these groups before? */
static bool same_as_before(const struct mx_plan *plan, const int64_t *groups, size_t n)
{
    const struct mx_held_head *old = plan->head;
    if (!old->head.n_extremities)
        return false;
    for (size_t i = 0; i < old->head.n_extremities; i++) {
        bool found = false;
        for (size_t k = 0; k < n && !found; k++)
            found = groups[k] == old->ends[i].group;
        if (!found)
            return false;
    }
    for (size_t k = 0; k < n; k++) {
        bool found = false;
        for (size_t i = 0; i < old->head.n_extremities && !found; i++)
            found = groups[k] == old->ends[i].group;
        if (!found)
            return false;
    }
    return true;
}

static void add_delta(struct mx_plan *plan, struct gg_str type, struct gg_str key, struct gg_str event_id)
{
    struct gg_str prev = mx_state_get(plan->head->head.state, type, key);
    if (prev.s && event_id.s && gg_str_eq(prev, event_id))
        return;
    plan->deltas[plan->n_deltas++] = (struct mx_delta){type, key, event_id, prev, NULL};
}

/* The entries in which state differs from the current state. */
static void diff_with(struct mx_plan *plan, const struct mx_state *state)
{
    const struct mx_state *old = plan->head->head.state;
    struct mx_state_entry e;
    plan->deltas = GG_NEW_ARRAY(plan->arena, struct mx_delta, mx_state_count(state) + mx_state_count(old) + 1);
    for (size_t i = 0; mx_state_next(old, &i, &e);)
        if (!mx_state_get(state, e.type, e.state_key).s)
            add_delta(plan, e.type, e.state_key, gg_strn(NULL, 0));
    for (size_t i = 0; mx_state_next(state, &i, &e);)
        add_delta(plan, e.type, e.state_key, e.event_id);
}

static void unref_state(void *state)
{
    mx_state_unref(state);
}

/* The current state stands on `from`; the plan's events, one after the other, lead from there to `to`. */
static bool follow_events(struct mx_plan *plan, int64_t from, int64_t to)
{
    struct mx_state *state = mx_state_copy(plan->head->head.state);
    gg_arena_defer(plan->arena, unref_state, state);
    int64_t at = from;
    for (size_t i = 0; i < plan->n && at != to; i++) {
        const struct mx_planned *p = &plan->events[i];
        if (!mx_plan_counts(p) || p->item->group_before != at || p->item->group == at)
            continue;
        struct mx_state_entry e;
        if (p->item->delta)
            for (size_t k = 0; mx_state_next(p->item->delta, &k, &e);)
                mx_state_set(state, e.type, e.state_key, e.event_id);
        else if (mx_event_is_state(p->event))
            mx_state_set(state, p->event->type, p->event->state_key, p->event->event_id);
        else
            return false;
        at = p->item->group;
    }
    if (at != to)
        return false;
    /* The same as the group's own map, if that is at hand: what compares the two later sees at once that they are one. */
    const struct mx_state *held = mx_groups_held(mx_store_of(plan->persister->server), to, plan->arena);
    plan->new_state = held && mx_state_count(held) == mx_state_count(state) ? held : state;
    return true;
}

/* The differences that follow_events has made: the keys of the plan's own events. */
static void diff_of_events(struct mx_plan *plan)
{
    size_t total = 0;
    for (size_t i = 0; i < plan->n; i++)
        total += plan->events[i].item->delta ? mx_state_count(plan->events[i].item->delta) : 1;
    plan->deltas = GG_NEW_ARRAY(plan->arena, struct mx_delta, total + 1);
    struct gg_map *seen = gg_map_new(NULL);
    for (size_t i = 0; i < plan->n; i++) {
        const struct mx_planned *p = &plan->events[i];
        struct mx_state_entry e = {p->event->type, p->event->state_key, p->event->event_id};
        size_t k = 0;
        bool more =
            mx_plan_counts(p) && (p->item->delta ? mx_state_next(p->item->delta, &k, &e) : e.state_key.s != NULL);
        while (more) {
            struct gg_str now = mx_state_get(plan->new_state, e.type, e.state_key);
            char *key = gg_arena_printf(plan->arena, "%.*s%c%.*s", GG_FMT(e.type), MX_KEY_SEP, GG_FMT(e.state_key));
            if (now.s && !gg_map_has(seen, gg_str(key))) {
                gg_map_put(seen, gg_str(key), NULL);
                add_delta(plan, e.type, e.state_key, now);
            }
            more = p->item->delta && mx_state_next(p->item->delta, &k, &e);
        }
    }
    gg_map_free(seen);
}

static int state_of_groups(struct mx_plan *plan, const int64_t *groups, size_t n, struct gg_error *err)
{
    struct mx_server *server = plan->persister->server;
    const struct mx_state **maps = GG_NEW_ARRAY(plan->arena, const struct mx_state *, n);
    int status = 0;
    for (size_t i = 0; i < n && !status; i++)
        status = mx_store_group_state(server, groups[i], plan->arena, &maps[i], err);
    if (!status && n == 1)
        plan->new_state = maps[0];
    if (status || n == 1)
        return status;
    for (size_t i = 0; i < plan->n; i++) /* resolution may need events that are not written yet */
        mx_store_keep(server, plan->events[i].event);
    return mx_store_resolve(server, plan->room_id, plan->head->head.version, maps, n, plan->arena, &plan->new_state,
                            err);
}

int mx_plan_state(struct mx_plan *plan, struct gg_error *err)
{
    if (!plan->new_ends && !plan->wants_state_id)
        return 0;
    int64_t *groups = GG_NEW_ARRAY(plan->arena, int64_t, plan->n_ends + 1);
    size_t n;
    int status = groups_of(plan, groups, &n, err);
    if (status || !n || (!plan->wants_state_id && same_as_before(plan, groups, n)))
        return status;
    int64_t from = plan->head->head.group;
    if (n == 1 && from && !plan->wants_state_id && follow_events(plan, from, groups[0])) {
        diff_of_events(plan);
    } else {
        if ((status = state_of_groups(plan, groups, n, err)))
            return status;
        diff_with(plan, plan->new_state);
    }
    if (!plan->n_deltas) {
        plan->new_state = NULL;
        return 0;
    }
    return mx_plan_summaries(plan, err);
}
