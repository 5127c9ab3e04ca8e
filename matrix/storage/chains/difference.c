/* matrix/storage/chains/difference.c: stretches of chains that one map's auth chain has and another's has not.
 *
 * Only the chains of conflicted events can differ. What an unconflicted event leads to is in every map's chain: those are
 * asked in batches, the few that are no members first, until no stretch is left or all have been asked. */
#include "difference.h"

enum { BATCH = 2000 };

struct differing {
    struct gg_arena *arena;
    struct gg_map *seen;
    struct mx_auth_wanted *keys;
    size_t n, cap;
};

struct search {
    struct mx_chain_walk *walk;
    const struct mx_state *const *maps;
    size_t n_maps;
    struct differing keys;
    struct mx_chain_set *sets; /* of the conflicted events of each map */
    struct mx_chain_set all, common;
    struct mx_auth_difference *out;
};

/* ---- what the maps do not agree on ---- */

static bool note_key(void *arg, const struct mx_state_entry *a, const struct mx_state_entry *b)
{
    struct differing *d = arg;
    const struct mx_state_entry *e = a ? a : b;
    struct gg_buf key = GG_BUF_INIT;
    gg_buf_printf(&key, "%.*s%c%.*s", GG_FMT(e->type), '\0', GG_FMT(e->state_key));
    bool known = gg_map_has(d->seen, gg_buf_view(&key));
    if (!known)
        gg_map_put(d->seen, gg_buf_view(&key), NULL);
    gg_buf_done(&key);
    if (known)
        return true;
    if (d->n == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 32;
        struct mx_auth_wanted *more = GG_NEW_ARRAY(d->arena, struct mx_auth_wanted, d->cap);
        if (d->n)
            memcpy(more, d->keys, d->n * sizeof(*more));
        d->keys = more;
    }
    d->keys[d->n++] = (struct mx_auth_wanted){gg_arena_str(d->arena, e->type), gg_arena_str(d->arena, e->state_key)};
    return true;
}

static bool is_conflicted(const struct search *s, const struct mx_state_entry *e)
{
    struct gg_buf key = GG_BUF_INIT;
    gg_buf_printf(&key, "%.*s%c%.*s", GG_FMT(e->type), '\0', GG_FMT(e->state_key));
    bool found = gg_map_has(s->keys.seen, gg_buf_view(&key));
    gg_buf_done(&key);
    return found;
}

static size_t ids_of(struct search *s, size_t map, struct gg_str *out)
{
    size_t n = 0;
    for (size_t i = 0; i < s->keys.n; i++) {
        struct gg_str id = mx_state_get(s->maps[map], s->keys.keys[i].type, s->keys.keys[i].state_key);
        if (id.s)
            out[n++] = id;
    }
    return n;
}

static void collect_conflicted(struct search *s)
{
    struct gg_map *seen = gg_map_new(NULL);
    struct gg_str *ids = GG_NEW_ARRAY(s->walk->arena, struct gg_str, s->keys.n + 1);
    s->out->conflicted = GG_NEW_ARRAY(s->walk->arena, struct gg_str, s->keys.n * s->n_maps + 1);
    for (size_t m = 0; m < s->n_maps; m++) {
        size_t n = ids_of(s, m, ids);
        for (size_t i = 0; i < n; i++) {
            if (gg_map_has(seen, ids[i]))
                continue;
            gg_map_put(seen, ids[i], NULL);
            s->out->conflicted[s->out->n_conflicted++] = gg_arena_str(s->walk->arena, ids[i]);
        }
    }
    gg_map_free(seen);
}

static void make_sets(struct search *s)
{
    struct gg_str *ids = GG_NEW_ARRAY(s->walk->arena, struct gg_str, s->keys.n + 1);
    s->sets = GG_NEW_ARRAY(s->walk->arena, struct mx_chain_set, s->n_maps);
    for (size_t m = 0; m < s->n_maps; m++) {
        mx_chain_set_init(&s->sets[m], s->walk->arena);
        mx_chain_set_add(s->walk, &s->sets[m], ids, ids_of(s, m, ids));
    }
    mx_chain_set_add(s->walk, &s->all, s->out->conflicted, s->out->n_conflicted);
}

/* ---- stretches ---- */

static int64_t chain_of(struct gg_str key)
{
    int64_t chain;
    memcpy(&chain, key.s, sizeof chain);
    return chain;
}

static void find_stretches(struct search *s)
{
    struct mx_auth_difference *out = s->out;
    size_t n = gg_map_count(s->all.placed.chains);
    struct gg_str key;
    void *value;
    out->stretches = GG_NEW_ARRAY(s->walk->arena, struct mx_chain_stretch, n + 1);
    out->below = GG_NEW_ARRAY(s->walk->arena, struct mx_chain_stretch, n + 1);
    for (size_t i = 0; gg_map_next(s->all.placed.chains, &i, &key, &value);) {
        struct mx_chain_stretch stretch = {chain_of(key), INT64_MAX, *(const int64_t *)value};
        for (size_t m = 0; m < s->n_maps; m++) {
            int64_t at = mx_reached_at(&s->sets[m].placed, stretch.chain);
            stretch.from = at < stretch.from ? at : stretch.from;
        }
        out->below[out->n_below++] = (struct mx_chain_stretch){stretch.chain, 0, stretch.to};
        if (stretch.from < stretch.to)
            out->stretches[out->n_stretches++] = stretch;
    }
}

