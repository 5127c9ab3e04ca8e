/* resolve_v2.c: state resolution of room versions 2 to 11, and 2.1 of version 12, which starts from an empty state and
 * takes the conflicted state subgraph in. */
#include "resolve.h"
#include "sort.h"

struct v2 {
    struct resolution *r;
    struct graph g;
    struct list conflicted; /* nodes */
    struct list full;       /* the full conflicted set */
};

static void make_full(struct v2 *s, uint32_t node)
{
    struct gnode *n = &s->g.nodes[node];
    if (n->full || !n->event)
        return;
    n->full = true;
    list_push(&s->full, s->g.arena, node);
}

static void add_conflicted(struct v2 *s)
{
    for (size_t i = 0; i < s->r->n_conflicts; i++)
        for (size_t k = 0; k < s->r->conflicts[i].n_ids; k++) {
            uint32_t node = graph_node(&s->g, s->r->conflicts[i].ids[k]);
            if (s->g.nodes[node].conflicted || !s->g.nodes[node].event)
                continue;
            s->g.nodes[node].conflicted = true;
            list_push(&s->conflicted, s->g.arena, node);
            make_full(s, node);
        }
}

/* ---- auth difference ---- */

static bool count_set(struct graph *g, uint32_t node, void *arg)
{
    g->nodes[node].sets++;
    return true;
}

struct search {
    size_t open; /* candidates that no unconflicted event has reached yet */
};

/* What an unconflicted event reaches is in every state set's auth chain. */
static bool rule_out(struct graph *g, uint32_t node, void *arg)
{
    struct search *search = arg;
    if (g->nodes[node].sets) {
        g->nodes[node].sets = 0;
        search->open--;
    }
    return search->open > 0;
}

static void rule_out_common(struct v2 *s, size_t open)
{
    struct search search = {open};
    struct mx_state_entry e;
    struct list from = {0};
    if (!open)
        return;
    for (size_t i = 0; mx_state_next(s->r->unconflicted, &i, &e);)
        list_push(&from, s->g.arena, graph_node(&s->g, e.event_id));
    graph_walk(&s->g, &from, NULL, rule_out, &search);
}

static void add_known_difference(struct v2 *s)
{
    for (size_t i = 0; i < s->r->io->n_difference; i++)
        make_full(s, graph_node(&s->g, s->r->io->difference[i]));
}

/* Events in some state sets' auth chains and not in all. As Synapse counts: a set's chain holds its own events, too.
 * Only the chains of conflicted events differ between the sets; of the unconflicted ones it is asked what they reach.
 */
static void add_auth_difference(struct v2 *s)
{
    size_t open = 0;
    for (size_t m = 0; m < s->r->n_maps; m++) {
        struct list from = {0};
        for (size_t i = 0; i < s->r->n_conflicts; i++) {
            struct gg_str id = mx_state_get(s->r->maps[m], s->r->conflicts[i].type, s->r->conflicts[i].state_key);
            if (id.s)
                list_push(&from, s->g.arena, graph_node(&s->g, id));
        }
        graph_walk(&s->g, &from, NULL, count_set, NULL);
    }
    for (uint32_t i = 0; i < s->g.n; i++) {
        if (s->g.nodes[i].sets == s->r->n_maps || s->g.nodes[i].full)
            s->g.nodes[i].sets = 0;
        open += s->g.nodes[i].sets > 0;
    }
    rule_out_common(s, open);
    for (uint32_t i = 0; i < s->g.n; i++)
        if (s->g.nodes[i].sets)
            make_full(s, i);
}

/* ---- conflicted state subgraph (2.1): what lies on a path between two conflicted events ---- */

static bool collect(struct graph *g, uint32_t node, void *arg)
{
    list_push(arg, g->arena, node);
    return true;
}

struct reverse {
    uint32_t *start, *to; /* citing nodes of node i: to[start[i]] .. to[start[i + 1] - 1] */
};

