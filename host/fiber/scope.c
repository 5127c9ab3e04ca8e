/* scope.c: no fiber outlives who started it. */
#include "fiber/sched.h"

#include <ganglion/memory.h>

static struct gg_logger logger = {"ganglion.fiber"};

static void init_scope(struct gg_scope *scope, const char *name)
{
    gg_list_init(&scope->sibling_link);
    gg_list_init(&scope->children);
    gg_list_init(&scope->fibers);
    gg_cond_init(&scope->emptied);
    gg_copy_name(scope->name, name);
}

struct gg_scope *gg_root_scope(void)
{
    static struct gg_scope root; /* the host's scope: there is one loop in a process */
    if (!root.fibers.next)
        init_scope(&root, "host");
    return &root;
}

struct gg_scope *gg_scope_new(struct gg_scope *parent, const char *name)
{
    struct gg_scope *scope = gg_xcalloc(1, sizeof(*scope));
    init_scope(scope, name);
    scope->parent = parent ? parent : gg_root_scope();
    scope->cancelled = scope->parent->cancelled;
    gg_list_push(&scope->parent->children, &scope->sibling_link);
    return scope;
}

void gg_scope_enter(struct gg_scope *scope, struct gg_fiber *fiber)
{
    fiber->scope = scope;
    gg_list_push(&scope->fibers, &fiber->scope_link);
    for (; scope; scope = scope->parent)
        scope->live++;
}

void gg_scope_leave(struct gg_fiber *fiber)
{
    struct gg_scope *scope = fiber->scope;
    fiber->scope = NULL;
    gg_list_remove(&fiber->scope_link);
    for (; scope; scope = scope->parent)
        if (--scope->live == 0)
            gg_cond_broadcast(&scope->emptied);
}

/* The next scope of the tree under top, parents first; NULL after the last. */
static struct gg_scope *next_scope(struct gg_scope *scope, const struct gg_scope *top)
{
    if (!gg_list_empty(&scope->children))
        return GG_CONTAINER(scope->children.next, struct gg_scope, sibling_link);
    for (; scope != top; scope = scope->parent)
        if (scope->sibling_link.next != &scope->parent->children)
            return GG_CONTAINER(scope->sibling_link.next, struct gg_scope, sibling_link);
    return NULL;
}

void gg_scope_cancel(struct gg_scope *scope)
{
    struct gg_scope *top = scope ? scope : gg_root_scope();
    for (struct gg_scope *s = top; s; s = next_scope(s, top)) {
        s->cancelled = true;
        GG_LIST_EACH (it, &s->fibers)
            gg_cancel(GG_CONTAINER(it, struct gg_fiber, scope_link));
    }
}

static bool inside(const struct gg_fiber *fiber, const struct gg_scope *scope)
{
    for (const struct gg_scope *s = fiber ? fiber->scope : NULL; s; s = s->parent)
        if (s == scope)
            return true;
    return false;
}

int gg_scope_join(struct gg_scope *scope, int64_t deadline)
{
    if (!scope)
        scope = gg_root_scope();
    GG_ASSERT(!inside(gg_current, scope)); /* it would wait for itself */
    while (scope->live > 0) {
        int r = gg_cond_wait(&scope->emptied, deadline);
        if (r != GG_OK)
            return r;
    }
    return GG_OK;
}

/* Who holds a scope below would be left with a dangling pointer; it goes to the host's scope instead. */
static void adopt_children(struct gg_scope *scope)
{
    struct gg_scope *root = gg_root_scope();
    for (struct gg_list *l; (l = gg_list_pop(&scope->children)) != NULL;) {
        struct gg_scope *child = GG_CONTAINER(l, struct gg_scope, sibling_link);
        gg_warn(&logger, "scope \"%s\" ends before its child \"%s\" was ended", scope->name, child->name);
        child->parent = root;
        gg_list_push(&root->children, l);
    }
}

void gg_scope_end(struct gg_scope *scope)
{
    GG_ASSERT(scope && scope != gg_root_scope());
    gg_scope_cancel(scope);
    gg_shield_begin();
    gg_scope_join(scope, GG_FOREVER);
    gg_shield_end();
    adopt_children(scope);
    gg_list_remove(&scope->sibling_link);
    free(scope);
}

size_t gg_scope_count(const struct gg_scope *scope)
{
    return (scope ? scope : gg_root_scope())->live;
}
