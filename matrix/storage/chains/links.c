/* matrix/storage/chains/links.c: a graph of chains, searched without recursion. */
#include "links.h"

struct link_list {
    struct mx_chain_link *links;
    size_t n, cap;
};

static struct gg_str key_of(const int64_t *chain)
{
    return gg_strn((const char *)chain, sizeof(*chain));
}

void mx_links_init(struct mx_links *links, struct gg_arena *arena)
{
    memset(links, 0, sizeof(*links));
    links->arena = arena;
    links->by_origin = gg_map_new(NULL);
}

void mx_links_done(struct mx_links *links)
{
    gg_map_free(links->by_origin);
}

static void push(struct gg_arena *arena, struct mx_chain_link **list, size_t *n, size_t *cap, struct mx_chain_link link)
{
    if (*n == *cap) {
        *cap = *cap ? *cap * 2 : 4;
        struct mx_chain_link *more = GG_NEW_ARRAY(arena, struct mx_chain_link, *cap);
        if (*n)
            memcpy(more, *list, *n * sizeof(*more));
        *list = more;
    }
    (*list)[(*n)++] = link;
}

void mx_links_add(struct mx_links *links, struct mx_chain_place from, struct mx_chain_place to)
{
    struct link_list *list = gg_map_get(links->by_origin, key_of(&from.chain));
    if (!list) {
        list = GG_NEW(links->arena, struct link_list);
        gg_map_put(links->by_origin, key_of(&from.chain), list);
    }
    push(links->arena, &list->links, &list->n, &list->cap, (struct mx_chain_link){from, to});
}

void mx_links_add_new(struct mx_links *links, struct mx_chain_place from, struct mx_chain_place to)
{
    mx_links_add(links, from, to);
    push(links->arena, &links->fresh, &links->n_fresh, &links->cap_fresh, (struct mx_chain_link){from, to});
}

struct mx_chain_link *mx_links_new(const struct mx_links *links, size_t *n_out)
{
    *n_out = links->n_fresh;
    return links->fresh;
}

void mx_reached_init(struct mx_reached *reached, struct gg_arena *arena)
{
    memset(reached, 0, sizeof(*reached));
    reached->chains = gg_map_new(NULL);
    reached->arena = arena;
}

void mx_reached_done(struct mx_reached *reached)
{
    gg_map_free(reached->chains);
}

int64_t mx_reached_at(const struct mx_reached *reached, int64_t chain)
{
    const int64_t *best = gg_map_get(reached->chains, key_of(&chain));
    return best ? *best : 0;
}

static void reach(struct mx_reached *r, struct mx_chain_place place)
{
    int64_t *best = gg_map_get(r->chains, key_of(&place.chain));
    if (best && *best >= place.sequence)
        return;
    if (!best) {
        best = GG_NEW(r->arena, int64_t);
        gg_map_put(r->chains, key_of(&place.chain), best);
    }
    *best = place.sequence;
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 16;
        struct mx_chain_place *more = GG_NEW_ARRAY(r->arena, struct mx_chain_place, r->cap);
        if (r->n)
            memcpy(more, r->todo, r->n * sizeof(*more));
        r->todo = more;
    }
    r->todo[r->n++] = place;
}

/* One step: whatever the last place that was reached leads to. */
static void step(const struct mx_links *links, struct mx_reached *r)
{
    struct mx_chain_place at = r->todo[--r->n];
    const struct link_list *list = gg_map_get(links->by_origin, key_of(&at.chain));
    for (size_t i = 0; list && i < list->n; i++)
        if (list->links[i].from.sequence <= at.sequence)
            reach(r, list->links[i].to);
}

void mx_links_reach(const struct mx_links *links, struct mx_reached *reached, struct mx_chain_place from)
{
    reach(reached, from);
    while (reached->n)
        step(links, reached);
}

bool mx_links_path(const struct mx_links *links, struct mx_chain_place from, struct mx_chain_place to)
{
    if (from.chain == to.chain)
        return to.sequence <= from.sequence;
    struct mx_reached r;
    bool found = false;
    mx_reached_init(&r, links->arena);
    reach(&r, from);
    while (r.n && !found) {
        step(links, &r);
        found = mx_reached_at(&r, to.chain) >= to.sequence;
    }
    mx_reached_done(&r);
    return found;
}