static void find_loose(struct search *s)
{
    struct gg_str id;
    s->out->loose = GG_NEW_ARRAY(s->walk->arena, struct gg_str, gg_map_count(s->all.loose) + 1);
    for (size_t i = 0; gg_map_next(s->all.loose, &i, &id, NULL);) {
        size_t in = 0;
        for (size_t m = 0; m < s->n_maps; m++)
            in += gg_map_has(s->sets[m].loose, id);
        if (in < s->n_maps)
            s->out->loose[s->out->n_loose++] = gg_arena_str(s->walk->arena, id);
    }
}

/* Shortens stretches by what common events lead to. */
static void rule_out(struct search *s)
{
    struct mx_auth_difference *out = s->out;
    size_t n = 0;
    for (size_t i = 0; i < out->n_stretches; i++) {
        struct mx_chain_stretch stretch = out->stretches[i];
        int64_t at = mx_reached_at(&s->common.placed, stretch.chain);
        stretch.from = at > stretch.from ? at : stretch.from;
        if (stretch.from < stretch.to)
            out->stretches[n++] = stretch;
    }
    out->n_stretches = n;
    n = 0;
    for (size_t i = 0; i < out->n_loose; i++)
        if (!gg_map_has(s->common.loose, out->loose[i]))
            out->loose[n++] = out->loose[i];
    out->n_loose = n;
}

/* Events of the stretches that are not conflicted themselves: those are in the full conflicted set anyway. */
static int64_t open_events(const struct search *s)
{
    const struct mx_auth_difference *out = s->out;
    int64_t n = (int64_t)out->n_loose;
    for (size_t i = 0; i < out->n_stretches; i++)
        n += out->stretches[i].to - out->stretches[i].from;
    for (size_t i = 0; i < out->n_conflicted && n; i++) {
        struct mx_chain_place place = mx_chain_walk_place(s->walk, out->conflicted[i]);
        for (size_t k = 0; place.chain && k < out->n_stretches; k++)
            n -= out->stretches[k].chain == place.chain && place.sequence > out->stretches[k].from &&
                 place.sequence <= out->stretches[k].to;
        for (size_t k = 0; !place.chain && k < out->n_loose; k++)
            n -= gg_str_eq(out->loose[k], out->conflicted[i]);
    }
    return n;
}

/* ---- what the maps agree on ---- */

static int ask_batch(struct search *s, const struct gg_str *ids, size_t n, struct gg_error *err)
{
    int rc = mx_chain_walk_learn(s->walk, ids, n, err);
    if (rc)
        return rc;
    mx_chain_set_add(s->walk, &s->common, ids, n);
    rule_out(s);
    return 0;
}

static int ask_common(struct search *s, bool members, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(s->walk->arena, struct gg_str, BATCH);
    struct mx_state_entry e;
    size_t n = 0;
    int rc = 0;
    for (size_t i = 0; !rc && open_events(s) && mx_state_next(s->maps[0], &i, &e);) {
        if (gg_str_is(e.type, "m.room.member") != members || is_conflicted(s, &e))
            continue;
        ids[n++] = e.event_id;
        if (n == BATCH) {
            rc = ask_batch(s, ids, n, err);
            n = 0;
        }
    }
    return rc || !n ? rc : ask_batch(s, ids, n, err);
}

static int find(struct search *s, struct gg_error *err)
{
    for (size_t m = 1; m < s->n_maps; m++)
        mx_state_diff(s->maps[0], s->maps[m], note_key, &s->keys);
    collect_conflicted(s);
    int rc = mx_chain_walk_learn(s->walk, s->out->conflicted, s->out->n_conflicted, err);
    if (rc)
        return rc;
    make_sets(s);
    find_stretches(s);
    find_loose(s);
    if (open_events(s))
        rc = ask_common(s, false, err);
    if (!rc && open_events(s))
        rc = ask_common(s, true, err);
    return rc;
}

int mx_auth_difference_find(struct mx_chain_walk *walk, const struct mx_state *const *maps, size_t n,
                            struct mx_auth_difference *out, struct gg_error *err)
{
    struct search s = {.walk = walk, .maps = maps, .n_maps = n, .out = out};
    *out = (struct mx_auth_difference){0};
    s.keys.arena = walk->arena;
    s.keys.seen = gg_map_new(NULL);
    mx_chain_set_init(&s.all, walk->arena);
    mx_chain_set_init(&s.common, walk->arena);
    int rc = find(&s, err);
    for (size_t m = 0; s.sets && m < n; m++)
        mx_chain_set_done(&s.sets[m]);
    mx_chain_set_done(&s.all);
    mx_chain_set_done(&s.common);
    gg_map_free(s.keys.seen);
    return rc;
}