static struct reverse reverse_edges(struct graph *g, const struct list *nodes)
{
    struct reverse r = {GG_NEW_ARRAY(g->arena, uint32_t, g->n + 2u), NULL};
    for (size_t i = 0; i < nodes->n; i++)
        for (uint32_t k = 0; k < g->nodes[nodes->items[i]].n_auth; k++)
            r.start[g->nodes[nodes->items[i]].auth[k] + 2]++;
    for (uint32_t i = 2; i < g->n + 2; i++)
        r.start[i] += r.start[i - 1];
    r.to = GG_NEW_ARRAY(g->arena, uint32_t, r.start[g->n + 1] + 1u);
    for (size_t i = 0; i < nodes->n; i++)
        for (uint32_t k = 0; k < g->nodes[nodes->items[i]].n_auth; k++)
            r.to[r.start[g->nodes[nodes->items[i]].auth[k] + 1]++] = nodes->items[i];
    return r;
}

static void add_subgraph(struct v2 *s)
{
    struct list below = {0}, stack = {0};
    struct reverse up;
    graph_walk(&s->g, &s->conflicted, NULL, collect, &below);
    up = reverse_edges(&s->g, &below);
    s->g.walk++;
    for (size_t i = 0; i < s->conflicted.n; i++)
        list_push(&stack, s->g.arena, s->conflicted.items[i]);
    while (stack.n) {
        uint32_t node = stack.items[--stack.n];
        if (s->g.nodes[node].walk == s->g.walk)
            continue;
        s->g.nodes[node].walk = s->g.walk;
        make_full(s, node);
        for (uint32_t i = up.start[node]; i < up.start[node + 1]; i++)
            list_push(&stack, s->g.arena, up.to[i]);
    }
}

/* ---- the algorithm ---- */

/* A power event may take away somebody's ability to do something. Synapse counts m.room.create among them. */
static bool is_power_event(const struct mx_event *e)
{
    if (mx_event_is(e, "m.room.power_levels", "") || mx_event_is(e, "m.room.join_rules", "") ||
        mx_event_is(e, "m.room.create", ""))
        return true;
    return gg_str_is(e->type, "m.room.member") && e->state_key.s && !gg_str_eq(e->sender, e->state_key) &&
           (gg_str_is(e->membership, "leave") || gg_str_is(e->membership, "ban"));
}

static bool in_full(struct graph *g, uint32_t node, void *arg)
{
    return g->nodes[node].full;
}

/* Power events, and of their auth chains what the full conflicted set holds. */
static struct list power_events(struct v2 *s)
{
    struct list from = {0}, out = {0};
    for (size_t i = 0; i < s->full.n; i++)
        if (is_power_event(s->g.nodes[s->full.items[i]].event))
            list_push(&from, s->g.arena, s->full.items[i]);
    graph_walk(&s->g, &from, in_full, collect, &out);
    for (size_t i = 0; i < out.n; i++)
        s->g.nodes[out.items[i]].sorted = true;
    return out;
}

static struct list others(struct v2 *s)
{
    struct list out = {0};
    for (size_t i = 0; i < s->full.n; i++)
        if (!s->g.nodes[s->full.items[i]].sorted)
            list_push(&out, s->g.arena, s->full.items[i]);
    return out;
}

static void iterate(struct v2 *s, const struct list *events)
{
    for (size_t i = 0; i < events->n; i++) {
        const struct mx_event *e = s->g.nodes[events->items[i]].event;
        if (e->state_key.s && resolve_allows(s->r, e, true))
            mx_state_set(s->r->resolved, e->type, e->state_key, e->event_id);
    }
}

void resolve_v2(struct resolution *r)
{
    struct v2 s = {.r = r};
    struct list events;
    struct gg_str levels;
    graph_init(&s.g, r->io, r->arena);
    add_conflicted(&s);
    if (r->io->difference)
        add_known_difference(&s);
    else
        add_auth_difference(&s);
    if (r->version->state_res == MX_STATE_RES_V2_1)
        add_subgraph(&s);
    events = power_events(&s);
    sort_by_power(&s.g, &events);
    iterate(&s, &events);
    events = others(&s);
    levels = mx_state_get(r->resolved, GG_STR("m.room.power_levels"), GG_STR(""));
    sort_by_mainline(&s.g, &events, levels.s ? graph_node(&s.g, levels) : UINT32_MAX);
    iterate(&s, &events);
    graph_done(&s.g);
}
