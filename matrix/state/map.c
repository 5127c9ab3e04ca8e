/* map.c: making and changing state maps. */
#include "map.h"
#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <stdlib.h>

/* Bytes of all nodes and entries of this process: what a cache of maps, which share most of theirs, must look at. */
static size_t total_bytes;

static void *allocate(size_t n)
{
    void *p = gg_xmalloc(n);
    __atomic_add_fetch(&total_bytes, n, __ATOMIC_RELAXED);
    return p;
}

static void release(void *p, size_t n)
{
    free(p);
    __atomic_sub_fetch(&total_bytes, n, __ATOMIC_RELAXED);
}

size_t mx_state_total_bytes(void)
{
    return __atomic_load_n(&total_bytes, __ATOMIC_RELAXED);
}

static void ref(int *refs)
{
    __atomic_add_fetch(refs, 1, __ATOMIC_RELAXED);
}

static bool unref(int *refs)
{
    return __atomic_sub_fetch(refs, 1, __ATOMIC_ACQ_REL) == 0;
}

static bool is_shared(const int *refs)
{
    return __atomic_load_n(refs, __ATOMIC_ACQUIRE) != 1;
}

static size_t entry_size(const struct entry *e)
{
    return sizeof(*e) + e->type_n + e->key_n + e->id_n + 3;
}

static struct entry *entry_new(const struct state_key *k, struct gg_str id)
{
    struct entry *e = allocate(sizeof(*e) + k->type.n + k->key.n + id.n + 3);
    char *p = e->text;
    const struct gg_str parts[] = {k->type, k->key, id};
    e->refs = 1;
    e->type_n = (uint32_t)k->type.n;
    e->key_n = (uint32_t)k->key.n;
    e->id_n = (uint32_t)id.n;
    for (size_t i = 0; i < GG_COUNT(parts); i++) {
        memcpy(p, parts[i].n ? parts[i].s : "", parts[i].n);
        p[parts[i].n] = '\0';
        p += parts[i].n + 1;
    }
    return e;
}

static void entry_unref(struct entry *e)
{
    if (unref(&e->refs))
        release(e, entry_size(e));
}

static size_t node_size(unsigned height)
{
    return height ? sizeof(struct inner) : sizeof(struct node);
}

static struct node *node_new(unsigned height)
{
    struct node *node = allocate(node_size(height));
    node->refs = 1;
    node->n = 0;
    node->height = (uint16_t)height;
    node->bytes = node_size(height);
    return node;
}

/* As deep as the tree is high: at 32 children a node that is less than ten. */
static void node_unref(struct node *node)
{
    if (!unref(&node->refs))
        return;
    for (size_t i = 0; i < node->n; i++) {
        if (node->height)
            node_unref(inner_of(node)->children[i]);
        else
            entry_unref(node->entries[i]);
    }
    release(node, node_size(node->height));
}

/* The node as one that only we refer to. */
static struct node *own(struct node **slot)
{
    struct node *old = *slot, *copy;
    if (!is_shared(&old->refs))
        return old;
    copy = allocate(node_size(old->height));
    memcpy(copy, old, node_size(old->height));
    copy->refs = 1;
    for (size_t i = 0; i < copy->n; i++)
        ref(copy->height ? &inner_of(copy)->children[i]->refs : &copy->entries[i]->refs);
    *slot = copy;
    node_unref(old);
    return copy;
}

/* Recomputes what a node knows of what is below it. */
static void refresh(struct node *node)
{
    size_t count = 0;
    node->bytes = node_size(node->height);
    for (size_t i = 0; i < node->n; i++) {
        struct node *child;
        if (!node->height) {
            node->bytes += entry_size(node->entries[i]);
            continue;
        }
        child = inner_of(node)->children[i];
        count += node_count(child);
        inner_of(node)->upto[i] = count;
        node->bytes += child->bytes;
        node->entries[i] = child->entries[0];
    }
}

/* Moves the upper half into a new node to the right. */
static struct node *split(struct node *node)
{
    struct node *right = node_new(node->height);
    size_t half = node->n / 2;
    right->n = (uint16_t)(node->n - half);
    memcpy(right->entries, node->entries + half, right->n * sizeof(right->entries[0]));
    if (node->height)
        memcpy(inner_of(right)->children, inner_of(node)->children + half, right->n * sizeof(struct node *));
    node->n = (uint16_t)half;
    refresh(right);
    return right;
}

/* Puts a pointer at place i of a node that has room. */
static void insert_at(struct node *node, size_t i, struct entry *entry, struct node *child)
{
    memmove(node->entries + i + 1, node->entries + i, (node->n - i) * sizeof(node->entries[0]));
    node->entries[i] = entry;
    if (node->height) {
        struct node **children = inner_of(node)->children;
        memmove(children + i + 1, children + i, (node->n - i) * sizeof(children[0]));
        children[i] = child;
    }
    node->n++;
}

