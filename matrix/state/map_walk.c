/* map_walk.c: reading state maps: look-ups, iteration, differences. */
#include "map.h"

struct gg_str mx_state_get(const struct mx_state *state, struct gg_str type, struct gg_str state_key)
{
    struct state_key k = {type, state_key};
    const struct node *node = state->root;
    size_t i;
    if (!node)
        return gg_strn(NULL, 0);
    while (node->height) {
        i = node_search(node, &k, true);
        node = inner_of(node)->children[i ? i - 1 : 0];
    }
    i = node_search(node, &k, false);
    if (i < node->n && entry_cmp(node->entries[i], &k) == 0)
        return entry_id(node->entries[i]);
    return gg_strn(NULL, 0);
}

size_t mx_state_count(const struct mx_state *state)
{
    return state->root ? node_count(state->root) : 0;
}

size_t mx_state_bytes(const struct mx_state *state)
{
    return sizeof(*state) + (state->root ? state->root->bytes : 0);
}

/* The i-th entry; i is less than the count. */
static const struct entry *entry_at(const struct node *node, size_t i)
{
    while (node->height) {
        const struct inner *inner = inner_of(node);
        size_t low = 0, high = node->n - 1u;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (inner->upto[middle] <= i)
                low = middle + 1;
            else
                high = middle;
        }
        i -= low ? inner->upto[low - 1] : 0;
        node = inner->children[low];
    }
    return node->entries[i];
}

/* How many entries are less than k. */
static size_t rank_of(const struct node *node, const struct state_key *k)
{
    size_t rank = 0, i;
    while (node->height) {
        i = node_search(node, k, false);
        i -= i > 0;
        rank += i ? inner_of(node)->upto[i - 1] : 0;
        node = inner_of(node)->children[i];
    }
    return rank + node_search(node, k, false);
}

size_t mx_state_after(const struct mx_state *state, struct gg_str type)
{
    size_t rank = 0;
    for (const struct node *node = state->root; node;) {
        size_t low = 0, high = node->n;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (gg_str_cmp(entry_type(node->entries[middle]), type) <= 0)
                low = middle + 1;
            else
                high = middle;
        }
        if (!node->height)
            return rank + low;
        low -= low > 0;
        rank += low ? inner_of(node)->upto[low - 1] : 0;
        node = inner_of(node)->children[low];
    }
    return rank;
}

static void give(const struct entry *e, struct mx_state_entry *out)
{
    *out = (struct mx_state_entry){entry_type(e), entry_key(e), entry_id(e)};
}

bool mx_state_next(const struct mx_state *state, size_t *cursor, struct mx_state_entry *out)
{
    if (*cursor >= mx_state_count(state))
        return false;
    give(entry_at(state->root, (*cursor)++), out);
    return true;
}

bool mx_state_next_of(const struct mx_state *state, struct gg_str type, size_t *cursor, struct mx_state_entry *out)
{
    struct state_key first = {type, {"", 0}};
    if (!state->root)
        return false;
    if (*cursor == 0)
        *cursor = rank_of(state->root, &first);
    if (!mx_state_next(state, cursor, out))
        return false;
    return gg_str_eq(out->type, type);
}

/* ---- two maps side by side ---- */

struct walk {
    const struct node *path[HEIGHT_MAX];
    size_t at[HEIGHT_MAX];
    size_t depth; /* of the leaf; SIZE_MAX: at the end */
};

static void descend(struct walk *w, const struct node *node, size_t depth)
{
    for (;; depth++, node = inner_of(node)->children[0]) {
        w->path[depth] = node;
        w->at[depth] = 0;
        w->depth = depth;
        if (!node->height)
            return;
    }
}

static void walk_begin(struct walk *w, const struct mx_state *state)
{
    w->depth = SIZE_MAX;
    if (state->root)
        descend(w, state->root, 0);
}

/* Past everything below path[depth]->[at[depth]]. */
static void advance(struct walk *w, size_t depth)
{
    while (++w->at[depth] == w->path[depth]->n) {
        if (depth == 0) {
            w->depth = SIZE_MAX;
            return;
        }
        depth--;
    }
    w->depth = depth;
    if (w->path[depth]->height)
        descend(w, inner_of(w->path[depth])->children[w->at[depth]], depth + 1);
}

static const struct entry *walk_entry(const struct walk *w)
{
    return w->depth == SIZE_MAX ? NULL : w->path[w->depth]->entries[w->at[w->depth]];
}

/* Past a whole node. */
static void skip_node(struct walk *w, size_t depth)
{
    if (depth == 0)
        w->depth = SIZE_MAX;
    else
        advance(w, depth - 1);
}

/* The highest node that begins where the walk stands. */
static size_t highest_begun(const struct walk *w)
{
    size_t depth = w->depth;
    while (depth > 0 && w->at[depth] == 0)
        depth--;
    return depth + (w->at[depth] != 0);
}

/* If both stand at the start of one and the same node, skips it in both: this is what makes the difference of two maps
 * as cheap as what differs. */
static bool skip_shared(struct walk *a, struct walk *b)
{
    for (size_t i = highest_begun(a); i <= a->depth; i++)
        for (size_t k = highest_begun(b); k <= b->depth; k++)
            if (a->path[i] == b->path[k]) {
                skip_node(a, i);
                skip_node(b, k);
                return true;
            }
    return false;
}

bool mx_state_diff(const struct mx_state *a, const struct mx_state *b, mx_state_diff_fn *fn, void *arg)
{
    struct walk x, y;
    const struct entry *p, *q;
    walk_begin(&x, a);
    walk_begin(&y, b);
    for (;;) {
        struct mx_state_entry left = {{0}}, right = {{0}};
        int order;
        p = walk_entry(&x);
        q = walk_entry(&y);
        if (!p && !q)
            return true;
        order = !p ? 1 : !q ? -1 : 0;
        if (p && q && skip_shared(&x, &y))
            continue;
        if (p && q && p != q)
            order = entry_cmp(p, &(struct state_key){entry_type(q), entry_key(q)});
        if (order <= 0) {
            give(p, &left);
            advance(&x, x.depth);
        }
        if (order >= 0) {
            give(q, &right);
            advance(&y, y.depth);
        }
        if ((order || !gg_str_eq(left.event_id, right.event_id)) &&
            !fn(arg, order <= 0 ? &left : NULL, order >= 0 ? &right : NULL))
            return false;
    }
}

static bool stop(void *arg, const struct mx_state_entry *a, const struct mx_state_entry *b)
{
    return false;
}

bool mx_state_equal(const struct mx_state *a, const struct mx_state *b)
{
    return a == b || a->root == b->root || (mx_state_count(a) == mx_state_count(b) && mx_state_diff(a, b, stop, NULL));
}
