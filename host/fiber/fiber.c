/* fiber.c: the life of a fiber: spawn, cancel, join, and what it keeps for itself. */
#include "fiber/sched.h"

#include <ganglion/memory.h>

#include <errno.h>

_Thread_local struct gg_fiber *gg_current __attribute__((tls_model("initial-exec")));

void gg_copy_name(char out[GG_FIBER_NAME], const char *name)
{
    size_t n = strnlen(name, GG_FIBER_NAME - 1);
    memcpy(out, name, n);
    out[n] = '\0';
}

void gg_make_ready(struct gg_fiber *fiber)
{
    gg_list_push(&gg_sched.ready, &fiber->ready_link);
}

void gg_switch_out(void)
{
    struct gg_fiber *self = gg_current;
    int saved = errno;
    gg_context_switch(&self->context, &gg_sched.main);
    errno = saved;
}

static void wake_joiners(struct gg_fiber *fiber)
{
    for (struct gg_wait *w; (w = gg_wait_first(&fiber->joiners)) != NULL;)
        gg_wait_wake(w, GG_OK);
}

static void run_fiber(void *arg)
{
    struct gg_fiber *self = arg;
    self->fn(self->arg);
    if (self->shields || self->no_yields)
        gg_panic(__FILE__, __LINE__, "fiber \"%s\" ended inside a shield or no-yield section", self->name);
    self->ended = true;
    gg_context_leave(&self->context, &gg_sched.main);
}

void gg_fiber_reap(struct gg_fiber *fiber)
{
    gg_stack_put(fiber->stack);
    fiber->stack = NULL;
    gg_sched.live--;
    gg_scope_leave(fiber);
    wake_joiners(fiber);
    if (!fiber->joinable)
        free(fiber);
}

static struct gg_fiber *spawn(struct gg_scope *scope, const char *name, gg_fiber_fn *fn, void *arg, bool joinable)
{
    if (!scope)
        scope = gg_root_scope();
    if (!gg_sched.running || scope->cancelled)
        return NULL;
    struct gg_stack *stack = gg_stack_get();
    if (!stack)
        return NULL;
    struct gg_fiber *fiber = gg_xcalloc(1, sizeof(*fiber));
    fiber->stack = stack;
    fiber->fn = fn;
    fiber->arg = arg;
    fiber->deadline = GG_FOREVER;
    fiber->joinable = joinable;
    fiber->id = ++gg_sched.next_id;
    gg_list_init(&fiber->joiners);
    gg_copy_name(fiber->name, name);
    gg_context_make(&fiber->context, stack->bottom, stack->size, run_fiber, fiber);
    gg_scope_enter(scope, fiber);
    gg_sched.live++;
    gg_sched.spawned++;
    gg_make_ready(fiber);
    return fiber;
}

struct gg_fiber *gg_spawn(struct gg_scope *scope, const char *name, gg_fiber_fn *fn, void *arg)
{
    return spawn(scope, name, fn, arg, false);
}

struct gg_fiber *gg_spawn_joinable(struct gg_scope *scope, const char *name, gg_fiber_fn *fn, void *arg)
{
    return spawn(scope, name, fn, arg, true);
}

int gg_join(struct gg_fiber *fiber, int64_t deadline)
{
    GG_ASSERT(fiber->joinable && fiber != gg_current);
    GG_ASSERT(gg_list_empty(&fiber->joiners)); /* somebody joins it already */
    if (!fiber->ended) {
        struct gg_wait wait;
        gg_wait_init(&wait);
        gg_list_push(&fiber->joiners, &wait.link);
        int r = gg_wait_block(&wait, deadline);
        if (r != GG_OK)
            return r;
    }
    free(fiber);
    return GG_OK;
}

void gg_cancel(struct gg_fiber *fiber)
{
    fiber->cancelled = true;
    if (fiber->wait && !fiber->shields)
        gg_wait_wake(fiber->wait, GG_E_CANCELLED);
}

/* Nobody will join it after all. */
static void detach(struct gg_fiber *fiber)
{
    if (fiber->ended)
        free(fiber);
    else
        fiber->joinable = false;
}

int gg_run_shielded(struct gg_scope *scope, const char *name, gg_fiber_fn *fn, void *arg)
{
    struct gg_fiber *fiber = gg_spawn_joinable(scope, name, fn, arg);
    if (!fiber)
        return GG_E_UNAVAILABLE;
    int r = gg_join(fiber, GG_FOREVER);
    if (r != GG_OK)
        detach(fiber);
    return r;
}

struct gg_fiber *gg_self(void)
{
    return gg_current;
}

const char *gg_fiber_name(const struct gg_fiber *fiber)
{
    return fiber->name;
}

uint64_t gg_fiber_id(const struct gg_fiber *fiber)
{
    return fiber->id;
}

bool gg_cancelled(void)
{
    return gg_current && gg_current->cancelled && !gg_current->shields;
}

int64_t gg_set_deadline(int64_t deadline)
{
    if (!gg_current)
        return GG_FOREVER;
    int64_t old = gg_current->deadline;
    gg_current->deadline = deadline;
    return old;
}

int64_t gg_get_deadline(void)
{
    return gg_current ? gg_current->deadline : GG_FOREVER;
}

void gg_set_tag(const char *tag)
{
    if (gg_current)
        gg_current->tag = tag;
}

const char *gg_get_tag(void)
{
    return gg_current ? gg_current->tag : NULL;
}

void gg_shield_begin(void)
{
    if (gg_current)
        gg_current->shields++;
}

void gg_shield_end(void)
{
    if (!gg_current)
        return;
    GG_ASSERT(gg_current->shields > 0);
    gg_current->shields--;
}

void gg_no_yield_begin(void)
{
    if (gg_current)
        gg_current->no_yields++;
}

void gg_no_yield_end(void)
{
    if (!gg_current)
        return;
    GG_ASSERT(gg_current->no_yields > 0);
    gg_current->no_yields--;
}
