/* map.h: the nodes of a state map.
 *
 * A B-tree of at most FANOUT children or entries a node. Nodes and entries are
 * reference-counted and immutable while somebody else refers to them, so that a
 * copy is one reference and a change after it copies one path. */
#ifndef MX_STATE_MAP_H
#define MX_STATE_MAP_H

#include <ganglion/matrix/state.h>

enum { FANOUT = 32, HEIGHT_MAX = 16 };

struct entry {
    int refs;
    uint32_t type_n, key_n, id_n;
    char text[]; /* type NUL state_key NUL event_id NUL */
};

struct node {
    int refs;
    uint16_t n, height;            /* height 0: a leaf */
    size_t bytes;                  /* of everything below, itself included */
    struct entry *entries[FANOUT]; /* of a leaf; of an inner node: the first entry below each child (not counted) */
};

struct inner {
    struct node node;
    struct node *children[FANOUT];
    size_t upto[FANOUT]; /* entries in children[0..i] */
};

struct mx_state {
    int refs;
    struct node *root; /* NULL: empty */
};

struct state_key {
    struct gg_str type, key;
};

static inline struct inner *inner_of(const struct node *node)
{
    return (struct inner *)(void *)node;
}

static inline size_t node_count(const struct node *node)
{
    return node->height ? inner_of(node)->upto[node->n - 1] : node->n;
}

static inline struct gg_str entry_type(const struct entry *e)
{
    return gg_strn(e->text, e->type_n);
}

static inline struct gg_str entry_key(const struct entry *e)
{
    return gg_strn(e->text + e->type_n + 1, e->key_n);
}

static inline struct gg_str entry_id(const struct entry *e)
{
    return gg_strn(e->text + e->type_n + e->key_n + 2, e->id_n);
}

static inline int entry_cmp(const struct entry *e, const struct state_key *k)
{
    int order = gg_str_cmp(entry_type(e), k->type);
    return order ? order : gg_str_cmp(entry_key(e), k->key);
}

/* How many of the node's entries are less than k (or equal to it, with or_equal). */
static inline size_t node_search(const struct node *node, const struct state_key *k, bool or_equal)
{
    size_t low = 0, high = node->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (entry_cmp(node->entries[middle], k) < (or_equal ? 1 : 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

#endif
