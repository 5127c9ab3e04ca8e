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

/* How far each chain was reached. */
struct search {
    struct gg_map *reached; /* chain -> int64_t * */
    struct mx_chain_place *todo;
    size_t n, cap;
    struct gg_arena *arena;
};

static void reach(struct search *s, struct mx_chain_place place)
{
    int64_t *best = gg_map_get(s->reached, key_of(&place.chain));
    if (best && *best >= place.sequence)
        return;
    if (!best) {
        best = GG_NEW(s->arena, int64_t);
        gg_map_put(s->reached, key_of(&place.chain), best);
    }
    *best = place.sequence;
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        struct mx_chain_place *more = GG_NEW_ARRAY(s->arena, struct mx_chain_place, s->cap);
        if (s->n)
            memcpy(more, s->todo, s->n * sizeof(*more));
        s->todo = more;
    }
    s->todo[s->n++] = place;
}

bool mx_links_path(const struct mx_links *links, struct mx_chain_place from, struct mx_chain_place to)
{
    if (from.chain == to.chain)
        return to.sequence <= from.sequence;
    struct search s = {gg_map_new(NULL), NULL, 0, 0, links->arena};
    bool found = false;
    reach(&s, from);
    while (s.n && !found) {
        struct mx_chain_place at = s.todo[--s.n];
        struct link_list *list = gg_map_get(links->by_origin, key_of(&at.chain));
        for (size_t i = 0; list && i < list->n && !found; i++) {
            const struct mx_chain_link *l = &list->links[i];
            if (l->from.sequence > at.sequence)
                continue;
            found = l->to.chain == to.chain && to.sequence <= l->to.sequence;
            reach(&s, l->to);
        }
    }
    gg_map_free(s.reached);
    return found;
}