/* Inserts; a node that overflows is split, and its right half returned for the parent to take in. */
static struct node *insert_split(struct node *node, size_t i, struct entry *entry, struct node *child)
{
    struct node *right = NULL, *target = node;
    if (node->n == FANOUT) {
        right = split(node);
        if (i > node->n) {
            i -= node->n;
            target = right;
        }
    }
    insert_at(target, i, entry, child);
    refresh(node);
    if (right)
        refresh(right);
    return right;
}

/* The path from the root to the leaf where k belongs; at[i]: which child was taken. All of it our own afterwards. */
static size_t own_path(struct node **slot, const struct state_key *k, struct node **path, size_t *at)
{
    size_t depth = 0;
    for (;; slot = &inner_of(path[depth - 1])->children[at[depth - 1]]) {
        GG_ASSERT(depth < HEIGHT_MAX);
        path[depth] = own(slot);
        if (!path[depth]->height)
            return depth;
        at[depth] = node_search(path[depth], k, true);
        at[depth] -= at[depth] > 0;
        depth++;
    }
}

static void grow_root(struct mx_state *state, struct node *right)
{
    struct node *root = node_new(state->root->height + 1u);
    insert_at(root, 0, state->root->entries[0], state->root);
    insert_at(root, 1, right->entries[0], right);
    refresh(root);
    state->root = root;
}

void mx_state_set(struct mx_state *state, struct gg_str type, struct gg_str state_key, struct gg_str event_id)
{
    struct state_key k = {type, state_key};
    struct node *path[HEIGHT_MAX], *right = NULL;
    size_t at[HEIGHT_MAX], depth, i;
    GG_ASSERT(!is_shared(&state->refs));
    if (gg_str_eq(mx_state_get(state, type, state_key), event_id) && event_id.n)
        return;
    if (!state->root)
        state->root = node_new(0);
    depth = own_path(&state->root, &k, path, at);
    i = node_search(path[depth], &k, false);
    if (i < path[depth]->n && entry_cmp(path[depth]->entries[i], &k) == 0) {
        struct entry *old = path[depth]->entries[i];
        path[depth]->entries[i] = entry_new(&k, event_id);
        entry_unref(old);
        refresh(path[depth]);
    } else {
        right = insert_split(path[depth], i, entry_new(&k, event_id), NULL);
    }
    while (depth-- > 0) {
        if (right)
            right = insert_split(path[depth], at[depth] + 1, right->entries[0], right);
        else
            refresh(path[depth]);
    }
    if (right)
        grow_root(state, right);
}

static void remove_at(struct node *node, size_t i)
{
    node->n--;
    memmove(node->entries + i, node->entries + i + 1, (node->n - i) * sizeof(node->entries[0]));
    if (node->height) {
        struct node **children = inner_of(node)->children;
        memmove(children + i, children + i + 1, (node->n - i) * sizeof(children[0]));
    }
}

/* Entries go one by one and rarely: empty nodes are dropped, sparse ones are left as they are. */
bool mx_state_delete(struct mx_state *state, struct gg_str type, struct gg_str state_key)
{
    struct state_key k = {type, state_key};
    struct node *path[HEIGHT_MAX];
    size_t at[HEIGHT_MAX], depth;
    GG_ASSERT(!is_shared(&state->refs));
    if (!mx_state_get(state, type, state_key).s)
        return false;
    depth = own_path(&state->root, &k, path, at);
    at[depth] = node_search(path[depth], &k, false);
    entry_unref(path[depth]->entries[at[depth]]);
    remove_at(path[depth], at[depth]);
    while (depth > 0 && path[depth]->n == 0) {
        node_unref(path[depth--]);
        remove_at(path[depth], at[depth]);
    }
    for (size_t i = depth + 1; i-- > 0;)
        refresh(path[i]);
    while (state->root->height && state->root->n == 1) {
        struct node *only = inner_of(state->root)->children[0];
        ref(&only->refs);
        node_unref(state->root);
        state->root = only;
    }
    if (state->root->n == 0) {
        node_unref(state->root);
        state->root = NULL;
    }
    return true;
}

static struct mx_state *state_with(struct node *root)
{
    struct mx_state *state = allocate(sizeof(*state));
    state->refs = 1;
    state->root = root;
    return state;
}

struct mx_state *mx_state_new(void)
{
    return state_with(NULL);
}

struct mx_state *mx_state_ref(const struct mx_state *state)
{
    struct mx_state *s = (struct mx_state *)state;
    ref(&s->refs);
    return s;
}

void mx_state_unref(const struct mx_state *state)
{
    struct mx_state *s = (struct mx_state *)state;
    if (!s || !unref(&s->refs))
        return;
    if (s->root)
        node_unref(s->root);
    release(s, sizeof(*s));
}

struct mx_state *mx_state_copy(const struct mx_state *state)
{
    if (state->root)
        ref(&state->root->refs);
    return state_with(state->root);
}
